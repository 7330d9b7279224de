"""The calls that a live inventory makes, and the IAM action of each."""

from __future__ import annotations

from dataclasses import dataclass

REGIONS = "ec2:DescribeRegions"
IDENTITY = "sts:GetCallerIdentity"
ASSUME = "sts:AssumeRole"


@dataclass(frozen=True, slots=True)
class Call:
    """One call, made until it has answered everything.

    Attributes:
        list: The list of documents that it fills.
        service: Of boto3.
        operation: Its name in boto3.
        action: What IAM must allow.
        page_size: The most that a page may hold, as AWS documents it; None: the call
            knows no pages.
        per: It is made for each document of another list: (list, its id's field, the
            argument that takes it).
    """

    list: str
    service: str
    operation: str
    action: str
    page_size: int | None = None
    per: tuple[str, str, str] | None = None


_OF_BALANCER = ("LoadBalancers", "LoadBalancerArn", "LoadBalancerArn")
_OF_GROUP = ("TargetGroups", "TargetGroupArn", "TargetGroupArn")
_OF_PREFIX_LIST = ("PrefixLists", "PrefixListId", "PrefixListId")


def _ec2(list_: str, name: str, page_size: int | None = None) -> Call:
    words = "".join(part.capitalize() for part in name.split("_"))
    return Call(list_, "ec2", f"describe_{name}", f"ec2:Describe{words}", page_size)


def _elb(
    list_: str,
    name: str,
    page_size: int | None = None,
    *,
    per: tuple[str, str, str] | None = None,
    service: str = "elbv2",
) -> Call:
    words = "".join(part.capitalize() for part in name.split("_"))
    action = f"elasticloadbalancing:Describe{words}"
    return Call(list_, service, f"describe_{name}", action, page_size, per)


# Interfaces first: the moment of a sighting is right before them.
CALLS: tuple[Call, ...] = (
    _ec2("NetworkInterfaces", "network_interfaces", 1000),
    _ec2("Addresses", "addresses"),
    _ec2("NatGateways", "nat_gateways", 1000),
    _ec2("VpcEndpoints", "vpc_endpoints", 1000),
    _ec2("Instances", "instances", 1000),
    _ec2("InterfaceAssociations", "trunk_interface_associations", 255),
    _ec2("Vpcs", "vpcs", 1000),
    _ec2("Subnets", "subnets", 1000),
    _ec2("AvailabilityZones", "availability_zones"),
    _ec2("SecurityGroups", "security_groups", 1000),
    _ec2("SecurityGroupRules", "security_group_rules", 1000),
    _ec2("NetworkAcls", "network_acls", 1000),
    _ec2("RouteTables", "route_tables", 100),
    _ec2("PrefixLists", "managed_prefix_lists", 100),
    Call("PrefixListEntries", "ec2", "get_managed_prefix_list_entries",
         "ec2:GetManagedPrefixListEntries", 100, _OF_PREFIX_LIST),
    _ec2("VpcPeeringConnections", "vpc_peering_connections", 1000),
    _ec2("TransitGateways", "transit_gateways", 1000),
    _ec2("TransitGatewayAttachments", "transit_gateway_attachments", 1000),
    _ec2("TransitGatewayVpcAttachments", "transit_gateway_vpc_attachments", 1000),
    _ec2("InternetGateways", "internet_gateways", 1000),
    _ec2("EgressOnlyInternetGateways", "egress_only_internet_gateways", 255),
    _ec2("VpnGateways", "vpn_gateways"),
    _ec2("VpnConnections", "vpn_connections"),
    _ec2("CustomerGateways", "customer_gateways"),
    _ec2("FlowLogs", "flow_logs", 1000),
    _ec2("VpcBlockPublicAccessOptions", "vpc_block_public_access_options"),
    _ec2("VpcBlockPublicAccessExclusions", "vpc_block_public_access_exclusions", 1000),
    _ec2("VpcEncryptionControls", "vpc_encryption_controls", 1000),
    _elb("LoadBalancers", "load_balancers", 400),
    _elb("LoadBalancerDescriptions", "load_balancers", 400, service="elb"),
    _elb("Listeners", "listeners", 400, per=_OF_BALANCER),
    _elb("TargetGroups", "target_groups", 400),
    _elb("TargetGroupAttributes", "target_group_attributes", per=_OF_GROUP),
    _elb("TargetHealth", "target_health", per=_OF_GROUP),
)  # fmt: skip


def actions() -> tuple[str, ...]:
    """Return the IAM actions that listing an account takes, sorted.

    Not in it: ``ASSUME``, which the caller needs on the roles that it assumes.
    """
    return tuple(sorted({REGIONS, IDENTITY, *(call.action for call in CALLS)}))
