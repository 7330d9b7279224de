"""What the inventory tells of interfaces, groups, ACLs and prefix lists, by time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from transform.intervals import intervals_of
from transform.places import cidrs_of
from transform.policy.rule_ids import RuleIds
from transform.policy.versions import Told, Versions

READ = ("network_interface", "security_group", "network_acl",
        "prefix_list", "subnet", "route_table", "transit_gateway",
        "transit_gateway_attachment")  # fmt: skip
MAIN = "main:"  # before a VPC, in place of a subnet: its main route table
COLUMNS = ("resource_type", "resource_id", "document", "valid_from", "valid_until",
           "last_seen", "earliest", "latest")  # fmt: skip


class Configured:
    """The versions of what decides about packets.

    Args:
        configurations: Rows of the table of that name.

    Attributes:
        interfaces: By id: its subnet, its groups, its type.
        groups: By id: the document.
        acls: By the id of a subnet: the document of its network ACL.
        lists: By id: the CIDRs of a prefix list.
        subnets: By id: its CIDRs.
        tables: By the id of a subnet that has one of its own, and by ``MAIN`` and a
            VPC: the document of the route table.
        vpc_of_group: By id, the VPC of each group that anybody ever listed.
        rule_ids: What rules of groups are called.
        referencing: By transit gateway, and by that and a VPC that is attached to it,
            what was told of whether groups may be referred to: ``enable``, ``disable``.
    """

    def __init__(self, configurations: pa.Table) -> None:
        told = _told(configurations)
        self.interfaces = Versions(told["network_interface"], _interface)
        self.groups = Versions(told["security_group"], _group)
        self.acls = Versions(told["network_acl"], _acl)
        self.lists = Versions(told["prefix_list"], _prefix_list)
        self.subnets = Versions(told["subnet"], _subnet)
        self.tables = Versions(told["route_table"], _routes)
        self.rule_ids = RuleIds(configurations)
        self.referencing = _referencing(
            told["transit_gateway"] + told["transit_gateway_attachment"]
        )
        self.vpc_of_group = {
            name: one.document.get("VpcId")
            for one in told["security_group"]
            if (name := _text(one.document, "GroupId"))
        }


def _told(configurations: pa.Table) -> dict[str, list[Told]]:
    found: dict[str, list[Told]] = {name: [] for name in READ}
    wanted = pc.is_in(configurations["resource_type"], pa.array(READ))
    rows = configurations.select(COLUMNS).filter(wanted)
    certain, possible = intervals_of(rows)
    spans = zip(*certain, *possible, strict=True)
    documents: dict[str, Any] = {}
    texts = (rows[name].to_pylist() for name in COLUMNS[:3])
    for kind, name, text, (since, until, earliest, latest) in zip(
        *texts, spans, strict=True
    ):
        if text not in documents:
            documents[text] = json.loads(text)
        if isinstance(documents[text], dict):
            span = (int(since), int(until)), (int(earliest), int(latest))
            found[kind].append(Told(name, documents[text], *span))
    return found


Content = Iterator[tuple[str, Any]]


def _text(document: Any, name: str) -> str:
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, str) else ""


def _interface(document: Mapping[str, Any]) -> Content:
    name, groups = _text(document, "NetworkInterfaceId"), document.get("Groups")
    if name and isinstance(groups, list):
        yield (
            name,
            {
                "subnet": _text(document, "SubnetId"),
                "groups": sorted(_text(group, "GroupId") for group in groups),
                "type": _text(document, "InterfaceType"),
                "vpc": _text(document, "VpcId"),
            },
        )


def _group(document: Mapping[str, Any]) -> Content:
    kept = ("GroupId", "GroupName", "VpcId", "IpPermissions", "IpPermissionsEgress")
    if name := _text(document, "GroupId"):
        yield name, {name: document.get(name) for name in kept}


def _acl(document: Mapping[str, Any]) -> Content:
    kept = {name: document.get(name) for name in ("NetworkAclId", "Entries")}
    associations = document.get("Associations")
    for association in associations if isinstance(associations, list) else ():
        subnet = _text(association, "SubnetId")
        if subnet and _text(document, "NetworkAclId"):
            yield subnet, kept


def _routes(document: Mapping[str, Any]) -> Content:
    kept = {name: document.get(name) for name in ("RouteTableId", "Routes")}
    associations = document.get("Associations")
    for one in associations if isinstance(associations, list) else ():
        if not isinstance(one, dict):
            continue
        subnet, state = _text(one, "SubnetId"), one.get("AssociationState") or {}
        if state.get("State") in ("disassociated", "failed"):
            continue
        if subnet:
            yield subnet, kept
        elif one.get("Main"):
            yield f"{MAIN}{_text(document, 'VpcId')}", kept


def _prefix_list(document: Mapping[str, Any]) -> Content:
    name, entries = _text(document, "PrefixListId"), document.get("Entries")
    if name and isinstance(entries, list):
        yield name, sorted(_text(entry, "Cidr") for entry in entries)


def _referencing(told: list[Told]) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for one in told:
        vpc = _text(one.document, "VpcId") or _text(one.document, "ResourceId")
        key = _text(one.document, "TransitGatewayId"), vpc
        options = one.document.get("Options")
        support = _text(options, "SecurityGroupReferencingSupport")
        found.setdefault(key, set()).add(support)
    return found


def _subnet(document: dict[str, Any]) -> Content:
    if name := _text(document, "SubnetId"):
        yield name, sorted({cidr for cidr in cidrs_of(document) if cidr})
