"""What stands in a VPC besides nodes and pods: gateways, balancers, databases."""

from __future__ import annotations

from dataclasses import dataclass

from demo.network.ground import Ground, Interface, Party
from demo.network.lives import lives


@dataclass(frozen=True, slots=True)
class Fixture:
    """Some interfaces of one role.

    Attributes:
        role: Its pool, and its name.
        first: Offset of the first address in the subnet.
        public: The number of its first Elastic IP; 0: none.
    """

    role: str
    subnet: str
    kind: str
    first: int
    count: int = 1
    public: int = 0
    nitro: bool = True


@dataclass(frozen=True, slots=True)
class _Look:
    """How `describe-network-interfaces` shows a kind."""

    kind: str = "interface"
    description: str = ""
    requester: str | None = "amazon-aws"


_LOOKS = {
    "instance": _Look(requester=None),
    "nat_gateway": _Look("nat_gateway", "Interface for NAT Gateway {id}"),
    "load_balancer": _Look("interface", "ELB app/{role}/{hex}", "amazon-elb"),
    "network_load_balancer": _Look(
        "network_load_balancer", "ELB net/{role}/{hex}", "amazon-elb"
    ),
    "gateway_load_balancer": _Look(
        "gateway_load_balancer", "ELB gwy/{role}/{hex}", "amazon-elb"
    ),
    "gateway_load_balancer_endpoint": _Look(
        "gateway_load_balancer_endpoint", "VPC Endpoint Interface {id}"
    ),
    "vpc_endpoint": _Look("vpc_endpoint", "VPC Endpoint Interface {id}"),
    "rds": _Look("interface", "RDSNetworkInterface", "amazon-rds"),
    "efs": _Look("efs", "EFS mount target for {id} ({mount})", "amazon-efs"),
    "lambda": _Look("lambda", "AWS Lambda VPC ENI-resize-{uuid}", "awslambda"),
    "transit_gateway": _Look(
        "transit_gateway", "Network Interface for Transit Gateway Attachment {id}"
    ),
    "ecs_task": _Look(
        "interface", "arn:aws:ecs:{region}:{account}:attachment/{uuid}", "ecs"
    ),
}
# Every balancer is one kind of party, whatever its interface is called.
_KINDS = dict.fromkeys(
    ("network_load_balancer", "gateway_load_balancer"), "load_balancer"
)
_PREFIXES = {
    "nat_gateway": "nat",
    "gateway_load_balancer_endpoint": "vpce",
    "vpc_endpoint": "vpce",
    "efs": "fs",
    "transit_gateway": "tgw-attach",
}


def resource_id(ground: Ground, kind: str, vpc: str, role: str) -> str:
    """Return the id of the service's resource behind an interface of a kind."""
    return ground.id(_PREFIXES.get(kind, "x"), vpc, role)


def public_address(number: int) -> str:
    """Return an Elastic IP of the world."""
    return f"54.144.{number // 200}.{number % 200 + 10}"


def balancer_hex(ground: Ground, vpc: str, role: str) -> str:
    """Return the last part of a load balancer's ARN."""
    return ground.id("lb", vpc, role)[3:19]


def add_fixture(ground: Ground, vpc: str, fixture: Fixture) -> None:
    """Add a fixture's interfaces and who is behind them."""
    for number in range(fixture.count):
        _one(ground, vpc, fixture, number)


