"""The kinds of documents that AWS answers with, and which of their fields are kept.

Nothing that is not named here is stored: no user data, no tunnel keys, no tags but
those asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

Shape = dict[str, Any]

_PERMISSIONS = (
    "(IpProtocol FromPort ToPort IpRanges(CidrIp) Ipv6Ranges(CidrIpv6)"
    " PrefixListIds(PrefixListId)"
    " UserIdGroupPairs(GroupId UserId VpcId PeeringStatus VpcPeeringConnectionId))"
)
_PEER = (
    "(VpcId OwnerId Region CidrBlock CidrBlockSet(CidrBlock)"
    " Ipv6CidrBlockSet(Ipv6CidrBlock))"
)
_ATTACHMENT = (
    "TransitGatewayAttachmentId TransitGatewayId TransitGatewayOwnerId ResourceOwnerId"
    " ResourceType ResourceId VpcId VpcOwnerId SubnetIds State"
    " Association(TransitGatewayRouteTableId State)"
    " Options(ApplianceModeSupport SecurityGroupReferencingSupport Ipv6Support) Tags"
)

# List: (resource type, fields that may be its id, fields that are kept).
_KINDS: dict[str, tuple[str, str, str]] = {
    "Vpcs": (
        "vpc", "VpcId",
        "VpcId OwnerId State IsDefault CidrBlock"
        " CidrBlockAssociationSet(CidrBlock CidrBlockState(State))"
        " Ipv6CidrBlockAssociationSet(Ipv6CidrBlock Ipv6CidrBlockState(State))"
        " BlockPublicAccessStates(InternetGatewayBlockMode)"
        " EncryptionControl(VpcEncryptionControlId Mode State) Tags",
    ),
    "Subnets": (
        "subnet", "SubnetId",
        "SubnetId VpcId OwnerId State CidrBlock MapPublicIpOnLaunch AvailabilityZone"
        " AvailabilityZoneId"
        " Ipv6CidrBlockAssociationSet(Ipv6CidrBlock Ipv6CidrBlockState(State))"
        " BlockPublicAccessStates(InternetGatewayBlockMode) Tags",
    ),
    "NetworkInterfaces": (
        "network_interface", "NetworkInterfaceId",
        "NetworkInterfaceId InterfaceType Description RequesterId RequesterManaged"
        " OwnerId Status VpcId SubnetId AvailabilityZone AvailabilityZoneId"
        " PrivateIpAddress SourceDestCheck Groups(GroupId)"
        " Attachment(InstanceId InstanceOwnerId DeviceIndex NetworkCardIndex AttachTime"
        " Status) ConnectionTrackingConfiguration(TcpEstablishedTimeout"
        " UdpStreamTimeout UdpTimeout) TagSet",
    ),
    "Instances": (
        "instance", "InstanceId",
        "InstanceId OwnerId VpcId SubnetId State(Name) InstanceType LaunchTime"
        " Placement(AvailabilityZone) Tags",
    ),
    "SecurityGroups": (
        "security_group", "GroupId",
        f"GroupId GroupName VpcId OwnerId IpPermissions{_PERMISSIONS}"
        f" IpPermissionsEgress{_PERMISSIONS} Tags",
    ),
    "SecurityGroupRules": (
        "security_group_rule", "SecurityGroupRuleId",
        "SecurityGroupRuleId GroupId GroupOwnerId IsEgress IpProtocol FromPort ToPort"
        " CidrIpv4 CidrIpv6 PrefixListId"
        " ReferencedGroupInfo(GroupId UserId VpcId PeeringStatus"
        " VpcPeeringConnectionId) Tags",
    ),
    "NetworkAcls": (
        "network_acl", "NetworkAclId",
        "NetworkAclId VpcId OwnerId IsDefault"
        " Associations(NetworkAclAssociationId SubnetId)"
        " Entries(RuleNumber Protocol RuleAction Egress CidrBlock Ipv6CidrBlock"
        " PortRange(From To) IcmpTypeCode(Type Code)) Tags",
    ),
    "RouteTables": (
        "route_table", "RouteTableId",
        "RouteTableId VpcId OwnerId"
        " Associations(Main SubnetId GatewayId AssociationState(State))"
        " Routes(DestinationCidrBlock DestinationIpv6CidrBlock DestinationPrefixListId"
        " GatewayId NatGatewayId TransitGatewayId VpcPeeringConnectionId"
        " NetworkInterfaceId InstanceId InstanceOwnerId EgressOnlyInternetGatewayId"
        " LocalGatewayId CarrierGatewayId CoreNetworkArn OdbNetworkArn IpAddress Origin"
        " State) PropagatingVgws(GatewayId) Tags",
    ),
    "PrefixLists": (
        "prefix_list", "PrefixListId",
        "PrefixListId PrefixListName OwnerId AddressFamily Version Entries(Cidr) Tags",
    ),
    "VpcPeeringConnections": (
        "vpc_peering_connection", "VpcPeeringConnectionId",
        f"VpcPeeringConnectionId Status(Code) RequesterVpcInfo{_PEER}"
        f" AccepterVpcInfo{_PEER} Tags",
    ),
    "TransitGateways": (
        "transit_gateway", "TransitGatewayId",
        "TransitGatewayId OwnerId State Options(SecurityGroupReferencingSupport"
        " DefaultRouteTableAssociation DefaultRouteTablePropagation"
        " AssociationDefaultRouteTableId PropagationDefaultRouteTableId"
        " TransitGatewayCidrBlocks) Tags",
    ),
    "TransitGatewayAttachments": (
        "transit_gateway_attachment", "TransitGatewayAttachmentId", _ATTACHMENT,
    ),
    "TransitGatewayVpcAttachments": (
        "transit_gateway_attachment", "TransitGatewayAttachmentId", _ATTACHMENT,
    ),
    "NatGateways": (
        "nat_gateway", "NatGatewayId",
        "NatGatewayId VpcId SubnetId State ConnectivityType AvailabilityMode CreateTime"
        " DeleteTime NatGatewayAddresses(NetworkInterfaceId PrivateIp PublicIp"
        " AllocationId AvailabilityZone AvailabilityZoneId IsPrimary Status) Tags",
    ),
    "VpcEndpoints": (
        "vpc_endpoint", "VpcEndpointId",
        "VpcEndpointId VpcEndpointType VpcId OwnerId ServiceName State"
        " NetworkInterfaceIds SubnetIds RouteTableIds Groups(GroupId) RequesterManaged"
        " PrivateDnsEnabled Tags",
    ),
    "Addresses": (
        "elastic_ip", "AllocationId PublicIp",
        "AllocationId PublicIp AssociationId NetworkInterfaceId NetworkInterfaceOwnerId"
        " InstanceId PrivateIpAddress CarrierIp Tags",
    ),
    "InternetGateways": (
        "internet_gateway", "InternetGatewayId",
        "InternetGatewayId OwnerId Attachments(VpcId State) Tags",
    ),
    "EgressOnlyInternetGateways": (
        "egress_only_internet_gateway", "EgressOnlyInternetGatewayId",
        "EgressOnlyInternetGatewayId Attachments(VpcId State) Tags",
    ),
    "VpnGateways": (
        "vpn_gateway", "VpnGatewayId",
        "VpnGatewayId State Type AmazonSideAsn VpcAttachments(VpcId State) Tags",
    ),
    "VpnConnections": (  # never CustomerGatewayConfiguration: it holds tunnel keys
        "vpn_connection", "VpnConnectionId",
        "VpnConnectionId State Type Category VpnGatewayId TransitGatewayId"
        " CustomerGatewayId Routes(DestinationCidrBlock Source State) Tags",
    ),
    "CustomerGateways": (
        "customer_gateway", "CustomerGatewayId",
        "CustomerGatewayId State Type IpAddress BgpAsn Tags",
    ),
    "FlowLogs": (
        "flow_log", "FlowLogId",
        "FlowLogId ResourceId TrafficType LogFormat MaxAggregationInterval"
        " LogDestination LogDestinationType LogGroupName FlowLogStatus"
        " DeliverLogsStatus DeliverLogsErrorMessage CreationTime"
        " DestinationOptions(FileFormat HiveCompatiblePartitions PerHourPartition)"
        " TagFieldSpecifications(ResourceType TagKeys) Tags",
    ),
    "LoadBalancers": (
        "load_balancer", "LoadBalancerArn",
        "LoadBalancerArn LoadBalancerName DNSName Type Scheme VpcId IpAddressType"
        " State(Code) SecurityGroups AvailabilityZones(ZoneName SubnetId"
        " LoadBalancerAddresses(IpAddress AllocationId PrivateIPv4Address"
        " IPv6Address))",
    ),
    "LoadBalancerDescriptions": (
        "load_balancer", "LoadBalancerName",
        "LoadBalancerName DNSName VPCId Scheme Subnets SecurityGroups"
        " Instances(InstanceId) ListenerDescriptions(Listener(Protocol LoadBalancerPort"
        " InstanceProtocol InstancePort))",
    ),
    "Listeners": (
        "listener", "ListenerArn",
        "ListenerArn LoadBalancerArn Protocol Port DefaultActions(Type TargetGroupArn)",
    ),
    "TargetGroups": (
        "target_group", "TargetGroupArn",
        "TargetGroupArn TargetGroupName Protocol Port VpcId TargetType IpAddressType"
        " LoadBalancerArns HealthCheckProtocol HealthCheckPort Attributes(Key Value)"
        " Targets(Id Port AvailabilityZone)",
    ),
    "InterfaceAssociations": (
        "trunk_interface_association", "AssociationId",
        "AssociationId BranchInterfaceId TrunkInterfaceId InterfaceProtocol VlanId",
    ),
    "VpcBlockPublicAccessOptions": (
        "vpc_block_public_access_options", "AwsRegion",
        "AwsAccountId AwsRegion State InternetGatewayBlockMode ExclusionsAllowed",
    ),
    "VpcBlockPublicAccessExclusions": (
        "vpc_block_public_access_exclusion", "ExclusionId",
        "ExclusionId InternetGatewayExclusionMode ResourceArn State",
    ),
    "VpcEncryptionControls": (
        "vpc_encryption_control", "VpcEncryptionControlId",
        "VpcEncryptionControlId VpcId Mode State",
    ),
    "AvailabilityZones": (
        "availability_zones", "RegionName",
        "AvailabilityZones(ZoneName ZoneId ZoneType)",
    ),
}  # fmt: skip

CLUSTER_TAGS = (
    "cluster.k8s.amazonaws.com/name",
    "eks:cluster-name",
    "aws:eks:cluster-name",
    "alpha.eksctl.io/cluster-name",
    "aws:ecs:clusterName",
)
CLUSTER_PREFIX = "kubernetes.io/cluster/"  # a tag's key that ends in a cluster's name
TRUNK_TAG = "vpcresources.k8s.aws/trunk-eni-id"
INSTANCE_TAG = "node.k8s.amazonaws.com/instance_id"
SERVICE_TAG = "aws:ecs:serviceName"
# Tags that are kept whoever asks: by them is joined what is told another time.
_TAGS = {
    "Instances": frozenset((*CLUSTER_TAGS, CLUSTER_PREFIX)),
    "NetworkInterfaces": frozenset(
        (*CLUSTER_TAGS, CLUSTER_PREFIX, TRUNK_TAG, INSTANCE_TAG, SERVICE_TAG)
    ),
}

_WORD = re.compile(r"\w+|[()]")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of document.

    Attributes:
        type: Its resource type.
        ids: Fields that may name it, the best first.
        shape: The fields that are kept; nested, empty for a plain value.
        tags: The tags that are kept of every one, and how their keys may begin.
    """

    type: str
    ids: tuple[str, ...]
    shape: Shape
    tags: frozenset[str] = frozenset()


@cache
def kinds() -> dict[str, Kind]:
    """Return the kinds of documents by the list that they come in."""
    return {
        name: Kind(
            type_,
            tuple(ids.split()),
            _shape(iter(_WORD.findall(fields))),
            _TAGS.get(name, frozenset()),
        )
        for name, (type_, ids, fields) in _KINDS.items()
    }


def _shape(words: Iterator[str]) -> Shape:
    shape: Shape = {}
    last = ""
    for word in words:
        if word == ")":
            break
        if word == "(":
            shape[last] = _shape(words)
        else:
            last = word
            shape[word] = {}
    return shape


def resource_types(lists: Iterable[str]) -> frozenset[str]:
    """Return the resource types that some lists hold."""
    return frozenset(kinds()[name].type for name in lists if name in kinds())
