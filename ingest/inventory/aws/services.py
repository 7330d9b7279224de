"""Whose interface it is, by the type and the description that AWS gives it."""

from __future__ import annotations

import re
from dataclasses import dataclass

NAT, TRANSIT = "nat", "transit"

# InterfaceType is an open list; these are the types that say nothing of an owner.
PLAIN_TYPES = ("interface", "efa", "efa-only", "trunk", "branch")
KIND_OF_TYPE: dict[str, str] = {
    "natGateway": "nat_gateway",
    "network_load_balancer": "load_balancer",
    "gateway_load_balancer": "load_balancer",
    "global_accelerator_managed": "global_accelerator",
    "api_gateway_managed": "api_gateway",
    "iot_rules_managed": "iot_rules",
    "aws_codestar_connections_managed": "codestar_connections",
}
FORWARDS: dict[str, str | None] = {
    "nat_gateway": NAT,
    "transit_gateway": TRANSIT,
    "gateway_load_balancer_endpoint": TRANSIT,
}

_ARN = r"arn:aws[\w-]*"

# (kind, description, whether AWS must manage the interface for this to be believed).
# ``resource`` is an id that other documents use, ``name`` one for a person.
_RULES: tuple[tuple[str, str, bool], ...] = (
    ("nat_gateway", r"Interface for NAT Gateway (?P<resource>nat-\w+)", False),
    ("transit_gateway",
     r"Network Interface for Transit Gateway Attachment (?P<resource>tgw-attach-\w+)",
     False),
    ("load_balancer", r"ELB (?P<resource>(?:app|net|gwy)/(?P<name>[^/]+)/\w+)", False),
    ("load_balancer", r"ELB (?P<name>[\w-]+)$", True),
    ("vpc_endpoint", r"VPC Endpoint Interface:? *(?P<resource>vpce-\w+)", False),
    ("resource_gateway", r"Resource Gateway Interface:? *(?P<name>rgw-\w+)", False),
    ("lambda", r"AWS Lambda VPC ENI\b", False),
    ("rds", r"RDSNetworkInterface$", False),
    ("rds", r"Network interface for DBProxy\b", False),
    ("elasticache", r"ElastiCache[ +](?P<name>\S+)", True),
    ("redshift", r"RedshiftNetworkInterface$", False),
    ("efs", r"EFS mount target for (?P<name>fs-\w+)", False),
    ("ecs_task", rf"{_ARN}:ecs:[\w-]*:\d*:attachment/", False),
    ("dms", r"DMSNetworkInterface$", False),
    ("dax", r"DAX (?P<name>\S+)", True),
    ("emr", r"AWS ElasticMapReduce\b", True),
    ("directory",
     r"AWS created network interface for directory (?P<name>d-\w+)", False),
    ("cloudhsm", r"(?:CloudHsm ENI|CloudHSM Managed Interface)\b", False),
    ("eks_control_plane", r"Amazon EKS (?P<name>\S+)$", True),
    ("msk", rf".*Amazon MSK network interface for cluster {_ARN}:kafka:[\w:-]*"
     r":cluster/(?P<name>[^/]+)/", False),
    ("route53_resolver", r"Route 53 Resolver: *(?P<name>rslvr-\w+-\w+)", True),
    ("api_gateway", r"ENI managed by APIGateway$", True),
)  # fmt: skip
_READY = tuple((kind, re.compile(text), managed) for kind, text, managed in _RULES)


@dataclass(frozen=True, slots=True)
class Described:
    """What a description says.

    Attributes:
        kind: Of what holds the interface.
        name: For a person to read, if it is told.
        resource: The id that other documents use, if it is told.
        managed: Whether this is to be believed only of interfaces that AWS manages.
    """

    kind: str
    name: str | None
    resource: str | None
    managed: bool


def described(text: str | None) -> Described | None:
    """Return what an interface's description says of its holder.

    One of Lambda's names a function, but all with the same subnet and groups share the
    interface: which of them a record is of nobody knows, so none is named.

    Source:
        Descriptions as AWS writes them, seen in answers of DescribeNetworkInterfaces.
    """
    if not text:
        return None
    for kind, pattern, managed in _READY:
        found = pattern.match(text)
        if found:
            named = found.groupdict()
            return Described(kind, named.get("name"), named.get("resource"), managed)
    return None


def endpoint_service(name: str | None) -> str | None:
    """Return an AWS service as flow logs spell it: ``com.amazonaws.eu-west-1.s3``."""
    found = re.fullmatch(r"(?:cn\.)?com\.amazonaws\.(?:[a-z-]+-\d+\.)?(.+)", name or "")
    return re.sub(r"[^A-Z0-9]+", "_", found[1].upper()) if found else None
