"""What `aws ec2 describe-*` and `kubectl get -o json` would say of the world."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from demo.objects import FlowLog
from demo.rules import ANYWHERE, GROUPS
from demo.world import Endpoint, Interface, World, ident

SNAPSHOT_EVERY = timedelta(minutes=30)


def documents(world: World, flow_logs: list[FlowLog]) -> Iterator[tuple[str, bytes]]:
    """Yield (path below the inventory folder, JSON) of everything that exists."""
    answers: dict[str, tuple[str, list[Any]]] = {
        "vpcs": ("Vpcs", [_vpc(v) for v in world.vpcs]),
        "subnets": ("Subnets", [_subnet(s) for v in world.vpcs for s in v.subnets]),
        "network-interfaces": (
            "NetworkInterfaces",
            [_interface(world, i) for i in world.interfaces],
        ),
        "security-groups": ("SecurityGroups", list(_groups(world))),
        "network-acls": ("NetworkAcls", list(_acls(world))),
        "route-tables": ("RouteTables", [_routes(v) for v in world.vpcs]),
        "instances": ("Reservations", list(_instances(world))),
        "nat-gateways": ("NatGateways", list(_nat_gateways(world))),
        "addresses": ("Addresses", list(_elastic(world))),
        "flow-logs": ("FlowLogs", [_flow_log(f) for f in flow_logs]),
    }
    for name, (key, items) in answers.items():
        yield f"aws/{name}.json", _json({key: items})
    moment = world.begin
    while moment <= world.end:
        for kind, items in _cluster(world, moment).items():
            listed = {"apiVersion": "v1", "kind": "List", "items": items}
            yield f"kubernetes/{kind}-{moment:%Y%m%dT%H%M%SZ}.json", _json(listed)
        moment += SNAPSHOT_EVERY


def _json(document: Any) -> bytes:
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def _vpc(vpc: Any) -> dict[str, Any]:
    return {
        "VpcId": vpc.id,
        "CidrBlock": vpc.cidr,
        "OwnerId": vpc.account,
        "State": "available",
        "CidrBlockAssociationSet": [{"CidrBlock": vpc.cidr}],
        "Tags": [{"Key": "Name", "Value": vpc.name}],
    }


def _subnet(subnet: Any) -> dict[str, Any]:
    return {
        "SubnetId": subnet.id,
        "VpcId": subnet.vpc,
        "CidrBlock": subnet.cidr,
        "AvailabilityZoneId": subnet.az,
        "State": "available",
    }


def _interface(world: World, interface: Interface) -> dict[str, Any]:
    vpc = world.vpc_of(interface)
    addresses = [interface.address, *interface.secondary]
    document: dict[str, Any] = {
        "NetworkInterfaceId": interface.id,
        "InterfaceType": interface.kind,
        "Description": interface.description,
        "OwnerId": vpc.account,
        "VpcId": vpc.id,
        "SubnetId": interface.subnet.id,
        "AvailabilityZoneId": interface.subnet.az,
        "Status": "in-use",
        "PrivateIpAddress": interface.address,
        "PrivateIpAddresses": [
            {"PrivateIpAddress": a, "Primary": a == interface.address}
            for a in addresses
        ],
        "Ipv6Addresses": [],
        "Groups": [
            {"GroupId": ident("sg", vpc.id, g), "GroupName": g}
            for g in interface.groups
        ],
        "RequesterManaged": interface.instance is None,
        "SourceDestCheck": interface.kind != "nat_gateway",
        "TagSet": [],
    }
    if interface.instance:
        document["Attachment"] = {"InstanceId": interface.instance, "DeviceIndex": 0}
    if interface.prefix:
        document["Ipv4Prefixes"] = [{"Ipv4Prefix": interface.prefix}]
    if interface.public:
        document["Association"] = {"PublicIp": interface.public}
    return document


def _groups(world: World) -> Iterator[dict[str, Any]]:
    for vpc in world.vpcs:
        for name, rules in GROUPS.items():
            yield {
                "GroupId": ident("sg", vpc.id, name),
                "GroupName": name,
                "VpcId": vpc.id,
                "OwnerId": vpc.account,
                "IpPermissions": [_permission(vpc.id, r) for r in rules],
                "IpPermissionsEgress": [
                    {"IpProtocol": "-1", "IpRanges": [{"CidrIp": ANYWHERE}]}
                ],
            }


def _permission(vpc: str, rule: Any) -> dict[str, Any]:
    by_group = rule.source.startswith("sg-")
    return {
        "IpProtocol": "tcp",
        "FromPort": rule.port,
        "ToPort": rule.port,
        "IpRanges": [] if by_group else [{"CidrIp": rule.source}],
        "UserIdGroupPairs": [{"GroupId": ident("sg", vpc, rule.source)}]
        if by_group
        else [],
    }


def _acls(world: World) -> Iterator[dict[str, Any]]:
    for vpc in world.vpcs:
        for name in ("default", "strict"):
            entries = [_entry(100, "allow", egress=False)]
            if name == "default":
                entries.append(_entry(100, "allow", egress=True))
            entries += [_entry(32767, "deny", egress=e) for e in (False, True)]
            yield {
                "NetworkAclId": ident("acl", vpc.id, name),
                "VpcId": vpc.id,
                "IsDefault": name == "default",
                "Associations": [
                    {"SubnetId": s.id} for s in vpc.subnets if s.acl == name
                ],
                "Entries": entries,
            }


def _entry(number: int, action: str, *, egress: bool) -> dict[str, Any]:
    return {
        "RuleNumber": number,
        "Protocol": "-1",
        "RuleAction": action,
        "Egress": egress,
        "CidrBlock": ANYWHERE,
    }


def _routes(vpc: Any) -> dict[str, Any]:
    return {
        "RouteTableId": ident("rtb", vpc.id),
        "VpcId": vpc.id,
        "Associations": [{"Main": True}],
        "Routes": [
            {"DestinationCidrBlock": vpc.cidr, "GatewayId": "local", "State": "active"},
            {
                "DestinationCidrBlock": ANYWHERE,
                "NatGatewayId": ident("nat", vpc.name),
                "State": "active",
            },
        ],
    }


def _instances(world: World) -> Iterator[dict[str, Any]]:
    for interface in world.interfaces:
        if interface.instance:
            yield {
                "Instances": [
                    {
                        "InstanceId": interface.instance,
                        "State": {"Name": "running"},
                        "PrivateIpAddress": interface.address,
                        "SubnetId": interface.subnet.id,
                        "VpcId": interface.subnet.vpc,
                        "NetworkInterfaces": [{"NetworkInterfaceId": interface.id}],
                    }
                ]
            }


def _nat_gateways(world: World) -> Iterator[dict[str, Any]]:
    for interface in world.interfaces:
        if interface.kind == "nat_gateway":
            yield {
                "NatGatewayId": ident("nat", world.seed, world.vpc_of(interface).name),
                "VpcId": interface.subnet.vpc,
                "SubnetId": interface.subnet.id,
                "State": "available",
                "ConnectivityType": "public",
                "NatGatewayAddresses": [
                    {
                        "NetworkInterfaceId": interface.id,
                        "PrivateIp": interface.address,
                        "PublicIp": interface.public,
                    }
                ],
            }


def _elastic(world: World) -> Iterator[dict[str, Any]]:
    for interface in world.interfaces:
        if interface.public:
            yield {
                "PublicIp": interface.public,
                "NetworkInterfaceId": interface.id,
                "PrivateIpAddress": interface.address,
            }


def _flow_log(flow_log: FlowLog) -> dict[str, Any]:
    return {
        "FlowLogId": flow_log.id,
        "ResourceId": flow_log.vpc.id,
        "TrafficType": "ALL",
        "LogDestinationType": "s3",
        "LogFormat": " ".join(f"${{{name}}}" for name in flow_log.fields),
        "MaxAggregationInterval": 60,
        "DestinationOptions": {
            "FileFormat": "parquet" if flow_log.parquet else "plain-text",
            "HiveCompatiblePartitions": flow_log.layout.startswith("hive"),
            "PerHourPartition": flow_log.layout.endswith("hourly"),
        },
    }


def _cluster(world: World, at: datetime) -> dict[str, list[Any]]:
    """Return the lists of a cluster at one moment; finished pods have gone."""
    alive = [
        e
        for e in world.endpoints
        if e.pod and e.since and e.since <= at and (e.until is None or at < e.until)
    ]
    nodes = [e for e in world.endpoints if e.kind == "node"]
    pods = [_pod(e) for e in alive] + [_host_pod(e) for e in nodes]
    return {"pods": pods, "nodes": [_node(e) for e in nodes]}


def _pod(endpoint: Endpoint) -> dict[str, Any]:
    since = endpoint.since.strftime("%Y-%m-%dT%H:%M:%SZ") if endpoint.since else None
    replica_set = (endpoint.pod or "").rpartition("-")[0]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": endpoint.pod,
            "namespace": endpoint.namespace,
            "uid": ident("uid", endpoint.interface.id, endpoint.pod),
            "labels": {"app": endpoint.workload},
            "ownerReferences": [
                {"kind": "ReplicaSet", "name": replica_set, "controller": True}
            ],
        },
        "spec": {"nodeName": endpoint.node},
        "status": {
            "phase": "Running",
            "podIP": endpoint.address,
            "podIPs": [{"ip": endpoint.address}],
            "startTime": since,
        },
    }


def _host_pod(node: Endpoint) -> dict[str, Any]:
    name = f"aws-node-{ident('x', node.interface.id)[2:7]}"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "kube-system",
            "ownerReferences": [
                {"kind": "DaemonSet", "name": "aws-node", "controller": True}
            ],
        },
        "spec": {"nodeName": node.node, "hostNetwork": True},
        "status": {"phase": "Running", "podIP": node.address},
    }


def _node(node: Endpoint) -> dict[str, Any]:
    zone = node.interface.subnet.az
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.node},
        "spec": {"providerID": f"aws:///{zone}/{node.interface.instance}"},
        "status": {"addresses": [{"type": "InternalIP", "address": node.address}]},
    }
