"""Kubernetes on EC2: nodes, and pods on secondary addresses, prefixes, branches."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network

from demo.network.ground import Ground, Interface, Party, Subnet
from demo.network.lives import BEFORE, lives, number_of

SYSTEM = "kube-system"
NAMESPACES = {"web": "shop", "checkout": "shop", "search": "shop", "payments": "pay",
              "orders": "back", "report": "back", "api": "data", "worker": "data",
              "six": "data", "v2app": "legacy"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class NodeShape:
    """How the pods of a node get their addresses.

    Attributes:
        workloads: Of its slots, in turn.
        slots: How many pods it holds.
        prefix: From a /28 in place of secondary addresses.
        pods_in: Subnet of the pods' interface, where it is not the node's.
        ipv6: From a /80.
    """

    workloads: tuple[str, ...]
    slots: int = 12
    prefix: bool = False
    pods_in: str | None = None
    ipv6: bool = False


def add_node(
    ground: Ground, cluster: str, subnet: Subnet, number: int, shape: NodeShape
) -> int:
    """Add a node, its interfaces, its own agents and its pods; return its party."""
    vpc = subnet.vpc
    own = subnet.address(10 + number)
    name = f"ip-{own.replace('.', '-')}.{_zone_of(ground, vpc)}"
    instance = ground.id("i", vpc, "node", number)
    tags = (
        ("node.k8s.amazonaws.com/instance_id", instance),
        ("cluster.k8s.amazonaws.com/name", cluster),
        ("eks:eni:owner", "amazon-vpc-cni"),
    )
    home = ground.subnets[vpc, shape.pods_in] if shape.pods_in else subnet
    first, second = _addresses(home, number, shape)
    eth0 = ground.interface(
        Interface(
            id=ground.id("eni", vpc, "node", number, 0),
            vpc=vpc,
            subnet=subnet,
            address=own,
            instance=instance,
            groups=("node",),
            secondary=tuple(first),
            created=ground.begin - 190_000,
            tags=tags,
        )
    )
    node = ground.party(
        Party(
            kind="node",
            name=name,
            address=own,
            interface=eth0,
            slot=ground.slot(vpc, "node"),
            cluster=cluster,
            node=name,
        )
    )
    eth1 = ground.interface(
        Interface(
            id=ground.id("eni", vpc, "node", number, 1),
            vpc=vpc,
            subnet=home,
            address=home.address(number * 64 + 320),
            description=f"aws-K8S-{instance}",
            instance=instance,
            groups=("node",),
            secondary=() if shape.prefix or shape.ipv6 else tuple(second),
            prefixes=tuple(_prefixes(home, number, shape)),
            address6=_own6(home, number) if shape.ipv6 else None,
            created=ground.begin - 189_000,
            tags=(*tags, ("node.k8s.amazonaws.com/createdAt", "2026-01-01T00:00:00Z")),
            device=1,
        )
    )
    _agents(ground, vpc, node)
    places = [(eth0, a) for a in first] + [(eth1, a) for a in second]
    for count, (interface, address) in enumerate(places):
        workload = shape.workloads[count % len(shape.workloads)]
        add_pods(ground, node, interface, address, workload)
    return node


def _zone_of(ground: Ground, vpc: str) -> str:
    region = ground.vpcs[vpc].region
    return "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"


def _addresses(
    home: Subnet, number: int, shape: NodeShape
) -> tuple[list[str], list[str]]:
    """Return the pods' addresses on the first and on the second interface."""
    if shape.ipv6:
        base = ip_network(_prefix6(home, number))
        return [], [str(base[n + 1]) for n in range(shape.slots)]
    base_host = number * 64 + 320
    if shape.prefix:
        block = home.address(base_host + 16)
        return [], [str(ip_network(f"{block}/28")[n + 1]) for n in range(shape.slots)]
    split = 0 if shape.pods_in else shape.slots // 3
    hosts = [home.address(base_host + 16 + n) for n in range(shape.slots)]
    return hosts[:split], hosts[split:]


def _prefixes(home: Subnet, number: int, shape: NodeShape) -> list[str]:
    if shape.ipv6:
        return [_prefix6(home, number)]
    return [f"{home.address(number * 64 + 336)}/28"] if shape.prefix else []


