"""`--replace`: whatever an object was, the lake ends as if it had always been new."""

import gzip
import itertools
import os
from datetime import UTC, datetime, timedelta

import pytest

from ingest.batch import Batch
from ingest.job import Ingest, Request
from ingest.rollup.follower import roll_up
from lake.follow import follow_all
from lake.settings import load_settings
from lake.snapshots import OP, summary
from lake.tables import FLOWS, SOURCES, TABLES
from tests.lakes import keep, open_lake, put_back
from tests.samples import BEGIN, TGW, V2, record, rows_of

LOST = f"6 TransitGateway tgw-1 tgw-attach-1 10.0.0.1 10.1.0.1 5 443 6 1 40 {BEGIN}"
SILENT = f"2 123456789010 eni-9 - - - - - - - {BEGIN} {BEGIN + 60} - NODATA"
KINDS = {
    "vpc": [V2, record(1, BEGIN), record(2, BEGIN + 4000)],
    "other_vpc": [V2, record(3, BEGIN + 90_000)],
    "tgw": [TGW, f"{LOST} {BEGIN + 60} OK 1", f"{LOST} {BEGIN + 61} OK 2"],
    "silent": [V2, SILENT],
    "broken": [V2, "this is no record"],
    "unreadable": None,
}
CHANGES = list(itertools.permutations(KINDS, 2))
BETWEEN_HEADS = list(itertools.permutations(("vpc", "tgw", "silent", "unreadable"), 2))


class Killed(BaseException):
    """Stands for SIGKILL."""


def put(place, number, kind):
    """Write an object of some kind, the same name whatever the kind."""
    place.mkdir(exist_ok=True, parents=True)
    time = datetime.fromtimestamp(BEGIN, UTC) + timedelta(minutes=5 * number)
    name = (
        "123456789010_vpcflowlogs_us-east-1_fl-0123456789abcdef0_"
        f"{time:%Y%m%dT%H%M}Z_{number:08x}.log.gz"
    )
    lines = KINDS[kind]
    body = bytes(9) if lines is None else "\n".join([*lines, ""]).encode()
    (place / name).write_bytes(gzip.compress(body, mtime=0))
    return place / name


def opened(path):
    return open_lake(load_settings(lake=str(path), workers=1))


def run(path, *sources, **more):
    with opened(path) as lake:
        return Ingest(lake, Request(tuple(map(str, sources)), **more)).run()


def load(path, *sources):
    """Read objects; what is settled and summed up follows from the rows."""
    return run(path, *sources, settle=False, roll_up=False)


def state(path):
    """Return every table's rows, of `sources` only what depends on no place."""
    told = ("source_object", "head", "lines", "flows", "silences", "quarantined",
            "first_start", "last_end", "whole_reason")  # fmt: skip
    with opened(path) as lake:
        sources = lake.load(SOURCES).scan(selected_fields=told).to_arrow().to_pylist()
        return rows_of(lake) | {"sources": sorted(map(repr, sources))}


@pytest.fixture(scope="module")
def ever(tmp_path_factory):
    """The folder of an object, and a kept lake for each kind of which it always was."""
    place = tmp_path_factory.mktemp("ever")
    for kind in KINDS:
        run(place / kind, put(place / "AWSLogs", 1, kind))
        keep(place / kind)
    return place


@pytest.fixture(scope="module")
def as_ever(ever):
    """The rows of these lakes."""
    return {kind: state(ever / kind) for kind in KINDS}


@pytest.fixture(scope="module")
def as_loaded(tmp_path_factory):
    """The rows of lakes that read an object of each kind, and did no more."""
    place = tmp_path_factory.mktemp("loaded")
    for kind in KINDS:
        load(place / kind, put(place / "AWSLogs", 1, kind))
    return {kind: state(place / kind) for kind in KINDS}


def turned(ever, before, after):
    """Return a lake that read an object of one kind, and the object, now of another."""
    put_back(ever / before)
    return ever / before, put(ever / "AWSLogs", 1, after)


