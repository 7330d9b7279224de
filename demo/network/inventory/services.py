"""Gateways, load balancers, endpoints, Elastic IPs and flow logs, as AWS says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from demo.network.fixtures import balancer_hex
from demo.network.ground import Ground, Interface, Vpc
from demo.network.inventory.pods import iso
from demo.network.logs import Subscription

if TYPE_CHECKING:
    from demo.network.work import Scene

_TYPES = {"alb": "application", "nlb": "network", "nlb-tls": "network",
          "gwlb": "gateway"}  # fmt: skip


def answers(
    scene: Scene, vpcs: list[Vpc], some: list[Interface]
) -> dict[str, tuple[str, list[Any]]]:
    """Return what is asked about services in some VPCs."""
    ground = scene.ground
    balancers = [
        (vpc, role)
        for vpc in vpcs
        for role in _TYPES
        if (vpc.name, role) in ground.pools
    ]
    names = {vpc.name for vpc in vpcs}
    return {
        "nat-gateways": ("NatGateways", list(_nats(ground, names))),
        "addresses": ("Addresses", list(_elastic(ground, names))),
        "vpc-endpoints": ("VpcEndpoints", list(_endpoints(ground, some, names))),
        "load-balancers": ("LoadBalancers", [_balancer(ground, *b) for b in balancers]),
        "target-groups": ("TargetGroups", [_targets(ground, *b) for b in balancers]),
        "listeners": ("Listeners", [_listener(ground, *b) for b in balancers]),
        "flow-logs": (
            "FlowLogs",
            [_flow_log(s) for s in scene.logs if s.of[0] in names],
        ),
    }


def _allocation(interface: Interface) -> str:
    return f"eipalloc-{(interface.id or interface.resource or '')[4:]}"


def _nats(ground: Ground, names: set[str]) -> Iterator[dict[str, Any]]:
    for interface in ground.interfaces:
        if interface.vpc not in names or "nat_gateway" not in interface.kind:
            continue
        vpc, regional = ground.vpcs[interface.vpc], interface.resource is not None
        place: dict[str, Any] = {
            "PublicIp": interface.public,
            "AllocationId": _allocation(interface),
            "Status": "succeeded",
        }
        answer: dict[str, Any] = {
            "NatGatewayId": interface.resource or interface.description.split()[-1],
            "VpcId": vpc.id,
            "State": "available",
            "ConnectivityType": "public",
            "AvailabilityMode": "regional" if regional else "zonal",
            "CreateTime": iso(ground.begin - 180_000),
            "NatGatewayAddresses": [place],
        }
        if regional:
            place["AvailabilityZoneId"] = interface.subnet.zone
        else:
            answer["SubnetId"] = interface.subnet.id
            place["NetworkInterfaceId"] = interface.id
            place["PrivateIp"] = interface.address
        yield answer


def _elastic(ground: Ground, names: set[str]) -> Iterator[dict[str, Any]]:
    for interface in ground.interfaces:
        if interface.public and interface.vpc in names:
            address: dict[str, Any] = {
                "PublicIp": interface.public,
                "AllocationId": _allocation(interface),
                "Domain": "vpc",
            }
            if interface.id:
                address["NetworkInterfaceId"] = interface.id
                address["PrivateIpAddress"] = interface.address
                address["NetworkInterfaceOwnerId"] = ground.vpcs[interface.vpc].account
            if interface.instance:
                address["InstanceId"] = interface.instance
            yield address
    if "shop" in names:
        yield {
            "PublicIp": "54.144.0.250",
            "AllocationId": "eipalloc-0123456789abcdef0",
            "Domain": "vpc",
        }


def _endpoints(
    ground: Ground, some: list[Interface], names: set[str]
) -> Iterator[dict[str, Any]]:
    for interface in some:
        kind = {"vpc_endpoint": "Interface",
                "gateway_load_balancer_endpoint": "GatewayLoadBalancer"}.get(
                    interface.kind)  # fmt: skip
        if kind:
            vpc = ground.vpcs[interface.vpc]
            service = "sts" if kind == "Interface" else "vpce-svc-0a1b2c3d4e5f60718"
            yield {
                "VpcEndpointId": interface.description.split()[-1],
                "VpcEndpointType": kind,
                "VpcId": vpc.id,
                "OwnerId": vpc.account,
                "ServiceName": f"com.amazonaws.{vpc.region}.{service}",
                "State": "available",
                "SubnetIds": [interface.subnet.id],
                "NetworkInterfaceIds": [interface.id],
                "Groups": [
                    {"GroupId": ground.id("sg", vpc.name, g), "GroupName": g}
                    for g in interface.groups
                ],
            }
    if "data" in names:
        vpc = ground.vpcs["data"]
        yield {
            "VpcEndpointId": ground.id("vpce", "data"),
            "VpcEndpointType": "Gateway",
            "VpcId": vpc.id,
            "OwnerId": vpc.account,
            "ServiceName": f"com.amazonaws.{vpc.region}.dynamodb",
            "State": "available",
            "RouteTableIds": [ground.id("rtb", "data", "apps")],
            "NetworkInterfaceIds": [],
        }


def _arn(vpc: Vpc, rest: str) -> str:
    return f"arn:aws:elasticloadbalancing:{vpc.region}:{vpc.account}:{rest}"


def _balancer_path(ground: Ground, vpc: Vpc, role: str) -> str:
    short = {"application": "app", "network": "net", "gateway": "gwy"}[_TYPES[role]]
    return f"{short}/{role}/{balancer_hex(ground, vpc.name, role)}"


def _balancer(ground: Ground, vpc: Vpc, role: str) -> dict[str, Any]:
    return {
        "LoadBalancerArn": _arn(
            vpc, f"loadbalancer/{_balancer_path(ground, vpc, role)}"
        ),
        "LoadBalancerName": role,
        "Type": _TYPES[role],
        "Scheme": "internal" if role == "gwlb" else "internet-facing",
        "VpcId": vpc.id,
        "State": {"Code": "active"},
        "CreatedTime": iso(ground.begin - 180_000),
        "SecurityGroups": [ground.id("sg", vpc.name, role)] if role == "alb" else [],
    }


def _target_arn(ground: Ground, vpc: Vpc, role: str) -> str:
    return _arn(vpc, f"targetgroup/{role}/{ground.id('tg', vpc.name, role)[3:19]}")


def _targets(ground: Ground, vpc: Vpc, role: str) -> dict[str, Any]:
    """Return a target group; only the plain NLB's keeps the client's address."""
    protocol = {"alb": "HTTP", "nlb": "TCP", "nlb-tls": "TCP", "gwlb": "GENEVE"}[role]
    keeps = str(role == "nlb").lower()
    attributes = [{"Key": "preserve_client_ip.enabled", "Value": keeps}]
    return {
        "TargetGroupArn": _target_arn(ground, vpc, role),
        "TargetGroupName": role,
        "Protocol": protocol,
        "Port": 6081 if role == "gwlb" else 8443 if role == "nlb-tls" else 8080,
        "VpcId": vpc.id,
        "TargetType": "instance" if role == "gwlb" else "ip",
        "LoadBalancerArns": [
            _arn(vpc, f"loadbalancer/{_balancer_path(ground, vpc, role)}")
        ],
        "Attributes": attributes if _TYPES[role] == "network" else [],
    }


def _listener(ground: Ground, vpc: Vpc, role: str) -> dict[str, Any]:
    path = _balancer_path(ground, vpc, role)
    listener: dict[str, Any] = {
        "ListenerArn": _arn(vpc, f"listener/{path}/{path[-16:]}"),
        "LoadBalancerArn": _arn(vpc, f"loadbalancer/{path}"),
        "DefaultActions": [
            {"Type": "forward", "TargetGroupArn": _target_arn(ground, vpc, role)}
        ],
    }
    if role != "gwlb":
        protocol = {"alb": "HTTPS", "nlb": "TCP", "nlb-tls": "TLS"}[role]
        listener |= {"Port": 443, "Protocol": protocol}
    return listener


def _flow_log(log: Subscription) -> dict[str, Any]:
    delivery = log.delivery
    return {
        "FlowLogId": delivery.id,
        "FlowLogStatus": "ACTIVE",
        "ResourceId": log.resource,
        "TrafficType": log.traffic,
        "LogDestinationType": "s3",
        "LogDestination": "arn:aws:s3:::flow-logs",
        "LogFormat": " ".join(f"${{{name}}}" for name in delivery.fields),
        "MaxAggregationInterval": log.interval,
        "CreationTime": iso(log.created),
        "DeliverLogsStatus": "SUCCESS",
        "DestinationOptions": {
            "FileFormat": "parquet" if delivery.parquet else "plain-text",
            "HiveCompatiblePartitions": delivery.layout.startswith("hive"),
            "PerHourPartition": delivery.layout.endswith("hourly"),
        },
    }
