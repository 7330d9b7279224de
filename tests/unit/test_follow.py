"""Followers: every ledger row once, however often and by whomever it is absorbed."""

import uuid
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

import lake.datafiles
import lake.follow
import lake.rewrite
import lake.rows
from lake import evidence
from lake.errors import FollowerStopped, LakeError
from lake.expire import collect, expire
from lake.follow import follow, follow_all
from lake.repair import repair
from lake.settings import load_settings
from lake.snapshots import ABSORBED, COMMIT_ID, ancestry, mark_of, summary
from lake.store import Change, commit
from lake.tables import FLOWS, HEADS, QUARANTINE, SILENCES, SOURCES, TGW_FLOWS
from tests.lakes import open_lake

NOW = datetime.now(UTC)


@pytest.fixture
def lake_(tmp_path):
    with open_lake(load_settings(lake=str(tmp_path / "lake"))) as opened:
        yield opened


def accept(table, since):
    """A check of a change that depends on nothing else."""


def sources_rows(*names, commit_id="c", day=date(2026, 1, 1)):
    rows = [
        {
            "source_object": name,
            "day": day,
            "flows": 0,
            "ingested_at": NOW,
            "commit_id": commit_id,
        }
        for name in names
    ]
    return pa.Table.from_pylist(rows)


def snapshot_with(lake_, *names, head=FLOWS, op="ingest", day=date(2026, 1, 1)):
    """Commit an empty append that carries evidence of some objects."""
    commit_id = uuid.uuid4().hex
    base = lake_.load(head)
    writer = evidence.EvidenceWriter(base.io, lake_.evidence_root(), commit_id)
    if names:
        writer.add(SOURCES, sources_rows(*names, commit_id=commit_id, day=day))
    change = Change(
        op=op,
        commit_id=commit_id,
        begun=datetime.now(UTC),
        summary=evidence.to_summary(writer.close()),
    )
    return commit(lake_, head, change, base=base, check=accept)


def absorbed(lake_, table=SOURCES):
    return sorted(
        row["source_object"] for row in lake_.load(table).scan().to_arrow().to_pylist()
    )


def test_a_ledger_absorbs_each_snapshot_once(lake_):
    snapshot_with(lake_, "a", "b")
    snapshot_with(lake_, "c", head=TGW_FLOWS)
    follow_all(lake_)
    follow_all(lake_)
    snapshot_with(lake_, "d")
    follow_all(lake_)
    assert absorbed(lake_) == ["a", "b", "c", "d"]


def test_a_ledger_without_rows_to_absorb_moves_its_mark(lake_):
    landed = snapshot_with(lake_, "a")
    follow_all(lake_)
    assert mark_of(lake_.load(SILENCES), "flows") == landed.snapshot_id
    assert absorbed(lake_, SILENCES) == []


def test_the_marks_of_the_two_heads_are_apart(lake_):
    one, two = snapshot_with(lake_, "a"), snapshot_with(lake_, "b", head=TGW_FLOWS)
    follow_all(lake_)
    table = lake_.load(SOURCES)
    assert table.properties[ABSORBED] == str(one.snapshot_id)
    assert mark_of(table, "tgw_flows") == two.snapshot_id


def test_two_followers_racing_absorb_each_row_once(lake_, monkeypatch):
    snapshot_with(lake_, "a")
    raced: list[bool] = []
    real = lake.follow.commit  # type: ignore[attr-defined]

    def slower(lake_arg, table, change, **more):
        if not raced:
            raced.append(True)
            follow(lake_, SOURCES)  # another follower is faster
            snapshot_with(lake_, "b")
        return real(lake_arg, table, change, **more)

    monkeypatch.setattr(lake.follow, "commit", slower)
    follow(lake_, SOURCES)
    assert raced
    assert absorbed(lake_) == ["a", "b"]


def test_a_follower_far_behind_catches_up_in_chunks(lake_, monkeypatch):
    monkeypatch.setattr(lake.follow, "CHUNK_SNAPSHOTS", 3)
    for number in range(10):
        snapshot_with(lake_, f"{number}")
    follow_all(lake_)
    assert absorbed(lake_) == [f"{number}" for number in range(10)]
    assert len(ancestry(lake_.load(SOURCES))) == 4


