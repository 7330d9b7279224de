"""The commit protocol: whatever happens at a commit, a change lands exactly once."""

import uuid
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from pyiceberg.exceptions import CommitFailedException
from sqlalchemy import Engine, event

from lake.catalog import Lake
from lake.datafiles import DataFileWriter
from lake.errors import BadDataFile, BatchExpired, CommitConflict, CommitUnknown
from lake.reading import plan
from lake.settings import load_settings
from lake.snapshots import COMMIT_ID, above, ancestry, head_id, summary
from lake.store import Change, commit, drop_snapshots, refuse
from lake.tables import FLOWS, HEADS, INVENTORY, LEDGERS, ROLLUPS, TABLES
from tests.lakes import open_lake

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path):
    with open_lake(load_settings(lake=str(tmp_path / "lake"))) as opened:
        yield opened


def rows(count=3, at=NOON, source="a"):
    return pa.table(
        {
            "start_time": pa.array([at] * count, pa.timestamp("us", tz="UTC")),
            "src_address": pa.array(["10.0.0.1"] * count).dictionary_encode(),
            "dst_address": pa.array(["10.0.0.2"] * count).dictionary_encode(),
            "source_object": pa.array([source] * count).dictionary_encode(),
        }
    )


def change(lake, base, data=None, **more):
    commit_id = uuid.uuid4().hex
    written = [DataFileWriter(FLOWS, base, commit_id).write(data)] if data else []
    return Change(
        op="ingest",
        commit_id=commit_id,
        begun=more.pop("begun", datetime.now(UTC)),
        added=written,
        **more,
    )


def accept(table, since):
    """A check of a change that depends on nothing else."""


def count(lake):
    return lake.load(FLOWS).scan().count()


def test_what_was_committed_is_known_as_its_file_has_it(lake):
    base = lake.load(FLOWS)
    made = change(lake, base, rows(), properties={"flowlake.mark": "1"})
    commit(lake, FLOWS, made, base=base, check=accept)
    known = lake.load(FLOWS)
    with Lake(lake.settings) as other:
        read = other.load(FLOWS)
    assert known.metadata == read.metadata
    assert known.metadata_location == read.metadata_location
    assert known.io.properties == read.io.properties


def break_commit(monkeypatch, lake, *, before=None, after=None, times=1):
    """Make the catalog fail ``times`` times, before or after the swap."""
    real = type(lake.catalog).commit_table
    left = [times]

    def failing(self, table, requirements, updates):
        if before is not None and left[0]:
            left[0] -= 1
            raise before
        answer = real(self, table, requirements, updates)
        if after is not None and left[0]:
            left[0] -= 1
            raise after
        return answer

    monkeypatch.setattr(type(lake.catalog), "commit_table", failing)


@pytest.mark.parametrize(
    "error",
    [
        CommitFailedException("409 after a transport retry"),
        ConnectionResetError("the answer was lost"),
        OSError("database is locked"),
    ],
)
def test_a_commit_that_landed_but_was_reported_as_failed_lands_once(
    lake, monkeypatch, error
):
    base = lake.load(FLOWS)
    planned = change(lake, base, rows())
    break_commit(monkeypatch, lake, after=error)
    landed = commit(lake, FLOWS, planned, base=base, check=refuse)
    assert count(lake) == 3
    assert len(ancestry(lake.load(FLOWS))) == 1
    assert summary(landed, COMMIT_ID) == planned.commit_id


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda t: t.name)
def test_every_table_survives_a_lost_answer(lake, monkeypatch, table):
    base = lake.load(table)
    planned = change(lake, base, properties={"flowlake.absorbed": "7"})
    break_commit(monkeypatch, lake, after=TimeoutError("no answer"))
    commit(lake, table, planned, base=base, check=refuse)
    again = lake.load(table)
    assert [summary(s, COMMIT_ID) for s in ancestry(again)] == [planned.commit_id]
    assert again.properties["flowlake.absorbed"] == "7"
    assert again.scan().count() == 0  # its manifest list is still there to be read


def test_a_commit_that_failed_before_the_swap_is_tried_again(lake, monkeypatch):
    base = lake.load(FLOWS)
    planned = change(lake, base, rows())
    break_commit(monkeypatch, lake, before=OSError("database is locked"), times=3)
    waits: list[float] = []
    commit(lake, FLOWS, planned, base=base, check=refuse, sleep=waits.append)
    assert count(lake) == 3
    assert len(waits) == 3


def test_a_catalog_that_never_takes_the_commit_says_what_to_do(lake, monkeypatch):
    base = lake.load(FLOWS)
    planned = change(lake, base, rows())
    break_commit(monkeypatch, lake, before=OSError("no route"), times=10**6)
    with pytest.raises(CommitUnknown, match="run the same command again"):
        commit(lake, FLOWS, planned, base=base, check=refuse, sleep=lambda s: None)
    assert count(lake) == 0


def test_a_writer_beaten_to_it_checks_and_swaps_the_same_files_again(lake):
    base = lake.load(FLOWS)
    ours, theirs = change(lake, base, rows()), change(lake, base, rows(2, source="b"))
    commit(lake, FLOWS, theirs, base=base, check=refuse)
    seen: list[object] = []

    def check(table, since):
        seen.extend(summary(s, COMMIT_ID) for s in since)

    commit(lake, FLOWS, ours, base=base, check=check)
    assert count(lake) == 5
    assert seen == [theirs.commit_id]


