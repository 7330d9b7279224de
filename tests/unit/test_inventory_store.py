"""Sightings come into the lake whole, whatever happens beside or in between."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from ingest.inventory.merge import merge
from ingest.inventory.sighting import CONFIGURED, SIGHTED, Sighting
from ingest.inventory.store import record
from ingest.reopened import CHANGED_FROM, CHANGED_UNTIL, reopened
from lake.datafiles import open_parquet
from lake.errors import CommitConflict, UsageError
from lake.settings import load_settings
from lake.snapshots import OP, summary
from lake.store import commit
from lake.tables import CONFIGURATIONS, FLOWS, IDENTITIES, INVENTORY
from tests.kube_objects import pod
from tests.lakes import open_lake
from tests.processes import flowlake

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
SCOPE = "aws:111111111111:us-east-1"


@pytest.fixture
def lake(tmp_path):
    with open_lake(load_settings(lake=str(tmp_path / "lake"))) as opened:
        yield opened


def sighting(minute, *holders, scope=SCOPE):
    rows = [
        {**dict.fromkeys(SIGHTED.names), "source": "aws", "holder": eni, "eni": eni,
         "address": f"10.0.0.{number}", "vpc": "vpc-1"}
        for number, eni in enumerate(holders)
    ]  # fmt: skip
    vpc = {**dict.fromkeys(CONFIGURED.names), "resource_type": "vpc",
           "resource_id": "vpc-1", "document": "{}"}  # fmt: skip
    return Sighting(
        scope,
        BEGIN + timedelta(minutes=minute),
        pa.Table.from_pylist(rows, schema=SIGHTED),
        pa.Table.from_pylist([vpc], schema=CONFIGURED),
        lists=frozenset({"identities", "vpc"}),
    )


def rows_of(lake, table=IDENTITIES):
    rows = lake.load(table).scan().to_arrow().to_pylist()
    return sorted(repr(sorted(row.items(), key=str)) for row in rows)


def state(lake):
    return {table.name: rows_of(lake, table) for table in INVENTORY}


def test_the_same_again_commits_nothing(lake):
    record(lake, [sighting(0, "eni-a"), sighting(10, "eni-b")])
    before = [lake.load(t).metadata_location for t in INVENTORY]
    done = record(lake, [sighting(0, "eni-a"), sighting(10, "eni-b")])
    assert [lake.load(t).metadata_location for t in INVENTORY] == before
    assert all(each.snapshot is None for each in done.values())


def test_runs_apart_end_as_one_run_does(lake, tmp_path):
    sightings = [
        sighting(m, *h) for m, h in ((0, "ab"), (5, "ab"), (9, "b"), (12, "bc"))
    ]
    for one in sightings:
        record(lake, [one])
    with open_lake(load_settings(lake=str(tmp_path / "other"))) as other:
        record(other, sightings)
        assert state(other) == state(lake)


def test_a_run_that_ends_between_the_tables_is_completed(lake, monkeypatch):
    def killed(lake, table, *arguments, **more):
        if table is CONFIGURATIONS:
            raise KeyboardInterrupt
        return commit(lake, table, *arguments, **more)

    with monkeypatch.context() as dying:
        dying.setattr("ingest.inventory.store.commit", killed)
        with pytest.raises(KeyboardInterrupt):
            record(lake, [sighting(0, "eni-a")])
    assert len(rows_of(lake)) == 1
    assert rows_of(lake, CONFIGURATIONS) == []
    record(lake, [sighting(0, "eni-a")])
    assert len(rows_of(lake)) == 1
    assert len(rows_of(lake, CONFIGURATIONS)) == 3  # the VPC, and two listings


def test_of_two_runs_at_once_one_merges_again(lake, monkeypatch):
    raced: list[object] = []

    def overtaken(table, *arguments, **more):
        merged = merge(table, *arguments, **more)
        if not raced:
            raced.append(table)
            record(lake, [sighting(0, "eni-z", scope="aws:2:r")])
        return merged

    with monkeypatch.context() as racing:
        racing.setattr("ingest.inventory.store.merge", overtaken)
        record(lake, [sighting(0, "eni-a")])
    holders = lake.load(IDENTITIES).scan().to_arrow()["holder"].to_pylist()
    assert sorted(holders) == ["eni-a", "eni-z"]


def test_a_run_that_is_always_overtaken_says_so(lake, monkeypatch):
    def beaten(*arguments, **more):
        raise CommitConflict("always")

    monkeypatch.setattr("ingest.inventory.store.commit", beaten)
    with pytest.raises(CommitConflict, match="run it again"):
        record(lake, [sighting(0, "eni-a")])


def test_each_commit_tells_the_time_that_it_concerns(lake):
    record(lake, [sighting(0, "eni-a")])
    record(lake, [sighting(10, "eni-a")])
    first, second = sorted(
        lake.load(IDENTITIES).snapshots(), key=lambda s: s.sequence_number
    )
    assert summary(first, OP) == "inventory"
    assert summary(first, CHANGED_FROM) == ""  # nothing was known of before
    assert summary(second, CHANGED_FROM) == "2026-01-01T00:00:00Z"
    assert summary(second, CHANGED_UNTIL) == "2026-01-01T00:10:00Z"


def test_changes_reopen_the_hours_that_they_concern_once(lake):
    hour = int(BEGIN.timestamp()) // 3600
    hours = range(hour - 24, hour + 24)
    record(lake, [sighting(0, "eni-a")])
    reopened(lake, lake.load(FLOWS)).absorb(lake)
    record(lake, [sighting(10, "eni-a")])
    change = reopened(lake, lake.load(FLOWS))
    touched = change.hours(hours)
    assert hour in touched
    assert len(touched) < 6
    change.absorb(lake)
    after = reopened(lake, lake.load(FLOWS))
    assert not after.is_new
    assert after.hours(hours) == []


def test_the_command_ends_with_one_line_of_json(tmp_path):
    saved = tmp_path / "describe.json"
    saved.write_text(json.dumps({"Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16",
                                           "OwnerId": "111111111111"}]}))  # fmt: skip
    at = "2026-01-01T00:00:00Z"
    lake = tmp_path / "lake"
    done = flowlake("inventory", "aws", "--from", saved, "--at", at, lake=lake)
    assert done.returncode == 0, done.stderr
    line = json.loads(done.stdout.splitlines()[-1])
    assert line["scopes"] == ["aws:111111111111:unknown"]
    assert f"of one file no Region is told ({saved})" in done.stderr
    assert "add --region" in done.stderr
    assert (line["sightings"], line["failed"], line["identities"]) == (1, 0, 0)
    assert line["configurations"] == 2  # the VPC, and that VPCs were listed


def test_a_region_that_no_file_tells_can_be_said(tmp_path):
    saved = tmp_path / "vpcs.json"
    saved.write_text(json.dumps({"Vpcs": [{"VpcId": "v", "OwnerId": "111111111111"}]}))
    words = ("inventory", "aws", "--from", saved, "--region", "eu-west-1")
    done = flowlake(*words, lake=tmp_path / "lake")
    line = json.loads(done.stdout.splitlines()[-1])
    assert line["scopes"] == ["aws:111111111111:eu-west-1"]
    assert "no Region" not in done.stderr


@pytest.mark.parametrize("kind", ["aws", "kubernetes"])
def test_files_that_cannot_be_read_are_named_with_why(tmp_path, kind):
    whole = json.dumps(WHOLE_AND_PART[kind][0])
    place = tmp_path / "saved"
    place.mkdir()
    files = {"good.json": whole, "cut.json": whole[:-5],
             "bad.json": '{"kind": "List", "items": [}',
             "good-20990101T000000Z.json": whole}  # fmt: skip
    for name, text in files.items():
        (place / name).write_text(text)
    done = flowlake("inventory", kind, "--from", place, lake=tmp_path / "lake")
    assert done.returncode == 1, done.stderr
    line = json.loads(done.stdout.splitlines()[-1])
    told = {one["what"]: one["why"].partition(":")[0] for one in line["failures"]}
    assert told == {
        str(place / "cut.json"): "truncated",
        str(place / "bad.json"): "broken",
        str(place / "good-20990101T000000Z.json"): "future",
    }
    assert line["failed"] == 3
    for file in told:
        assert file in done.stderr
    assert line["identities"] > 0


WHOLE_AND_PART: dict[str, list[dict[str, Any]]] = {
    "aws": [
        {"NetworkInterfaces": [{"NetworkInterfaceId": f"eni-{n}", "VpcId": "vpc-1",
                                "PrivateIpAddress": f"10.0.0.{n}"} for n in some]}
        for some in ((1, 2), (2,))
    ],
    "kubernetes": [
        {"kind": "List", "items": [pod(f"web-{n}", f"10.0.0.{n}", namespace=f"n{n}")
                                   for n in some]}
        for some in ((1, 2, 3), (2, 3))
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(WHOLE_AND_PART))
def test_what_a_filtered_list_lacks_is_not_gone(tmp_path, kind):
    def told(at, content, *options):
        file = tmp_path / f"{kind}.json"
        file.write_text(json.dumps(content))
        done = flowlake("inventory", kind, "--from", file, "--at", at, *options,
                        lake=tmp_path / "lake")  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    whole, part = WHOLE_AND_PART[kind]
    first = told("2026-01-01T00:10:00Z", whole)
    filtered = told("2026-01-01T00:20:00Z", part, "--partial")
    assert (filtered["closed"], filtered["identities"]) == (0, first["identities"])
    all_ = told("2026-01-01T00:30:00Z", part)
    assert all_["closed"] > 0
    assert all_["identities"] == first["identities"] - 1


def test_files_without_an_inventory_are_nothing_done(tmp_path):
    other = tmp_path / "other.json"
    other.write_text('{"something": []}')
    done = flowlake("inventory", "aws", "--from", other, lake=tmp_path / "lake")
    assert done.returncode == 3
    assert "nothing of an inventory was found" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("aws", "--from", "x.json", "--profile", "p"),
        ("aws", "--from", "x.json", "--region", "eu-west-1", "--region", "us-east-1"),
        ("aws", "--from", "x.json", "--region", "mars"),
        ("aws", "--region", "eu-west-1a"),
        ("aws", "--from", "x.json", "--at", "2345-01-01"),
        ("kubernetes", "--from", "x.json", "--at", "2345-01-01"),
        ("aws", "--at", "2026-01-01"),
        ("aws", "--partial"),
        ("kubernetes", "--at", "2026-01-01"),
        ("kubernetes", "--partial", "--watch"),
        ("kubernetes", "--from", "x.json", "--watch"),
    ],
)
def test_options_that_do_not_go_together_are_refused(tmp_path, arguments):
    done = flowlake("inventory", *arguments, lake=tmp_path / "lake")
    assert done.returncode == 2
    assert not (tmp_path / "lake").exists()


def test_days_told_again_change_nothing(lake):
    """A Job's pod that ended on one day is listed for days after it."""

    def listing(day, *, there):
        pod = {**dict.fromkeys(SIGHTED.names), "source": "kubernetes", "holder": "u1",
               "address": "10.0.0.5", "kind": "pod", "started_at": BEGIN,
               "ended_at": BEGIN + timedelta(hours=1)}  # fmt: skip
        return Sighting(
            "kubernetes:c",
            BEGIN + timedelta(days=day),
            pa.Table.from_pylist([pod] if there else [], schema=SIGHTED),
            lists=frozenset({"pod", "identities"}),
        )

    days = [listing(day, there=day < 6) for day in range(1, 8)]
    for one in days:
        record(lake, [one])
    before = rows_of(lake)
    assert len(before) == 1
    for told in (days, days[3:6], days[4:], [days[4]]):
        done = record(lake, told)
        assert all(each.snapshot is None for each in done.values())
    assert rows_of(lake) == before


