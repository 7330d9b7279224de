"""A packet's way between two ends: what is asked on it, in order, and what it says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from transform.addresses import NOT_GLOBAL, network
from transform.policy.asked import ALLOWED, DENIED, NOT_ASKED, Asked, Decided, Looked
from transform.policy.considered import MAYBE, YES, Considered, of_acl, of_groups
from transform.policy.lacks import Lack, lacking
from transform.policy.packets import asked_of
from transform.policy.policy import Policy
from transform.policy.routing import Routed, routed
from transform.policy.texts import acl_texts, group_texts

GROUPS, ACL, ROUTES = "security_group", "network_acl", "route_table"
PASSES, FAILS, UNASKED, UNKNOWN = "passes", "fails", "not_asked", "unknown"
_WORDS = {ALLOWED: PASSES, DENIED: FAILS, NOT_ASKED: UNASKED}


@dataclass(frozen=True, slots=True)
class End:
    """One end of a packet's way.

    Attributes:
        address: Of the packet.
        interface, subnet, vpc: Where that lives; None: not known, or nobody's of ours.
        name: Who it is, in words.
        has_public: Whether the internet knows it by an address of its own; None: it is
            not known.
    """

    address: str
    interface: str | None = None
    subnet: str | None = None
    vpc: str | None = None
    name: str | None = None
    has_public: bool | None = None

    def text(self) -> str:
        """Return the address and who it is."""
        return f"{self.address} ({self.name})" if self.name else self.address

    @property
    def is_outside(self) -> bool:
        """Whether it is of the internet, and of no VPC."""
        return self.vpc is None and not is_private(self.address)


@dataclass(frozen=True, slots=True)
class Way:
    """A packet from one end to another.

    Attributes:
        port: Destination port; None: it has none, or it is not known.
        begin, end: First and last second of it, by the clock of flow logs.
    """

    source: End
    target: End
    protocol: int | None
    port: int | None
    begin: int
    end: int

    def back(self, port: int | None) -> Way:
        """Return the way of a reply to a port."""
        return replace(self, source=self.target, target=self.source, port=port)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is asked on a packet's way.

    Attributes:
        at: ``source`` or ``target``: whose interface or subnet it is.
        kind: ``GROUPS``, ``ACL`` or ``ROUTES``.
        resource: What is asked, by id; None: it is not known.
        interface: At which.
        decision: ``PASSES``, ``FAILS``, ``UNASKED`` or ``UNKNOWN``.
        rule: What decided, in words, or that nothing does.
        considered: Rules or routes, in the order in which they are asked.
        lacks: What is missing to be sure.
    """

    at: str
    kind: str
    resource: str | None
    interface: str | None
    decision: str
    rule: str | None
    considered: tuple[Considered, ...] = ()
    lacks: tuple[Lack, ...] = ()


def steps(policy: Policy, way: Way) -> list[Step]:
    """Return what is asked about a packet, from its source to its target.

    Nothing is asked at an end that is outside of what the inventory knows.
    """
    found: list[Step] = []
    if not way.source.is_outside:
        groups, acl = _filters(policy, way, inbound=False)
        found += [groups, acl, route(policy, way)]
    if way.source.is_outside and _is_hidden(way.target):
        rule = "the interface has no public address that the internet could reach"
        own = way.target.interface
        found.append(Step("target", ROUTES, None, own, FAILS, rule))
    if not way.target.is_outside:
        groups, acl = _filters(policy, way, inbound=True)
        found += [acl, groups]
    return found


def _filters(policy: Policy, way: Way, *, inbound: bool) -> tuple[Step, Step]:
    """Return what the groups and the ACL of one end say."""
    own, peer = (way.target, way.source) if inbound else (way.source, way.target)
    at = "target" if inbound else "source"
    asked = asked_about(policy, [way], inbound=inbound)
    looked, decided = policy.look_up(asked), policy.decide(asked)
    if own.interface is None:
        lack = (Lack(own.address, "no inventory tells which interface has it"),)
        return tuple(  # type: ignore[return-value]
            Step(at, kind, None, None, UNKNOWN, None, lacks=lack)
            for kind in (GROUPS, ACL)
        )
    span = int(asked.begin[0]), int(asked.end[0])
    groups = _groups(policy, asked, looked, decided, peer.text())
    acl = _acl(policy, asked, looked, decided)
    return tuple(  # type: ignore[return-value]
        replace(
            step,
            at=at,
            interface=own.interface,
            lacks=_lacks(policy, step, own.interface, span),
        )
        for step in (groups, acl)
    )


def asked_about(policy: Policy, ways: Iterable[Way], *, inbound: bool) -> Asked:
    """Return packets as one of their ends asks about them: the target if inbound."""
    rows = [_row(way, inbound=inbound) for way in ways]
    return asked_of(policy, pa.Table.from_pylist(rows, schema=_SCHEMA))


_SCHEMA = pa.schema(
    {
        "interface": pa.string(), "inbound": pa.bool_(), "peer_address": pa.string(),
        "peer_interface": pa.string(), "peer_vpc": pa.string(),
        "protocol": pa.int64(), "port": pa.int64(),
        "begin": pa.int64(), "end": pa.int64(),
    }
)  # fmt: skip


