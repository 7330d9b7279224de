"""Where a VPC's route tables send an address: to a neighbour, on, away or nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from transform.addresses import Addresses, Network, is_global, network
from transform.codes import NONE
from transform.places import (
    NOT_BEFORE,
    NOWHERE,
    OVER_BY,
    PEERING,
    SEVERAL,
    TRANSIT,
    Link,
    Places,
)
from transform.presence import EVER, NEVER

# Where a route leads if not through a peering or a transit gateway: to what may pass
# packets on to anywhere, to the internet, to others than a neighbour, to nobody.
ON, INTERNET, AWAY, LOST = ((n, None) for n in ("on", "internet", "away", "lost"))
# Ways out of a VPC, as bits. A transit gateway is reached by its interface within.
WITHIN, PEERED, OUT = 1, 2, 4
WAY_BY = {TRANSIT: WITHIN, PEERING: PEERED}
KEPT = 0  # beside `NOWHERE` and `SEVERAL`
Rank = tuple[bool, bool]
Documents = Mapping[str, Sequence[dict[str, Any]]]

# Fields of a route, and where what they name leads; the first that is there holds.
_TARGETS = (
    ("NatGatewayId", ON), ("NetworkInterfaceId", ON), ("InstanceId", ON),
    ("CoreNetworkArn", ON), ("EgressOnlyInternetGatewayId", INTERNET),
    ("LocalGatewayId", AWAY), ("CarrierGatewayId", AWAY), ("OdbNetworkArn", AWAY),
)  # fmt: skip
_GATEWAYS = {"igw": INTERNET, "eigw": INTERNET, "vgw": AWAY, "lgw": AWAY, "cagw": AWAY}
_BLACKHOLE, _FILTERED = "blackhole", "filtered"  # `State` of a route
_PROPAGATED = "EnableVgwRoutePropagation"  # `Origin` of one


@dataclass(frozen=True, slots=True)
class Table:
    """What a route table of a VPC says.

    Attributes:
        routes: Networks and where they lead, the one that wins last.
        unlisted: Where routes by prefix lists lead whose entries are not known.
    """

    routes: tuple[tuple[Network, Link], ...]
    unlisted: frozenset[Link]


class Routes:
    """The route tables of VPCs with neighbours, those that packets of subnets go by.

    Args:
        documents: Of each resource type.
        places: The VPCs.

    Source:
        AWS VPC User Guide, "Route priority"; EC2 API Reference, "Route".
    """

    def __init__(self, documents: Documents, places: Places) -> None:
        self._tables: dict[str, dict[tuple[Table, int, int], None]] = {}
        lists = _prefix_lists(documents)
        gateways = {
            endpoint.get("VpcEndpointId"): endpoint.get("VpcEndpointType") == "Gateway"
            for endpoint in documents.get("vpc_endpoint", ())
        }
        some = documents.get("route_table", ())
        placed = _explicit(some)
        for document in some:
            vpc = places.of(document.get("VpcId") or "")
            subnets = {subnet.id for subnet in vpc.subnets}
            spared = bool(subnets) and subnets <= placed
            if vpc.neighbours and _is_in_use(document, spared=spared):
                table = _table(document, lists, gateways)
                span = document.get(NOT_BEFORE, NEVER), document.get(OVER_BY, EVER)
                self._tables.setdefault(vpc.id, {})[table, *span] = None

    def sent(
        self, vpc: str, addresses: Addresses, *, since: int, until: int
    ) -> Sent | None:
        """Say where the tables of a VPC send some addresses; None: none is known.

        Args:
            vpc: Where they are sent from.
            addresses: Some.
            since: Seconds; tables that were over before that say nothing.
            until: Nor do those that came later than that.
        """
        known = self._tables.get(vpc, {})
        tables = [t for t, begin, over in known if begin <= until and over >= since]
        return Sent(tables, addresses) if tables else None


class Sent:
    """Where some route tables send some addresses.

    A table without a route to an address says nothing of it, and a route that loses
    it nothing of whom others reach; private addresses are lost in the internet.

    Args:
        tables: Of one VPC.
        addresses: Some.
    """

    def __init__(self, tables: Sequence[Table], addresses: Addresses) -> None:
        self._size = len(addresses)
        self._to: dict[Link, Any] = {}
        held = {one: None for table in tables for one, _ in table.routes}
        holds = {one: _holds(one, addresses) for one in held}
        for table in tables:
            targets = list(dict.fromkeys(target for _, target in table.routes))
            number = {target: place for place, target in enumerate(targets)}
            found = np.full(self._size, NONE, np.int32)
            for one, target in table.routes:
                found[holds[one]] = number[target]
            for place, target in enumerate(targets):
                self._add(target, found == place)
            for target in table.unlisted:
                self._add(target, np.ones(self._size, dtype=bool))
        if INTERNET in self._to:
            self._to[INTERNET] &= is_global(addresses)

    def passed_on(self) -> Any:
        """Return which addresses some table sends to what may pass them on."""
        return self._to.get(ON, np.zeros(self._size, dtype=bool))

    def leads(self, links: Sequence[Link], told: Any) -> Any:
        """Say of each address whether it can be of a neighbour, by what joins it.

        Args:
            links: What joins it.
            told: Of each address, the ways out that records tell, as bits. What has
                gone another way has not gone by the tables that lead elsewhere.

        Returns:
            ``KEPT``; ``NOWHERE`` where no table leads there, ``SEVERAL`` where others
            lead elsewhere.
        """
        there = np.zeros(self._size, dtype=bool)
        elsewhere = there.copy()
        open_ = (told == 0) | self.passed_on()
        for target, mask in self._to.items():
            if target == ON or _is_one_of(links, target):
                there |= mask
            elif target != LOST:
                elsewhere |= mask & (open_ | ((told & WAY_BY.get(target[0], OUT)) != 0))
        return np.select([~there, elsewhere], [NOWHERE, SEVERAL], KEPT)

    def _add(self, target: Link, mask: Any) -> None:
        self._to[target] = mask | self._to.get(target, False)


def _holds(one: Network, addresses: Addresses) -> Any:
    """Return which addresses a route is for: one of IPv6 never for IPv4, as mapped."""
    found = one.holds(addresses)
    return found if one.is_v4 else found & ~addresses.is_v4


def _is_one_of(links: Sequence[Link], target: Link) -> bool:
    """Whether a route leads through one of the links; a peering may have no id."""
    return target in links or (target[0] == PEERING and (PEERING, None) in links)


def _prefix_lists(documents: Documents) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for document in documents.get("prefix_list", ()):
        name, entries = document.get("PrefixListId"), document.get("Entries")
        if name and entries is not None:
            cidrs = found.setdefault(name, set())
            cidrs.update(filter(None, (entry.get("Cidr") for entry in entries)))
    return found


def _explicit(tables: Sequence[dict[str, Any]]) -> frozenset[str]:
    """Return the subnets that now have a table of their own."""
    return frozenset(
        association["SubnetId"]
        for table in tables
        if OVER_BY not in table
        for association in _associations(table)
        if association.get("SubnetId")
    )


def _associations(table: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for association in table.get("Associations") or ():
        state = (association.get("AssociationState") or {}).get("State")
        if state not in ("disassociated", "failed"):
            yield association


def _is_in_use(table: dict[str, Any], *, spared: bool) -> bool:
    """Whether packets of some subnet go by a table: not those of a gateway alone.

    Args:
        table: Its document.
        spared: Whether all subnets now have a table of their own, none the main one.
    """
    if table.get("Associations") is None:
        return True
    spared = spared and OVER_BY not in table
    return any(
        one.get("SubnetId") or (one.get("Main") and not spared)
        for one in _associations(table)
    )


def routes_in(
    document: Mapping[str, Any], lists: Mapping[str, Iterable[str]]
) -> Iterator[tuple[dict[str, Any], Rank, list[tuple[str, Network]]]]:
    """Yield the routes of a table, how much each counts, and the networks it is for.

    Args:
        document: As ``DescribeRouteTables`` gives it.
        lists: What prefix lists hold, as far as that is known.

    Yields:
        Of routes of one length the one with the greatest rank holds: (is static or by
        a prefix list, is no prefix list's). A list that is not known holds nothing.
    """
    for route in document.get("Routes") or ():
        if route.get("State") == _FILTERED:
            continue
        listed = route.get("DestinationPrefixListId")
        own = (route.get(f"Destination{n}CidrBlock") for n in ("", "Ipv6"))
        cidrs = lists.get(listed, ()) if listed else filter(None, own)
        read = ((cidr, network(cidr)) for cidr in cidrs)
        rank = (route.get("Origin") != _PROPAGATED, not listed)
        yield route, rank, [(cidr, one) for cidr, one in read if one is not None]


def is_lost(route: Mapping[str, Any]) -> bool:
    """Whether what a route leads to is gone."""
    return route.get("State") == _BLACKHOLE


def _table(
    document: dict[str, Any],
    lists: Mapping[str, set[str]],
    gateways: Mapping[str | None, bool],
) -> Table:
    routes, unlisted = [], set()
    for route, rank, read in routes_in(document, lists):
        target = _target(route, gateways)
        listed = route.get("DestinationPrefixListId")
        if listed and listed not in lists:
            if target[0] in (ON[0], TRANSIT, PEERING):
                unlisted.add(target)
            continue
        routes += [(one.length, rank, one, target) for _, one in read]
    routes.sort(key=lambda item: item[:2])
    return Table(
        routes=tuple((one, target) for _, _, one, target in routes),
        unlisted=frozenset(unlisted),
    )


def _target(route: dict[str, Any], gateways: Mapping[str | None, bool]) -> Link:
    """Return where a route leads; what is not known may lead anywhere."""
    if is_lost(route):
        return LOST
    if route.get("TransitGatewayId"):
        return TRANSIT, route["TransitGatewayId"]
    if route.get("VpcPeeringConnectionId"):
        return PEERING, route["VpcPeeringConnectionId"]
    for name, target in _TARGETS:
        if route.get(name):
            return target
    gateway = route.get("GatewayId") or ""
    listed = bool(route.get("DestinationPrefixListId"))
    if gateway.startswith("vpce-"):  # of Gateway Load Balancers, too
        return AWAY if gateways.get(gateway, listed) else ON
    return _GATEWAYS.get(gateway.partition("-")[0], ON)
