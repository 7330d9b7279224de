"""Every rule that was asked about a packet, in order, and what it said of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from transform.policy.asked import Asked, Looked
from transform.policy.match import Compiled, Packets
from transform.policy.policy import Policy
from transform.policy.rules import ANY, GROUP, LAST_NUMBER, PREFIX_LIST, UNREAD, Rule
from transform.policy.texts import named

YES, MAYBE, NO = "yes", "maybe", "no"
END_OF_LIST = "* denies what no rule allows"


@dataclass(frozen=True, slots=True)
class Considered:
    """A rule, and whether a packet is what it is for.

    Attributes:
        resource: The group, with its name, or the network ACL.
        rule: In words.
        number: Of an entry of a network ACL.
        allows: False: it denies.
        matches: ``yes``, ``no`` or ``maybe``: what is known does not tell.
        differs: Of one that does not match, in what: ``protocol``, ``port``, ``peer``.
        why: Of one that may match, what is not known.
    """

    resource: str
    rule: str
    number: int | None
    allows: bool
    matches: str
    differs: tuple[str, ...] = ()
    why: str | None = None


def of_groups(
    policy: Policy, asked: Asked, looked: Looked, row: int
) -> list[Considered]:
    """Return the rules of the groups that were asked about a row, group by group."""
    inbound, lot = bool(asked.inbound[row]), np.array([row])
    packets = policy.packets(asked, looked, np.arange(len(asked)))
    found: list[Considered] = []
    for version in looked.groups[row].tolist():
        if version < 0:
            continue
        parts = policy.compiled(version, inbound, asked, np.arange(len(asked)), lot)
        for _, compiled in parts:
            name = policy.title(version)
            found += _held(name, compiled, packets, row, inbound=inbound)
    return found


def of_acl(policy: Policy, asked: Asked, looked: Looked, row: int) -> list[Considered]:
    """Return the entries of the network ACL that were asked, up to the deciding one."""
    version, inbound = int(looked.acl[row]), bool(asked.inbound[row])
    if version < 0:
        return []
    compiled = policy.acl_of(version, inbound)
    packets = policy.packets(asked, looked, np.arange(len(asked)))
    name = policy.known.acls.contents[version]["NetworkAclId"]
    found: list[Considered] = []
    for one in _held(name, compiled, packets, row, inbound=inbound):
        found.append(one)
        if one.matches == YES:
            return found
    return [*found, Considered(name, END_OF_LIST, None, allows=False, matches=YES)]


def _held(
    name: str, compiled: Compiled, packets: Packets, row: int, *, inbound: bool
) -> Iterator[Considered]:
    """Yield each rule, held against one packet."""
    sure, maybe, near = (m[0] for m in compiled.match(packets, np.array([row])))
    protocol, port = int(packets.protocol[row]), int(packets.port[row])
    # A rule with a prefix list is of several columns: the nearest counts.
    rank = np.full(len(compiled.rules), -1)
    np.maximum.at(rank, compiled.rule, near + 4 * maybe + 8 * sure)
    for rule, told in zip(compiled.rules, rank.tolist(), strict=True):
        matches = YES if told >= 8 else MAYBE if told >= 4 else NO
        nearest = max(told, 0) % 4
        yield Considered(
            resource=name,
            rule=_text(rule, inbound=inbound),
            number=rule.number,
            allows=rule.allows,
            matches=matches,
            differs=_differs(rule, protocol, nearest) if matches == NO else (),
            why=_unsure(rule, protocol, port) if matches == MAYBE else None,
        )


def _text(rule: Rule, *, inbound: bool) -> str:
    if rule.number is None:
        return named(rule, inbound)
    number = f"* ({rule.number})" if rule.number > LAST_NUMBER else rule.number
    does = "allows" if rule.allows else "denies"
    return f"{number} {does} {rule.text(inbound=inbound)}"


def _differs(rule: Rule, protocol: int, near: int) -> tuple[str, ...]:
    found = []
    if near < 2:
        is_other = rule.protocol not in (ANY, protocol)
        found.append("protocol" if is_other else "port")
    if near % 2 == 0:
        found.append("peer")
    return tuple(found)


def _unsure(rule: Rule, protocol: int, port: int) -> str:
    if rule.kind == UNREAD:
        return "the rule cannot be read"
    if protocol < 0:
        return "the protocol was not logged"
    if rule.typed:
        return "flow logs do not tell the type of ICMP"
    if port < 0 and not _is_for_all_ports(rule):
        return "the port was not logged"
    if rule.kind == PREFIX_LIST:
        return f"what {rule.peer} held then is not known"
    if rule.kind == GROUP:
        return f"whether the other end carries {rule.peer} is not known"
    return "what is known does not tell"


def _is_for_all_ports(rule: Rule) -> Any:
    return (rule.low, rule.high) == (0, 65_535)