def cluster(name, *nodes, minute=0, lists=("node", "pod", "identities"), **more):
    rows = [{**dict.fromkeys(SIGHTED.names), "source": "kubernetes", "holder": node,
             "address": f"10.0.0.{n}", "kind": "node", "node": node}
            for n, node in enumerate(nodes)]  # fmt: skip
    rows = pa.Table.from_pylist(rows, schema=SIGHTED)
    at = BEGIN + timedelta(minutes=minute)
    return Sighting(f"kubernetes:{name}", at, rows, lists=frozenset(lists), **more)


def test_two_clusters_without_a_name_in_one_call_are_not_taken_for_one(lake):
    looks = [cluster("default", *some, minute=minute)
             for minute, some in ((0, "ab"), (5, "bc"), (9, "xy"))]  # fmt: skip
    with pytest.raises(UsageError, match=r"00:09:00Z \(x, .*--cluster"):
        record(lake, looks[::-1])
    record(lake, looks[1::-1])


def test_a_watch_may_see_a_new_node_alone(lake):
    record(lake, [cluster("default", "a1")])
    joined = cluster("default", "a2", minute=1, lists=())
    record(lake, [joined], goes_on=True)
    with pytest.raises(UsageError, match=r"a3.*--cluster"):
        record(lake, [cluster("default", "a3", minute=2, lists=())])


