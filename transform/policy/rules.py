"""Rules of security groups and entries of network ACLs, read from AWS's documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from transform.addresses import network
from transform.records import ICMP, ICMPV6, TCP, UDP

ANY = -1  # protocol
ANY_TYPE = -1  # of ICMP, in AWS's documents
LAST_PORT = 65_535
# Amazon VPC User Guide, "Ephemeral ports": gateways and balancers use all of these,
# Linux 32768 to 61000, Windows 49152 to 65535.
EPHEMERAL = (1024, LAST_PORT)
PORTED, TYPED = (TCP, UDP), (ICMP, ICMPV6)
NAMES = {ANY: "all traffic", TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPV6: "icmpv6"}
NUMBERS = {name: number for number, name in NAMES.items()} | {"-1": ANY, "all": ANY}
LAST_NUMBER = 32_766  # of an entry that users can make; AWS's own follow
CIDR, GROUP, PREFIX_LIST, UNREAD = "cidr", "group", "prefix_list", "unread"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a rule is for.

    Attributes:
        protocol: IANA number, ``ANY`` for all.
        low, high: Destination ports of TCP and UDP, both inclusive; none if ``low`` is
            the greater one.
        typed: Of one type of ICMP alone, which no flow log tells.
        kind: What ``peer`` is: ``CIDR``, ``GROUP`` or ``PREFIX_LIST``; ``UNREAD``: of
            a rule that cannot be read and may be for anything.
        peer: A CIDR, or the id of a group or prefix list.
        number: Of an entry of a network ACL.
        allows: False: it denies.
        id: Of a group's rule, if that is known; it tells no two apart.
    """

    protocol: int
    low: int
    high: int
    typed: bool
    kind: str
    peer: str
    number: int | None = None
    allows: bool = True
    id: str | None = field(default=None, compare=False)

    def text(self, *, inbound: bool) -> str:
        """Return what it is for: ``tcp/5432 from sg-0b1c``."""
        way = "from" if inbound else "to"
        return f"{self._what()} {way} {self.peer}"

    def _what(self) -> str:
        name = NAMES.get(self.protocol, f"protocol {self.protocol}")
        if self.protocol in PORTED and (self.low, self.high) != (0, LAST_PORT):
            one = self.low == self.high
            return f"{name}/{self.low}" if one else f"{name}/{self.low}-{self.high}"
        return f"{name} of one type" if self.typed else name


ANYTHING = Rule(ANY, 0, LAST_PORT, False, UNREAD, "a rule that cannot be read")


class _Unreadable(Exception):
    """Something of a rule is not what AWS makes it."""


def group_rules(document: Mapping[str, Any], *, inbound: bool) -> Iterator[Rule]:
    """Yield the rules of a security group, one for each peer.

    Args:
        document: As ``DescribeSecurityGroups`` gives it.
        inbound: False: the outbound ones.

    Source:
        Amazon EC2 API Reference, "IpPermission".
    """
    permissions = document.get("IpPermissions" if inbound else "IpPermissionsEgress")
    for permission in permissions if isinstance(permissions, list) else [None]:
        try:
            yield from [*_permission(permission)]
        except _Unreadable:
            yield ANYTHING


def single_rule(document: Mapping[str, Any]) -> Iterator[tuple[bool, Rule]]:
    """Yield whether a rule with an id of its own is inbound, and what it is for.

    Args:
        document: As ``DescribeSecurityGroupRules`` gives it. Nothing is yielded of one
            that cannot be read.
    """
    out = document.get("IsEgress")
    referenced = document.get("ReferencedGroupInfo") or {}
    peers = {
        "IpRanges": ("CidrIp", document.get("CidrIpv4")),
        "Ipv6Ranges": ("CidrIpv6", document.get("CidrIpv6")),
        "PrefixListIds": ("PrefixListId", document.get("PrefixListId")),
        "UserIdGroupPairs": ("GroupId", referenced.get("GroupId")),
    }
    same = {n: document.get(n) for n in ("IpProtocol", "FromPort", "ToPort")}
    some = {n: [{key: peer}] for n, (key, peer) in peers.items() if peer}
    try:
        for rule in _permission({**same, **some}) if isinstance(out, bool) else ():
            yield not out, rule
    except _Unreadable:
        return