def test_any_object_replaced_by_any_other(tmp_path):
    place = tmp_path / "AWSLogs"
    for number, (before, _) in enumerate(CHANGES):
        put(place, number, before)
    run(tmp_path / "lake", place)
    for number, (_, after) in enumerate(CHANGES):
        put(place, number, after)
    done = run(tmp_path / "lake", place, replace=True)
    assert (done.rewritten, done.objects) == (len(CHANGES), len(CHANGES))
    run(tmp_path / "fresh", place)
    assert state(tmp_path / "lake") == state(tmp_path / "fresh")


@pytest.mark.parametrize(
    ("before", "after"), [("vpc", "other_vpc"), ("tgw", "vpc"), ("broken", "silent")]
)
def test_an_object_replaced_by_another(ever, as_ever, before, after):
    lake, source = turned(ever, before, after)
    done = run(lake, source, replace=True)
    assert (done.rewritten, done.objects) == (1, 1)
    assert state(lake) == as_ever[after]


@pytest.mark.parametrize(("before", "after"), [("vpc", "tgw"), ("tgw", "unreadable")])
def test_an_object_replaced_before_any_ledger_has_followed_it(
    tmp_path, as_ever, monkeypatch, before, after
):
    source = put(tmp_path / "AWSLogs", 1, before)

    def die(lake):
        if lake.load(FLOWS).snapshots() or lake.load(TABLES["tgw_flows"]).snapshots():
            raise Killed
        return 0

    with monkeypatch.context() as killed:
        killed.setattr("ingest.load.follow_all", die)
        with pytest.raises(Killed):
            run(tmp_path / "lake", source)
    put(tmp_path / "AWSLogs", 1, after)
    run(tmp_path / "lake", source, replace=True)
    assert state(tmp_path / "lake") == as_ever[after]


@pytest.mark.parametrize(("before", "after"), [("vpc", "tgw"), ("tgw", "vpc")])
def test_a_replacement_that_no_ledger_has_followed_is_known(
    ever, as_ever, monkeypatch, before, after
):
    place, source = turned(ever, before, after)
    with monkeypatch.context() as never:
        never.setattr("ingest.load.follow_all", lambda lake: 0)
        run(place, source, replace=True)
        again = run(place, source, replace=True)
        assert (again.skipped, again.rewritten) == (1, 0)
        put(ever / "AWSLogs", 1, before)
        run(place, source, replace=True)
    with opened(place) as lake:
        follow_all(lake)
    rows = state(place)
    assert {n: rows[n] for n in ("flows", "tgw_flows")} == {
        n: as_ever[before][n] for n in ("flows", "tgw_flows")
    }


def two_runs(tmp_path, monkeypatch, before, after, *, run=run):
    """Let a run read an object, and another read and commit what it then became."""
    source = put(tmp_path / "AWSLogs", 1, before)
    real = Batch.commit
    raced: list[bool] = []

    def overtaken(self):
        if not raced:
            raced.append(True)
            put(tmp_path / "AWSLogs", 1, after)
            run(tmp_path / "lake", source)
        real(self)

    with monkeypatch.context() as slow:
        slow.setattr(Batch, "commit", overtaken)
        return source, run(tmp_path / "lake", source)


@pytest.mark.parametrize(("before", "after"), BETWEEN_HEADS)
def test_an_object_that_two_runs_saw_differently_is_in_one_head(
    tmp_path, as_loaded, monkeypatch, before, after
):
    _, late = two_runs(tmp_path, monkeypatch, before, after, run=load)
    assert late.objects + late.skipped + late.rewritten + late.failed == 1
    assert state(tmp_path / "lake") == as_loaded[after]


@pytest.mark.parametrize(("before", "after"), [("vpc", "tgw"), ("tgw", "unreadable")])
def test_an_object_in_both_heads_is_settled_by_the_next_run(
    tmp_path, as_ever, monkeypatch, before, after
):
    with monkeypatch.context() as gap:  # both committed between look and commit
        gap.setattr("ingest.batch.refuse_elsewhere", lambda *args, **more: None)
        source, _ = two_runs(tmp_path, monkeypatch, before, after)
    assert len(state(tmp_path / "lake")["sources"]) == 2
    settled = run(tmp_path / "lake", source, source)
    assert (settled.objects, settled.skipped) == (1, 1)
    assert state(tmp_path / "lake") == as_ever[after]
    again = run(tmp_path / "lake", source)
    assert (again.objects, again.skipped) == (0, 1)


