"""Public addresses that no interface tells: Elastic IPs, regional NAT gateways."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ingest.inventory.aws.addresses import canonical
from ingest.inventory.aws.columns import TEXT
from ingest.inventory.aws.context import Context, living, tags_of
from ingest.inventory.aws.identities import as_sighted
from ingest.inventory.aws.listing import Document, Listing, parts, text
from ingest.inventory.aws.services import NAT
from ingest.inventory.aws.times import parse_time
from ingest.inventory.sighting import SIGHTED

Row = dict[str, Any]


def elastic_of(
    listing: Listing,
    context: Context,
    interfaces: pa.Table,
    *,
    account: str | None,
    owner_tag: str | None,
    attached: bool,
) -> pa.Table:
    """Return the public addresses that are not in an interface's own document.

    Args:
        listing: Elastic IPs and NAT gateways.
        context: Names and owners by id.
        interfaces: The identities of the interfaces, in ``SIGHTED``'s columns.
        account: Whose scope it is.
        owner_tag: The tag that names an owner.
        attached: Also the Elastic IPs of interfaces that are not among these: others'
            own, where these are all that there are.

    Returns:
        ``SIGHTED``'s columns (scope null).
    """
    addresses = listing.get("Addresses", ())
    holders = _holders(interfaces, addresses)
    known = {None, *holders}
    rows = [
        *_regional(listing.get("NatGateways", ()), context, account),
        *(
            _elastic(address, holders, account, owner_tag)
            for address in addresses
            if attached or text(address, "NetworkInterfaceId") in known
        ),
    ]
    return _without(rows, interfaces)


def _regional(
    gateways: Iterable[Document], context: Context, account: str | None
) -> Iterator[Row]:
    """Yield the addresses of NAT gateways that have no interface."""
    for gateway in living(gateways):
        id_ = text(gateway, "NatGatewayId")
        for address in parts(gateway, "NatGatewayAddresses"):
            if id_ and not text(address, "NetworkInterfaceId"):
                yield {
                    "holder": id_,
                    "address": text(address, "PublicIp"),
                    "kind": "nat_gateway",
                    "forwards": NAT,
                    "az": text(address, "AvailabilityZoneId")
                    or context.zones.get(text(address, "AvailabilityZone") or ""),
                    "account": account,
                    "owner": context.owners.get(id_),
                    "name": context.names.get(id_) or id_,
                    "earliest": parse_time(gateway.get("CreateTime")),
                }


def _elastic(
    address: Document,
    holders: dict[str, Row],
    account: str | None,
    owner_tag: str | None,
) -> Row:
    """Return an Elastic IP: its interface's, or nobody's yet."""
    public, interface = text(address, "PublicIp"), text(address, "NetworkInterfaceId")
    if interface in holders:
        return {**holders[interface], "address": public}
    tags = tags_of(address)
    return {
        "holder": interface or text(address, "AllocationId") or public,
        "address": public,
        "kind": "elastic_ip",
        "eni": interface,
        "instance": text(address, "InstanceId"),
        "account": text(address, "NetworkInterfaceOwnerId") or account,
        "owner": tags.get(owner_tag or ""),
        "name": tags.get("Name"),
    }


_OF_THE_ADDRESS = ("address", "vpc", "started_at", "is_primary")


def _holders(interfaces: pa.Table, addresses: Iterable[Document]) -> dict[str, Row]:
    """Return what the interfaces that Elastic IPs name are."""
    named = [text(address, "NetworkInterfaceId") for address in addresses]
    mask = pc.is_in(interfaces["holder"], value_set=pa.array(named, TEXT).drop_null())
    some = interfaces.filter(mask).drop_columns(list(_OF_THE_ADDRESS))
    return {row["holder"]: row for row in some.to_pylist()}


def _without(rows: list[Row], interfaces: pa.Table) -> pa.Table:
    """Return rows less those whose address is told already; the first one counts."""
    addresses = canonical(pa.array([row["address"] for row in rows], TEXT))
    told = pc.is_in(addresses, value_set=interfaces["address"].combine_chunks())
    kept: dict[str, Row] = {}
    for row, address, known in zip(
        rows, addresses.to_pylist(), told.to_pylist(), strict=True
    ):
        if address and not known:
            fixed = {"address": address, "source": "aws", "is_primary": False}
            kept.setdefault(address, {**row, **fixed})
    columns = {
        f.name: pa.array([row.get(f.name) for row in kept.values()], f.type)
        for f in SIGHTED
    }
    return as_sighted(columns, len(kept))
