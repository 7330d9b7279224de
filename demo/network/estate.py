"""The estate: accounts, VPCs, subnets and all that stands in them."""

from __future__ import annotations

from demo.network.clusters import NodeShape, add_branch_pods, add_node, add_trunk
from demo.network.fixtures import Fixture, add_fixture, add_regional_nat, add_replaced
from demo.network.ground import Ground

MAIN, OTHER, LAB = "111111111111", "222222222222", "444444444444"
HOME, AWAY = "us-east-1", "eu-west-1"
AFTER = 2_700  # seconds that the world goes on after its last window began

_SHOP_SUBNETS = (
    # name, CIDR, zone, network ACL
    ("nodes-a", "10.0.0.0/20", 1, "open"),
    ("nodes-b", "10.0.16.0/20", 2, "open"),
    ("apps", "10.0.32.0/20", 1, "open"),
    ("public", "10.0.48.0/20", 2, "open"),
    ("strict", "10.0.64.0/20", 3, "strict"),  # lets nothing out
    ("old", "10.0.80.0/20", 1, "open"),
    ("edge", "10.0.96.0/20", 2, "open"),
    ("guarded", "10.0.112.0/20", 3, "guarded"),
)


def build(seed: int, begin: int, end: int, *, faults: bool = False) -> Ground:
    """Make the world of a seed.

    Args:
        seed: The same seed, the same world; a longer one only goes on.
        begin: Of the first window; seconds since 1970.
        end: Begin of the last window.
        faults: With a VPC in which everything is set up wrongly.
    """
    ground = Ground(seed, begin, end + AFTER)
    _shop(ground)
    _data(ground)
    _partial(ground)
    _inspection(ground)
    _twin(ground)
    _legacy(ground)
    if faults:
        _lab(ground)
    return ground


def _shop(ground: Ground) -> None:
    ground.vpc("shop", MAIN, HOME, ("10.0.0.0/16",))
    for name, cidr, zone, acl in _SHOP_SUBNETS:
        ground.subnet("shop", name, cidr, zone, acl)
    nodes = [
        add_node(ground, "shop", ground.subnets["shop", place], number, shape)
        for number, (place, shape) in enumerate(_SHOP_NODES)
    ]
    subnet = ground.subnets["shop", "nodes-a"]
    for number in range(2):
        add_trunk(ground, nodes[number], subnet, 2900 + number)
    for number in range(8):
        add_branch_pods(ground, nodes[number % 2], subnet, 3000 + number, "payments")
    for fixture in _SHOP:
        add_fixture(ground, "shop", fixture)
    for number in range(4):
        add_replaced(ground, "shop", "apps", 700 + number, "asg")


_MIXED = NodeShape(("web", "checkout", "orders", "web", "report"))
_SHOP_NODES = (
    ("nodes-a", _MIXED),
    ("nodes-a", _MIXED),
    ("nodes-b", _MIXED),
    ("nodes-b", _MIXED),
    ("nodes-a", NodeShape(("search",), slots=14, prefix=True)),
    ("nodes-b", NodeShape(("search", "web"), slots=14, prefix=True)),
)
_SHOP = (
    Fixture("app", "apps", "instance", count=4, first=10),
    Fixture("mirror", "apps", "instance", count=4, first=200),
    Fixture("dns", "apps", "instance", first=20),
    Fixture("skipper", "apps", "instance", first=30),
    Fixture("quiet", "apps", "instance", first=31),
    Fixture("bastion", "public", "instance", first=10, public=1),
    Fixture("nat", "public", "nat_gateway", first=20, public=2),
    Fixture("alb", "public", "load_balancer", first=30, public=3),
    Fixture("nlb", "public", "network_load_balancer", first=40, public=4),
    Fixture("nlb-tls", "public", "network_load_balancer", first=41, public=5),
    Fixture("nat-guarded", "guarded", "nat_gateway", first=20, public=6),
    Fixture("db", "apps", "rds", first=50),
    Fixture("efs", "apps", "efs", first=51),
    Fixture("lambda", "apps", "lambda", first=52),
    Fixture("sts", "apps", "vpc_endpoint", first=53),
    Fixture("strict", "strict", "instance", count=2, first=10, public=10),
    Fixture("guarded", "guarded", "instance", count=2, first=30),
    Fixture("old", "old", "instance", count=3, first=10, nitro=False),
    Fixture("tgw", "edge", "transit_gateway", count=2, first=10),
    Fixture("gwlbe", "edge", "gateway_load_balancer_endpoint", first=30),
    Fixture("inspected", "edge", "instance", count=2, first=40),
)


