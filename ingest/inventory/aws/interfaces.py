"""Network interfaces as columns: what each is, whose, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.inventory.aws.balancers import TRANSIT
from ingest.inventory.aws.columns import (
    TEXT,
    as_column,
    every,
    fields_of,
    first_of,
    is_any,
    items_of,
    look_up,
    told,
    where,
)
from ingest.inventory.aws.context import Context
from ingest.inventory.aws.kinds import (
    CLUSTER_PREFIX,
    CLUSTER_TAGS,
    INSTANCE_TAG,
    SERVICE_TAG,
    TRUNK_TAG,
)
from ingest.inventory.aws.listing import Document
from ingest.inventory.aws.recognise import recognise
from ingest.inventory.aws.report import Report
from ingest.inventory.aws.services import FORWARDS, endpoint_service
from ingest.inventory.aws.tags import Tags
from ingest.inventory.aws.times import TIMESTAMP, as_times

# A NAT gateway is pending for minutes; that long after its creation it had its address.
NAT_READY = pa.scalar(600, pa.duration("s")).cast(pa.duration("us"))


def _struct(*names: str, **types: pa.DataType) -> pa.DataType:
    return pa.struct([*((name, TEXT) for name in names), *types.items()])


_ASSOCIATION = _struct("PublicIp", "CarrierIp")
INTERFACE = _struct(
    "NetworkInterfaceId", "InterfaceType", "Description", "RequesterId", "OwnerId",
    "VpcId", "SubnetId", "AvailabilityZone", "AvailabilityZoneId", "PrivateIpAddress",
    RequesterManaged=pa.bool_(),
    Attachment=_struct("InstanceId", "AttachTime", "Status"),
    Association=_ASSOCIATION,
    PrivateIpAddresses=pa.list_(
        _struct("PrivateIpAddress", Primary=pa.bool_(), Association=_ASSOCIATION)
    ),
    Ipv6Addresses=pa.list_(_struct("Ipv6Address", IsPrimaryIpv6=pa.bool_())),
    Ipv4Prefixes=pa.list_(_struct("Ipv4Prefix")),
    Ipv6Prefixes=pa.list_(_struct("Ipv6Prefix")),
    Groups=pa.list_(_struct("GroupId")),
    TagSet=pa.list_(_struct("Key", "Value")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Interfaces:
    """Network interfaces, column by column, in the order of their documents.

    Attributes:
        documents: ``INTERFACE`` structs.
        columns: What a row of ``SIGHTED`` takes from its interface.
        started_at: Since when the primary address was surely there.
    """

    documents: Any
    columns: dict[str, Any]
    started_at: Any


def interfaces_of(
    documents: Sequence[Document],
    context: Context,
    *,
    owner_tag: str | None,
    report: Report,
) -> Interfaces:
    """Return interfaces as columns.

    Args:
        documents: As DescribeNetworkInterfaces gives them.
        context: What they are joined with.
        owner_tag: The tag that names an owner.
        report: Counts values that do not fit, and load balancers not known.
    """
    structs, misfits = as_column(documents, INTERFACE)
    report.note("interface_values_that_do_not_fit", misfits)
    build = _Build(structs, context, owner_tag, report)
    return Interfaces(structs, build.columns(), build.started_at())


class _Build:
    """The columns on the way; each is derived once."""

    def __init__(
        self, structs: Any, context: Context, owner_tag: str | None, report: Report
    ) -> None:
        self._structs = structs
        self._context = context
        self._report = report
        self._owner_tag = owner_tag
        self._size = len(structs)
        self._tags = Tags(self._field("TagSet"), self._size)
        self.id = told(self._field("NetworkInterfaceId"))
        self.attached = where(
            pc.not_equal(self._status(), "detached"),
            told(self._field("Attachment", "InstanceId")),
        )
        found = recognise(
            structs, context, id_=self.id, attached=self.attached, vpc=self.vpc()
        )
        self.kind, self.resource, self.said = found.kind, found.resource, found.name

    def _field(self, *names: str) -> Any:
        return fields_of(self._structs, *names)

    def _status(self) -> Any:
        return pc.coalesce(self._field("Attachment", "Status"), "attached")

    def forwards(self) -> Any:
        """Return what is passed on; of Network Load Balancers what is known of them."""
        balancer = where(pc.equal(self.kind, "load_balancer"), self.resource)
        network = where(pc.starts_with(balancer, "net/"), balancer)
        does = look_up(network, self._context.balancers)
        unknown = pc.and_(pc.is_valid(network), pc.is_null(does))
        self._report.note(
            "interfaces_of_unknown_network_load_balancers", _count(unknown)
        )
        gateway = pc.or_kleene(
            pc.starts_with(balancer, "gwy/"),
            pc.equal(self._field("InterfaceType"), "gateway_load_balancer"),
        )
        return first_of(
            look_up(self.kind, FORWARDS),
            where(gateway, every(TRANSIT, self._size)),
            where(pc.equal(does, TRANSIT), does),
        )

    def vpc(self) -> Any:
        """Return the VPC, told by the interface or by its subnet."""
        subnet = self._field("SubnetId")
        told_vpc = told(self._field("VpcId"))
        return first_of(told_vpc, look_up(subnet, self._context.subnet_vpcs))

    def zone(self) -> Any:
        """Return the zone's id; a name alone, which differs by account, is none."""
        name, id_ = self._field("AvailabilityZone"), self._field("AvailabilityZoneId")
        pairs = pa.table({"name": name, "id": id_}).drop_null().group_by(["name", "id"])
        zones = {row["name"]: row["id"] for row in pairs.aggregate([]).to_pylist()}
        zones |= self._context.zones
        by_subnet = look_up(self._field("SubnetId"), self._context.subnet_zones)
        return first_of(told(id_), look_up(name, zones), by_subnet)

    def instance(self) -> Any:
        """Return the instance; of a branch interface that of its trunk."""
        is_branch = pc.equal(self._field("InterfaceType"), "branch")
        trunk = first_of(
            self._tags.of(TRUNK_TAG),
            look_up(self.id, self._context.trunks),
        )
        carried = first_of(
            self.attached.take(pc.index_in(trunk, value_set=self.id, skip_nulls=True)),
            self._tags.of(INSTANCE_TAG),
        )
        return first_of(self.attached, where(is_branch, carried))

    def cluster(self, instance: Any) -> Any:
        """Return the cluster by tags of the interface, its instance, their others."""
        own = first_of(
            *(self._tags.of(key) for key in CLUSTER_TAGS),
            self._tags.below(CLUSTER_PREFIX),
        )
        shared = pa.table({"instance": instance, "cluster": own}).drop_null()
        siblings = {r["instance"]: r["cluster"] for r in shared.to_pylist()}
        control = where(pc.equal(self.kind, "eks_control_plane"), self.said)
        return first_of(
            control,
            own,
            look_up(instance, self._context.instance_clusters),
            look_up(instance, siblings),
        )

    def name(self, workload: Any) -> Any:
        """Return a name to read: a tag Name, what a description says, an id."""
        plain = is_any(self.kind, ("instance", "network_interface"))
        service = look_up(self.resource, self._context.endpoint_services)
        return first_of(
            look_up(self.resource, self._context.names),
            workload,
            self.said,
            service,
            self._tags.of("Name"),
            where(pc.invert(plain), self.resource),
        )

    def columns(self) -> dict[str, Any]:
        """Return what rows of identities take from their interface."""
        instance = self.instance()
        workload = self._tags.of(SERVICE_TAG)
        services = {
            id_: endpoint_service(name)
            for id_, name in self._context.endpoint_services.items()
        }
        return {
            "holder": self.id,
            "eni": self.id,
            "vpc": self.vpc(),
            "kind": self.kind,
            "forwards": self.forwards(),
            "cluster": self.cluster(instance),
            "workload": workload,
            "workload_kind": where(pc.is_valid(workload), every("Service", self._size)),
            "instance": instance,
            "subnet": told(self._field("SubnetId")),
            "az": self.zone(),
            "account": told(self._field("OwnerId")),
            "security_groups": self._groups(),
            "aws_service": look_up(self.resource, services),
            "owner": self._owner(instance),
            "name": self.name(workload),
            "earliest": self._created(),
        }

    def _owner(self, instance: Any) -> Any:
        owners = self._context.owners
        return first_of(
            self._tags.of(self._owner_tag or ""),
            look_up(self.resource, owners),
            look_up(instance, owners),
        )

    def _groups(self) -> Any:
        """Return the ids of each interface's groups, sorted."""
        items, parents = items_of(self._field("Groups"))
        rows = pa.table({"parent": parents, "id": told(fields_of(items, "GroupId"))})
        rows = rows.drop_null().sort_by([("parent", "ascending"), ("id", "ascending")])
        counts = np.bincount(np.asarray(rows["parent"]), minlength=self._size)
        offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
        return pa.ListArray.from_arrays(offsets, rows["id"].combine_chunks())

    def _created(self) -> Any:
        made = look_up(self.resource, self._context.nat_created)
        return where(pc.equal(self.kind, "nat_gateway"), as_times(made))

    def started_at(self) -> Any:
        """Return since when the primary address was there: it never leaves."""
        attached = where(
            pc.not_equal(self._status(), "detached"),
            as_times(self._field("Attachment", "AttachTime")),
        )
        created = pc.add(self._created(), NAT_READY)
        return pc.cast(first_of(attached, created), TIMESTAMP)


def _count(mask: Any) -> int:
    return int(pc.sum(pc.fill_null(mask, False)).as_py() or 0)
