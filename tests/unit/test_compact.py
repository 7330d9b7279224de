"""Compaction beside other rewrites: no row changes, and no hour stops the others."""

import uuid
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

import lake.compact
from ingest.job import Ingest, Request
from lake.compact import compact
from lake.datafiles import DataFileWriter
from lake.errors import CommitConflict
from lake.rewrite import ATTEMPTS, live_files, swap
from lake.settings import load_settings
from lake.store import Change, commit
from lake.tables import FLOWS, SOURCES
from tests.lakes import open_lake
from tests.samples import BEGIN, V2, record

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOURS = 3


@pytest.fixture
def lake_(tmp_path):
    with open_lake(load_settings(lake=str(tmp_path / "lake"))) as opened:
        for number in range(2 * HOURS):
            add_file(opened, number % HOURS, f"{number}")
        yield opened


def add_file(lake_, hour, source):
    at = NOON + timedelta(hours=hour)
    rows = pa.table(
        {
            "start_time": pa.array([at] * 3, pa.timestamp("us", tz="UTC")),
            "src_address": pa.array(["10.0.0.1"] * 3).dictionary_encode(),
            "dst_address": pa.array(["10.0.0.2"] * 3).dictionary_encode(),
            "source_object": pa.array([source] * 3).dictionary_encode(),
        }
    )
    base = lake_.load(FLOWS)
    commit_id = uuid.uuid4().hex
    change = Change(
        op="ingest",
        commit_id=commit_id,
        begun=datetime.now(UTC),
        added=[DataFileWriter(FLOWS, base, commit_id).write(rows)],
    )
    commit(lake_, FLOWS, change, base=base, check=lambda table, since: None)


def rows_of(lake_):
    columns = ("start_time", "source_object", "src_address")
    rows = lake_.load(FLOWS).scan(selected_fields=columns).to_arrow().to_pylist()
    return sorted(map(repr, rows))


def files_of(lake_):
    return len(live_files(lake_.load(FLOWS)))


def before_swaps(monkeypatch, act, *, times):
    """Act before the first ``times`` swaps of a compaction."""
    real, left = swap, [times]

    def swap_(lake_, table, files, **more):
        if left[0]:
            left[0] -= 1
            act()
        return real(lake_, table, files, **more)

    monkeypatch.setattr(lake.compact, "swap", swap_)


def test_each_hour_becomes_one_file(lake_):
    before = rows_of(lake_)
    done = compact(lake_, FLOWS)
    assert (done.removed, done.added) == (2 * HOURS, HOURS)
    assert (files_of(lake_), rows_of(lake_)) == (HOURS, before)
    assert compact(lake_, FLOWS).removed == 0


def test_another_compaction_that_was_faster_ends_nothing(lake_, monkeypatch):
    before = rows_of(lake_)
    before_swaps(monkeypatch, lambda: compact(lake_, FLOWS), times=1)
    compact(lake_, FLOWS)
    assert (files_of(lake_), rows_of(lake_)) == (HOURS, before)


def test_an_hour_taken_and_added_to_is_planned_again(lake_, monkeypatch):
    def take():
        compact(lake_, FLOWS, until=NOON + timedelta(hours=1))
        add_file(lake_, 0, "late")

    before_swaps(monkeypatch, take, times=1)
    compact(lake_, FLOWS)
    assert files_of(lake_) == HOURS
    assert len(rows_of(lake_)) == 3 * (2 * HOURS + 1)


def test_an_hour_taken_each_time_is_left_and_the_others_are_done(lake_, monkeypatch):
    def take():
        stored = lake_.load(FLOWS)
        files = live_files(stored, until=NOON + timedelta(hours=1))
        swap(lake_, FLOWS, files, op="settle")
        add_file(lake_, 0, "late")

    before_swaps(monkeypatch, take, times=ATTEMPTS)
    compact(lake_, FLOWS)
    assert files_of(lake_) == HOURS + 1
    assert len(rows_of(lake_)) == 3 * (2 * HOURS + ATTEMPTS)


def test_a_file_gone_before_the_swap_begins_is_a_conflict_at_once(lake_, monkeypatch):
    files = live_files(lake_.load(FLOWS), until=NOON + timedelta(hours=1))
    swap(lake_, FLOWS, files, op="settle")
    attempts: list[object] = []
    monkeypatch.setattr("lake.store._try_commit", lambda *a: attempts.append(a))
    with pytest.raises(CommitConflict, match="rewritten meanwhile"):
        swap(lake_, FLOWS, files, op="compact")
    assert attempts == []


def test_a_ledger_of_objects_without_a_day_in_their_keys_is_merged(tmp_path):
    settings = load_settings(lake=str(tmp_path / "lake"))
    with open_lake(settings) as lake_:
        for number in range(2):
            log = tmp_path / "logs" / f"{number}.log"
            log.parent.mkdir(exist_ok=True)
            log.write_text("\n".join([V2, record(number, BEGIN + number), ""]))
            Ingest(lake_, Request((str(log),))).run()
        assert compact(lake_, SOURCES).rows == 2
        kept = lake_.load(SOURCES).scan().to_arrow()
        assert kept["day"].to_pylist() == [None, None]
        assert len(live_files(lake_.load(SOURCES))) == 1