def test_a_refused_check_leaves_the_table_as_the_others_made_it(lake):
    base = lake.load(FLOWS)
    ours, theirs = change(lake, base, rows()), change(lake, base, rows(2))
    commit(lake, FLOWS, theirs, base=base, check=refuse)
    with pytest.raises(CommitConflict):
        commit(lake, FLOWS, ours, base=base, check=refuse)
    assert count(lake) == 2


def test_a_batch_older_than_a_day_is_not_committed(lake):
    base = lake.load(FLOWS)
    old = change(lake, base, rows(), begun=datetime.now(UTC) - timedelta(days=1.1))
    with pytest.raises(BatchExpired):
        commit(lake, FLOWS, old, base=base, check=accept)
    assert count(lake) == 0


def test_a_failed_commit_deletes_no_file(lake, monkeypatch, tmp_path):
    base = lake.load(FLOWS)
    planned = change(lake, base, rows())
    before = {p for p in (tmp_path / "lake").rglob("*") if p.is_file()}
    break_commit(monkeypatch, lake, before=OSError("no"), times=10**6)
    with pytest.raises(CommitUnknown):
        commit(lake, FLOWS, planned, base=base, check=refuse, sleep=lambda s: None)
    assert all(path.exists() for path in before)


def test_a_data_file_never_spans_an_hour(lake):
    writer = DataFileWriter(FLOWS, lake.load(FLOWS), "x")
    both = pa.concat_tables([rows(), rows(at=NOON - timedelta(seconds=1))])
    with pytest.raises(BadDataFile, match="more than one hour"):
        writer.write(both)


def test_a_data_file_needs_a_start_time_and_rows(lake):
    writer = DataFileWriter(FLOWS, lake.load(FLOWS), "x")
    with pytest.raises(BadDataFile, match="null start_time"):
        writer.write(rows(at=None))
    with pytest.raises(BadDataFile, match="without rows"):
        writer.write(rows(0))


def test_the_partition_is_the_day_of_the_rows(lake):
    base = lake.load(FLOWS)
    commit(lake, FLOWS, change(lake, base, rows()), base=base, check=refuse)
    midnight = datetime(2026, 1, 2, tzinfo=UTC)
    (before,) = plan(FLOWS, lake.load(FLOWS), until=midnight).files
    assert "/day=2026-01-01/" in before
    assert plan(FLOWS, lake.load(FLOWS), since=midnight).files == ()


def some_history(lake):
    for _ in range(3):
        base = lake.load(FLOWS)
        commit(lake, FLOWS, change(lake, base), base=base, check=refuse)
    return ancestry(lake.load(FLOWS))


def test_history_above_a_mark(lake):
    assert above(lake.load(FLOWS), None) == []
    newest, middle, oldest = some_history(lake)
    table = lake.load(FLOWS)
    assert above(table, None) == [oldest, middle, newest]
    assert above(table, middle.snapshot_id) == [newest]
    assert above(table, head_id(table)) == []
    assert above(table, 12345) is None


def test_history_that_has_expired_is_not_taken_for_whole(lake):
    newest, middle, oldest = some_history(lake)
    drop_snapshots(lake.load(FLOWS), [oldest.snapshot_id])
    table = lake.load(FLOWS)
    assert len(ancestry(table)) == 2
    assert above(table, None) is None
    assert above(table, oldest.snapshot_id) is None
    assert above(table, middle.snapshot_id) == [newest]


def test_a_plan_whose_history_has_expired_is_made_again(lake):
    """Even one on the empty table: what came between cannot be checked."""
    base = lake.load(FLOWS)
    planned = change(lake, base, rows())
    *_, middle, oldest = some_history(lake)
    drop_snapshots(lake.load(FLOWS), [middle.snapshot_id, oldest.snapshot_id])
    with pytest.raises(CommitConflict, match="history"):
        commit(lake, FLOWS, planned, base=base, check=accept)
    assert count(lake) == 0


def test_every_kind_of_table_is_listed():
    assert {t.name for t in (*HEADS, *LEDGERS, *INVENTORY, *ROLLUPS)} == set(TABLES)


@pytest.mark.parametrize(
    "moment", ["CREATE TABLE", "INSERT INTO iceberg_namespace", "INSERT INTO iceberg_t"]
)
def test_two_who_make_the_lake_at_one_moment_make_one(tmp_path, moment):
    settings = load_settings(lake=str(tmp_path / "lake"))
    others: list[str] = []

    def another_first(connection, cursor, statement, *_):
        if statement.lstrip().startswith(moment) and not others:
            others.append(statement)
            with Lake(settings, create=True) as lake:
                lake.ensure(FLOWS)

    event.listen(Engine, "before_cursor_execute", another_first)
    try:
        with Lake(settings, create=True) as lake:
            assert lake.ensure(FLOWS).schema().find_field("start_time")
    finally:
        event.remove(Engine, "before_cursor_execute", another_first)
    assert others
