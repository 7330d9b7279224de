"""What of the configuration changed next before packets began to be rejected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from transform.policy.asked import ALLOWED, DENIED, NOT_ASKED
from transform.policy.policy import Policy
from transform.policy.rules import PREFIX_LIST, Rule, acl_entries, group_rules
from transform.policy.versions import Version, Versions
from transform.policy.way import End, Way, asked_about
from transform.presence import EVER
from transform.records import BLUR

INTERFACE, GROUP, ACL, LIST = (
    "network_interface", "security_group", "network_acl", "prefix_list",
)  # fmt: skip
MOST = 20  # changes of a resource that are looked at
WAYS = ((True, "inbound"), (False, "outbound"))


@dataclass(frozen=True, slots=True)
class Changed:
    """A change of what decides about a packet at one of its ends.

    Attributes:
        kind: Of the resource: ``INTERFACE``, ``GROUP``, ``ACL`` or ``LIST``.
        resource: Its id; of a network ACL that of its subnet.
        names: All ids that it is known by.
        after, by: It happened after the one and by the other; seconds since 1970.
        removed, added: The difference, in words.
        explains: Whether the packet would have passed here before, and not since;
            None: it is not known.
    """

    kind: str
    resource: str
    names: tuple[str, ...]
    after: int
    by: int
    removed: tuple[str, ...]
    added: tuple[str, ...]
    explains: bool | None


def changes_before(
    policy: Policy, way: Way, moment: int, *, inbound: bool
) -> list[Changed]:
    """Return the changes that can have been why packets are rejected from then on.

    Args:
        policy: What is configured, its history too.
        way: A packet that was rejected.
        moment: When rejections began, by the clock of flow logs; seconds since 1970.
        inbound: Whether the target's end rejects; else the source's.

    Returns:
        Of each resource the last change that began before and made a difference to
        its rules, and the last that explains the rejection; such first, then the latest
        first.
    """
    own, peer = (way.target, way.source) if inbound else (way.source, way.target)
    found = []
    for kind, name, versions in _concerned(policy, own, peer):
        history = [v for v in versions.history(name) if v.certain[0] < EVER]
        before = [
            pair for pair in pairwise(history) if pair[0].certain[1] <= moment + BLUR
        ]
        is_told = False
        for one, other in reversed(before[-MOST:]):
            explains = _explains(policy, way, one, other, inbound=inbound)
            removed, added = _difference(kind, one, other)
            if not explains and (is_told or not (removed or added)):
                continue
            is_told = True
            found.append(
                Changed(
                    kind=kind,
                    resource=name,
                    names=_names(kind, name, one, other),
                    after=one.certain[1],
                    by=other.certain[0],
                    removed=removed,
                    added=added,
                    explains=explains,
                )
            )
            if explains:
                break
    return sorted(found, key=lambda c: (c.explains is not True, -c.by, c.resource))


def _names(kind: str, name: str, one: Version, other: Version) -> tuple[str, ...]:
    if kind != ACL:
        return (name,)
    acls = dict.fromkeys(v.content["NetworkAclId"] for v in (one, other))
    return (name, *acls)


def _concerned(
    policy: Policy, own: End, peer: End
) -> Iterator[tuple[str, str, Versions]]:
    """Yield what decides at one end, whenever it did."""
    known = policy.known
    groups: dict[str, None] = {}
    for name in filter(None, (own.interface, peer.interface)):
        yield INTERFACE, name, known.interfaces
    for version in known.interfaces.history(own.interface or ""):
        groups |= dict.fromkeys(version.content["groups"])
    lists: dict[str, None] = {}
    for group in groups:
        yield GROUP, group, known.groups
        for version in known.groups.history(group):
            lists |= dict.fromkeys(_lists(version))
    for name in lists:
        yield LIST, name, known.lists
    if own.subnet:
        yield ACL, own.subnet, known.acls


def _lists(version: Version) -> Iterator[str]:
    for inbound, _ in WAYS:
        for rule in group_rules(version.content, inbound=inbound):
            if rule.kind == PREFIX_LIST:
                yield rule.peer


def _difference(
    kind: str, one: Version, other: Version
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what one has that the other lacks, and the other way round."""
    before, after = (_lines(kind, v.content) for v in (one, other))
    return (
        tuple(line for line in before if line not in after),
        tuple(line for line in after if line not in before),
    )


def _lines(kind: str, content: Any) -> Sequence[str]:
    if kind == INTERFACE:
        return [f"carries {name}" for name in content["groups"]] + [
            f"in {content['subnet']}"
        ]
    if kind == LIST:
        return [*content]
    if kind == GROUP:
        return [
            f"{word} {rule.text(inbound=inbound)}"
            for inbound, word in WAYS
            for rule in group_rules(content, inbound=inbound)
        ]
    name = content["NetworkAclId"]
    return [
        f"{name}: {word} {_entry(rule, inbound=inbound)}"
        for inbound, word in WAYS
        for rule in acl_entries(content, inbound=inbound)
    ]


def _entry(rule: Rule, *, inbound: bool) -> str:
    does = "allows" if rule.allows else "denies"
    return f"rule {rule.number} {does} {rule.text(inbound=inbound)}"


def _explains(
    policy: Policy, way: Way, one: Version, other: Version, *, inbound: bool
) -> bool | None:
    before = _passes(policy, way, one.certain[1] - 1, inbound=inbound)
    after = _passes(policy, way, other.certain[0], inbound=inbound)
    if before is False or after is True:
        return False
    return True if before and after is False else None


def _passes(policy: Policy, way: Way, second: int, *, inbound: bool) -> bool | None:
    """Return whether an end lets a packet pass in a second; None: it is not known."""
    asked = asked_about(policy, [way], inbound=inbound)
    at = np.array([second])
    decided = policy.decide(replace(asked, begin=at, end=at + 1))
    told = {int(decided.acl[0]), int(decided.group[0])}
    if DENIED in told:
        return False
    return True if told <= {ALLOWED, NOT_ASKED} else None