def acl_entries(document: Mapping[str, Any], *, inbound: bool) -> Iterator[Rule]:
    """Yield the entries of a network ACL, the first to be asked first.

    Args:
        document: As ``DescribeNetworkAcls`` gives it.
        inbound: False: the outbound ones.

    Source:
        Amazon EC2 API Reference, "NetworkAclEntry", "CreateNetworkAclEntry".
    """
    entries = document.get("Entries")
    if not isinstance(entries, list):
        yield ANYTHING
        return
    read = [_entry(entry) for entry in entries if _is_of(entry, inbound=inbound)]
    yield from sorted(read, key=lambda rule: rule.number or 0)


def _permission(permission: Any) -> Iterator[Rule]:
    if not isinstance(permission, dict):
        raise _Unreadable
    protocol = _protocol(permission.get("IpProtocol"))
    span = _span(protocol, permission.get("FromPort"), permission.get("ToPort"))
    for name, key, kind in (
        ("IpRanges", "CidrIp", CIDR),
        ("Ipv6Ranges", "CidrIpv6", CIDR),
        ("PrefixListIds", "PrefixListId", PREFIX_LIST),
        ("UserIdGroupPairs", "GroupId", GROUP),
    ):
        for item in permission.get(name) or ():
            peer = item.get(key) if isinstance(item, dict) else None
            if not isinstance(peer, str) or (kind == CIDR and not network(peer)):
                raise _Unreadable
            yield Rule(protocol, *span, kind, peer)


def _is_of(entry: Any, *, inbound: bool) -> bool:
    """Whether an entry is of a direction, as far as it tells."""
    out = entry.get("Egress") if isinstance(entry, dict) else None
    return not isinstance(out, bool) or out != inbound


def _entry(entry: Any) -> Rule:
    """Return an entry; one without a number that can be read stands before all."""
    number = entry.get("RuleNumber") if isinstance(entry, dict) else None
    if not isinstance(number, int):
        return ANYTHING
    try:
        return _read_entry(entry, number)
    except _Unreadable:
        return Rule(ANY, 0, LAST_PORT, False, UNREAD, ANYTHING.peer, number)


def _read_entry(entry: Mapping[str, Any], number: int) -> Rule:
    protocol = _protocol(entry.get("Protocol"))
    ends = ("IcmpTypeCode", "Type", "Code") if protocol in TYPED else (
        "PortRange", "From", "To")  # fmt: skip
    span = entry.get(ends[0]) or {}
    cidrs = [entry[n] for n in ("CidrBlock", "Ipv6CidrBlock") if entry.get(n)]
    action = entry.get("RuleAction")
    if (
        not isinstance(span, dict)
        or not isinstance(entry.get("Egress"), bool)
        or action not in ("allow", "deny")
        or len(cidrs) != 1
        or not isinstance(cidrs[0], str)
        or not network(cidrs[0])
    ):
        raise _Unreadable
    low, high, typed = _span(protocol, span.get(ends[1]), span.get(ends[2]))
    allows = action == "allow"
    return Rule(protocol, low, high, typed, CIDR, cidrs[0], number, allows)


def _protocol(text: Any) -> int:
    word = str(text).lower()
    number = NUMBERS.get(word, int(word) if word.isdecimal() else None)
    if number is None or number > 255:
        raise _Unreadable
    return number


def _span(protocol: int, first: Any, last: Any) -> tuple[int, int, bool]:
    """Return ports, and whether it is of one type of ICMP.

    A code of ICMP without a type matches nothing; an end of -1 is open.
    """
    low, high = _end(first), _end(last)
    if protocol in PORTED:
        return low or 0, LAST_PORT if high is None else high, False
    if protocol in TYPED:
        nothing = low is None and high is not None
        return int(nothing), 0 if nothing else LAST_PORT, low is not None
    return 0, LAST_PORT, False


def _end(value: Any) -> int | None:
    if value in (None, -1, "-1"):
        return None
    if isinstance(value, int) and 0 <= value <= LAST_PORT:
        return value
    if isinstance(value, str) and value.isdecimal() and int(value) <= LAST_PORT:
        return int(value)
    raise _Unreadable
