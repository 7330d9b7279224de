"""Security groups and network ACLs: what the table of scenarios takes for granted.

A group lets in what its role's scenarios need, and nothing else; so what a scenario
says is refused for want of a rule has none.
"""

from __future__ import annotations

from dataclasses import dataclass

from demo.network.ground import Ground
from demo.network.scenarios import ALL, ICMP, Scenario

ANYWHERE, ANYWHERE6 = "0.0.0.0/0", "::/0"
_POOLS = {
    "internet": ANYWHERE,
    "internet6": ANYWHERE6,
    "scanner": "193.142.146.0/24",
    "partner": "10.3.0.0/17",
    "partner-far": "10.3.128.0/17",
    "on-premises": "192.168.0.0/16",
}


@dataclass(frozen=True, slots=True)
class Allow:
    """An inbound or outbound rule: from or to a CIDR, or a group of the VPC.

    Attributes:
        protocol: IANA number; -1: any.
        ports: First and last; for ICMP any type.
    """

    protocol: int
    ports: tuple[int, int]
    cidr: str | None = None
    group: str | None = None


EVERYTHING = tuple(Allow(-1, (0, 65_535), cidr) for cidr in (ANYWHERE, ANYWHERE6))
_OUTBOUND = {
    ("shop", "inspected"): (Allow(6, (443, 443), ANYWHERE),),
    ("partial", "acceptor"): (),
}


def group_of(ground: Ground, vpc: str, role: str) -> str | None:
    """Return the name of a role's security group, if it has any."""
    slot = ground.pools[vpc, role][0]
    party = next(p for p in ground.parties if p.slot == slot)
    groups = ground.interfaces[party.interface].groups
    return groups[0] if groups else None


def groups(ground: Ground) -> dict[tuple[str, str], tuple[Allow, ...]]:
    """Return the inbound rules of every (VPC, group)."""
    made: dict[tuple[str, str], dict[Allow, None]] = {}
    for interface in ground.interfaces:
        for name in interface.groups:
            made.setdefault((interface.vpc, name), {})
    for scenario in ALL:
        vpc, role = scenario.server
        if vpc and vpc not in ground.vpcs:
            continue
        name_of_server = group_of(ground, vpc, role) if vpc else None
        if name_of_server and _is_let_in(scenario):
            made[vpc, name_of_server][_rule(ground, scenario)] = None
    return {key: tuple(rules) for key, rules in made.items()}


def outbound(vpc: str, group: str) -> tuple[Allow, ...]:
    """Return the outbound rules of a group: everything, but for a few."""
    return _OUTBOUND.get((vpc, group), EVERYTHING)


def _is_let_in(scenario: Scenario) -> bool:
    by_group = scenario.request.cause == "security_group" or scenario.second
    return not by_group and not scenario.sweep


def _rule(ground: Ground, scenario: Scenario) -> Allow:
    vpc, role = scenario.client
    icmp = scenario.protocol == ICMP
    ports = (-1, -1) if icmp else (scenario.port, scenario.port)
    if not vpc:
        return Allow(scenario.protocol, ports, _POOLS[role])
    # A group is not known by its members' addresses behind a balancer or appliance.
    middle = scenario.entry or scenario.name.startswith("gwlb")
    group = group_of(ground, vpc, role)
    if vpc == scenario.server[0] and group and not middle and not scenario.snat:
        return Allow(scenario.protocol, ports, group=group)
    six = role == "six"
    cidr = ground.vpcs[vpc].cidr6 if six else ground.vpcs[vpc].cidrs[0]
    return Allow(scenario.protocol, ports, cidr)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a network ACL."""

    number: int
    action: str
    egress: bool
    cidr: str = ANYWHERE


def acls() -> dict[str, tuple[Entry, ...]]:
    """Return the entries of each network ACL; the last ones deny what is left."""
    last = (Entry(32_767, "deny", egress=False), Entry(32_767, "deny", egress=True))
    inward = Entry(100, "allow", egress=False)
    outward = Entry(100, "allow", egress=True)
    six = tuple(
        Entry(101, "allow", egress=egress, cidr=ANYWHERE6) for egress in (False, True)
    )
    blocked = Entry(90, "deny", egress=False, cidr="45.155.205.0/24")
    return {
        "open": (inward, outward, *six, *last),
        "strict": (inward, *last),
        "guarded": (blocked, inward, outward, *six, *last),
    }