def _one(ground: Ground, vpc: str, fixture: Fixture, number: int) -> None:
    look, home = _LOOKS[fixture.kind], ground.vpcs[vpc]
    subnet = ground.subnets[vpc, fixture.subnet]
    identifier = ground.id("eni", vpc, fixture.role, number)
    words = {
        "id": resource_id(ground, fixture.kind, vpc, fixture.role),
        "mount": ground.id("fsmt", vpc, number),
        "role": fixture.role,
        "hex": balancer_hex(ground, vpc, fixture.role),
        "uuid": _uuid(identifier),
        "region": home.region,
        "account": home.account,
    }
    own = fixture.kind == "instance"
    instance = ground.id("i", vpc, fixture.role, number) if own else None
    interface = ground.interface(
        Interface(
            id=identifier,
            vpc=vpc,
            subnet=subnet,
            address=subnet.address(fixture.first + number),
            kind=look.kind,
            description=look.description.format(**words),
            instance=instance,
            groups=() if fixture.kind in _GROUPLESS else (fixture.role,),
            public=public_address(fixture.public + number) if fixture.public else None,
            nitro=fixture.nitro if own else False,
            created=ground.begin - 180_000,
            requester=look.requester,
            ecs=_ecs(home.account, home.region, identifier)
            if fixture.kind == "ecs_task"
            else (),
        )
    )
    ground.party(
        Party(
            kind=_KINDS.get(fixture.kind, fixture.kind),
            name=_name(fixture, number, instance, words),
            address=subnet.address(fixture.first + number),
            interface=interface,
            slot=ground.slot(vpc, fixture.role),
            workload=_ECS_SERVICE if fixture.kind == "ecs_task" else None,
        )
    )


_ECS_SERVICE = "importer"
_GROUPLESS = ("nat_gateway", "transit_gateway", "gateway_load_balancer",
              "gateway_load_balancer_endpoint", "network_load_balancer")  # fmt: skip


def _uuid(identifier: str) -> str:
    text = (identifier[4:] * 2)[:32]
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _name(
    fixture: Fixture, number: int, instance: str | None, words: dict[str, str]
) -> str:
    if instance:
        return instance
    if fixture.kind.endswith("load_balancer"):
        return fixture.role
    return words["id"] if fixture.kind in _PREFIXES else f"{fixture.role}-{number}"


def _ecs(account: str, region: str, identifier: str) -> tuple[tuple[str, str], ...]:
    """Return the fields of version 7 for a Fargate task of a service."""
    task = identifier[4:] * 2
    root = f"arn:aws:ecs:{region}:{account}"
    return (
        ("ecs-cluster-arn", f"{root}:cluster/jobs"),
        ("ecs-cluster-name", "jobs"),
        ("ecs-container-id", f"{task[:32]}-527074092"),
        ("ecs-service-name", _ECS_SERVICE),
        ("ecs-task-definition-arn", f"{root}:task-definition/importer:7"),
        ("ecs-task-arn", f"{root}:task/jobs/{task[:32]}"),
        ("ecs-task-id", task[:32]),
    )


def add_replaced(ground: Ground, vpc: str, subnet: str, host: int, role: str) -> None:
    """Add instances that replace one another on one address, as a group of EC2 does."""
    place = ground.subnets[vpc, subnet]
    slot = ground.slot(vpc, role)
    for number, since, until in lives(ground, slot, 600, 5400, rest=(2, 60)):
        instance = ground.id("i", vpc, role, slot, number)
        interface = ground.interface(
            Interface(
                id=ground.id("eni", vpc, role, slot, number),
                vpc=vpc,
                subnet=place,
                address=place.address(host),
                instance=instance,
                groups=(role,),
                created=since,
                deleted=until,
            )
        )
        ground.party(
            Party(
                kind="instance",
                name=instance,
                address=place.address(host),
                interface=interface,
                slot=slot,
                since=since,
                until=until,
            )
        )


def add_regional_nat(ground: Ground, vpc: str, public: int) -> None:
    """Add a regional NAT gateway: it has a public address and no interface."""
    home = ground.vpcs[vpc]
    identifier = ground.id("nat", vpc, "regional")
    nowhere = next(s for (name, _), s in ground.subnets.items() if name == vpc)
    interface = ground.interface(
        Interface(
            id="",
            vpc=home.name,
            subnet=nowhere,
            address=public_address(public),
            kind="regional_nat_gateway",
            public=public_address(public),
            nitro=False,
            resource=identifier,
        )
    )
    ground.party(
        Party(
            kind="nat_gateway",
            name=identifier,
            address=public_address(public),
            interface=interface,
            slot=ground.slot(vpc, "regional-nat"),
        )
    )
