"""The plant: accounts, VPCs, interfaces and who is behind them, made from a seed.

A world is small and plain on purpose: what it says is the truth that everything else is
checked against, so it shares no code with what it checks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

POD_LIFE = timedelta(minutes=37)
REUSE_AFTER = timedelta(seconds=45)  # a pod address rests so long before its next pod


def ident(prefix: str, *parts: object) -> str:
    """Return an AWS-shaped id, the same for the same parts."""
    text = "/".join(str(part) for part in parts)
    return f"{prefix}-{hashlib.sha256(text.encode()).hexdigest()[:17]}"


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet; ``acl`` names its network ACL."""

    id: str
    vpc: str
    cidr: str
    az: str
    acl: str


@dataclass(frozen=True, slots=True)
class Vpc:
    """A VPC and its subnets; two VPCs of the world share one CIDR."""

    id: str
    account: str
    region: str
    cidr: str
    subnets: tuple[Subnet, ...]
    name: str


@dataclass(frozen=True, slots=True)
class Interface:
    """An elastic network interface."""

    id: str
    subnet: Subnet
    address: str
    kind: str
    instance: str | None
    groups: tuple[str, ...]
    description: str = ""
    secondary: tuple[str, ...] = ()
    prefix: str | None = None
    public: str | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who holds an address, and for how long.

    Attributes:
        address: Where its packets come from and go to.
        interface: The interface that they pass.
        kind: pod, instance, nat_gateway, load_balancer, database, lambda, endpoint.
        since: From when it holds the address.
        until: Until when, if that is within the world's time.
    """

    address: str
    interface: Interface
    kind: str
    workload: str
    namespace: str | None = None
    pod: str | None = None
    node: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(slots=True)
class World:
    """Everything that exists, and when.

    Attributes:
        begin: Its first moment; UTC.
        end: Its last; UTC.
    """

    seed: int
    begin: datetime
    end: datetime
    vpcs: list[Vpc] = field(default_factory=list)
    interfaces: list[Interface] = field(default_factory=list)
    endpoints: list[Endpoint] = field(default_factory=list)

    def of(self, vpc: str, workload: str) -> list[Endpoint]:
        """Return the endpoints of a workload in a VPC, by the VPC's name."""
        home = next(v.id for v in self.vpcs if v.name == vpc)
        return [
            e
            for e in self.endpoints
            if e.workload == workload and e.interface.subnet.vpc == home
        ]

    def vpc_of(self, interface: Interface) -> Vpc:
        """Return the VPC that an interface is in."""
        return next(v for v in self.vpcs if v.id == interface.subnet.vpc)


_PLANT = (
    # name, account, region, second octet of the CIDR, Region's zone prefix
    ("prod", "111111111111", "us-east-1", 0, "use1"),
    ("staging", "111111111111", "us-east-1", 1, "use1"),
    ("twin", "222222222222", "eu-west-1", 0, "euw1"),  # the CIDR of prod again
)


def build(seed: int, begin: datetime, end: datetime) -> World:
    """Make the world of a seed between two moments."""
    world = World(seed, begin, end)
    for name, account, region, octet, zone in _PLANT:
        vpc_id = ident("vpc", seed, name)
        subnets = tuple(
            Subnet(
                id=ident("subnet", seed, name, number),
                vpc=vpc_id,
                cidr=f"10.{octet}.{number * 16}.0/20",
                az=f"{zone}-az{number % 3 + 1}",
                acl="strict" if number == 5 else "default",
            )
            for number in range(6)
        )
        vpc = Vpc(vpc_id, account, region, f"10.{octet}.0.0/16", subnets, name)
        world.vpcs.append(vpc)
        _furnish(world, vpc, octet)
    return world


