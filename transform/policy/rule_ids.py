"""What rules of security groups are called: ids of ``DescribeSecurityGroupRules``."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transform.policy.rules import Rule, single_rule

# A group has sixty rules and an estate thousands of groups: those of few are read.
_GROUP = r'"GroupId": ?"(?P<group>[^"]+)"'


class RuleIds:
    """The ids of rules, by group.

    Args:
        configurations: Rows of the table of that name.
    """

    def __init__(self, configurations: pa.Table) -> None:
        is_rule = pc.equal(configurations["resource_type"], "security_group_rule")
        texts = pc.unique(configurations["document"].filter(is_rule))
        self._texts = texts
        self._codes, self._code = by_group(texts)

    def of(self, group: str) -> dict[tuple[bool, Rule], str | None]:
        """Return the ids of a group's rules, by whether they are inbound.

        A rule that was made anew has had several: which it had then is not told.
        """
        found: dict[tuple[bool, Rule], str | None] = {}
        places = np.flatnonzero(self._codes == self._code.get(group, -2))
        for text in self._texts.take(pa.array(places)).to_pylist():
            document = json.loads(text)
            if not isinstance(document, dict):
                continue
            name = document.get("SecurityGroupRuleId")
            if document.get("GroupId") == group:
                for key in single_rule(document):
                    found[key] = name if found.get(key, name) == name else None
        return found


def by_group(documents: pa.Array | pa.ChunkedArray) -> tuple[Any, dict[str, int]]:
    """Return of which group each rule is, as a code, and the codes of groups.

    Args:
        documents: As ``DescribeSecurityGroupRules`` gives them, JSON; -1 is the code
            of one that names no group.
    """
    found = pc.extract_regex(documents, pattern=_GROUP)
    groups = pc.struct_field(found, "group")
    if isinstance(groups, pa.ChunkedArray):
        groups = groups.combine_chunks()
    groups = groups.dictionary_encode()
    names = groups.dictionary.to_pylist()
    codes = np.asarray(pc.fill_null(groups.indices, -1))
    return codes, {name: code for code, name in enumerate(names)}
