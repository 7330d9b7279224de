"""Changes held against what is configured: what they name, and whether it is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches

import pyarrow as pa
import pyarrow.compute as pc

from lake.errors import UsageError
from transform.policy.change import OWN_ID, Change, change_of
from transform.policy.changed import (
    Document,
    applied,
    documents_of,
    is_same,
    kind_of,
    rules_of,
)
from transform.policy.rules import GROUP, PREFIX_LIST, UNREAD

_MOST_NAMED = 5


def resolved(
    configurations: pa.Table, changes: Sequence[Change]
) -> tuple[list[Change], list[str]]:
    """Return changes with what they name written out, and what to know of them.

    Args:
        configurations: Rows of the table of that name.
        changes: As they were read.

    Raises:
        UsageError: A group, ACL or rule is not there, or a number is taken; the
            message says what is there.
    """
    found = [_resolved(configurations, change) for change in changes]
    notes: list[str] = []
    before = [change for change in found if not change.adds]
    for change in found:
        if change.adds:
            notes += _checked_addition(configurations, change, before)
            before.append(change)
    return found, notes


def _resolved(configurations: pa.Table, change: Change) -> Change:
    if change.resource.startswith(OWN_ID):
        return _by_id(configurations, change)
    documents = documents_of(configurations, kind_of(change.resource), change.resource)
    if not documents:
        raise UsageError(_unlisted(configurations, change.resource))
    if change.adds:
        return change
    for document in documents:  # the newest first
        for rule in rules_of(document, change):
            if is_same(rule, change.rule):
                return replace(change, rule=rule)
    raise UsageError(_absent(documents[0], change))


def _by_id(configurations: pa.Table, change: Change) -> Change:
    documents = documents_of(configurations, "security_group_rule", change.resource)
    if not documents:
        raise UsageError(
            f"no inventory has listed {change.resource}: `flowlake inventory aws` "
            'lists rules; or write it out, such as "sg-0a inbound tcp/22 from ::/0"'
        )
    document = documents[0]
    group = (document.get("ReferencedGroupInfo") or {}).get("GroupId")
    names = ("CidrIpv4", "CidrIpv6", "PrefixListId")
    found = change_of(
        str(document.get("GroupId")),
        inbound=document.get("IsEgress") is not True,
        adds=False,
        protocol=document.get("IpProtocol"),
        from_port=document.get("FromPort"),
        to_port=document.get("ToPort"),
        peer=next(filter(None, map(document.get, names)), group),
    )
    return _resolved(configurations, found)


def _checked_addition(
    configurations: pa.Table, change: Change, before: Sequence[Change]
) -> Iterator[str]:
    """Yield what to know of a rule that is added after other changes."""
    rule = change.rule
    kinds = {GROUP: "security_group", PREFIX_LIST: "prefix_list"}
    if rule.kind in kinds and not documents_of(
        configurations, kinds[rule.kind], rule.peer
    ):
        raise UsageError(_unlisted(configurations, rule.peer))
    document = documents_of(configurations, kind_of(change.resource), change.resource)[
        0
    ]
    document = applied(document, [c for c in before if c.resource == change.resource])
    for known in rules_of(document, change):
        if rule.number is not None and known.number == rule.number:
            way = "inbound" if change.inbound else "outbound"
            raise UsageError(
                f"{change.resource} has an {way} rule {rule.number} already, "
                f"{known.text(inbound=change.inbound)}: choose another number, or "
                f'remove it too with --remove "{change.resource} {way} {rule.number}"'
            )
        if rule.number is None and is_same(known, rule):
            yield f"{change.text()}: the rule is there already"


def _unlisted(configurations: pa.Table, name: str) -> str:
    known = pc.unique(configurations["resource_id"]).to_pylist()
    prefix = name.partition("-")[0] + "-"
    near = get_close_matches(name, [k for k in known if k and k.startswith(prefix)])
    meant = f" (near it: {', '.join(near)})" if near else ""
    return (
        f"no inventory has listed {name}{meant}: is it spelled right? Else list its "
        "account and Region with `flowlake inventory aws`"
    )


def _absent(document: Document, change: Change) -> str:
    """Return that a rule is not there, and which come near it."""
    way = "inbound" if change.inbound else "outbound"
    rules = [*rules_of(document, change)]
    if change.rule.number is not None:
        texts = [f"{rule.number}" for rule in rules]
        what = f"rule {change.rule.number}"
        if change.rule.kind != UNREAD:
            what += f" as written ({change.rule.text(inbound=change.inbound)})"
    else:
        wanted = change.rule
        rules.sort(key=lambda r: (r.protocol, r.low, r.high) != (
            wanted.protocol, wanted.low, wanted.high))  # fmt: skip
        texts = [rule.text(inbound=change.inbound) for rule in rules]
        what = f"rule {wanted.text(inbound=change.inbound)}"
    shown = ", ".join(dict.fromkeys(texts[:_MOST_NAMED])) or "none at all"
    more = len(texts) - _MOST_NAMED
    shown += f" and {more} more" if more > 0 else ""
    return f"{change.resource} has no {way} {what} to remove; it has {shown}"
