"""What interfaces are joined with: the documents that say what they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ingest.inventory.aws.balancers import forwarding
from ingest.inventory.aws.kinds import CLUSTER_PREFIX, CLUSTER_TAGS
from ingest.inventory.aws.listing import Document, Listing, parts, text, texts
from ingest.inventory.aws.report import Report

_GONE = frozenset(("deleted", "deleting", "failed", "rejected"))
Table = dict[str, str | None]


@dataclass(slots=True)
class Context:
    """Look-ups by id; every one may be empty.

    Attributes:
        zones: Zone name to zone id, as this account is told them.
        subnet_zones: Subnet to zone id.
        subnet_vpcs: Subnet to VPC.
        nat_interfaces: Interface to NAT gateway.
        nat_created: NAT gateway to its creation time, as text.
        endpoint_interfaces: Interface to VPC endpoint.
        gateway_endpoints: Endpoints to Gateway Load Balancers.
        endpoint_services: Endpoint to the name of its service.
        attachments: ``vpc subnet`` to the one transit gateway attachment there.
        balancers: ``net/name/id`` of load balancers to what their interfaces do:
            ``transit``, ``ends``, or ``unknown``.
        trunks: Branch interface to trunk interface.
        instance_clusters: Instance to Kubernetes cluster.
        names: Id to the tag Name.
        owners: Id to the tag that names an owner.
    """

    zones: Table = field(default_factory=dict)
    subnet_zones: Table = field(default_factory=dict)
    subnet_vpcs: Table = field(default_factory=dict)
    nat_interfaces: Table = field(default_factory=dict)
    nat_created: Table = field(default_factory=dict)
    endpoint_interfaces: Table = field(default_factory=dict)
    gateway_endpoints: set[str] = field(default_factory=set)
    endpoint_services: Table = field(default_factory=dict)
    attachments: Table = field(default_factory=dict)
    balancers: Table = field(default_factory=dict)
    trunks: Table = field(default_factory=dict)
    instance_clusters: Table = field(default_factory=dict)
    names: Table = field(default_factory=dict)
    owners: Table = field(default_factory=dict)


def context_of(listing: Listing, *, owner_tag: str | None, report: Report) -> Context:
    """Return the look-ups that a scope's documents make.

    Args:
        listing: What is known of the scope, target groups joined.
        owner_tag: The tag that names an owner.
        report: Counts load balancers of which too little is known.
    """
    context = Context()
    _add_zones(context, listing)
    _add_gateways(context, listing)
    _add_endpoints(context, listing)
    _add_attachments(context, listing.get("TransitGatewayVpcAttachments", ()))
    context.balancers = forwarding(listing, report)
    for association in listing.get("InterfaceAssociations", ()):
        branch = text(association, "BranchInterfaceId")
        if branch:
            context.trunks[branch] = text(association, "TrunkInterfaceId")
    for instance in listing.get("Instances", ()):
        id_, cluster = text(instance, "InstanceId"), _cluster(tags_of(instance))
        if id_ and cluster:
            context.instance_clusters[id_] = cluster
    _add_tags(context, listing, owner_tag)
    return context


def tags_of(document: Document) -> dict[str, str]:
    """Return a document's tags."""
    tags = parts(document, "Tags") or parts(document, "TagSet")
    pairs = ((text(tag, "Key"), text(tag, "Value")) for tag in tags)
    return {key: value for key, value in pairs if key and value}


def living(documents: Iterable[Document]) -> Iterator[Document]:
    """Yield the documents that are not of something gone."""
    for document in documents:
        if str(document.get("State", "")).lower() not in _GONE:
            yield document


def _cluster(tags: dict[str, str]) -> str | None:
    for key in CLUSTER_TAGS[:-1]:
        if tags.get(key):
            return tags[key]
    named = (k for k in tags if k.startswith(CLUSTER_PREFIX))
    return next((k.removeprefix(CLUSTER_PREFIX) for k in sorted(named)), None)


def _add_zones(context: Context, listing: Listing) -> None:
    for zone in listing.get("AvailabilityZones", ()):
        _add_zone(context, text(zone, "ZoneName"), text(zone, "ZoneId"))
    subnets = [s for s in listing.get("Subnets", ()) if text(s, "SubnetId")]
    for subnet in subnets:
        name, id_ = text(subnet, "AvailabilityZone"), text(subnet, "AvailabilityZoneId")
        _add_zone(context, name, id_)
    for subnet in subnets:
        subnet_id, name = str(subnet["SubnetId"]), text(subnet, "AvailabilityZone")
        told = text(subnet, "AvailabilityZoneId")
        context.subnet_vpcs[subnet_id] = text(subnet, "VpcId")
        context.subnet_zones[subnet_id] = told or context.zones.get(name or "")


def _add_zone(context: Context, name: str | None, id_: str | None) -> None:
    if name and id_:
        context.zones.setdefault(name, id_)


def _add_gateways(context: Context, listing: Listing) -> None:
    for gateway in living(listing.get("NatGateways", ())):
        id_ = text(gateway, "NatGatewayId")
        if id_ is None:
            continue
        context.nat_created[id_] = text(gateway, "CreateTime")
        for address in parts(gateway, "NatGatewayAddresses"):
            interface = text(address, "NetworkInterfaceId")
            if interface:
                context.nat_interfaces[interface] = id_


def _add_endpoints(context: Context, listing: Listing) -> None:
    for endpoint in living(listing.get("VpcEndpoints", ())):
        id_ = text(endpoint, "VpcEndpointId")
        if id_ is None:
            continue
        context.endpoint_services[id_] = text(endpoint, "ServiceName")
        if text(endpoint, "VpcEndpointType") == "GatewayLoadBalancer":
            context.gateway_endpoints.add(id_)
        for interface in texts(endpoint, "NetworkInterfaceIds"):
            context.endpoint_interfaces[interface] = id_


def _add_attachments(context: Context, attachments: Iterable[Document]) -> None:
    """Note which attachment is in which subnet; two in one subnet name none."""
    for attachment in living(attachments):
        id_, vpc = (
            text(attachment, "TransitGatewayAttachmentId"),
            attachment.get("VpcId"),
        )
        for subnet in texts(attachment, "SubnetIds"):
            key = f"{vpc} {subnet}"
            other = context.attachments.get(key, id_)
            context.attachments[key] = id_ if other == id_ else None


_NAMED = {
    "Instances": "InstanceId",
    "NatGateways": "NatGatewayId",
    "VpcEndpoints": "VpcEndpointId",
    "TransitGatewayAttachments": "TransitGatewayAttachmentId",
    "TransitGatewayVpcAttachments": "TransitGatewayAttachmentId",
}


def _add_tags(context: Context, listing: Listing, owner_tag: str | None) -> None:
    for name, key in _NAMED.items():
        for document in listing.get(name, ()):
            id_ = text(document, key)
            if id_ is None:
                continue
            tags = tags_of(document)
            if "Name" in tags:
                context.names[id_] = tags["Name"]
            if owner_tag in tags:
                context.owners[id_] = tags[str(owner_tag)]