def test_expiry_never_passes_the_slowest_mark(lake_):
    for number in range(5):
        snapshot_with(lake_, f"{number}")
    follow(lake_, SOURCES)
    assert expire(lake_, FLOWS, keep=1, slack=0) == 0  # silences and quarantine wait
    follow_all(lake_)
    assert expire(lake_, FLOWS, keep=1, slack=0) == 4
    snapshot_with(lake_, "late")
    follow_all(lake_)
    assert absorbed(lake_)[-1] == "late"


@pytest.mark.parametrize("waiting", range(6))
def test_a_follower_any_way_behind_survives_expiry(lake_, waiting):
    for number in range(6 - waiting):
        snapshot_with(lake_, f"{number}")
    follow_all(lake_)
    for number in range(6 - waiting, 6):
        snapshot_with(lake_, f"{number}")
    expire(lake_, FLOWS, keep=1, slack=0)
    assert len(ancestry(lake_.load(FLOWS))) == waiting + 1
    follow_all(lake_)
    assert absorbed(lake_) == [f"{number}" for number in range(6)]


def test_a_ledger_that_has_absorbed_nothing_keeps_the_whole_history(lake_):
    for number in range(4):
        snapshot_with(lake_, f"{number}")
    assert expire(lake_, FLOWS, keep=1, slack=0) == 0
    follow_all(lake_)
    assert absorbed(lake_) == ["0", "1", "2", "3"]


def test_a_mark_that_is_no_ancestor_stops_the_follower_until_repair(lake_):
    snapshot_with(lake_, "a")
    follow_all(lake_)
    table = lake_.load(SOURCES)
    change = Change(
        op="follow",
        commit_id="x",
        begun=datetime.now(UTC),
        properties={ABSORBED: "42"},
    )
    commit(lake_, SOURCES, change, base=table, check=accept)
    snapshot_with(lake_, "b")
    with pytest.raises(FollowerStopped, match="flowlake repair sources"):
        follow(lake_, SOURCES)
    report = repair(lake_, SOURCES)
    assert absorbed(lake_) == ["a", "b"]
    assert report.recovered == 1
    snapshot_with(lake_, "c")
    follow_all(lake_)
    assert absorbed(lake_) == ["a", "b", "c"]


def replaced_elsewhere(lake_, first, second):
    """Commit reads of two objects that each changed heads when it was rewritten."""
    for name, head, op in [
        ("x", first, "ingest"),
        ("y", second, "ingest"),
        ("x", second, "replace"),
        ("z", first, "ingest"),
        ("y", first, "replace"),
    ]:
        snapshot_with(lake_, name, head=head, op=op)


@pytest.mark.parametrize("heads", [HEADS, HEADS[::-1]])
@pytest.mark.parametrize("absorbed_before", range(6))
def test_an_older_read_never_survives_a_newer_one_on_the_other_head(
    lake_, heads, absorbed_before
):
    real, commits = snapshot_with, []

    def counted(*args, **more):
        commits.append(real(*args, **more))
        if len(commits) == absorbed_before:
            follow_all(lake_)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "snapshot_with", counted)
        replaced_elsewhere(lake_, *heads)
    follow_all(lake_)
    assert absorbed(lake_) == ["x", "y", "z"]
    rows = lake_.load(SOURCES).scan().to_arrow().to_pylist()
    commit_ids = {row["source_object"]: row["commit_id"] for row in rows}
    newest = {"x": commits[2], "y": commits[4], "z": commits[3]}
    for name, snapshot in newest.items():
        assert commit_ids[name] == summary(snapshot, COMMIT_ID)


def test_a_head_that_moves_while_the_other_is_loaded_is_loaded_again(
    lake_, monkeypatch
):
    """Else a replace on one head would miss the first read on the other."""
    snapshot_with(lake_, "other", head=TGW_FLOWS)
    follow_all(lake_)
    real, moved = lake_.load, list[bool]()

    def load(table):
        if table is TGW_FLOWS and not moved:
            moved.append(True)
            snapshot_with(lake_, "x", head=FLOWS)
            snapshot_with(lake_, "x", head=TGW_FLOWS, op="replace")
        return real(table)

    monkeypatch.setattr(lake_, "load", load)
    follow(lake_, SOURCES)
    assert moved
    assert absorbed(lake_) == ["other", "x"]


