"""The simulated AWS: the same for a seed, consistent, and known in every number."""

import gzip
import itertools
import json
import re
from collections import Counter
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from demo.simulate import simulate
from demo.spec import SimulationSpec
from ingest.job import Ingest, Request
from ingest.keys import parse_key
from lake.settings import load_settings
from lake.tables import FLOWS, SOURCES, TGW_FLOWS
from tests.lakes import open_lake

RECORDS = 12_000


def totals(world):
    return json.loads((world / "truth" / "totals.json").read_text())


def objects(world):
    return pq.read_table(world / "truth" / "objects.parquet").to_pylist()


def tree(place):
    return {
        str(p.relative_to(place)): p.read_bytes()
        for p in sorted(place.rglob("*"))
        if p.is_file()
    }


def test_the_same_seed_writes_the_same_bytes_on_any_number_of_workers(
    world, tmp_path, monkeypatch
):
    monkeypatch.setattr("demo.simulate.INLINE", 0)
    simulate(SimulationSpec(records=RECORDS, out=str(tmp_path), workers=2))
    ours, theirs = tree(world), tree(tmp_path)
    ours.pop("truth/totals.json"), theirs.pop("truth/totals.json")
    assert ours == theirs


def test_another_seed_writes_other_traffic(world, tmp_path):
    simulate(SimulationSpec(records=1000, out=str(tmp_path), seed=8))
    assert not set(tree(tmp_path / "AWSLogs")) & set(tree(world / "AWSLogs"))


def test_ingest_finds_just_what_the_world_says_that_it_wrote(world, tmp_path):
    told = totals(world)
    with open_lake(load_settings(lake=str(tmp_path))) as lake:
        places = str(world / "AWSLogs"), str(world / "replica")
        summary = Ingest(lake, Request(places, settle=False, roll_up=False)).run()
        stored = lake.load(SOURCES).scan().to_arrow().to_pylist()
        flows = lake.load(FLOWS).scan().to_arrow()
        transit = lake.load(TGW_FLOWS).scan().count()
    assert summary.exit_code == 0
    assert summary.copies == told["copies"] > 0
    for name in ("lines", "headers", "silences"):
        assert getattr(summary, name) == told[name]
    assert summary.flows == told["records"] >= RECORDS
    assert transit == told["tgw_records"] > 0
    expected = {
        o["identity"]: (o["records"], o["silences"], o["headers"], o["head"])
        for o in objects(world)
    }
    assert expected == {
        s["source_object"]: (s["flows"], s["silences"], s["headers"], s["head"])
        for s in stored
    }
    _agrees_record_by_record(flows, pq.read_table(world / "truth" / "records.parquet"))


def _agrees_record_by_record(flows, truth):
    """Every record of the truth is a row of the lake, as often, and says the same."""
    names = ("interface_id", "srcport", "dstport", "packets", "bytes", "action")
    seconds = pc.divide(flows["start_time"].cast("int64"), 10**6).to_pylist()
    ours = Counter(zip(seconds, *(flows[n].to_pylist() for n in names), strict=True))
    theirs = Counter(
        zip(
            truth["start"].to_pylist(),
            *(truth[n].to_pylist() for n in names),
            strict=True,
        )
    )
    assert not theirs - ours
    assert sum((ours - theirs).values()) == flows.num_rows - truth.num_rows


def test_keys_have_the_shapes_that_aws_gives_them(world):
    keys = [o["key"] for o in objects(world)]
    shapes = (
        r"AWSLogs/\d{12}/vpcflowlogs/[a-z0-9-]+/\d{4}/\d\d/\d\d/[^/]+\.log\.gz",
        r"AWSLogs/\d{12}/vpcflowlogs/[a-z0-9-]+/\d{4}/\d\d/\d\d/\d\d/[^/]+\.log\.gz",
        r"AWSLogs/aws-account-id=\d{12}/aws-service=vpcflowlogs/aws-region=[a-z0-9-]+/"
        r"year=\d{4}/month=\d\d/day=\d\d/hour=\d\d/[^/]+\.log\.parquet",
        r"AWSLogs/o-demo/aws-account-id=\d{12}/.*/day=\d\d/[^/]+\.log\.gz",
    )
    for shape in shapes:
        assert any(re.fullmatch(shape, key) for key in keys), shape
    assert all(parse_key(key) for key in keys)


def test_both_ends_of_internal_traffic_saw_the_same_bytes(world):
    records = pq.read_table(world / "truth" / "records.parquet")
    inside = records.filter(
        pc.and_(pc.is_valid(records["src_kind"]), pc.is_valid(records["dst_kind"]))
    )
    inside = inside.filter(pc.equal(inside["action"], "ACCEPT"))
    keys = ["stream", "src_address", "dst_address", "srcport", "dstport"]
    spread = inside.group_by(keys).aggregate([("bytes", "min"), ("bytes", "max")])
    assert spread.num_rows > 1000
    assert spread["bytes_min"].equals(spread["bytes_max"])


def test_every_reject_has_a_cause_and_a_rule_and_no_accept_has(world):
    records = pq.read_table(world / "truth" / "records.parquet")
    rejected = pc.equal(records["action"], "REJECT")
    assert pc.sum(rejected).as_py() > 100
    for name in ("cause", "rule"):
        assert pc.is_valid(records[name]).equals(rejected)
    assert set(records["cause"].to_pylist()) == {None, "security_group", "network_acl"}


def test_no_address_is_held_by_two_pods_at_once(world):
    from demo.simulate import _world

    spec = SimulationSpec(records=RECORDS, out=str(world))
    pods = [e for e in _world(spec, 12)[0].endpoints if e.pod]
    by_address: dict[tuple[str, str], list[Any]] = {}
    for pod in pods:
        by_address.setdefault((pod.interface.id, pod.address), []).append(pod)
    assert any(len(held) > 1 for held in by_address.values())
    for held in by_address.values():
        held.sort(key=lambda pod: pod.since)
        for one, following in itertools.pairwise(held):
            assert one.until <= following.since


def test_the_inventory_knows_every_interface_that_wrote_a_record(world):
    document = json.loads((world / "inventory/aws/network-interfaces.json").read_text())
    known = {i["NetworkInterfaceId"] for i in document["NetworkInterfaces"]}
    records = pq.read_table(world / "truth" / "records.parquet")
    assert set(records["interface_id"].to_pylist()) <= known


@pytest.mark.parametrize(("shape", "rows"), [("large", 250_000), ("small", 300)])
def test_the_clean_shapes_have_objects_of_one_size(tmp_path, shape, rows):
    spec = SimulationSpec(
        records=rows * 2 + 50,
        out=str(tmp_path),
        shape=shape,
        clean=True,
        truth="totals",
    )
    result = simulate(spec)
    sizes = [
        gzip.decompress(body).count(b"\n") - 1
        for body in tree(tmp_path / "AWSLogs").values()
    ]
    assert sorted(sizes) == [50, rows, rows]
    assert result.records == rows * 2 + 50
