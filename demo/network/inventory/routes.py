"""`describe-route-tables`: the routes that the ways of the scenarios take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from demo.network.fixtures import resource_id
from demo.network.ground import Ground, Subnet
from demo.network.guard import ANYWHERE

# VPC, subnet or "" for the main table: destination, what leads there, its role or name.
_ROUTES: tuple[tuple[str, str, tuple[tuple[str, str, str], ...]], ...] = (
    ("shop", "", ((ANYWHERE, "NatGatewayId", "nat"),)),
    ("shop", "public", ((ANYWHERE, "GatewayId", "igw"),)),
    ("shop", "strict", ((ANYWHERE, "GatewayId", "igw"),)),
    ("shop", "guarded", ((ANYWHERE, "GatewayId", "igw"),)),
    ("shop", "edge", ((ANYWHERE, "VpcEndpointId", "gwlbe"),)),
    ("shop", "apps", ((ANYWHERE, "NatGatewayId", "nat"),
                      ("10.0.96.0/20", "VpcEndpointId", "gwlbe"))),
    ("data", "", ((ANYWHERE, "NatGatewayId", "regional"),)),
    ("data", "apps", ((ANYWHERE, "GatewayId", "igw"),
                      ("pl-02cd2c6b", "GatewayId", "dynamodb"))),
    ("data", "nodes", ((ANYWHERE, "NatGatewayId", "regional"),
                       ("::/0", "GatewayId", "igw"))),
    ("partial", "", ((ANYWHERE, "GatewayId", "igw"),)),
    ("partial", "dark", ((ANYWHERE, "NatGatewayId", "nat"),)),
    ("partial", "dim", ((ANYWHERE, "VpcEndpointId", "gwlbe"),)),
    ("inspection", "", ()),
    ("twin", "", ((ANYWHERE, "NatGatewayId", "nat"),)),
    ("twin", "public", ((ANYWHERE, "GatewayId", "igw"),)),
    ("legacy", "", ((ANYWHERE, "GatewayId", "igw"),)),
)  # fmt: skip
_BEYOND = {
    "shop": (("10.1.32.0/20", "VpcPeeringConnectionId", "data"),
             ("10.1.96.0/20", "TransitGatewayId", "tgw"),
             ("10.3.0.0/17", "VpcPeeringConnectionId", "partner"),
             ("10.3.128.0/17", "TransitGatewayId", "tgw"),
             ("192.168.0.0/16", "GatewayId", "vgw")),
    "data": (("10.0.0.0/16", "VpcPeeringConnectionId", "data"),),
    "partial": (("10.3.128.0/17", "TransitGatewayId", "tgw"),),
}  # fmt: skip


def tables(ground: Ground, subnets: list[Subnet]) -> Iterator[dict[str, Any]]:
    """Yield the route tables of some subnets' VPCs."""
    here = {s.vpc for s in subnets}
    for vpc, name, routes in _ROUTES:
        if vpc not in here:
            continue
        home = ground.vpcs[vpc]
        main = {
            "Main": not name,
            "RouteTableAssociationId": ground.id("rtbassoc", name),
        }
        if name:
            main["SubnetId"] = ground.subnets[vpc, name].id
        beyond = _BEYOND.get(vpc, ())
        if (vpc, name) == ("data", "edge"):
            beyond = (("10.0.0.0/16", "TransitGatewayId", "tgw"),)
        yield {
            "RouteTableId": ground.id("rtb", vpc, name),
            "VpcId": home.id,
            "OwnerId": home.account,
            "Associations": [main],
            "PropagatingVgws": [],
            "Routes": [
                *({"DestinationCidrBlock": c, "GatewayId": "local", "State": "active"}
                  for c in home.cidrs),
                *({"DestinationIpv6CidrBlock": c, "GatewayId": "local",
                   "State": "active"} for c in (home.cidr6,) if c),
                *(_route(ground, vpc, *r) for r in (*routes, *beyond)),
            ],
        }  # fmt: skip


def _route(
    ground: Ground, vpc: str, destination: str, target: str, name: str
) -> dict[str, Any]:
    key = "DestinationCidrBlock"
    if ":" in destination:
        key = "DestinationIpv6CidrBlock"
    elif destination.startswith("pl-"):
        key = "DestinationPrefixListId"
    ids = {
        "NatGatewayId": lambda: resource_id(ground, "nat_gateway", vpc, name),
        "VpcEndpointId": lambda: resource_id(ground, "vpc_endpoint", vpc, name),
        "VpcPeeringConnectionId": lambda: ground.id("pcx", "shop", name),
        "TransitGatewayId": lambda: ground.id("tgw", "main"),
        "GatewayId": lambda: ground.id("vpce" if name == "dynamodb" else name, vpc),
    }
    found = "GatewayId" if target == "VpcEndpointId" else target
    return {
        key: destination,
        found: ids[target](),
        "State": "active",
        "Origin": "CreateRoute",
    }