def test_a_replaced_object_opens_only_files_that_may_hold_it(lake_, monkeypatch):
    for number in range(6):
        day = date(2026, 1, 1 + number)
        snapshot_with(lake_, f"{number}", day=day)
        follow_all(lake_)
    opened = []
    real = lake.datafiles.open_parquet

    def counted(io, path, **more):
        opened.append(path)
        return real(io, path, **more)

    for module in (lake.rewrite, lake.rows):
        monkeypatch.setattr(module, "open_parquet", counted)
    snapshot_with(lake_, "3", op="replace", day=date(2026, 1, 4))
    follow_all(lake_)
    assert len(set(opened)) == 1
    assert absorbed(lake_) == [f"{number}" for number in range(6)]


def test_one_snapshot_with_much_evidence_is_absorbed_in_parts(lake_, monkeypatch):
    monkeypatch.setattr(lake.follow, "PART_ROWS", 10)
    names = [f"{number:03}" for number in range(95)]
    snapshot_with(lake_, *names)
    before = len(ancestry(lake_.load(SOURCES)))
    follow(lake_, SOURCES)
    assert absorbed(lake_) == names
    files = list(lake_.load(SOURCES).scan().plan_files())
    assert max(task.file.record_count for task in files) <= 10
    assert len(ancestry(lake_.load(SOURCES))) == before + 1  # and the mark with them


def test_evidence_that_was_changed_is_refused(lake_, tmp_path):
    snapshot_with(lake_, "a")
    (path,) = (tmp_path / "lake" / "warehouse" / "evidence").rglob("*.parquet")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(LakeError, match="not what its snapshot names"):
        follow(lake_, SOURCES)
    assert absorbed(lake_) == []


def test_rows_go_to_the_partition_of_their_day_and_null_is_a_day(lake_):
    snapshot_with(lake_, "a", day=date(2026, 1, 1))
    snapshot_with(lake_, "b", day=date(2026, 1, 2))
    snapshot_with(lake_, "c", day=None)
    follow_all(lake_)
    scan = lake_.load(SOURCES).scan(row_filter="day = '2026-01-02'")
    assert [r["source_object"] for r in scan.to_arrow().to_pylist()] == ["b"]
    scan = lake_.load(SOURCES).scan(row_filter="day is null")
    assert [r["source_object"] for r in scan.to_arrow().to_pylist()] == ["c"]


def files_of(tmp_path):
    return {p for p in (tmp_path / "lake" / "warehouse").rglob("*") if p.is_file()}


def test_gc_spares_what_is_young_and_what_is_still_to_be_absorbed(lake_, tmp_path):
    snapshot_with(lake_, "a")
    before = files_of(tmp_path)
    assert collect(lake_, min_age=timedelta(days=3)).files == 0
    assert collect(lake_, min_age=timedelta(0)).files == 0
    follow_all(lake_)
    assert absorbed(lake_) == ["a"]
    assert before <= files_of(tmp_path) | {
        p for p in before if "/evidence/" in str(p) or p.suffix == ".json"
    }


def test_gc_removes_orphans_and_absorbed_evidence_and_nothing_live(lake_, tmp_path):
    snapshot_with(lake_, "a")
    follow_all(lake_)
    orphan = tmp_path / "lake/warehouse/flows/data/day=2026-01-01/left.parquet"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"nobody names me")
    told = collect(lake_, min_age=timedelta(0), dry_run=True)
    assert orphan.exists()
    done = collect(lake_, min_age=timedelta(0))
    assert done == told
    assert not orphan.exists()
    assert not list((tmp_path / "lake/warehouse/evidence").rglob("*.parquet"))
    assert absorbed(lake_) == ["a"]
    for head in HEADS:
        assert lake_.load(head).scan().count() == 0


def test_a_new_ledger_starts_from_the_first_snapshot(lake_):
    snapshot_with(lake_, "a")
    lake_.catalog.drop_table((lake_.settings.namespace, QUARANTINE.name))
    lake_.ensure(QUARANTINE)
    follow_all(lake_)
    assert mark_of(lake_.load(QUARANTINE), "flows") is not None
