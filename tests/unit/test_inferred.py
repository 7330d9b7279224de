"""What an inventory tells of other identities, of any time, reopens their hours."""

import itertools
from datetime import timedelta

import pyarrow as pa
import pytest

from ingest.enriching import Inventories
from ingest.inferred import changed
from ingest.inventory.sighting import CONFIGURED, SIGHTED, Sighting
from ingest.inventory.store import record
from ingest.job import Ingest, Request
from ingest.settling import Settler
from lake.catalog import Lake
from lake.settings import load_settings
from lake.snapshots import head_id
from lake.tables import FLOWS, IDENTITIES
from tests.estate import NOON, SCOPE, put, sent
from tests.lakes import keep, open_lake, put_back

DAY = 24 * 60


def at(minute):
    return NOON + timedelta(minutes=minute)


def sighting(scope, minute, rows, lists, documents=()):
    return Sighting(
        scope,
        at(minute),
        pa.Table.from_pylist(
            [{**dict.fromkeys(SIGHTED.names), **row} for row in rows], schema=SIGHTED
        ),
        pa.Table.from_pylist(
            [{**dict.fromkeys(CONFIGURED.names), **d} for d in documents],
            schema=CONFIGURED,
        ),
        lists=frozenset(lists),
    )


VPC = {"resource_type": "vpc", "resource_id": "vpc-1",
       "document": '{"VpcId":"vpc-1","CidrBlock":"10.0.0.0/16"}'}  # fmt: skip


def aws(minute, since):
    """Return a look at two interfaces of one instance, there since some time."""
    rows = [
        {"source": "aws", "holder": f"eni-{n}", "eni": f"eni-{n}", "instance": "i-1",
         "address": f"10.0.0.{n}", "vpc": "vpc-1", "is_primary": True,
         "kind": "instance", "earliest": at(since)}
        for n in (1, 2)
    ]  # fmt: skip
    return sighting(SCOPE, minute, rows, ("identities", "vpc"), [VPC])


def node(minute):
    """Return a cluster's look at a node on the instance, that began after the flows."""
    row = {"source": "kubernetes", "holder": "u-node", "kind": "node", "node": "n1",
           "cluster": "c", "instance": "i-1", "address": "10.0.0.1",
           "earliest": at(3 * DAY), "started_at": at(3 * DAY)}  # fmt: skip
    return sighting("kubernetes:c", minute, [row], ("identities", "node"))


def pod(minute):
    """Return another cluster's look at a pod on that instance, as old as the flows."""
    row = {"source": "kubernetes", "holder": "u-pod", "kind": "pod", "pod": "p1",
           "namespace": "shop", "cluster": "d", "instance": "i-1",
           "address": "10.0.0.7", "earliest": at(-DAY),
           "started_at": at(-DAY)}  # fmt: skip
    return sighting("kubernetes:d", minute, [row], ("identities", "pod"))


def empty(scope, minute, kind):
    """Return a look that there was nothing."""
    documents = [VPC] if kind == "vpc" else []
    return sighting(scope, minute, [], ("identities", kind), documents)


NOTHING = [empty(SCOPE, -9 * DAY, "vpc"), empty("kubernetes:c", -9 * DAY, "node"),
           empty("kubernetes:c", 2 * DAY, "node"),
           empty("kubernetes:d", -9 * DAY, "pod")]  # fmt: skip
LOOKS = {
    "aws": [aws(-8 * DAY, -10 * DAY), aws(5 * DAY, -10 * DAY)],
    "late aws": [empty(SCOPE, 3 * DAY, "vpc"), aws(5 * DAY, 4 * DAY)],
    "node": [node(4 * DAY), node(5 * DAY)],
    "pod": [pod(-60), pod(5 * DAY)],
}
CASES = [
    order
    for names in (("aws", "node"), ("late aws", "pod"), ("aws", "node", "pod"))
    for order in itertools.permutations(names)
]


def derived(lake):
    rows = lake.load(FLOWS).scan().to_arrow().drop_columns(["extra"])
    return sorted(map(repr, rows.to_pylist()))


def load(lake, *objects):
    """Ingest objects and settle them; nothing here is said of roll-ups."""
    Ingest(lake, Request(tuple(map(str, objects)), roll_up=False)).run()


@pytest.fixture(scope="module")
def before(request, tmp_path_factory):
    """The settings of a lake whose flows are nobody's yet; it is kept.

    Where asked for, the Region has also been seen to be empty after the first of them.
    """
    place = tmp_path_factory.mktemp("before")
    lines = [sent(0), sent(DAY * 4, port=1), sent(1, to="10.0.0.7", port=2)]
    settings = load_settings(lake=str(place / "lake"), workers=1)
    with open_lake(settings) as lake:
        load(lake, put(place, 0, *lines))
        record(lake, NOTHING)
        if request.param:
            record(lake, [empty(SCOPE, 3 * DAY, "vpc")])
        Settler(lake, Inventories(lake, {})).attribute(now=at(9 * DAY))
    keep(settings.lake)
    return settings


@pytest.mark.parametrize(
    ("before", "order"),
    [("late aws" in order, order) for order in CASES],
    indirect=["before"],
    scope="module",
    ids=map(", ".join, CASES),
)
def test_what_looks_reopen_ends_as_if_all_were_attributed_anew(before, order):
    put_back(before.lake)
    with Lake(before) as lake:
        settler = Settler(lake, Inventories(lake, {}))
        for name in order:
            record(lake, LOOKS[name])
            settler.attribute(now=at(9 * DAY))
        found = derived(lake)
        settler.attribute(now=at(9 * DAY), everything=True)
        assert derived(lake) == found


def test_another_look_at_the_same_reopens_nothing(tmp_path):
    place = tmp_path / "objects"
    with open_lake(load_settings(lake=str(tmp_path / "lake"), workers=1)) as lake:
        load(lake, put(place, 0, sent(0)))
        settler = Settler(lake, Inventories(lake, {}))
        record(lake, [*LOOKS["aws"], *LOOKS["node"]])
        settler.attribute(now=at(9 * DAY))
        record(lake, [aws(6 * DAY, -10 * DAY), node(6 * DAY)])
        assert settler.attribute(now=at(9 * DAY)).added == 0


def test_that_a_pod_kept_its_address_reopens_what_lies_between(tmp_path):
    with open_lake(load_settings(lake=str(tmp_path / "lake"), workers=1)) as lake:
        record(lake, [empty("kubernetes:d", 60, "pod")])
        record(lake, [pod(-60)])
        before = head_id(lake.load(IDENTITIES))
        assert before is not None
        record(lake, [pod(30)])
        span = changed(lake.load(IDENTITIES), before)
        assert span is not None
        since, until = span
        assert since <= at(-60)
        assert at(30) <= until <= at(60)