def test_two_clusters_without_a_name_are_not_taken_for_one(lake):
    record(lake, [cluster("default", "a1", "a2")])
    record(lake, [cluster("default", "a2", "a3"), cluster("named", "b1")])
    with pytest.raises(UsageError, match=r"b1.*--cluster"):
        record(lake, [cluster("default", "b1", "b2")])


@pytest.mark.parametrize("kind", ["aws", "kubernetes"])
def test_what_is_not_there_is_nothing_done(tmp_path, kind):
    done = flowlake(
        "inventory", kind, "--from", tmp_path / "no", lake=tmp_path / "lake"
    )
    assert done.returncode == 3
    assert str(tmp_path / "no") in done.stderr


def test_a_cluster_of_a_name_that_another_has_is_refused_unless_the_user_says_it(lake):
    record(lake, [cluster("prod", "a1", "a2", is_guessed=True)])
    record(lake, [cluster("prod", "a2", "a3", minute=1, is_guessed=True)])
    other = cluster("prod", "b1", minute=2, is_guessed=True)
    with pytest.raises(UsageError, match=r"b1.*called prod.*a1.*--cluster prod if"):
        record(lake, [other])
    record(lake, [replace(other, is_guessed=False)])


def test_clusters_of_one_name_in_one_call_are_not_taken_for_one(lake):
    looks = [cluster("prod", node, minute=minute, is_guessed=True)
             for minute, node in enumerate(("a1", "b1"))]  # fmt: skip
    with pytest.raises(UsageError, match=r"b1.*a1.*--cluster"):
        record(lake, looks)


def test_a_row_group_holds_the_texts_of_its_rows_alone(lake):
    count = CONFIGURATIONS.group_rows * 3
    vpcs = [{**dict.fromkeys(CONFIGURED.names), "resource_type": "vpc",
             "resource_id": f"vpc-{number:06}", "document": "{}"}
            for number in range(count)]  # fmt: skip
    told = pa.Table.from_pylist(vpcs, schema=CONFIGURED)
    record(lake, [replace(sighting(0, "eni-1"), configurations=told)])
    table = lake.load(CONFIGURATIONS)
    [task] = table.scan().plan_files()
    metadata = open_parquet(table.io, task.file.file_path).metadata
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    place = metadata.schema.names.index("resource_id")
    texts = sum(group.column(place).total_uncompressed_size for group in groups)
    assert texts < count * 20  # ten characters and their length, a code of two bytes
    names = table.scan().to_arrow()["resource_id"].to_pylist()
    assert {v["resource_id"] for v in vpcs} <= set(names)