def _furnish(world: World, vpc: Vpc, octet: int) -> None:
    for number in range(6):
        _node(world, vpc, octet, number)
    for number, (workload, kind, groups) in enumerate(_FIXTURES):
        subnet = vpc.subnets[5 if workload == "legacy" else number % 5]
        third = int(subnet.cidr.split(".")[2]) + 8
        address = f"10.{octet}.{third}.{number + 10}"
        interface = Interface(
            id=ident("eni", world.seed, vpc.name, workload),
            subnet=subnet,
            address=address,
            kind=_KINDS.get(kind, "interface"),
            instance=ident("i", world.seed, vpc.name, workload)
            if kind == "instance"
            else None,
            groups=groups,
            description=_DESCRIPTIONS.get(kind, "").format(
                id=ident("nat", world.seed, vpc.name)
            ),
            public=f"203.0.113.{octet * 8 + number}" if kind in _PUBLIC else None,
        )
        world.interfaces.append(interface)
        world.endpoints.append(Endpoint(address, interface, kind, workload))


_FIXTURES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("nat", "nat_gateway", ()),
    ("ingress", "load_balancer", ("sg-lb",)),
    ("payments-db", "database", ("sg-db",)),
    ("resize", "lambda", ("sg-lambda",)),
    ("sts", "endpoint", ("sg-endpoint",)),
    ("legacy", "instance", ("sg-legacy",)),
    ("bastion", "instance", ("sg-bastion",)),
    ("cache", "database", ("sg-cache",)),
)
_KINDS = {"nat_gateway": "nat_gateway", "load_balancer": "interface",
          "lambda": "lambda", "endpoint": "vpc_endpoint"}  # fmt: skip
_DESCRIPTIONS = {
    "nat_gateway": "Interface for NAT Gateway {id}",
    "load_balancer": "ELB app/ingress/50dc6c495c0c9188",
    "database": "RDSNetworkInterface",
    "lambda": "AWS Lambda VPC ENI-resize-0f1e2d3c",
    "endpoint": "VPC Endpoint Interface vpce-0a1b2c3d4e5f60718",
}
_PUBLIC = ("nat_gateway", "load_balancer", "instance")


def _node(world: World, vpc: Vpc, octet: int, number: int) -> None:
    """Add an EKS node: its own address, and pods on its secondary addresses."""
    subnet = vpc.subnets[number % 4]
    third = int(subnet.cidr.split(".")[2])
    own = f"10.{octet}.{third}.{number + 10}"
    addresses = tuple(f"10.{octet}.{third + 1 + number}.{n + 16}" for n in range(16))
    delegated = number == 5  # this node group has prefix delegation
    interface = Interface(
        id=ident("eni", world.seed, vpc.name, "node", number),
        subnet=subnet,
        address=own,
        kind="interface",
        instance=ident("i", world.seed, vpc.name, "node", number),
        groups=("sg-node",),
        secondary=() if delegated else addresses,
        prefix=f"10.{octet}.{third + 1 + number}.16/28" if delegated else None,
    )
    world.interfaces.append(interface)
    node = f"ip-{own.replace('.', '-')}.ec2.internal"
    world.endpoints.append(
        Endpoint(own, interface, "node", "node", node=node, pod=None)
    )
    workloads = ("web", "checkout", "orders", "web")
    for slot, address in enumerate(addresses[:12]):
        workload = workloads[slot % len(workloads)]
        world.endpoints.extend(_tenants(world, interface, address, workload, node))


def _tenants(
    world: World, interface: Interface, address: str, workload: str, node: str
) -> Iterator[Endpoint]:
    """Yield the pods that hold an address one after the other."""
    digest = hashlib.sha256(f"{interface.id}/{address}".encode()).digest()
    since = world.begin - timedelta(minutes=digest[0] % 37)
    generation = 0
    while since < world.end:
        until = since + POD_LIFE + timedelta(seconds=digest[1])
        name = f"{workload}-{digest.hex()[:9]}-{generation:05x}"
        yield Endpoint(
            address=address,
            interface=interface,
            kind="pod",
            workload=workload,
            namespace="shop" if workload != "orders" else "backoffice",
            pod=name,
            node=node,
            since=since,
            until=until,
        )
        since = until + REUSE_AFTER
        generation += 1