def _prefix6(home: Subnet, number: int) -> str:
    base = ip_network(home.cidr6 or "")
    return f"{base[(number + 1) << 48]}/80"


def _own6(home: Subnet, number: int) -> str:
    return str(ip_network(home.cidr6 or "")[0x4000 + number])


def _agents(ground: Ground, vpc: str, node: int) -> None:
    """Add what runs in the node's own network."""
    party = ground.parties[node]
    for workload in ("aws-node", "scraper"):
        tail = f"{number_of(workload, party.name):08x}"[:5]
        ground.party(
            Party(
                kind="pod",
                name=f"{workload}-{tail}",
                address=party.address,
                interface=party.interface,
                slot=ground.slot(vpc, workload),
                cluster=party.cluster,
                namespace=SYSTEM,
                workload=workload,
                pod=f"{workload}-{tail}",
                node=party.node,
                node_party=node,
                host_network=True,
                shape="daemon",
            )
        )


def add_pods(
    ground: Ground, node: int, interface: int, address: str, workload: str
) -> None:
    """Add the pods that hold an address one after the other."""
    host = ground.parties[node]
    slot = ground.slot(ground.interfaces[interface].vpc, workload)
    for number, since, until in lives(ground, slot):
        ground.party(
            _pod(host, node, interface, address, workload, slot, number, since, until)
        )


def add_trunk(ground: Ground, node: int, subnet: Subnet, host: int) -> None:
    """Add the interface of a node that carries its pods' branch interfaces."""
    party = ground.parties[node]
    ground.interface(
        Interface(
            id=ground.id("eni", subnet.vpc, party.name, "trunk"),
            vpc=subnet.vpc,
            subnet=subnet,
            address=subnet.address(host),
            kind="trunk",
            description="aws-k8s-trunk-eni",
            instance=ground.interfaces[party.interface].instance,
            groups=("node",),
            created=ground.begin - 188_000,
            device=2,
        )
    )


def add_branch_pods(
    ground: Ground, node: int, subnet: Subnet, host: int, workload: str
) -> None:
    """Add pods each with a branch interface of its own, on one address in turn."""
    slot = ground.slot(subnet.vpc, workload)
    node_party = ground.parties[node]
    address = subnet.address(host)
    trunk = ground.id("eni", subnet.vpc, node_party.name, "trunk")
    for number, since, until in lives(ground, slot, rest=(2, 60)):
        interface = ground.interface(
            Interface(
                id=ground.id("eni", subnet.vpc, "branch", slot, number),
                vpc=subnet.vpc,
                subnet=subnet,
                address=address,
                kind="branch",
                description="aws-k8s-branch-eni",
                groups=("payments",),
                created=max(since - 1, ground.begin - 10 * BEFORE),
                deleted=until,
                tags=(
                    ("eks:eni:owner", "eks-vpc-resource-controller"),
                    ("vpcresources.k8s.aws/trunk-eni-id", trunk),
                    ("vpcresources.k8s.aws/vlan-id", str(slot % 120 + 1)),
                ),
            )
        )
        ground.party(
            _pod(
                node_party,
                node,
                interface,
                address,
                workload,
                slot,
                number,
                since,
                until,
            )
        )


def _pod(
    host: Party,
    node: int,
    interface: int,
    address: str,
    workload: str,
    slot: int,
    number: int,
    since: int,
    until: int,
) -> Party:
    tail = f"{number_of(host.cluster, slot, number):08x}"
    job = workload == "report"
    middle = str(since // 60) if job else "7d9f8c6b5"
    pod = f"{workload}-{middle}-{tail[:5]}"
    forced = not job and number_of("forced", slot, number) % 25 == 0
    return Party(
        kind="pod",
        name=pod,
        address=address,
        interface=interface,
        slot=slot,
        since=since,
        until=until,
        cluster=host.cluster,
        namespace=NAMESPACES.get(workload, "shop"),
        workload=workload,
        pod=pod,
        node=host.node,
        node_party=node,
        shape="job" if job else "forced" if forced else "deployment",
    )
