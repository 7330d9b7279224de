"""Which route of a subnet's table holds for an address."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policies import HOUR, NOON, policy_of, row
from transform.policy.routing import routed


def table(name, *routes, subnet=None, main=False, vpc="vpc-1", **times):
    association = {"Main": main} | ({"SubnetId": subnet} if subnet else {})
    document = {"RouteTableId": name, "VpcId": vpc, "Routes": list(routes),
                "Associations": [association]}  # fmt: skip
    return row("route_table", name, document, **times)


def to(cidr, target, **more):
    return {"DestinationCidrBlock": cidr, "GatewayId": target, "State": "active",
            "Origin": "CreateRoute", **more}  # fmt: skip


def ask(rows, address, *, subnet="subnet-1", at=NOON):
    return routed(policy_of(rows).known, subnet=subnet, vpc="vpc-1", address=address,
                  begin=at - 60, end=at + 60)  # fmt: skip


LOCAL = to("10.0.0.0/16", "local")


def test_a_subnet_without_a_table_of_its_own_goes_by_the_main_one():
    own = table("rtb-own", LOCAL, to("0.0.0.0/0", "igw-1"), subnet="subnet-1")
    rows = [table("rtb-main", LOCAL, main=True), own]
    assert ask(rows, "8.8.8.8").chosen.target == "igw-1"
    other = ask(rows, "8.8.8.8", subnet="subnet-2")
    assert (other.table, other.is_main, other.chosen) == ("rtb-main", True, None)


def test_the_longest_prefix_holds_and_a_lost_one_loses():
    gone = to("10.9.1.0/24", "vgw-1", State="blackhole")
    routes = [to("10.9.0.0/16", "pcx-1"), LOCAL, gone]
    rows = [table("rtb-1", *routes, subnet="subnet-1")]
    assert ask(rows, "10.9.0.5").chosen.text() == "10.9.0.0/16 to pcx-1"
    lost = ask(rows, "10.9.1.5")
    assert lost.chosen.is_blackhole
    assert [r.destination for r in lost.routes] == ["10.9.1.0/24", "10.9.0.0/16"]


def test_static_routes_hold_before_prefix_lists_and_those_before_propagated_ones():
    same = "10.9.0.0/16"
    propagated = to(same, "vgw-1", Origin="EnableVgwRoutePropagation")
    listed = {"DestinationPrefixListId": "pl-1", "TransitGatewayId": "tgw-1"}
    entries = row("prefix_list", "pl-1", {"PrefixListId": "pl-1",
                                          "Entries": [{"Cidr": same}]})  # fmt: skip
    rows = [table("rtb-1", propagated, listed, to(same, "pcx-1"), subnet="subnet-1"),
            entries]  # fmt: skip
    targets = [r.target for r in ask(rows, "10.9.0.5").routes]
    assert targets == ["pcx-1", "tgw-1", "vgw-1"]


def test_a_list_whose_entries_nobody_knows_may_hold_the_address():
    listed = {"DestinationPrefixListId": "pl-1", "TransitGatewayId": "tgw-1"}
    gateway = {"DestinationPrefixListId": "pl-2", "GatewayId": "vpce-1"}
    rows = [table("rtb-1", LOCAL, listed, gateway, subnet="subnet-1")]
    assert ask(rows, "10.0.0.5").unlisted == ("pl-1",)


def test_a_table_that_changed_meanwhile_is_not_known():
    rows = [table("rtb-1", LOCAL, subnet="subnet-1", until=NOON),
            table("rtb-1", LOCAL, to("0.0.0.0/0", "igw-1"), subnet="subnet-1",
                  since=NOON)]  # fmt: skip
    assert ask(rows, "8.8.8.8").table is None
    assert ask(rows, "8.8.8.8", at=NOON + HOUR // 2).chosen.target == "igw-1"
    assert ask(rows, "8.8.8.8", at=NOON - HOUR // 2).chosen is None


@pytest.mark.parametrize(("address", "target"), [("2001:db8::1", "eigw-1"),
                                                 ("10.0.0.1", "local")])  # fmt: skip
def test_each_kind_of_address_has_its_own_routes(address, target):
    six = {"DestinationIpv6CidrBlock": "::/0", "EgressOnlyInternetGatewayId": "eigw-1"}
    rows = [table("rtb-1", LOCAL, six, subnet="subnet-1")]
    assert ask(rows, address).chosen.target == target


CIDRS = st.builds(lambda n, length: ipaddress.ip_network((n << 24, length), False),
                  st.integers(0, 3), st.integers(0, 12))  # fmt: skip


@given(st.lists(CIDRS, max_size=6, unique=True), st.integers(0, 3))
def test_the_route_that_holds_is_the_one_of_a_plain_search(cidrs, first):
    address = ipaddress.ip_address(first << 24 | 5)
    rows = [table("rtb-1", *(to(str(c), f"x-{n}") for n, c in enumerate(cidrs)),
                  subnet="subnet-1")]  # fmt: skip
    wanted = max((c for c in cidrs if address in c), key=lambda c: c.prefixlen,
                 default=None)  # fmt: skip
    chosen = ask(rows, str(address)).chosen
    assert (chosen and chosen.destination) == (wanted and str(wanted))
