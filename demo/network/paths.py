"""The ways that packets take: which interfaces they pass, and as what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from demo.network.atlas import NOBODY, Atlas

GENEVE = 6081
IN_VPC, GATEWAY_ENDPOINT, PRIVATE_GATEWAY, PEERING, INTERNET_GATEWAY = 1, 7, 3, 4, 8


@dataclass(slots=True)
class Ends:
    """One direction of some conversations, as arrays.

    Attributes:
        source, target: True parties; -1: outside.
        source_holder, target_holder: Who holds the address that is in the packets.
        source_interface: -1 where no interface of the world is passed.
        middle_port: The port that a NAT gateway or a balancer puts in its place.
        entry_port: The server's port before a balancer.
        reply: From the server to the client.
        serial: A number of the conversation within its window.
    """

    source: Any
    target: Any
    source_holder: Any
    target_holder: Any
    source_interface: Any
    target_interface: Any
    source_address: Any
    target_address: Any
    source_port: Any
    target_port: Any
    middle_port: Any
    entry_port: Any
    reply: bool
    serial: Any

    def __len__(self) -> int:
        return len(self.source)


@dataclass(slots=True)
class Hop:
    """The passing of one interface; arrays, or one value for all.

    Attributes:
        label: source, destination, nat_private, nat_public, transit, encapsulated.
        wraps: The packets are inside GENEVE here.
        path: AWS's traffic-path of an egress.
    """

    label: str
    interface: Any
    egress: bool
    source: Any
    target: Any
    source_port: Any
    target_port: Any
    source_holder: Any
    target_holder: Any
    path: int = IN_VPC
    wraps: bool = False


Way = Callable[[Atlas, Ends], list[Hop]]


def leave(ends: Ends, path: int = IN_VPC, **changed: Any) -> list[Hop]:
    """Pass the source's own interface, if it has one."""
    if ends.source_interface[0] < 0:
        return []
    return [Hop(**{**_hop(ends, "source", ends.source_interface, egress=True),
                   "path": path, **changed})]  # fmt: skip


def arrive(ends: Ends, **changed: Any) -> list[Hop]:
    """Pass the target's own interface, if it has one."""
    if ends.target_interface[0] < 0:
        return []
    hop = _hop(ends, "destination", ends.target_interface, egress=False)
    return [Hop(**{**hop, **changed})]


def passing(ends: Ends, label: str, party: int, atlas: Atlas, **changed: Any) -> Hop:
    """Pass the interface of something in the middle."""
    interface = np.full(len(ends), atlas.interface[party])
    egress = bool(changed.pop("egress"))
    return Hop(**{**_hop(ends, label, interface, egress=egress), **changed})


def _hop(ends: Ends, label: str, interface: Any, *, egress: bool) -> dict[str, Any]:
    return {
        "label": label,
        "interface": interface,
        "egress": egress,
        "source": ends.source_address,
        "target": ends.target_address,
        "source_port": ends.source_port,
        "target_port": ends.target_port,
        "source_holder": ends.source_holder,
        "target_holder": ends.target_holder,
    }


def direct(path: int = IN_VPC) -> Way:
    """Go from interface to interface; outside there is none."""

    def way(atlas: Atlas, ends: Ends) -> list[Hop]:
        return [*leave(ends, path), *arrive(ends)]

    return way


def translated(vpc: str, role: str) -> Way:
    """Go through a NAT gateway, which puts its own address and port in the packet.

    A zonal gateway's interface sees four passings, two of each direction; a regional
    one has no interface, sees the same, and shows its public address outside.
    """

    def way(atlas: Atlas, ends: Ends) -> list[Hop]:
        nat = atlas.one(vpc, role)
        own = {"address": np.full(len(ends), atlas.address[nat])}
        holder = np.full(len(ends), nat)
        if ends.reply:
            inward = {"target": own["address"], "target_port": ends.middle_port,
                      "target_holder": holder}  # fmt: skip
            return [
                passing(ends, "nat_public", nat, atlas, egress=False, **inward),
                passing(ends, "nat_private", nat, atlas, egress=True),
                *arrive(ends),
            ]
        outward = {"source": own["address"], "source_port": ends.middle_port,
                   "source_holder": holder, "path": INTERNET_GATEWAY}  # fmt: skip
        return [
            *leave(ends),
            passing(ends, "nat_private", nat, atlas, egress=False),
            passing(ends, "nat_public", nat, atlas, egress=True, **outward),
        ]

    return way


