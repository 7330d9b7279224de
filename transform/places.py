"""Where an address lives: VPCs, their subnets, and who can reach whom.

Private addresses mean something only inside a VPC, and two VPCs may use the same
ranges: so every look-up begins at the VPC of the interface that recorded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transform.addresses import Addresses, Network, in_any, networks
from transform.presence import EVER

NOWHERE, SEVERAL = -1, -2
# In a document, beside what AWS says: seconds since 1970.
OVER_BY, NOT_BEFORE = "flowlake:over_by", "flowlake:not_before"
EVER_US = (1 << 63) - 1
ATTACHED = ("available", "modifying")  # states in which a gateway passes packets on
PEERING, TRANSIT = "peering", "transit"
# Resource types that tell of places.
PLACES = ("vpc", "subnet", "vpc_peering_connection", "transit_gateway_attachment")

# What joins two VPCs: which kind of thing, and its id if that is known.
Link = tuple[str, str | None]


@dataclass(slots=True)
class Subnet:
    """A subnet and what is known of it."""

    id: str
    networks: tuple[Network, ...]
    az: str | None = None
    account: str | None = None


@dataclass(slots=True)
class Vpc:
    """A VPC: its ranges, its subnets, and the VPCs that it reaches by private address.

    Attributes:
        neighbours: Peered or attached to the same transit gateway, by what, and until
            when they can have been; seconds since 1970, ``EVER`` while they are.
    """

    id: str
    networks: tuple[Network, ...] = ()
    account: str | None = None
    subnets: list[Subnet] = field(default_factory=list)
    neighbours: dict[str, dict[Link, int]] = field(default_factory=dict)

    def joined(self, until: int) -> dict[str, tuple[Link, ...]]:
        """Return the neighbours, by name, and what can have joined them until then."""
        found = {
            name: tuple(link for link, over in links.items() if over >= until)
            for name, links in sorted(self.neighbours.items())
        }
        return {name: links for name, links in found.items() if links}


class Places:
    """The VPCs of an inventory.

    Args:
        documents: Of each resource type, (VPC, document) pairs.

    Attributes:
        far: Peerings that join VPCs of two Regions.
    """

    def __init__(self, documents: Mapping[str, Sequence[dict[str, Any]]]) -> None:
        self.vpcs: dict[str, Vpc] = {}
        self.far: set[Link] = set()
        for document in documents.get("vpc", ()):
            self._add_vpc(document)
        for document in documents.get("subnet", ()):
            self._add_subnet(document)
        for document in documents.get("vpc_peering_connection", ()):
            self._add_peering(document)
        self._add_attachments(documents.get("transit_gateway_attachment", ()))
        for vpc in self.vpcs.values():
            vpc.neighbours.pop(vpc.id, None)

    def of(self, vpc: str) -> Vpc:
        """Return what is known of a VPC; of an unknown one, nothing."""
        return self.vpcs.get(vpc) or Vpc(vpc)

    def _add_vpc(self, document: dict[str, Any]) -> None:
        vpc = self._vpc(document.get("VpcId"))
        if vpc is not None:
            vpc.networks = tuple({*vpc.networks, *networks(cidrs_of(document))})
            vpc.account = document.get("OwnerId") or vpc.account

    def _add_subnet(self, document: dict[str, Any]) -> None:
        vpc = self._vpc(document.get("VpcId"))
        if vpc is not None and document.get("SubnetId"):
            vpc.subnets.append(
                Subnet(
                    id=document["SubnetId"],
                    networks=networks(cidrs_of(document)),
                    az=document.get("AvailabilityZoneId"),
                    account=document.get("OwnerId"),
                )
            )

    def _add_peering(self, document: dict[str, Any]) -> None:
        ends = [document.get(f"{n}VpcInfo") or {} for n in ("Requester", "Accepter")]
        status = (document.get("Status") or {}).get("Code")
        vpcs = [self._vpc(end.get("VpcId")) for end in ends]
        if status not in (None, "active") or None in vpcs:
            return
        for vpc, end in zip(vpcs, ends, strict=True):
            if vpc is not None and not vpc.networks:  # of another account, say
                vpc.networks = networks(cidrs_of(end))
        until = document.get(OVER_BY, EVER)
        link = PEERING, document.get("VpcPeeringConnectionId")
        if len({end["Region"] for end in ends if end.get("Region")}) > 1:
            self.far.add(link)
        self._join(link, [(vpc.id, until) for vpc in vpcs if vpc is not None])

    def _add_attachments(self, documents: Sequence[dict[str, Any]]) -> None:
        attached: dict[str, list[tuple[str, int]]] = {}
        for document in documents:
            if document.get("State") not in (None, *ATTACHED):
                continue
            vpc = document.get("VpcId") or (
                document.get("ResourceId")
                if document.get("ResourceType") == "vpc"
                else None
            )
            gateway = document.get("TransitGatewayId")
            if gateway and self._vpc(vpc) is not None:
                end = str(vpc), document.get(OVER_BY, EVER)
                attached.setdefault(gateway, []).append(end)
        for gateway, vpcs in attached.items():
            self._join((TRANSIT, gateway), vpcs)

    def _join(self, link: Link, ends: Sequence[tuple[str, int]]) -> None:
        for one, over in ends:
            known = self.vpcs[one].neighbours
            for other, until in ends:
                links = known.setdefault(other, {})
                links[link] = max(links.get(link, 0), min(over, until))

    def _vpc(self, id_: str | None) -> Vpc | None:
        return self.vpcs.setdefault(id_, Vpc(id_)) if id_ else None


def cidrs_of(document: dict[str, Any]) -> Iterator[str]:
    """Yield every CIDR that a VPC, a subnet or an end of a peering names."""
    for key in ("CidrBlock", "Ipv6CidrBlock"):
        yield from filter(None, [document.get(key)])
        for name in (f"{key}AssociationSet", f"{key}Set"):
            there = (i for i in document.get(name) or () if _associated(i))
            yield from filter(None, (i.get(key) for i in there))


def _associated(item: dict[str, Any]) -> bool:
    """Whether a range is a VPC's: not one that it has given up or never got."""
    state = next((item[k] for k in item if k.endswith("BlockState")), None) or {}
    return state.get("State") not in ("disassociated", "failed")


