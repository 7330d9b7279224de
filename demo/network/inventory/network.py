"""VPCs, subnets, routes, groups, ACLs, peerings and attachments, as AWS says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from demo.network.fixtures import resource_id
from demo.network.ground import Ground, Subnet, Vpc
from demo.network.guard import Allow, acls, groups, outbound
from demo.network.inventory.pods import zone_name
from demo.network.inventory.routes import tables

PARTNER_ACCOUNT = "333333333333"


def answers(ground: Ground, vpcs: list[Vpc]) -> dict[str, tuple[str, list[Any]]]:
    """Return what is asked about the network itself."""
    names = [vpc.name for vpc in vpcs]
    subnets = [s for s in ground.subnets.values() if s.vpc in names]
    zones = sorted({(s.zone, zone_name(ground, s.vpc, s.zone)) for s in subnets})
    return {
        "vpcs": ("Vpcs", [_vpc(v) for v in vpcs]),
        "subnets": ("Subnets", [_subnet(ground, s) for s in subnets]),
        "availability-zones": (
            "AvailabilityZones",
            [
                {"ZoneId": z, "ZoneName": n, "RegionName": vpcs[0].region}
                for z, n in zones
            ],
        ),
        "route-tables": ("RouteTables", list(tables(ground, subnets))),
        "network-acls": ("NetworkAcls", list(_acls(ground, vpcs, subnets))),
        "security-groups": ("SecurityGroups", list(_groups(ground, names))),
        "managed-prefix-lists": ("PrefixLists", _prefix_lists(vpcs[0].region)),
        "vpc-peering-connections": (
            "VpcPeeringConnections",
            [_peering(ground, a, b) for a, b in _PEERINGS if a in names],
        ),
        "transit-gateway-vpc-attachments": (
            "TransitGatewayVpcAttachments",
            [_attached(ground, n) for n in names if (n, "tgw") in ground.pools],
        ),
        "internet-gateways": (
            "InternetGateways",
            [
                {
                    "InternetGatewayId": ground.id("igw", v.name),
                    "OwnerId": v.account,
                    "Attachments": [{"VpcId": v.id, "State": "available"}],
                }
                for v in vpcs
            ],
        ),
        "vpn-gateways": (
            "VpnGateways",
            [
                {
                    "VpnGatewayId": ground.id("vgw", n),
                    "State": "available",
                    "VpcAttachments": [
                        {"VpcId": ground.vpcs[n].id, "State": "attached"}
                    ],
                }
                for n in names
                if n == "shop"
            ],
        ),
    }


_PEERINGS = (("shop", "data"), ("shop", "partner"))


def _vpc(vpc: Vpc) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "VpcId": vpc.id,
        "CidrBlock": vpc.cidrs[0],
        "OwnerId": vpc.account,
        "State": "available",
        "CidrBlockAssociationSet": [
            {"CidrBlock": c, "CidrBlockState": {"State": "associated"}}
            for c in vpc.cidrs
        ],
        "Tags": [{"Key": "Name", "Value": vpc.name}],
    }
    if vpc.cidr6:
        answer["Ipv6CidrBlockAssociationSet"] = [
            {"Ipv6CidrBlock": vpc.cidr6, "Ipv6CidrBlockState": {"State": "associated"}}
        ]
    return answer


def _subnet(ground: Ground, subnet: Subnet) -> dict[str, Any]:
    vpc = ground.vpcs[subnet.vpc]
    six = [
        {"Ipv6CidrBlock": c, "Ipv6CidrBlockState": {"State": "associated"}}
        for c in [subnet.cidr6]
        if c
    ]
    return {
        "SubnetId": subnet.id,
        "VpcId": vpc.id,
        "OwnerId": vpc.account,
        "CidrBlock": subnet.cidr,
        "Ipv6CidrBlockAssociationSet": six,
        "AvailabilityZone": zone_name(ground, subnet.vpc, subnet.zone),
        "AvailabilityZoneId": subnet.zone,
        "State": "available",
        "Tags": [{"Key": "Name", "Value": f"{subnet.vpc}-{subnet.name}"}],
    }


def _acls(
    ground: Ground, vpcs: list[Vpc], subnets: list[Subnet]
) -> Iterator[dict[str, Any]]:
    for vpc in vpcs:
        for name, entries in acls().items():
            held = [s for s in subnets if s.vpc == vpc.name and s.acl == name]
            if name != "open" and not held:
                continue
            yield {
                "NetworkAclId": ground.id("acl", vpc.name, name),
                "VpcId": vpc.id,
                "OwnerId": vpc.account,
                "IsDefault": name == "open",
                "Associations": [
                    {
                        "NetworkAclId": ground.id("acl", vpc.name, name),
                        "NetworkAclAssociationId": ground.id("aclassoc", s.id),
                        "SubnetId": s.id,
                    }
                    for s in held
                ],
                "Entries": [
                    {
                        "RuleNumber": e.number,
                        "Protocol": "-1",
                        "RuleAction": e.action,
                        "Egress": e.egress,
                        "Ipv6CidrBlock" if ":" in e.cidr else "CidrBlock": e.cidr,
                    }
                    for e in entries
                    if vpc.cidr6 or ":" not in e.cidr
                ],
            }


def _groups(ground: Ground, names: list[str]) -> Iterator[dict[str, Any]]:
    for (vpc, name), rules in groups(ground).items():
        if vpc in names:
            home = ground.vpcs[vpc]
            yield {
                "GroupId": ground.id("sg", vpc, name),
                "GroupName": name,
                "Description": name,
                "VpcId": home.id,
                "OwnerId": home.account,
                "IpPermissions": [_permission(ground, home, r) for r in rules],
                "IpPermissionsEgress": [
                    _permission(ground, home, r)
                    for r in outbound(vpc, name)
                    if home.cidr6 or ":" not in (r.cidr or "")
                ],
            }


def _permission(ground: Ground, vpc: Vpc, rule: Allow) -> dict[str, Any]:
    names = {6: "tcp", 17: "udp", 1: "icmp"}
    answer: dict[str, Any] = {
        "IpProtocol": names.get(rule.protocol, str(rule.protocol)),
        "IpRanges": [],
        "Ipv6Ranges": [],
        "PrefixListIds": [],
        "UserIdGroupPairs": [],
    }
    if rule.protocol != -1:
        answer["FromPort"], answer["ToPort"] = rule.ports
    if rule.group:
        pair = {"GroupId": ground.id("sg", vpc.name, rule.group), "UserId": vpc.account}
        answer["UserIdGroupPairs"].append(pair)
    elif ":" in (rule.cidr or ""):
        answer["Ipv6Ranges"].append({"CidrIpv6": rule.cidr})
    else:
        answer["IpRanges"].append({"CidrIp": rule.cidr})
    return answer


def _prefix_lists(region: str) -> list[dict[str, Any]]:
    return [
        {
            "PrefixListId": "pl-02cd2c6b",
            "PrefixListName": f"com.amazonaws.{region}.dynamodb",
            "OwnerId": "AWS",
            "State": "create-complete",
            "Entries": [{"Cidr": "52.94.0.0/16"}],
        }
    ]


def _peering(ground: Ground, one: str, other: str) -> dict[str, Any]:
    return {
        "VpcPeeringConnectionId": ground.id("pcx", one, other),
        "Status": {"Code": "active", "Message": "Active"},
        "RequesterVpcInfo": _peer(ground, one),
        "AccepterVpcInfo": _peer(ground, other),
    }


def _peer(ground: Ground, name: str) -> dict[str, Any]:
    vpc = ground.vpcs.get(name)
    cidrs = vpc.cidrs if vpc else ("10.3.0.0/16",)
    return {
        "VpcId": vpc.id if vpc else ground.id("vpc", name),
        "OwnerId": vpc.account if vpc else PARTNER_ACCOUNT,
        "Region": "us-east-1",
        "CidrBlock": cidrs[0],
        "CidrBlockSet": [{"CidrBlock": c} for c in cidrs],
    }


def _attached(ground: Ground, name: str) -> dict[str, Any]:
    vpc = ground.vpcs[name]
    subnet = ground.subnets[name, "seen" if name == "partial" else "edge"]
    return {
        "TransitGatewayAttachmentId": resource_id(
            ground, "transit_gateway", name, "tgw"
        ),
        "TransitGatewayId": ground.id("tgw", "main"),
        "VpcId": vpc.id,
        "VpcOwnerId": vpc.account,
        "State": "available",
        "SubnetIds": [subnet.id],
        "Options": {"ApplianceModeSupport": "disable"},
    }