def unsolicited() -> Way:
    """Arrive at a NAT gateway that expects nothing."""

    def way(atlas: Atlas, ends: Ends) -> list[Hop]:
        return arrive(ends, label="nat_public")

    return way


def across(source_vpc: str, target_vpc: str, *, replies_elsewhere: bool = True) -> Way:
    """Cross a transit gateway by its interface in each VPC that the world has.

    Replies may take other interfaces of it than requests (AWS's own example does).
    ``""`` is a VPC that the world does not hold.
    """

    def way(atlas: Atlas, ends: Ends) -> list[Hop]:
        number = int(ends.reply and replies_elsewhere)
        here, there = source_vpc, target_vpc
        if ends.reply:
            here, there = there, here
        hops = leave(ends)
        for vpc, egress in ((here, False), (there, True)):
            if vpc:
                gateway = atlas.one(vpc, "tgw", number)
                hops.append(passing(ends, "transit", gateway, atlas, egress=egress))
        return [*hops, *arrive(ends)]

    return way


def balanced(vpc: str, role: str) -> Way:
    """Go through an NLB that keeps the client's address.

    The client speaks to the balancer's address, the target hears the client's.
    """

    def way(atlas: Atlas, ends: Ends) -> list[Hop]:
        nlb = atlas.one(vpc, role)
        address, holder = (
            np.full(len(ends), atlas.address[nlb]),
            np.full(len(ends), nlb),
        )
        if ends.reply:
            front = {"source": address, "source_port": ends.entry_port,
                     "source_holder": holder}  # fmt: skip
            outside = ends.target_interface[0] < 0
            path = INTERNET_GATEWAY if outside else IN_VPC
            out = {**front, "path": path}
            return [
                *leave(ends),
                passing(ends, "transit", nlb, atlas, egress=False),
                passing(ends, "transit", nlb, atlas, egress=True, **out),
                *arrive(ends, **front),
            ]
        front = {"target": address, "target_port": ends.entry_port,
                 "target_holder": holder}  # fmt: skip
        return [
            *leave(ends, **front),
            passing(ends, "transit", nlb, atlas, egress=False, **front),
            passing(ends, "transit", nlb, atlas, egress=True),
            *arrive(ends),
        ]

    return way


def inspected(vpc: str) -> Way:
    """Be routed through a Gateway Load Balancer endpoint and its appliance.

    Between the balancer and the appliance the packets travel inside GENEVE.
    """

    def way(atlas: Atlas, ends: Ends) -> list[Hop]:
        endpoint = atlas.one(vpc, "gwlbe")
        outside = ends.target_interface[0] < 0
        path = INTERNET_GATEWAY if outside else IN_VPC
        return [
            *leave(ends),
            passing(ends, "transit", endpoint, atlas, egress=False),
            *_tunnel(atlas, ends),
            passing(ends, "transit", endpoint, atlas, egress=True, path=path),
            *arrive(ends),
        ]

    return way


def _tunnel(atlas: Atlas, ends: Ends) -> list[Hop]:
    balancer, appliance = (
        atlas.one("inspection", "gwlb"),
        atlas.one("inspection", "appliance"),
    )
    port = 1024 + (ends.serial * 2 + ends.reply) % 60_000
    hops = []
    for source, target in ((balancer, appliance), (appliance, balancer)):
        outer = {
            "source": np.full(len(ends), atlas.address[source]),
            "target": np.full(len(ends), atlas.address[target]),
            "source_port": port,
            "target_port": np.full(len(ends), GENEVE),
            "source_holder": np.full(len(ends), source),
            "target_holder": np.full(len(ends), target),
            "wraps": True,
        }
        for party, egress in ((source, True), (target, False)):
            hops.append(
                passing(ends, "encapsulated", party, atlas, egress=egress, **outer)
            )
    return hops


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of packets on their way, and what its records can tell.

    Attributes:
        fate: accepted, rejected, dropped, nat_dropped.
        expected: What a perfect report can know of it: accepted, rejected,
            unconfirmed, unmatched, invisible.
        at: The hop that rejects, or the last one before they are lost; -1: the last.
        reason: What the record gives as reject-reason.
    """

    fate: str = "accepted"
    expected: str = "accepted"
    at: int = -1
    cause: str | None = None
    rule: str | None = None
    reason: str | None = None
    why: str = ""


def nobody(count: int) -> Any:
    """Return that many times nobody."""
    return np.full(count, NOBODY)
