"""Where the route table of its subnet sends a packet, or the reply to one."""

from __future__ import annotations

from collections.abc import Iterator

from transform.policy.considered import YES, Considered
from transform.policy.lacks import Lack
from transform.policy.policy import Policy
from transform.policy.routing import Routed, routed
from transform.policy.way import (
    FAILS,
    PASSES,
    ROUTES,
    UNKNOWN,
    End,
    Step,
    Way,
    asked_about,
    is_private,
)

ONE_WAY = ("nat-", "eigw-")  # gateways that nothing from the internet comes in by


def route(policy: Policy, way: Way, *, answers: bool = False) -> Step:
    """Return where the table of the source's subnet sends a packet, or a reply."""
    own = way.source
    if own.subnet is None or own.vpc is None:
        return _without_table(way)
    asked = asked_about(policy, [way], inbound=False)
    span = {"begin": int(asked.begin[0]), "end": int(asked.end[0])}
    found = routed(policy.known, subnet=own.subnet, vpc=own.vpc,
                   address=way.target.address, **span)  # fmt: skip
    decision, rule = _routed(found, way, answers=answers)
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


def _routed(found: Routed, way: Way, *, answers: bool) -> tuple[str, str | None]:
    decision, rule = _held(found, way, answers=answers)
    if decision == FAILS and found.perhaps:
        return UNKNOWN, None
    return decision, rule


def _held(found: Routed, way: Way, *, answers: bool) -> tuple[str, str | None]:
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
    if answers and way.target.is_outside and chosen.target.startswith(ONE_WAY):
        return FAILS, f"{rule}, which lets out no answer to what the internet asked"
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
    for name in (*found.unlisted, *found.perhaps):
        yield Lack(name, "what it held then is not known")
