"""Which neighbour an address lives in, by its ways out and by route tables."""

from datetime import timedelta

import pytest

from tests.unit.test_enrich import (
    NOW,
    V5,
    configured,
    holder,
    known,
    line,
    rows_of,
    told,
)
from tests.unit.test_logged import log, settled

HEADER = f"{V5} traffic-path"
OURS, THEIRS = "10.0.0.1", "10.5.0.1"
LOCAL = {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local"}
HOUR = timedelta(hours=1)


def joined(vpc="vpc-2", by="tgw-1", cidr="10.5.0.0/16"):
    """Say what joins a VPC to the observer's."""
    ends = {"vpc-1": "10.0.0.0/16", vpc: cidr}
    vpcs = [configured("vpc", VpcId=v, CidrBlock=c) for v, c in ends.items()]
    if by.startswith("pcx"):
        infos = [{"VpcId": v, "CidrBlock": c} for v, c in ends.items()]
        return [*vpcs, configured(
            "vpc_peering_connection", VpcPeeringConnectionId=by,
            Status={"Code": "active"}, RequesterVpcInfo=infos[0],
            AccepterVpcInfo=infos[1])]  # fmt: skip
    return [*vpcs, *(
        configured("transit_gateway_attachment", TransitGatewayId=by, VpcId=v,
                   State="available") for v in ends)]  # fmt: skip


def table(*routes, where=({"Main": True},), state="active", **more):
    """A route table of the observer's VPC; of each route: destination, target."""
    there = [LOCAL, *(to(*route) | {"State": state} for route in routes)]
    return more | configured(
        "route_table", VpcId="vpc-1", Associations=[*where], Routes=there
    )


def to(destination, target, **more):
    names = {
        "tgw": "TransitGateway", "pcx": "VpcPeeringConnection", "nat": "NatGateway",
        "eni": "NetworkInterface", "lgw": "LocalGateway", "cagw": "CarrierGateway",
        "eigw": "EgressOnlyInternetGateway",
    }  # fmt: skip
    name = names.get(target.partition("-")[0], "Gateway")
    key = "DestinationPrefixListId" if destination[:3] == "pl-" else (
        f"Destination{'Ipv6' * (':' in destination)}CidrBlock")  # fmt: skip
    return {key: destination, f"{name}Id": target} | more


def world(*configurations, by="tgw-1", address=THEIRS, cidr="10.5.0.0/16"):
    return known(
        holder(OURS, eni="eni-1", instance="i-1"),
        holder(address, vpc="vpc-2", eni="eni-2"),
        configurations=[*joined(by=by, cidr=cidr), *configurations],
    )


def asked(inventory, *paths, back=True, far=THEIRS):
    """Return what is told of the far side of records that left by some paths.

    First of each path, one conversation each; then of what came back in each.
    """
    lines = [
        f"{line(OURS, far, ports=f'{40000 + n} 443')} {path}"
        for n, path in enumerate(paths)
    ]
    if back:
        lines += [
            f"{line(far, OURS, way='ingress', ports=f'443 {40000 + n}')} -"
            for n, _ in enumerate(paths)
        ]
    rows = told(lines, HEADER, inventory=inventory)
    rows.sort(key=lambda row: (row["flow_direction"] == "ingress",
                               row["srcport"] + row["dstport"]))  # fmt: skip
    sides = ["dst" if row["flow_direction"] == "egress" else "src" for row in rows]
    return [
        (row[f"{side}_eni"], row[f"{side}_attribution"], row[f"{side}_kind"])
        for row, side in zip(rows, sides, strict=True)
    ]


NAMED = ("eni-2", "exact", "instance")
REFUTED = (None, "no_identity", "unknown_private")
ON_PREMISES = (None, None, "on_premises")
SOMEBODYS = (None, "ambiguous", None)


@pytest.mark.parametrize("path", ["2", "6", "7", "8"])
@pytest.mark.parametrize("by", ["tgw-1", "pcx-1"])
def test_what_leaves_by_a_gateway_is_of_no_neighbour_nor_is_what_answers(by, path):
    assert asked(world(by=by), path) == [REFUTED, REFUTED]


@pytest.mark.parametrize("by", ["tgw-1", "pcx-1"])
def test_what_leaves_by_a_virtual_private_gateway_is_on_premises(by):
    assert asked(world(by=by), "3") == [ON_PREMISES, REFUTED]


def test_a_neighbours_own_public_range_may_be_the_internets_too():
    inventory = world(address="44.1.1.10", cidr="44.1.0.0/16")
    internet = (None, None, "internet")
    assert asked(inventory, "8", far="44.1.1.10") == [internet, internet]
    assert asked(inventory, "1", far="44.1.1.10") == [NAMED, NAMED]


@pytest.mark.parametrize(
    ("by", "path", "is_theirs"),
    [("tgw-1", "1", True), ("tgw-1", "4", False), ("tgw-1", "5", False),
     ("pcx-1", "1", False), ("pcx-1", "4", True), ("pcx-1", "5", True),
     ("tgw-1", "-", True), ("pcx-1", "-", True), ("tgw-1", "9", True)],
)  # fmt: skip
def test_what_joins_a_neighbour_must_be_the_way_out(by, path, is_theirs):
    assert asked(world(by=by), path) == [NAMED if is_theirs else REFUTED] * 2


def test_a_neighbour_joined_twice_is_reached_both_ways():
    inventory = world(*joined(by="pcx-1"))
    assert asked(inventory, "1", "4", "3") == [
        NAMED, NAMED, ON_PREMISES, NAMED, NAMED, REFUTED]  # fmt: skip


def test_each_record_goes_its_own_way():
    assert asked(world(), "3", "1", "-", "4") == [
        ON_PREMISES, NAMED, NAMED, REFUTED, REFUTED, NAMED, NAMED, REFUTED]  # fmt: skip


def test_a_source_whose_conversation_left_both_ways_is_nobodys():
    lines = [f"{line(OURS, THEIRS)} 1", f"{line(OURS, THEIRS)} 8",
             f"{line(THEIRS, OURS, way='ingress', ports='443 40000')} -"]  # fmt: skip
    for tables, why in (([], "ambiguous"), ([table()], "no_identity")):
        rows = told(lines, HEADER, inventory=world(*tables))
        (row,) = (row for row in rows if row["flow_direction"] == "ingress")
        assert (row["src_eni"], row["src_attribution"]) == (None, why)


def test_a_path_tells_nothing_of_other_conversations():
    lines = [f"{line(OURS, THEIRS)} 8",
             f"{line(THEIRS, OURS, way='ingress', ports='443 40001')} -"]  # fmt: skip
    rows = told(lines, HEADER, inventory=world())
    assert {row["src_eni"] for row in rows} == {"eni-1", "eni-2"}


def test_the_way_out_tells_which_of_two_neighbours_it_is():
    third = holder(THEIRS, vpc="vpc-3", eni="eni-3")
    inventory = known(
        holder(OURS, eni="eni-1", instance="i-1"),
        holder(THEIRS, vpc="vpc-2", eni="eni-2"),
        third,
        configurations=[*joined("vpc-2", "tgw-1"), *joined("vpc-3", "pcx-1")],
    )
    other = ("eni-3", "exact", "instance")
    assert asked(inventory, "1", "4", "-") == [
        NAMED, other, SOMEBODYS, NAMED, other, SOMEBODYS]  # fmt: skip


def test_the_own_range_is_home_whatever_the_way_out():
    inventory = known(
        holder(OURS, eni="eni-1", instance="i-1"),
        holder("10.0.0.9", eni="eni-2"),
        configurations=[*joined(), table(("10.0.0.0/17", "vgw-1"))],
    )
    assert asked(inventory, "3", "1", far="10.0.0.9") == [NAMED] * 4


@pytest.mark.parametrize(
    "routes",
    [
        [("10.5.0.0/16", "vgw-1")],
        [("10.0.0.0/8", "tgw-1"), ("10.5.0.0/24", "vgw-1")],
        [("10.5.0.0/16", "tgw-2")],
        [("10.5.0.0/16", "pcx-1")],
        [("10.5.0.0/16", "lgw-1")],
        [("10.5.0.0/16", "cagw-1")],
        [("0.0.0.0/0", "igw-1")],
        [("10.6.0.0/16", "tgw-1")],
        [("::/0", "nat-1")],
        [],
    ],
)
def test_what_a_table_sends_elsewhere_or_nowhere_is_of_no_neighbour(routes):
    assert asked(world(table(*routes)), "-") == [REFUTED, REFUTED]


@pytest.mark.parametrize(
    "routes",
    [
        [("10.5.0.0/16", "tgw-1")],
        [("10.5.0.0/24", "tgw-1"), ("10.5.0.0/16", "vgw-1")],
        [("0.0.0.0/0", "tgw-1")],
        [("10.5.0.0/16", "eni-5")],
        [("0.0.0.0/0", "nat-5")],
        [("10.5.0.0/16", "vpce-5")],
        [("10.5.0.0/16", "something-new")],
    ],
)
def test_what_a_table_sends_there_or_on_may_be_a_neighbours(routes):
    assert asked(world(table(*routes)), "-") == [NAMED, NAMED]


def test_a_peering_is_the_one_that_the_route_names():
    inventory = world(table(("10.5.0.0/16", "pcx-1")), by="pcx-1")
    assert asked(inventory, "4", "-") == [NAMED] * 4
    inventory = world(table(("10.5.0.0/16", "pcx-2")), by="pcx-1")
    assert asked(inventory, "4", "-") == [REFUTED] * 4


def test_what_is_passed_on_first_may_be_peered_after_that():
    inventory = world(table(("10.5.0.0/16", "eni-5")), by="pcx-1")
    assert asked(inventory, "1", "3") == [NAMED, ON_PREMISES, NAMED, REFUTED]


BOTH = ([("10.5.0.0/16", "tgw-1")], [("10.5.0.0/16", "vgw-1")])
PRIVATE = ({"SubnetId": "subnet-1"},)


def test_where_tables_differ_nobody_is_named():
    there, away = BOTH
    assert asked(world(table(*there), table(*away, where=PRIVATE)), "-") == [
        SOMEBODYS, SOMEBODYS]  # fmt: skip


def test_where_tables_differ_the_way_out_decides():
    there, away = BOTH
    inventory = world(table(*there), table(*away, where=PRIVATE))
    assert asked(inventory, "1", "3") == [NAMED, ON_PREMISES, NAMED, REFUTED]
    guard = table(("10.0.0.0/8", "eni-5"), where=({"SubnetId": "subnet-2"},))
    inventory = world(table(*there), table(*away, where=PRIVATE), guard)
    assert asked(inventory, "1", "3") == [
        SOMEBODYS, ON_PREMISES, SOMEBODYS, REFUTED]  # fmt: skip


@pytest.mark.parametrize(
    "other",
    [
        table(),
        table(("10.0.0.0/8", "vgw-1"), state="blackhole"),
        table(("0.0.0.0/0", "igw-1")),
        table(("10.5.0.0/16", "vgw-1"), where=()),
        table(("10.5.0.0/16", "vgw-1"), where=({"GatewayId": "igw-1"},)),
        table(("10.5.0.0/16", "vgw-1"), latest=NOW - HOUR),
        table(("10.5.0.0/16", "vgw-1"), earliest=NOW + HOUR),
        table(("10.5.0.0/16", "vgw-1"), state="filtered"),
    ],
)
def test_a_table_that_leads_to_nobody_else_leaves_the_name(other):
    assert asked(world(table(*BOTH[0], where=PRIVATE), other), "-") == [NAMED, NAMED]


def test_a_main_table_by_which_no_subnet_goes_says_nothing():
    subnets = [
        configured("subnet", SubnetId=s, VpcId="vpc-1", CidrBlock=c)
        for s, c in (("subnet-1", "10.0.0.0/24"), ("subnet-2", "10.0.1.0/24"))
    ]
    some = [table(*BOTH[0], where=PRIVATE), table(*BOTH[1])]
    assert asked(world(*some, subnets[0]), "-") == [NAMED, NAMED]
    assert asked(world(*some, *subnets), "-") == [SOMEBODYS, SOMEBODYS]


def test_a_public_address_may_be_the_internets_by_another_table():
    inventory = world(
        table(("44.1.0.0/16", "tgw-1")),
        table(("0.0.0.0/0", "igw-1"), where=PRIVATE),
        address="44.1.1.10",
        cidr="44.1.0.0/16",
    )
    assert asked(inventory, "-", far="44.1.1.10") == [SOMEBODYS, SOMEBODYS]


@pytest.mark.parametrize("ends", [{"latest": NOW + HOUR}, {"earliest": NOW - HOUR}])
def test_a_table_that_may_have_been_in_force_counts(ends):
    before = table(*BOTH[1], **ends)
    assert asked(world(table(*BOTH[0]), before), "-") == [SOMEBODYS, SOMEBODYS]


@pytest.mark.parametrize(
    ("target", "listed", "found"),
    [
        ("tgw-1", True, NAMED),
        ("vgw-1", True, REFUTED),
        ("tgw-1", False, NAMED),
        ("vgw-1", False, REFUTED),
    ],
)
def test_a_prefix_list_stands_for_its_entries(target, listed, found):
    entries = {"Entries": [{"Cidr": "10.5.0.0/24"}]} if listed else {}
    prefixes = configured("prefix_list", PrefixListId="pl-1", **entries)
    inventory = world(table(("pl-1", target)), prefixes)
    assert asked(inventory, "-") == [found, found]


def test_a_static_route_goes_before_a_propagated_one():
    route = to("10.5.0.0/16", "vgw-1", Origin="EnableVgwRoutePropagation")
    static = to("10.5.0.0/16", "tgw-1", Origin="CreateRoute")
    for routes in ([route, static], [static, route]):
        some = configured("route_table", VpcId="vpc-1", Routes=routes)
        assert asked(world(some), "-") == [NAMED, NAMED]


@pytest.mark.parametrize(
    ("kind", "found"), [("Gateway", REFUTED), ("GatewayLoadBalancer", NAMED)]
)
def test_an_endpoint_is_what_aws_says_it_is(kind, found):
    endpoint = configured(
        "vpc_endpoint", VpcEndpointId="vpce-1", VpcEndpointType=kind, VpcId="vpc-1"
    )
    inventory = world(endpoint, table(("10.5.0.0/16", "vpce-1")))
    assert asked(inventory, "-") == [found, found]


def test_tables_of_others_say_nothing():
    theirs = table(("10.5.0.0/16", "vgw-1"))
    theirs["document"] = theirs["document"].replace("vpc-1", "vpc-2")
    assert asked(world(theirs), "-") == [NAMED, NAMED]


@pytest.mark.parametrize(
    ("path", "tables", "verdicts"),
    [
        ("1", [], [None, "accepted"]),
        ("3", [], ["accepted", "accepted"]),
        ("-", [table(*BOTH[1])], ["accepted", "accepted"]),
    ],
)
def test_what_goes_elsewhere_is_not_missing_at_a_neighbour(path, tables, verdicts):
    inventory = world(log("fl-2", "vpc-2"), *tables)
    lines = [f"{line(OURS, THEIRS)} {path}",
             f"{line(THEIRS, OURS, way='ingress', ports='443 40000')} -"]  # fmt: skip
    found = settled(inventory, rows_of(lines, HEADER), [("s3", "fl-2")])
    assert [row["verdict"] for row in found] == verdicts
