"""Rules by number: one that is the same in several versions is one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from transform.policy.policy import Policy
from transform.policy.rules import Rule


@dataclass(frozen=True, slots=True)
class Placed:
    """A rule of a security group, or an entry of a network ACL.

    Attributes:
        resource: The id of the group (``sg-…``) or network ACL (``acl-…``).
        inbound: Whether it is about what comes in.
    """

    resource: str
    inbound: bool
    rule: Rule

    @property
    def text(self) -> str:
        """What it says: ``tcp/443 from sg-0b``, ``rule 100 allows tcp/443 from …``."""
        what = self.rule.text(inbound=self.inbound)
        if self.rule.number is None:
            return what
        verb = "allows" if self.rule.allows else "denies"
        return f"rule {self.rule.number} {verb} {what}"

    @property
    def action(self) -> str:
        """What becomes of packets that it is for: ``allow`` or ``deny``."""
        return "allow" if self.rule.allows else "deny"


class Numbers:
    """Gives rules their numbers, in the order in which they are met.

    Args:
        policy: Whose rules they are.

    Attributes:
        rules: By number.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.rules: list[Placed] = []
        self._known: dict[Placed, int] = {}
        self._of: dict[tuple[str, int, bool], Any] = {}

    def __len__(self) -> int:
        return len(self.rules)

    def of_group(self, version: int, *, inbound: bool) -> Any:
        """Return the numbers of the rules of a version of a group."""
        key = "group", version, inbound
        if key not in self._of:
            name = str(self._policy.known.groups.contents[version]["GroupId"])
            rules = self._policy.rules_of(version, inbound=inbound)
            self._of[key] = self._numbered(name, rules, inbound=inbound)
        return self._of[key]

    def of_acl(self, version: int, *, inbound: bool) -> Any:
        """Return the numbers of the entries of a version of a network ACL."""
        key = "acl", version, inbound
        if key not in self._of:
            name = str(self._policy.known.acls.contents[version]["NetworkAclId"])
            entries = self._policy.acl_of(version, inbound).rules
            self._of[key] = self._numbered(name, entries, inbound=inbound)
        return self._of[key]

    def _numbered(self, name: str, rules: Iterable[Rule], *, inbound: bool) -> Any:
        found = []
        for rule in rules:
            placed = Placed(name, inbound, rule)
            number = self._known.setdefault(placed, len(self.rules))
            if number == len(self.rules):
                self.rules.append(placed)
            found.append(number)
        return np.array(found, np.int64)
