"""The one table of fields, from which every schema is derived.

A field newer than this table is kept in ``extra``; nothing here is a closed list of
what AWS may send.

Source:
    AWS VPC User Guide, "Flow log records" (v2-v11); AWS Transit Gateway guide,
    "Transit Gateway Flow Log records" (v6). As read in November 2026.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FieldType = Literal[
    "string", "int", "long", "bool", "date", "timestamp", "strings", "map"
]


@dataclass(frozen=True, slots=True)
class Field:
    """One column: its name, its AWS spelling, and what it means.

    Attributes:
        name: Our column name: AWS's with ``-`` turned to ``_``.
        type: ``int`` 32 bit, ``long`` 64 bit, ``timestamp`` UTC microseconds,
            ``strings`` a list, ``map`` text to text.
        doc: One sentence.
        since: The flow-log version that brought it; None for a derived column.
        unit: Where the type does not carry it.
        required: Never null in the lake.
        aws: AWS's field name; None for a derived column.
    """

    name: str
    type: FieldType
    doc: str
    since: int | None = None
    unit: str = ""
    required: bool = False
    aws: str | None = None


def _aws(
    aws: str,
    type_: FieldType,
    since: int,
    doc: str,
    *,
    name: str = "",
    unit: str = "",
    required: bool = False,
) -> Field:
    return Field(
        name=name or aws.replace("-", "_"),
        type=type_,
        doc=doc,
        since=since,
        unit=unit,
        required=required,
        aws=aws,
    )


_VERSION = _aws("version", "int", 2, "The highest version among the logged fields.")
_ACCOUNT = _aws("account-id", "string", 2, "Owner of the interface; may be `unknown`.")
_SRC = _aws("srcaddr", "string", 2, "Sender; on egress the interface's own address.")
_DST = _aws("dstaddr", "string", 2, "Receiver; on ingress the interface's own address.")
_TUPLE = (
    _aws("srcport", "int", 2, "Source port; 0 for ICMP."),
    _aws("dstport", "int", 2, "Destination port; 0 for ICMP."),
    _aws("protocol", "int", 2, "IANA protocol number."),
    _aws("packets", "long", 2, "Packets in the interval.", unit="packets"),
    _aws("bytes", "long", 2, "Bytes in the interval; absent where BPA rejected.",
         unit="bytes"),
    _aws("start", "timestamp", 2, "First packet of the interval, to the second.",
         name="start_time", unit="UTC", required=True),
    _aws("end", "timestamp", 2, "Last packet of the interval, to the second.",
         name="end_time", unit="UTC"),
)  # fmt: skip
_STATUS = _aws("log-status", "string", 2, "OK; NODATA and SKIPDATA are in `silences`.")
_FLAGS = _aws("tcp-flags", "int", 3, "TCP flags ORed over the interval: test bits.")
_TYPE = _aws("type", "string", 3, "IPv4, IPv6 or EFA.")
_REGION = _aws("region", "string", 4, "Region of the interface.")
_SRC_SERVICE = _aws("pkt-src-aws-service", "string", 5,
                    "AWS service whose range holds the packet's source.")  # fmt: skip
_DST_SERVICE = _aws("pkt-dst-aws-service", "string", 5,
                    "AWS service whose range holds its destination.")  # fmt: skip
_DIRECTION = _aws("flow-direction", "string", 5, "ingress or egress.")

VPC_FIELDS: tuple[Field, ...] = (
    _VERSION,
    _ACCOUNT,
    _aws("interface-id", "string", 2, "The recording interface (ENI)."),
    _SRC,
    _DST,
    *_TUPLE,
    _aws("action", "string", 2, "ACCEPT or REJECT."),
    _STATUS,
    _aws("vpc-id", "string", 3, "VPC of the interface."),
    _aws("subnet-id", "string", 3, "Subnet of the interface."),
    _aws("instance-id", "string", 3, "Instance of the interface, if it is yours."),
    _FLAGS,
    _TYPE,
    _aws("pkt-srcaddr", "string", 3, "Source address in the packet."),
    _aws("pkt-dstaddr", "string", 3, "Destination address in the packet."),
    _REGION,
    _aws("az-id", "string", 4, "Availability Zone id, such as use1-az1."),
    _aws("sublocation-type", "string", 4, "wavelength, outpost or localzone."),
    _aws("sublocation-id", "string", 4, "Id of the sublocation."),
    _SRC_SERVICE,
    _DST_SERVICE,
    _DIRECTION,
    _aws("traffic-path", "int", 5, "Egress path code, 1 to 8."),
    _aws("ecs-cluster-arn", "string", 7, "ECS cluster ARN of the task."),
    _aws("ecs-cluster-name", "string", 7, "ECS cluster name."),
    _aws("ecs-container-instance-arn", "string", 7, "ECS container instance ARN."),
    _aws("ecs-container-instance-id", "string", 7, "ECS container instance id."),
    _aws("ecs-container-id", "string", 7, "Runtime id of the first container."),
    _aws("ecs-second-container-id", "string", 7, "Runtime id of the second."),
    _aws("ecs-service-name", "string", 7, "ECS service that started the task."),
    _aws("ecs-task-definition-arn", "string", 7, "ECS task definition ARN."),
    _aws("ecs-task-arn", "string", 7, "ECS task ARN."),
    _aws("ecs-task-id", "string", 7, "ECS task id."),
    _aws("reject-reason", "string", 8, "BPA or EC; null for every other reject."),
    _aws("resource-id", "string", 9, "Regional NAT gateway id."),
    _aws("encryption-status", "int", 10, "0 clear, 1 Nitro, 2 application, 3 both."),
    _aws("instance-tag", "string", 11, "First chosen instance tag, percent-encoded."),
    _aws("instance-tag-2", "string", 11, "Second chosen instance tag."),
    _aws("interface-tag", "string", 11, "First chosen interface tag."),
    _aws("interface-tag-2", "string", 11, "Second chosen interface tag."),
    _aws("asg-tag", "string", 11, "First chosen Auto Scaling group tag."),
    _aws("asg-tag-2", "string", 11, "Second chosen Auto Scaling group tag."),
    _aws("interface-type", "string", 11, "nat_gateway, transit_gateway, ..."),
    _aws("next-hop-interface-id", "string", 11, "Interface at the next hop."),
    _aws("next-hop-subnet-id", "string", 11, "Subnet of the next hop."),
    _aws("next-hop-az-id", "string", 11, "Availability Zone id of the next hop."),
    _aws("next-hop-vpc-id", "string", 11, "VPC of the next hop."),
    _aws("next-hop-interface-type", "string", 11, "Interface type of the next hop."),
)

TGW_FIELDS: tuple[Field, ...] = (
    _VERSION,
    _aws("resource-type", "string", 6, "TransitGateway or its attachment."),
    _ACCOUNT,
    _aws("tgw-id", "string", 6, "The transit gateway."),
    _aws("tgw-attachment-id", "string", 6, "The recording attachment."),
    _aws("tgw-src-vpc-account-id", "string", 6, "Owner of the source VPC."),
    _aws("tgw-dst-vpc-account-id", "string", 6, "Owner of the destination VPC."),
    _aws("tgw-src-vpc-id", "string", 6, "Source VPC."),
    _aws("tgw-dst-vpc-id", "string", 6, "Destination VPC."),
    _aws("tgw-src-subnet-id", "string", 6, "Source subnet."),
    _aws("tgw-dst-subnet-id", "string", 6, "Destination subnet."),
    _aws("tgw-src-eni", "string", 6, "Source attachment's interface."),
    _aws("tgw-dst-eni", "string", 6, "Destination attachment's interface."),
    _aws("tgw-src-az-id", "string", 6, "Source Availability Zone id."),
    _aws("tgw-dst-az-id", "string", 6, "Destination Availability Zone id."),
    _aws("tgw-pair-attachment-id", "string", 6, "The opposite attachment."),
    _SRC,
    _DST,
    *_TUPLE,
    _STATUS,
    _TYPE,
    _aws("packets-lost-no-route", "long", 6, "Lost: no route.", unit="packets"),
    _aws("packets-lost-blackhole", "long", 6, "Lost: blackhole.", unit="packets"),
    _aws("packets-lost-mtu-exceeded", "long", 6, "Lost: MTU.", unit="packets"),
    _aws("packets-lost-ttl-expired", "long", 6, "Lost: TTL.", unit="packets"),
    _FLAGS,
    _REGION,
    _DIRECTION,
    _SRC_SERVICE,
    _DST_SERVICE,
)

EXTRA = Field("extra", "map", "Fields newer than this table, by AWS's name.")

PROVENANCE: tuple[Field, ...] = (
    Field("source_object", "string", "Identity of the source object.", required=True),
    Field("flow_log_id", "string", "The flow log, from the object's name."),
)

_SIDES: tuple[tuple[str, FieldType, str], ...] = (
    ("kind", "string", "pod, node, load_balancer, nat_gateway, internet, ..."),
    ("cluster", "string", "Kubernetes or ECS cluster."),
    ("namespace", "string", "Kubernetes namespace."),
    ("workload", "string", "Deployment, StatefulSet, service, ..."),
    ("pod", "string", "Pod name."),
    ("node", "string", "Kubernetes node."),
    ("instance", "string", "EC2 instance id."),
    ("eni", "string", "Network interface."),
    ("subnet", "string", "Subnet."),
    ("vpc", "string", "VPC."),
    ("az", "string", "Availability Zone id."),
    ("account", "string", "Account."),
    ("security_groups", "strings", "Sorted ids of the security groups."),
    ("k8s_service", "string", "Kubernetes service."),
    ("aws_service", "string", "AWS service."),
    ("owner", "string", "Owner, from a configured tag or label key."),
    ("network", "string", "The user's label for the range."),
    ("name", "string", "A name for a person to read."),
    ("address", "string", "Packet address; always filled where one was logged."),
    ("attribution", "string", "How the identity is known, or why it is not."),
)

SIDE_FIELDS: tuple[Field, ...] = tuple(
    Field(f"{side}_{name}", type_, f"{title}: {doc}")
    for side, title in (("src", "Source"), ("dst", "Destination"))
    for name, type_, doc in _SIDES
)

DERIVED: tuple[Field, ...] = (
    Field("direction", "string", "ingress or egress, logged or derived."),
    Field("observer", "string", "What wrote the record: interface, else resource."),
    Field("role", "string", "transit, nat_public, encapsulated, ...; null: an end."),
    Field("scope", "string", "internal, inbound, outbound or external."),
    Field("counted", "bool", "The one record of these packets that reports add up."),
    Field("settled", "bool", "All that needs a second record has been decided."),
    Field("verdict", "string", "accepted, rejected or unconfirmed."),
    Field("initiator", "string", "Which end opened the conversation: src or dst."),
    Field("service_port", "int", "The server's port; null if undecided."),
    Field("reject_cause", "string", "security_group, network_acl, ..."),
    Field("also_blocked_by", "string", "A second cause that would have rejected it."),
    Field("reject_rule", "string", "The deciding rule, or the absence of one."),
    Field("reject_evidence", "string", "log, config or both."),
)

FLOW_FIELDS: tuple[Field, ...] = (
    *VPC_FIELDS, EXTRA, *SIDE_FIELDS, *DERIVED, *PROVENANCE,
)  # fmt: skip
_KNOWN = "observed, started_at, ended_at or inferred."

IDENTITY_FIELDS: tuple[Field, ...] = (
    Field("scope", "string", "What was listed: aws:account:region, kubernetes:name.",
          required=True),
    Field("source", "string", "aws or kubernetes.", required=True),
    Field("holder", "string", "What holds the address: an interface, a pod's uid.",
          required=True),
    Field("address", "string", "An address, or the CIDR of a delegated prefix.",
          required=True),
    Field("vpc", "string", "VPC in which the address means this; null: not known."),
    Field("valid_from", "timestamp", "From here on it surely held the address; UTC."),
    Field("valid_until", "timestamp", "Until here, exclusive; null: it still does."),
    Field("from_known", "string", f"How valid_from is known: {_KNOWN}"),
    Field("until_known", "string", f"How valid_until is known: {_KNOWN}"),
    Field("earliest", "timestamp", "Before this it cannot have held it; null: open."),
    Field("latest", "timestamp", "After this it cannot have held it; null: open."),
    Field("last_seen", "timestamp", "When a listing or a watch last showed it."),
    Field("kind", "string", "pod, node, load_balancer, nat_gateway, ..."),
    Field("forwards", "string", "nat or transit: passes on packets of others."),
    Field("is_primary", "bool", "The interface's primary address."),
    Field("cluster", "string", "Kubernetes or ECS cluster."),
    Field("namespace", "string", "Kubernetes namespace."),
    Field("workload", "string", "Deployment, StatefulSet, service, ..."),
    Field("workload_kind", "string", "Deployment, StatefulSet, ..."),
    Field("pod", "string", "Pod name."),
    Field("node", "string", "Kubernetes node."),
    Field("instance", "string", "EC2 instance id."),
    Field("eni", "string", "Network interface."),
    Field("subnet", "string", "Subnet."),
    Field("az", "string", "Availability Zone id."),
    Field("account", "string", "Account."),
    Field("security_groups", "strings", "Sorted ids of the security groups."),
    Field("k8s_service", "string", "Kubernetes service."),
    Field("aws_service", "string", "AWS service."),
    Field("owner", "string", "Owner, from a configured tag or label key."),
    Field("name", "string", "A name for a person to read."),
)  # fmt: skip

CONFIGURATION_FIELDS: tuple[Field, ...] = (
    Field("scope", "string", "What was listed: aws:account:region, kubernetes:name.",
          required=True),
    Field("resource_type", "string", "security_group, network_acl, subnet, ...",
          required=True),
    Field("resource_id", "string", "Its id.", required=True),
    Field("vpc", "string", "VPC that it belongs to."),
    Field("account", "string", "Its owner."),
    Field("region", "string", "Its Region."),
    Field("valid_from", "timestamp", "From here on it surely was so; UTC."),
    Field("valid_until", "timestamp", "Until here, exclusive; null: it still is."),
    Field("from_known", "string", f"How valid_from is known: {_KNOWN}"),
    Field("until_known", "string", f"How valid_until is known: {_KNOWN}"),
    Field("earliest", "timestamp", "Before this it cannot have been so; null: open."),
    Field("latest", "timestamp", "After this it cannot have been so; null: open."),
    Field("last_seen", "timestamp", "When a listing last showed it."),
    Field("document", "string", "JSON: an allow-list of its fields.", required=True),
)  # fmt: skip

TGW_FLOW_FIELDS: tuple[Field, ...] = (
    *TGW_FIELDS,
    EXTRA,
    Field("src_address", "string", "Source address."),
    Field("dst_address", "string", "Destination address."),
    Field("observer", "string", "The recording attachment."),
    *PROVENANCE,
)
