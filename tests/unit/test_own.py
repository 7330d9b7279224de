"""Whose the addresses at the recording interface are: its own, or passed on."""

import pytest

from tests.unit.test_enrich import (
    NODE,
    configured,
    holder,
    known,
    line,
    pod,
    told,
)

ROUTER = holder("10.0.0.1", eni="eni-1", instance="i-1", name="vpn-server")
RANGES = configured("vpc", VpcId="vpc-1", CidrBlock="10.0.0.0/16")


def unchecked(eni="eni-1"):
    return configured(
        "network_interface", NetworkInterfaceId=eni, SourceDestCheck=False
    )


def passed_on(address, way, **facts):
    """Return a record of the interface whose own side shows another's address."""
    if way == "egress":
        return line(address, "10.0.0.9", shown=("10.0.0.1", "10.0.0.9"), **facts)
    shown = ("10.0.0.9", "10.0.0.1")
    return line("10.0.0.9", address, way=way, shown=shown, **facts)


def own(row, way):
    side = "src" if way == "egress" else "dst"
    return {
        name: row[f"{side}_{name}"]
        for name in ("kind", "name", "instance", "eni", "node", "attribution")
    }


WAYS = pytest.mark.parametrize("way", ["egress", "ingress"])
NOBODY = dict.fromkeys(("name", "instance", "eni", "node"))


@WAYS
@pytest.mark.parametrize(
    ("address", "kind"), [("10.8.0.5", "unknown_private"), ("10.0.0.77", None)]
)
def test_what_a_router_passes_on_is_not_its_own(way, address, kind):
    inventory = known(ROUTER, configurations=[RANGES, unchecked()])
    (row,) = told([passed_on(address, way)], inventory=inventory)
    assert own(row, way) == {**NOBODY, "kind": kind, "attribution": "no_identity"}
    assert row["role"] == "transit"


@WAYS
def test_an_address_beyond_the_ranges_of_its_vpc_is_no_interfaces_own(way):
    inventory = known(ROUTER, configurations=[RANGES])
    (row,) = told([passed_on("10.8.0.5", way)], inventory=inventory)
    assert own(row, way)["kind"] == "unknown_private"
    assert own(row, way)["eni"] is None


@WAYS
def test_what_a_router_is_known_to_have_had_is_its_own(way):
    second = holder("10.0.0.20", eni="eni-1", instance="i-1", name="vpn-server",
                    is_primary=False)  # fmt: skip
    inventory = known(ROUTER, second, configurations=[RANGES, unchecked()])
    (row,) = told([passed_on("10.0.0.20", way)], inventory=inventory)
    assert (own(row, way)["name"], own(row, way)["attribution"]) == (
        "vpn-server",
        "exact",
    )
    assert row["role"] is None


@WAYS
def test_a_pod_of_a_node_that_passes_on_is_named(way):
    inventory = known(
        NODE,
        pod("10.0.0.20", "web-1", instance="i-1"),
        configurations=[RANGES, unchecked()],
    )
    (row,) = told([passed_on("10.0.0.20", way)], inventory=inventory)
    side = "src" if way == "egress" else "dst"
    assert (row[f"{side}_pod"], row["role"]) == ("web-1", None)


@WAYS
@pytest.mark.parametrize("cluster", [None, "c"])
@pytest.mark.parametrize("ranges", [[], [RANGES]])
def test_an_address_that_no_listing_has_is_placed_but_not_called_by_its_interface(
    way, cluster, ranges
):
    inventory = known(
        ROUTER | {"cluster": cluster, "subnet": "subnet-1"}, configurations=ranges
    )
    (row,) = told([passed_on("10.0.0.77", way)], inventory=inventory)
    assert own(row, way) == {
        **NOBODY, "kind": None, "attribution": "no_identity", "eni": "eni-1",
        "instance": "i-1",
    }  # fmt: skip
    side = "src" if way == "egress" else "dst"
    assert (row[f"{side}_subnet"], row[f"{side}_vpc"]) == ("subnet-1", "vpc-1")
    assert row["role"] is None


@WAYS
def test_of_an_interface_that_nobody_lists_another_address_has_the_place(way):
    (row,) = told([passed_on("10.0.0.77", way)])
    assert own(row, way) == {
        **NOBODY, "kind": None, "attribution": "no_identity", "eni": "eni-1",
        "instance": "i-1",
    }  # fmt: skip
    side = "src" if way == "egress" else "dst"
    assert row[f"{side}_subnet"] == "subnet-1"
