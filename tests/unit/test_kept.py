"""A pod that is seen again with its address kept it, in whatever order looks come."""

import itertools
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from ingest.inventory.merge import merge
from lake.tables import IDENTITIES, arrow_schema
from tests.histories import listing
from transform.addresses import parse
from transform.inventory import Inventory
from transform.timeline import AMBIGUOUS, EXACT, NOT_COVERED

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
CLUSTER, ACCOUNT = "kubernetes:shop", "aws:111111111111:eu-west-1"
NOTHING = arrow_schema(IDENTITIES).empty_table()
VPC, ADDRESS = "vpc-1", "10.0.0.1"


def pod(name, **more):
    return {"source": "kubernetes", "kind": "pod", "holder": f"uid-{name}",
            "pod": name, "cluster": "shop", "instance": "i-1", "vpc": VPC,
            "address": ADDRESS} | more  # fmt: skip


def interface(name, **more):
    return {"source": "aws", "kind": "instance", "holder": name, "eni": name,
            "vpc": VPC, "address": ADDRESS} | more  # fmt: skip


def look(minute, *rows, scope=CLUSTER):
    return listing(scope, minute, rows)


def told(*sightings):
    """Return the rows after sightings that came one run after the other."""
    rows = NOTHING
    times: dict[tuple[str, str], list[datetime]] = {}
    for one in sightings:
        seen = times.setdefault((one.scope, "identities"), [])
        listed = {key: (min(some), max(some)) for key, some in times.items() if some}
        rows = merge(IDENTITIES, rows, [one], listed=listed).rows
        seen.append(one.at)
    return rows


def ask(rows, minute, layer="pods", *, length=60):
    inventory = Inventory(rows)
    held = getattr(inventory, layer)
    begin = np.array([int((BEGIN + timedelta(minutes=minute)).timestamp())])
    vpc = np.array([inventory.vpc_code(VPC)])
    found = held.at(held.find(vpc, parse(pa.array([ADDRESS]))), begin, begin + length)
    who = int(found.who[0])
    return int(found.status[0]), rows["holder"][who].as_py() if who >= 0 else None


B = (EXACT, "uid-b")


@pytest.mark.parametrize("order", [*itertools.permutations(range(4))], ids=str)
def test_between_two_sightings_it_had_the_address_whatever_came_when(order):
    looks = [look(0, pod("b")), look(15, pod("b")), look(30, pod("b")), look(60)]
    rows = told(*(looks[place] for place in order))
    assert [ask(rows, minute) for minute in (0, 5, 14, 15, 20, 29)] == [B] * 6
    assert ask(rows, 31) == (NOT_COVERED, None)


@pytest.mark.parametrize("also", [True, False], ids=["both", "alone"])
def test_it_is_not_named_where_another_was_seen_in_between(also):
    between = look(7, pod("c"), *([pod("b")] if also else []))
    rows = told(look(60), look(0, pod("b")), look(15, pod("b")), between)
    assert {ask(rows, minute)[1] for minute in (1, 3, 7, 9, 14)} == {None}


def test_it_is_not_named_where_a_look_found_it_gone():
    rows = told(look(60), look(0, pod("b")), look(15, pod("b")), look(7))
    assert {ask(rows, minute)[1] for minute in (1, 6, 8, 14)} == {None}


def test_it_is_not_named_where_another_can_have_been_in_between():
    other = pod("c", earliest=BEGIN + timedelta(minutes=5))
    rows = told(look(60), look(0, pod("b")), look(15, pod("b")))
    assert ask(rows, 3) == B
    elsewhere = look(90, other, scope="kubernetes:other")
    assert ask(told(look(60), look(0, pod("b")), look(15, pod("b")), elsewhere), 3) == (
        NOT_COVERED, None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"instance": "i-1"}, True),
        ({"instance": "i-2"}, False),
        ({"kind": "lambda"}, False),
    ],
    ids=str,
)
def test_an_interface_in_between_is_the_one_that_carries_it_or_a_rival(more, named):
    theirs = [look(m, interface("eni-1", **more), scope=ACCOUNT) for m in (7, 8)]
    rows = told(look(60), look(0, pod("b")), look(15, pod("b")), *theirs)
    assert ask(rows, 3) == (B if named else (NOT_COVERED, None))


def test_an_interface_that_had_it_all_the_time_carries_the_pod():
    theirs = [look(m, interface("eni-1"), scope=ACCOUNT) for m in (-5, 70)]
    lone = pod("b", instance=None)
    assert ask(told(look(60), look(0, lone), look(15, lone), *theirs), 3) == B


def test_what_was_told_otherwise_of_it_is_no_rival_and_not_known_in_between():
    rows = told(look(0, pod("b", owner="one")), look(15, pod("b", owner="two")))
    assert ask(rows, 5) == (NOT_COVERED, None)
    assert ask(rows, 5, length=900) == (NOT_COVERED, None)


def test_an_interface_may_have_been_without_its_address_and_is_no_rival_of_itself():
    looks = [look(m, interface("eni-1"), scope=ACCOUNT) for m in (0, 15)]
    rows = told(look(60, scope=ACCOUNT), *looks)
    assert rows.num_rows == 2
    assert ask(rows, 5, "interfaces") == (NOT_COVERED, None)
    other = look(7, interface("eni-2"), scope=ACCOUNT)
    assert ask(told(look(60, scope=ACCOUNT), *looks, other), 5, "interfaces") == (
        AMBIGUOUS, None,
    )  # fmt: skip