def documents_of(configurations: pa.Table) -> dict[str, list[dict[str, Any]]]:
    """Return the distinct documents of each resource type, read.

    What is over says until when it can have been, as ``OVER_BY``; what surely was not
    always, from when, as ``NOT_BEFORE``.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    over_by = configurations["latest"].cast(pa.int64())
    some = configurations.select(["resource_type", "document"])
    some = some.append_column("over_by", pc.fill_null(over_by, EVER_US))
    begin = configurations["earliest"].cast(pa.int64())
    some = some.append_column("begin", pc.fill_null(begin, 0))
    kinds = some.group_by(["resource_type", "document"])
    ends = [("over_by", "max"), ("begin", "min")]
    for row in kinds.aggregate(ends).to_pylist():
        document = json.loads(row["document"])
        if row["over_by_max"] < EVER_US:
            document[OVER_BY] = row["over_by_max"] // 1_000_000
        if row["begin_min"] > 0:
            document[NOT_BEFORE] = row["begin_min"] // 1_000_000
        found.setdefault(row["resource_type"], []).append(document)
    return found


def which_network(addresses: Addresses, some: Sequence[Sequence[Network]]) -> Any:
    """Return for each address which group of networks holds it most closely.

    Returns:
        Positions in ``some``; ``NOWHERE`` where none holds it.
    """
    ordered = sorted(
        ((one.length, place, one) for place, group in enumerate(some) for one in group),
        key=lambda item: item[0],
    )
    found = np.full(len(addresses), NOWHERE, np.int32)
    for _, place, one in ordered:
        found[one.holds(addresses)] = place
    return found


def inside(vpc: Vpc, addresses: Addresses) -> Any:
    """Return which addresses lie in the VPC's ranges, or in those of its subnets."""
    found = in_any(addresses, vpc.networks)
    if not vpc.networks:
        for subnet in vpc.subnets:
            found |= in_any(addresses, subnet.networks)
    return found
