"""Rules of security groups and entries of network ACLs, read from AWS's documents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from transform.records import ICMP, ICMPV6, TCP, UDP

ANY = -1  # protocol
LAST_PORT = 65_535
PORTED, TYPED = (TCP, UDP), (ICMP, ICMPV6)
NAMES = {ANY: "all traffic", TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPV6: "icmpv6"}
NUMBERS = {name: number for number, name in NAMES.items()} | {"-1": ANY}
LAST_NUMBER = 32_766  # of an entry that users can make; AWS's own follow
CIDR, GROUP, PREFIX_LIST = "cidr", "group", "prefix_list"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a rule is for.

    Attributes:
        protocol: IANA number, ``ANY`` for all.
        low, high: Destination ports of TCP and UDP, both inclusive; none if ``low`` is
            the greater one.
        typed: Of one type of ICMP alone, which no flow log tells.
        kind: What ``peer`` is: ``CIDR``, ``GROUP`` or ``PREFIX_LIST``.
        peer: A CIDR, or the id of a group or prefix list.
        id: The rule's own, where it is known.
        number: Of an entry of a network ACL.
        allows: False: it denies.
    """

    protocol: int
    low: int
    high: int
    typed: bool
    kind: str
    peer: str
    id: str | None = None
    number: int | None = None
    allows: bool = True

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


def group_rules(document: Mapping[str, Any], *, inbound: bool) -> Iterator[Rule]:
    """Yield the rules of a security group, one for each peer.

    A rule whose protocol cannot be read is none: AWS makes no such rule.

    Args:
        document: As ``DescribeSecurityGroups`` gives it.
        inbound: False: the outbound ones.

    Source:
        Amazon EC2 API Reference, "IpPermission".
    """
    name = "IpPermissions" if inbound else "IpPermissionsEgress"
    for permission in document.get(name) or ():
        protocol = _protocol(permission.get("IpProtocol"))
        if protocol is None:
            continue
        low, high, typed = _span(
            protocol, permission.get("FromPort"), permission.get("ToPort")
        )
        for kind, peer in _peers(permission):
            yield Rule(protocol, low, high, typed, kind, peer)


def acl_entries(document: Mapping[str, Any], *, inbound: bool) -> Iterator[Rule]:
    """Yield the entries of a network ACL, the first to be asked first.

    Args:
        document: As ``DescribeNetworkAcls`` gives it.
        inbound: False: the outbound ones.

    Source:
        Amazon EC2 API Reference, "NetworkAclEntry", "CreateNetworkAclEntry".
    """
    entries = [e for e in document.get("Entries") or () if _is_inward(e) == inbound]
    for entry in sorted(entries, key=lambda e: int(e.get("RuleNumber") or 0)):
        protocol = _protocol(entry.get("Protocol"))
        if protocol is None:
            continue
        ports = entry.get("PortRange") or {}
        span = ports.get("From"), ports.get("To")
        if protocol in TYPED:
            icmp = entry.get("IcmpTypeCode") or {}
            span = icmp.get("Type"), icmp.get("Code")
        low, high, typed = _span(protocol, *span)
        for name in ("CidrBlock", "Ipv6CidrBlock"):
            if entry.get(name):
                yield Rule(
                    protocol, low, high, typed, CIDR, entry[name],
                    number=int(entry.get("RuleNumber") or 0),
                    allows=entry.get("RuleAction") == "allow",
                )  # fmt: skip


def _is_inward(entry: Mapping[str, Any]) -> bool:
    return not entry.get("Egress")


def _protocol(text: Any) -> int | None:
    word = str(text).lower()
    if re.fullmatch(r"[0-9]{1,3}", word):
        return int(word)
    return NUMBERS.get(word)


def _span(protocol: int, first: Any, last: Any) -> tuple[int, int, bool]:
    """Return ports, and whether it is of one type of ICMP.

    A code of ICMP without a type matches nothing; an end of -1 is open.
    """
    low, high = (None if end in (None, -1) else int(end) for end in (first, last))
    if protocol in PORTED:
        return (
            0 if low is None else low,
            LAST_PORT if high is None else high,
            False,
        )
    if protocol in TYPED:
        nothing = low is None and high is not None
        return int(nothing), 0 if nothing else LAST_PORT, low is not None
    return 0, LAST_PORT, False


def _peers(permission: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, key, kind in (
        ("IpRanges", "CidrIp", CIDR),
        ("Ipv6Ranges", "CidrIpv6", CIDR),
        ("PrefixListIds", "PrefixListId", PREFIX_LIST),
        ("UserIdGroupPairs", "GroupId", GROUP),
    ):
        for item in permission.get(name) or ():
            if item.get(key):
                yield kind, str(item[key])