def test_many_objects_are_replaced_in_one_commit(tmp_path):
    place = tmp_path / "AWSLogs"
    for number in range(8):
        put(place, number, "vpc" if number % 2 else "tgw")
    run(tmp_path / "lake", place)
    for number in range(8):
        put(place, number, "other_vpc" if number % 2 else "vpc")
    done = run(tmp_path / "lake", place, replace=True)
    assert (done.rewritten, done.objects) == (8, 8)
    run(tmp_path / "fresh", place)
    assert state(tmp_path / "lake") == state(tmp_path / "fresh")
    with opened(tmp_path / "lake") as lake:
        ops = [summary(s, OP) for s in lake.load(FLOWS).snapshots()]
        assert ops.count("replace") == 1


def test_a_copy_that_was_written_later_is_a_rewrite(tmp_path, as_ever):
    original = put(tmp_path / "a" / "AWSLogs", 1, "vpc")
    replica = put(tmp_path / "b" / "AWSLogs", 1, "vpc")
    both = run(tmp_path / "lake", replica, original)
    assert (both.objects, both.copies, both.differing) == (1, 1, 0)
    put(tmp_path / "a" / "AWSLogs", 1, "tgw")
    told = run(tmp_path / "lake", replica, original)
    assert (told.rewritten, told.objects, told.skipped) == (1, 0, 1)
    done = run(tmp_path / "lake", replica, original, replace=True)
    assert (done.rewritten, done.objects, done.skipped) == (1, 1, 1)
    assert state(tmp_path / "lake") == as_ever["tgw"]
    again = run(tmp_path / "lake", replica, original, replace=True)  # and stays so
    assert (again.rewritten, again.objects) == (0, 0)
    assert (again.skipped, again.copies, again.differing) == (2, 1, 1)


def test_of_new_copies_that_differ_the_last_written_is_read(tmp_path, as_ever):
    old = put(tmp_path / "a" / "AWSLogs", 1, "vpc")
    new = put(tmp_path / "b" / "AWSLogs", 1, "tgw")
    os.utime(old, (BEGIN, BEGIN))
    told = run(tmp_path / "lake", old, new)
    assert (told.objects, told.skipped, told.copies, told.differing) == (1, 1, 1, 1)
    assert state(tmp_path / "lake") == as_ever["tgw"]


@pytest.mark.parametrize("follows", [False, True], ids=["killed", "followed"])
@pytest.mark.parametrize(("before", "after"), [("vpc", "tgw"), ("tgw", "unreadable")])
def test_killed_between_the_two_heads_the_next_run_reads_the_object(
    ever, as_ever, monkeypatch, before, after, follows
):
    place, source = turned(ever, before, after)
    real, heads = Batch._commit_head, []

    def die(self, head):
        heads.append(head.table.name)
        if len(heads) == 2:
            raise Killed
        real(self, head)

    with monkeypatch.context() as killed:
        killed.setattr(Batch, "_commit_head", die)
        with pytest.raises(Killed):
            run(place, source, replace=True)
    if follows:
        with opened(place) as lake:
            follow_all(lake)
            roll_up(lake)
        assert not any(state(place).values())  # in neither head
    healed = run(place, source)  # no --replace
    assert healed.objects == 1
    assert state(place) == as_ever[after]


def test_killed_between_the_two_heads_of_many_objects(tmp_path, monkeypatch):
    place = tmp_path / "AWSLogs"
    for number in range(6):
        put(place, number, "vpc" if number % 2 else "tgw")
    run(tmp_path / "lake", place)
    for number in range(6):
        put(place, number, "tgw" if number % 2 else "vpc")
    real, heads = Batch._commit_head, []

    def die(self, head):
        heads.append(head.table.name)
        if len(heads) == 2:
            raise Killed
        real(self, head)

    with monkeypatch.context() as killed:
        killed.setattr(Batch, "_commit_head", die)
        with pytest.raises(Killed):
            run(tmp_path / "lake", place, replace=True)
    run(tmp_path / "lake", place, replace=True)
    run(tmp_path / "fresh", place)
    assert state(tmp_path / "lake") == state(tmp_path / "fresh")
