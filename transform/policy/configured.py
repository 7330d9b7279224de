"""What the inventory tells of interfaces, groups, ACLs and prefix lists, by time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from transform.intervals import intervals_of
from transform.policy.versions import Told, Versions

READ = ("network_interface", "security_group", "network_acl", "prefix_list")
COLUMNS = ("resource_type", "document", "valid_from", "valid_until", "last_seen",
           "earliest", "latest")  # fmt: skip


class Configured:
    """The versions of what decides about packets.

    Args:
        configurations: Rows of the table of that name.

    Attributes:
        interfaces: By id: its subnet and its groups.
        groups: By id: the document.
        acls: By the id of a subnet: the document of its network ACL.
        lists: By id: the CIDRs of a prefix list.
        vpc_of_group: By id, the VPC of each group that anybody ever listed.
    """

    def __init__(self, configurations: pa.Table) -> None:
        told = _told(configurations)
        self.interfaces = Versions(told["network_interface"], _interface)
        self.groups = Versions(told["security_group"], _group)
        self.acls = Versions(told["network_acl"], _acl)
        self.lists = Versions(told["prefix_list"], _prefix_list)
        self.vpc_of_group = {
            document["GroupId"]: document.get("VpcId")
            for document, *_ in told["security_group"]
            if document.get("GroupId")
        }


def _told(configurations: pa.Table) -> dict[str, list[Told]]:
    found: dict[str, list[Told]] = {name: [] for name in READ}
    wanted = pc.is_in(configurations["resource_type"], pa.array(READ))
    rows = configurations.select(COLUMNS).filter(wanted)
    certain, possible = intervals_of(rows)
    spans = zip(*certain, *possible, strict=True)
    documents: dict[str, Any] = {}
    for kind, text, (since, until, earliest, latest) in zip(
        rows["resource_type"].to_pylist(),
        rows["document"].to_pylist(),
        spans,
        strict=True,
    ):
        if text not in documents:
            documents[text] = json.loads(text)
        span = (int(since), int(until)), (int(earliest), int(latest))
        found[kind].append((documents[text], *span))
    return found


Content = Iterator[tuple[str, Any]]


def _interface(document: Mapping[str, Any]) -> Content:
    name, groups = document.get("NetworkInterfaceId"), document.get("Groups")
    if name and groups is not None:
        ids = sorted(g["GroupId"] for g in groups if g.get("GroupId"))
        yield name, {"subnet": document.get("SubnetId"), "groups": ids}


def _group(document: Mapping[str, Any]) -> Content:
    kept = ("GroupId", "GroupName", "VpcId", "IpPermissions", "IpPermissionsEgress")
    if document.get("GroupId"):
        yield document["GroupId"], {name: document.get(name) for name in kept}


def _acl(document: Mapping[str, Any]) -> Content:
    kept = {name: document.get(name) for name in ("NetworkAclId", "Entries")}
    for association in document.get("Associations") or ():
        if document.get("NetworkAclId") and association.get("SubnetId"):
            yield association["SubnetId"], kept


def _prefix_list(document: Mapping[str, Any]) -> Content:
    entries = document.get("Entries")
    if document.get("PrefixListId") and entries is not None:
        cidrs = sorted(e["Cidr"] for e in entries if e.get("Cidr"))
        yield document["PrefixListId"], cidrs
