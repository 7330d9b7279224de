"""What exists: VPCs, subnets, interfaces, and who holds which address from when."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_network

from demo.world import ident

NEVER = 2**31 - 1  # seconds: later than the world ends


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet; ``acl`` names its network ACL."""

    id: str
    name: str
    vpc: str
    cidr: str
    zone: str
    acl: str = "open"
    cidr6: str | None = None

    def address(self, host: int) -> str:
        """Return the address at an offset in its IPv4 range."""
        return str(ip_network(self.cidr)[host])


@dataclass(frozen=True, slots=True)
class Vpc:
    """A VPC; its name is unique in the world, its CIDRs need not be."""

    id: str
    name: str
    account: str
    region: str
    cidrs: tuple[str, ...]
    cidr6: str | None = None


@dataclass(frozen=True, slots=True)
class Interface:
    """An elastic network interface, or a regional NAT gateway, which has none.

    Attributes:
        secondary: Private addresses besides the primary one.
        prefixes: Delegated /28 and /80.
        nitro: On a Nitro instance: aggregates for 60 s at most, whatever was asked.
        created: From when it is attached; seconds.
        resource: Id of the regional NAT gateway that stands for an interface.
        ecs: Fields that a flow log of version 7 adds for a task of ECS.
    """

    id: str
    vpc: str
    subnet: Subnet
    address: str
    kind: str = "interface"
    description: str = ""
    instance: str | None = None
    groups: tuple[str, ...] = ()
    secondary: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    address6: str | None = None
    public: str | None = None
    nitro: bool = True
    created: int = 0
    deleted: int = NEVER
    tags: tuple[tuple[str, str], ...] = ()
    requester: str | None = None
    resource: str | None = None
    device: int = 0
    ecs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Party:
    """Who holds an address from ``since`` until just before ``until``; seconds.

    Attributes:
        interface: Index of the interface that its packets pass.
        slot: The address that it shares, one after the other, with others.
        node_party: Index of the party that the node of a pod is.
        host_network: It sends and receives as its node.
        shape: How its life looks to Kubernetes: deployment, job, forced.
    """

    kind: str
    name: str
    address: str
    interface: int
    slot: int
    since: int = 0
    until: int = NEVER
    cluster: str | None = None
    namespace: str | None = None
    workload: str | None = None
    pod: str | None = None
    node: str | None = None
    node_party: int = -1
    host_network: bool = False
    shape: str = ""

    @property
    def uid(self) -> str:
        """The pod's uid."""
        return ident("uid", self.cluster, self.pod, self.since)[4:]


@dataclass(slots=True)
class Ground:
    """Everything that exists, and when.

    Attributes:
        begin: Its first moment; seconds since 1970.
        end: When the last packet has long been recorded.
        pools: For (VPC, role) the slots of the parties that play it.
    """

    seed: int
    begin: int
    end: int
    vpcs: dict[str, Vpc] = field(default_factory=dict)
    subnets: dict[tuple[str, str], Subnet] = field(default_factory=dict)
    interfaces: list[Interface] = field(default_factory=list)
    parties: list[Party] = field(default_factory=list)
    pools: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    slots: int = 0

    def id(self, prefix: str, *parts: object) -> str:
        """Return an AWS-shaped id of this world."""
        return ident(prefix, self.seed, *parts)

    def vpc(
        self,
        name: str,
        account: str,
        region: str,
        cidrs: tuple[str, ...],
        cidr6: str | None = None,
    ) -> None:
        """Add a VPC."""
        self.vpcs[name] = Vpc(self.id("vpc", name), name, account, region, cidrs, cidr6)

    def subnet(
        self,
        vpc: str,
        name: str,
        cidr: str,
        zone: int,
        acl: str = "open",
        cidr6: str | None = None,
    ) -> Subnet:
        """Add a subnet in the VPC's n-th zone."""
        region = self.vpcs[vpc].region
        zones = {"us-east-1": "use1", "eu-west-1": "euw1"}
        made = Subnet(
            id=self.id("subnet", vpc, name),
            name=name,
            vpc=vpc,
            cidr=cidr,
            zone=f"{zones[region]}-az{zone}",
            acl=acl,
            cidr6=cidr6,
        )
        self.subnets[vpc, name] = made
        return made

    def interface(self, interface: Interface) -> int:
        """Add an interface and return its index."""
        self.interfaces.append(interface)
        return len(self.interfaces) - 1

    def slot(self, vpc: str, role: str) -> int:
        """Open a slot of a role."""
        self.slots += 1
        self.pools.setdefault((vpc, role), []).append(self.slots - 1)
        return self.slots - 1

    def party(self, party: Party) -> int:
        """Add a party and return its index."""
        self.parties.append(party)
        return len(self.parties) - 1
