"""`flowlake doctor` finds what is set up wrongly, `whois` who it was."""

import json

import pytest

from demo.simulate import simulate
from demo.spec import SimulationSpec
from ingest.inventory.aws import read_saved
from ingest.inventory.kubernetes.saved import Saved
from ingest.inventory.store import record
from ingest.job import Ingest, Request
from lake.settings import load_settings
from queries.checkup import examine
from queries.engine import Engine
from tests.lakes import open_lake
from tests.processes import flowlake


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    place = tmp_path_factory.mktemp("world")
    simulate(
        SimulationSpec(
            records=1, out=str(place), shape="network", faults=True, windows=4
        )
    )
    return place


@pytest.fixture(scope="module")
def settings(world, tmp_path_factory):
    settings = load_settings(lake=str(tmp_path_factory.mktemp("lake")))
    with open_lake(settings) as lake:
        for folder in (world / "inventory").glob("aws*"):
            record(lake, list(read_saved([folder])))
        for folder in (world / "inventory" / "kubernetes-snapshots").iterdir():
            record(lake, list(Saved([folder], cluster=folder.name)))
        Ingest(lake, Request((str(world / "AWSLogs"),), roll_up=False)).run()
    return settings


def run(settings, *arguments):
    done = flowlake("--lake", str(settings.lake_path), *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_planted_fault_is_found(settings, world):
    planted = json.loads((world / "truth" / "faults.json").read_text())
    with Engine(settings) as engine:
        found = examine(engine, days=7)
    pairs = {(f["fault"], f["resource"]) for f in found["findings"]}
    wanted = {
        (f["fault"], f["resource"])
        if f["fault"] != "stale_inventory"
        else (f["fault"], f"aws:{f['resource'].replace('-', ':', 1)}")
        for f in planted
    }
    assert len({fault for fault, _ in wanted}) == 7
    assert wanted - pairs == set()
    assert all(f["costs"] and f["do"] for f in found["findings"])


def test_what_is_in_order_is_left_alone(settings, world):
    planted = json.loads((world / "truth" / "faults.json").read_text())
    with Engine(settings) as engine:
        found = examine(engine, days=7)
    for fault in ("not_logged", "duplicate", "no_pkt_addr", "no_resource_id",
                  "traffic_type", "overlay_cni"):  # fmt: skip
        mine = {f["resource"] for f in found["findings"] if f["fault"] == fault}
        assert mine == {f["resource"] for f in planted if f["fault"] == fault}


def test_the_shares_are_of_all_sides(settings):
    told = json.loads(run(settings, "doctor", "--format", "json"))
    assert sum(row["percent"] for row in told["attribution"]) == pytest.approx(
        100, abs=1
    )
    assert (
        sum(r["sides"] for r in told["attribution"]) == 2 * told["settling"]["records"]
    )
    assert "${pkt-srcaddr}" in told["log_format"]
    assert "findings" in run(settings, "doctor", "--format", "table")


def test_whois_knows_a_pod_and_when(settings, world):
    (pods, *_) = sorted((world / "inventory/kubernetes-snapshots/shop").glob("pods-*"))
    listed = json.loads(pods.read_text())["items"]
    pod = next(
        p
        for p in listed
        if p["status"]["phase"] == "Running"
        and not p["spec"].get("hostNetwork")
        and "deletionTimestamp" not in p["metadata"]
    )
    stamp = pods.stem.removeprefix("pods-")
    at = f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:11]}:{stamp[11:13]}:{stamp[13:]}"
    told = json.loads(
        run(settings, "whois", pod["status"]["podIP"], "--at", at, "--format", "json")
    )
    surely = [r for r in told["identities"] if r["at_that_time"] == "surely"]
    assert pod["metadata"]["name"] in {row["pod"] for row in surely}
    assert told["homes"]
    assert told["at"] == at


def test_whois_says_plainly_what_is_not_known(settings):
    nobody = json.loads(run(settings, "whois", "203.0.113.254"))
    assert nobody["identities"] == []
    assert nobody["says"].startswith("nothing is known of it")
    free = json.loads(run(settings, "whois", "10.0.0.250"))
    assert "nobody was seen at it; it lies in subnet-" in free["says"]
    spelled = flowlake("--lake", str(settings.lake_path), "whois", "10.0.0.300")
    assert spelled.returncode != 0
    assert "'10.0.0.300' is no IPv4 or IPv6 address" in spelled.stderr
