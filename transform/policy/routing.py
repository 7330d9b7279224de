"""Where the route table of a subnet sends an address, as of a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from transform.addresses import NOT_GLOBAL, Network, network
from transform.policy.configured import MAIN, Configured
from transform.routes import Rank, is_lost, routes_in

LOCAL, NOTHING, BLACKHOLE = "local", "nothing", "blackhole"
# Fields of a route that name where it leads; the first that is there holds.
_TARGETS = (
    "TransitGatewayId", "VpcPeeringConnectionId", "NatGatewayId", "NetworkInterfaceId",
    "InstanceId", "EgressOnlyInternetGatewayId", "LocalGatewayId", "CarrierGatewayId",
    "CoreNetworkArn", "OdbNetworkArn", "GatewayId",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Route:
    """A route that is for an address.

    Attributes:
        destination: Its CIDR, as written; of a prefix list the list's entry.
        target: Where it leads: ``local``, or the id of a gateway, interface …
        origin: ``static``, ``prefix_list`` or ``propagated``: of routes of one length
            the first of these holds.
        is_blackhole: What it leads to is gone.
    """

    destination: str
    target: str
    origin: str
    is_blackhole: bool

    def text(self) -> str:
        """Return it in words: ``10.0.0.0/16 to local``."""
        lost = f" ({BLACKHOLE})" if self.is_blackhole else ""
        origin = "" if self.origin == "static" else f", {self.origin}"
        return f"{self.destination} to {self.target}{origin}{lost}"


@dataclass(frozen=True, slots=True)
class Routed:
    """What a route table says of an address.

    Attributes:
        table: Its id; None: it is not known which holds.
        is_main: It is the VPC's main table: the subnet has none of its own.
        routes: Those that are for the address, the one that holds first.
        unlisted: Prefix lists of its routes whose entries are not known.
        perhaps: Those of gateway endpoints, which may hold a public address.
    """

    table: str | None
    is_main: bool = False
    routes: tuple[Route, ...] = ()
    unlisted: tuple[str, ...] = ()
    perhaps: tuple[str, ...] = ()

    @property
    def chosen(self) -> Route | None:
        """The route that holds; None: there is none, or it is not known."""
        return self.routes[0] if self.routes else None


def routed(
    known: Configured, *, subnet: str, vpc: str, address: str, begin: int, end: int
) -> Routed:
    """Return what the route table of a subnet says of an address.

    Args:
        known: What is configured.
        subnet: From which it is sent.
        vpc: That of the subnet.
        address: To which.
        begin: From when, seconds since 1970.
        end: Until before when.

    Source:
        Amazon VPC User Guide, "Route priority", "Subnet route tables": the longest
        prefix; of equal ones static before prefix lists before propagated.
    """
    own = known.tables.history(subnet)
    is_main = not any(v.possible[0] < end and v.possible[1] > begin for v in own)
    found = known.tables.one(f"{MAIN}{vpc}" if is_main else subnet, begin, end)
    asked = network(address)
    if found is None or asked is None:
        return Routed(None, is_main)
    lists, unlisted = _lists(known, found.content, begin, end)
    is_private = any(n.first <= asked.first <= n.last for n in NOT_GLOBAL)
    perhaps = [n for n, is_gateway in unlisted.items() if is_gateway]
    some = [
        (one.length, rank, route)
        for one, rank, route in _routes(found.content, lists)
        if one.is_v4 == asked.is_v4 and one.first <= asked.first <= one.last
    ]
    some.sort(key=lambda item: item[:2], reverse=True)
    return Routed(
        table=found.content.get("RouteTableId"),
        is_main=is_main,
        routes=tuple(route for *_, route in some),
        unlisted=tuple(n for n in unlisted if n not in perhaps),
        perhaps=() if is_private else tuple(perhaps),
    )


_ORIGINS = {
    (True, True): "static", (True, False): "prefix_list",
    (False, True): "propagated", (False, False): "propagated",
}  # fmt: skip


def _lists(
    known: Configured, document: Mapping[str, Any], begin: int, end: int
) -> tuple[dict[str, list[str]], dict[str, bool]]:
    """Return the entries of prefix lists; those not known, if of a gateway endpoint.

    Lists of gateway endpoints are of AWS's public addresses.
    """
    found: dict[str, list[str]] = {}
    unlisted: dict[str, bool] = {}
    for route in document.get("Routes") or ():
        name = route.get("DestinationPrefixListId")
        if name:
            version = known.lists.one(name, begin, end)
            if version is not None:
                found[name] = version.content
            else:
                unlisted[name] = str(route.get("GatewayId")).startswith("vpce-")
    return found, unlisted


def _routes(
    document: Mapping[str, Any], lists: Mapping[str, list[str]]
) -> Iterator[tuple[Network, Rank, Route]]:
    for route, rank, read in routes_in(document, lists):
        target = next((route[n] for n in _TARGETS if route.get(n)), NOTHING)
        for cidr, one in read:
            yield one, rank, Route(cidr, target, _ORIGINS[rank], is_lost(route))