def _row(way: Way, *, inbound: bool) -> dict[str, Any]:
    own, peer = (way.target, way.source) if inbound else (way.source, way.target)
    return {
        "interface": own.interface,
        "inbound": inbound,
        "peer_address": peer.address,
        "peer_interface": peer.interface,
        "peer_vpc": peer.vpc,
        "protocol": way.protocol,
        "port": way.port,
        "begin": way.begin,
        "end": way.end,
    }


def _groups(
    policy: Policy, asked: Asked, looked: Looked, decided: Decided, peer: str
) -> Step:
    considered = of_groups(policy, asked, looked, 0)
    decision = _WORDS.get(int(decided.group[0]), UNKNOWN)
    names = ", ".join(policy.title(v) for v in looked.groups[0].tolist() if v >= 0)
    rule = None
    if decision == FAILS:
        [rule] = group_texts(decided, asked, [0], pa.array([peer])).to_pylist()
    elif decision == PASSES:
        one = next(c for c in considered if c.matches == YES)
        rule = f"{one.resource}: {one.rule}"
    return Step("", GROUPS, names or None, None, decision, rule, tuple(considered))


def _acl(policy: Policy, asked: Asked, looked: Looked, decided: Decided) -> Step:
    decision = _WORDS.get(int(decided.acl[0]), UNKNOWN)
    version = int(looked.acl[0])
    name = None if version < 0 else policy.known.acls.contents[version]["NetworkAclId"]
    if decision == UNASKED:
        return Step("", ACL, name, None, UNASKED, "both ends are in one subnet")
    considered = of_acl(policy, asked, looked, 0)
    rule = None
    if decision == FAILS:
        [rule] = acl_texts(decided, [0]).to_pylist()
    elif decision == PASSES:
        way = "inbound" if asked.inbound[0] else "outbound"
        rule = f"{name}: {way} rule {considered[-1].rule}"
    return Step("", ACL, name, None, decision, rule, tuple(considered))


def _lacks(
    policy: Policy, step: Step, interface: str, span: tuple[int, int]
) -> tuple[Lack, ...]:
    if step.decision != UNKNOWN:
        return ()
    found = [*lacking(policy, interface, *span, of_acl=step.kind == ACL)]
    found += [
        Lack(one.resource, f"{one.rule}: {one.why}")
        for one in step.considered
        if one.matches == MAYBE
    ]
    return tuple(found)


def route(policy: Policy, way: Way) -> Step:
    """Return where the route table of the source's subnet sends a packet."""
    own = way.source
    if own.subnet is None or own.vpc is None:
        return _without_table(way)
    asked = asked_about(policy, [way], inbound=False)
    span = {"begin": int(asked.begin[0]), "end": int(asked.end[0])}
    found = routed(policy.known, subnet=own.subnet, vpc=own.vpc,
                   address=way.target.address, **span)  # fmt: skip
    decision, rule = _routed(found, way)
    if found.table is None and own.vpc == way.target.vpc:
        return _without_table(way)
    return Step(
        at="source",
        kind=ROUTES,
        resource=found.table,
        interface=own.interface,
        decision=decision,
        rule=rule,
        considered=tuple(_considered(found)),
        lacks=tuple(_unrouted(found, own.subnet)) if decision == UNKNOWN else (),
    )


def _without_table(way: Way) -> Step:
    """Return what holds where no route table is known: within a VPC all is routed."""
    own, vpc = way.source, way.source.vpc
    if vpc is not None and vpc == way.target.vpc:
        return Step("source", ROUTES, None, own.interface, PASSES,
                    f"{vpc}: its local route")  # fmt: skip
    lack = Lack(own.address, "no inventory tells in which subnet it is")
    return Step("source", ROUTES, None, own.interface, UNKNOWN, None, lacks=(lack,))


def _routed(found: Routed, way: Way) -> tuple[str, str | None]:
    chosen, address = found.chosen, way.target.address
    if found.unlisted or found.table is None:
        return UNKNOWN, None
    if chosen is None:
        return FAILS, f"{found.table}: no route to {address}"
    rule = f"{found.table}: {chosen.text()}"
    if chosen.is_blackhole:
        return FAILS, rule
    if chosen.target.startswith(("igw-", "eigw-")) and is_private(address):
        return FAILS, f"{rule}, where private addresses are lost"
    if chosen.target.startswith("igw-") and _is_hidden(way.source):
        return FAILS, f"{rule}, but the interface has no public address"
    return PASSES, rule


def _is_hidden(end: End) -> bool:
    """Whether the internet cannot know an end, for want of a public IPv4 address."""
    return end.has_public is False and ":" not in end.address


def _considered(found: Routed) -> Iterator[Considered]:
    for place, one in enumerate(found.routes):
        yield Considered(
            resource=str(found.table),
            rule=one.text(),
            number=None,
            allows=not one.is_blackhole,
            matches=YES if place == 0 else "no",
            differs=() if place == 0 else ("another route holds before it",),
        )


def _unrouted(found: Routed, subnet: str) -> Iterator[Lack]:
    if found.table is None:
        yield Lack(f"route table of {subnet}", "it is not known which held then")
    for name in found.unlisted:
        yield Lack(name, "what it held then is not known")


def is_private(address: str) -> bool:
    """Whether an address is not one of the internet at large."""
    one = network(address)
    return one is None or any(n.first <= one.first <= n.last for n in NOT_GLOBAL)