def _data(ground: Ground) -> None:
    ground.vpc("data", MAIN, HOME, ("10.1.0.0/16", "100.64.0.0/16"), _DATA_IPV6)
    for number, (name, cidr, zone) in enumerate(_DATA_SUBNETS):
        cidr6 = f"{_DATA_IPV6.removesuffix('::/56')[:-2]}{number + 1:02x}::/64"
        ground.subnet("data", name, cidr, zone, cidr6=cidr6)
    for number in range(3):
        shape = NodeShape(("api", "worker"), slots=8, pods_in="pods")
        add_node(ground, "data", ground.subnets["data", "nodes"], number, shape)
    for number in range(3, 5):
        shape = NodeShape(("six",), slots=8, ipv6=True)
        add_node(ground, "six", ground.subnets["data", "nodes"], number, shape)
    for fixture in (
        Fixture("app", "apps", "instance", count=3, first=10),
        Fixture("public", "apps", "instance", count=2, first=30, public=21),
        Fixture("sts", "apps", "vpc_endpoint", first=53),
        Fixture("db", "apps", "rds", first=54),
        Fixture("task", "apps", "ecs_task", count=2, first=60),
        Fixture("far", "edge", "instance", count=2, first=30),
        Fixture("tgw", "edge", "transit_gateway", count=2, first=10),
    ):
        add_fixture(ground, "data", fixture)
    add_regional_nat(ground, "data", public=30)


_DATA_IPV6 = "2600:1f18:4000:5600::/56"
_DATA_SUBNETS = (
    ("nodes", "10.1.0.0/20", 1),
    ("apps", "10.1.32.0/20", 2),
    ("edge", "10.1.96.0/20", 3),
    ("pods", "100.64.0.0/18", 1),
)


def _partial(ground: Ground) -> None:
    """Add a VPC of which only some subnets and interfaces are logged."""
    ground.vpc("partial", MAIN, HOME, ("10.4.0.0/16",))
    ground.subnet("partial", "seen", "10.4.0.0/20", 1)
    ground.subnet("partial", "dark", "10.4.16.0/20", 2)
    ground.subnet("partial", "dim", "10.4.32.0/20", 2)
    for fixture in (
        Fixture("seen", "seen", "instance", count=3, first=10),
        Fixture("nat", "seen", "nat_gateway", first=20, public=40),
        Fixture("tgw", "seen", "transit_gateway", count=2, first=30),
        Fixture("gwlbe", "seen", "gateway_load_balancer_endpoint", first=40),
        Fixture("nlb", "seen", "network_load_balancer", first=50, public=41),
        Fixture("dark", "dark", "instance", count=4, first=10),
        Fixture("dim", "dim", "instance", count=2, first=10),
        Fixture("acceptor", "dark", "instance", count=2, first=30),
        Fixture("rejecter", "dark", "instance", count=2, first=40),
        Fixture("complement", "dark", "instance", count=2, first=50),
    ):
        add_fixture(ground, "partial", fixture)


def _inspection(ground: Ground) -> None:
    ground.vpc("inspection", MAIN, HOME, ("10.5.0.0/16",))
    ground.subnet("inspection", "appliances", "10.5.0.0/20", 2)
    for fixture in (
        Fixture("gwlb", "appliances", "gateway_load_balancer", first=10),
        Fixture("appliance", "appliances", "instance", first=20),
    ):
        add_fixture(ground, "inspection", fixture)


def _twin(ground: Ground) -> None:
    """Add a VPC with the CIDR, and many of the addresses, of the first."""
    ground.vpc("twin", OTHER, AWAY, ("10.0.0.0/16",))
    for name, cidr, zone, _ in _SHOP_SUBNETS[:4]:
        ground.subnet("twin", name, cidr, zone)
    for number in range(3):
        place = ground.subnets["twin", _SHOP_NODES[number][0]]
        shape = NodeShape(("web", "orders"), slots=10)
        add_node(ground, "twin", place, number, shape)
    for fixture in (
        Fixture("app", "apps", "instance", count=3, first=10),
        Fixture("mirror", "apps", "instance", count=4, first=200),
        Fixture("nat", "public", "nat_gateway", first=20, public=60),
    ):
        add_fixture(ground, "twin", fixture)


def _legacy(ground: Ground) -> None:
    ground.vpc("legacy", OTHER, AWAY, ("10.2.0.0/16",))
    ground.subnet("legacy", "main", "10.2.0.0/20", 1)
    ground.subnet("legacy", "nodes", "10.2.16.0/20", 2)
    add_fixture(ground, "legacy", Fixture("app", "main", "instance", count=4, first=10))
    add_fixture(
        ground, "legacy", Fixture("web", "main", "instance", first=30, public=70)
    )
    for number in range(2):
        shape = NodeShape(("v2app",), slots=6)
        add_node(ground, "legacy", ground.subnets["legacy", "nodes"], number, shape)


def _lab(ground: Ground) -> None:
    """Add a VPC with a fault in every flow log; see `faults`."""
    ground.vpc("lab", LAB, HOME, ("10.6.0.0/16",))
    for number, name in enumerate(("nodes", "dark", "rejects", "doubled")):
        ground.subnet("lab", name, f"10.6.{number * 16}.0/20", 1)
    for number in range(2):
        shape = NodeShape(("web", "orders"), slots=6)
        add_node(ground, "lab", ground.subnets["lab", "nodes"], number, shape)
    for name in ("dark", "rejects", "doubled"):
        add_fixture(ground, "lab", Fixture(name, name, "instance", first=10, count=2))
    add_regional_nat(ground, "lab", public=90)
