"""Faults at every step of the protocol: the next run makes what one would have made."""

import gzip
import itertools
import signal
from pathlib import Path

import pytest

from ingest.batch import Batch
from ingest.job import Ingest, Request
from lake.errors import CommitUnknown, LakeError
from lake.settings import load_settings
from lake.tables import TABLES
from tests.lakes import open_lake
from tests.processes import python
from tests.samples import rows_of, write_objects

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    return write_objects(tmp_path_factory.mktemp("source") / "AWSLogs")


def opened(path):
    return open_lake(load_settings(lake=str(path), workers=2))


def run(path, *sources, **more):
    with opened(path) as lake:
        return Ingest(lake, Request(tuple(str(s) for s in sources), **more)).run()


def state(path):
    with opened(path) as lake:
        return rows_of(lake)


def load(path, *sources):
    """Read objects; what is settled and summed up follows from the rows."""
    return run(path, *sources, settle=False, roll_up=False)


@pytest.fixture(scope="module")
def loaded(objects, tmp_path_factory):
    path = tmp_path_factory.mktemp("loaded")
    assert load(path, objects).flows == 242
    return state(path)


@pytest.fixture(scope="module")
def undisturbed(objects, tmp_path_factory):
    path = tmp_path_factory.mktemp("undisturbed")
    summary = run(path, objects)
    assert summary.flows == 242
    assert summary.exit_code == 1  # one object was quarantined whole
    assert summary.lines == (
        summary.flows + summary.silences + summary.quarantined + summary.headers
    )
    return state(path)


def test_the_undisturbed_lake_has_one_row_of_everything(undisturbed):
    sizes = {name: len(rows) for name, rows in undisturbed.items()}
    assert sizes == {
        "flows": 241, "tgw_flows": 1, "sources": 11, "silences": 1, "quarantine": 5,
        "identities": 0, "configurations": 0, "edges_hourly": 20, "edges_daily": 10,
        "endpoints_hourly": 20, "rejections_hourly": 50, "coverage_hourly": 13,
    }  # fmt: skip


def test_ingesting_twice_changes_nothing(objects, undisturbed, tmp_path):
    run(tmp_path, objects)
    again = run(tmp_path, objects)
    assert (again.objects, again.skipped, again.flows) == (0, 11, 0)
    assert state(tmp_path) == undisturbed


def test_a_replicated_folder_changes_nothing(objects, undisturbed, tmp_path):
    copy = tmp_path / "replica" / "elsewhere"
    copy.mkdir(parents=True)
    for path in objects.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    first = run(tmp_path / "lake", objects, copy)
    assert (first.objects, first.copies) == (11, 11)
    later = run(tmp_path / "lake", copy)
    assert (later.objects, later.copies, later.skipped) == (0, 11, 11)
    assert state(tmp_path / "lake") == undisturbed


@pytest.mark.parametrize("batch_objects", [1, 4])
def test_small_batches_make_the_same_lake(
    objects, undisturbed, tmp_path, monkeypatch, batch_objects
):
    monkeypatch.setenv("FLOWLAKE_BATCH_OBJECTS", str(batch_objects))
    run(tmp_path, objects)
    assert state(tmp_path) == undisturbed


def test_shards_together_make_the_same_lake(objects, undisturbed, tmp_path):
    parts = [run(tmp_path, objects, shard=(n, 3)) for n in range(3)]
    assert sum(part.objects for part in parts) == 11
    assert state(tmp_path) == undisturbed


STEPS = [
    ("table_created", 3),
    ("data_file_written", 1),
    ("data_file_written", 2),
    ("evidence_written", 1),
    ("evidence_written", 3),
    ("commit_attempted", 1),  # flows: files and evidence are there, no snapshot
    ("committed", 1),  # flows landed, tgw_flows and the ledgers did not
    ("commit_attempted", 2),
    ("committed", 2),  # both heads landed, no ledger
    ("committed", 3),
    ("followed", 1),
    ("committed", 4),
    ("followed", 3),
    ("committed", 6),
]


@pytest.mark.parametrize(("event", "count"), STEPS)
def test_sigkill_at_a_step_then_another_run(
    objects, undisturbed, tmp_path, event, count
):
    lake = tmp_path / "lake"
    done = python("tests.killed_run", event, count, lake, "source", objects)
    assert done.returncode == -signal.SIGKILL, done.stderr
    run(tmp_path / "lake", objects)
    assert state(tmp_path / "lake") == undisturbed


@pytest.mark.parametrize("shared", [range(11), range(3, 7)], ids=["all", "some"])
def test_another_run_that_commits_first(
    objects, undisturbed, tmp_path, monkeypatch, shared
):
    names = sorted(objects.iterdir())
    others = [names[n] for n in shared]
    raced: list[bool] = []
    real = Batch.commit

    def slow_commit(self):
        if not raced:
            raced.append(True)
            run(tmp_path, *others)
        real(self)

    monkeypatch.setattr(Batch, "commit", slow_commit)
    summary = run(tmp_path, objects)
    assert raced
    assert summary.objects == 11 - len(others)
    assert state(tmp_path) == undisturbed


def test_another_run_that_commits_between_two_batches(
    objects, undisturbed, tmp_path, monkeypatch
):
    raced: list[bool] = []
    real = Batch.commit

    def overtaken(self):
        real(self)
        if not raced:
            raced.append(True)
            run(tmp_path, objects)

    monkeypatch.setattr(Batch, "commit", overtaken)
    settings = load_settings(lake=str(tmp_path), workers=2, batch_objects=4)
    with open_lake(settings) as lake:
        summary = Ingest(lake, Request((str(objects),))).run()
    assert (summary.objects, summary.skipped) == (4, 7)
    assert state(tmp_path) == undisturbed


def fail_commits(monkeypatch, lake_class, *, which, landed):
    """Let the ``which``-th commit of a catalog fail, before or after it landed."""
    real, seen = lake_class.commit_table, []

    def failing(self, table, requirements, updates):
        seen.append(table.name()[-1])
        if len(seen) == which and not landed:
            raise OSError("database is locked")
        answer = real(self, table, requirements, updates)
        if len(seen) == which:
            raise ConnectionResetError("the answer was lost")
        return answer

    monkeypatch.setattr(lake_class, "commit_table", failing)
    return seen


@pytest.mark.parametrize("landed", [False, True], ids=["failed", "landed"])
def test_the_commit_of_flows_reported_as_failed(
    objects, undisturbed, tmp_path, monkeypatch, landed
):
    from pyiceberg.catalog.sql import SqlCatalog

    seen = fail_commits(monkeypatch, SqlCatalog, which=1, landed=landed)
    run(tmp_path, objects)
    assert seen[0] == "flows"
    assert state(tmp_path) == undisturbed


@pytest.mark.parametrize("landed", [False, True], ids=["failed", "landed"])
@pytest.mark.parametrize("which", range(2, 7))
def test_any_other_commit_reported_as_failed(
    objects, loaded, tmp_path, monkeypatch, which, landed
):
    from pyiceberg.catalog.sql import SqlCatalog

    seen = fail_commits(monkeypatch, SqlCatalog, which=which, landed=landed)
    load(tmp_path, objects)
    assert len(seen) >= which
    assert state(tmp_path) == loaded


def test_a_catalog_that_is_down_at_the_commit(
    objects, undisturbed, tmp_path, monkeypatch
):
    from pyiceberg.catalog.sql import SqlCatalog

    opened(tmp_path).close()
    with monkeypatch.context() as down:
        down.setattr(
            SqlCatalog,
            "commit_table",
            lambda *a: (_ for _ in ()).throw(OSError("down")),
        )
        down.setattr("lake.store.FAILED_ATTEMPTS", 2)
        with pytest.raises(CommitUnknown):
            run(tmp_path, objects)
    run(tmp_path, objects)
    assert state(tmp_path) == undisturbed


@pytest.mark.parametrize("nth", range(1, 12, 2))
def test_a_disk_that_is_full_at_some_write(objects, loaded, tmp_path, monkeypatch, nth):
    from pyiceberg.io.pyarrow import PyArrowFile

    opened(tmp_path).close()
    real, written = PyArrowFile.create, []

    def full(self, overwrite=False):
        written.append(self.location)
        if len(written) >= nth:
            raise OSError(28, "No space left on device")
        return real(self, overwrite)

    with monkeypatch.context() as disk:
        disk.setattr(PyArrowFile, "create", full)
        disk.setattr("lake.store.FAILED_ATTEMPTS", 1)
        with pytest.raises(LakeError):
            load(tmp_path, objects)
    load(tmp_path, objects)
    assert state(tmp_path) == loaded


def test_expiry_compaction_and_gc_between_runs_change_no_row(
    objects, undisturbed, tmp_path, monkeypatch
):
    from datetime import timedelta

    from lake.compact import compact
    from lake.expire import collect

    monkeypatch.setenv("FLOWLAKE_SNAPSHOTS_KEPT", "2")
    monkeypatch.setattr("lake.expire.EXPIRY_SLACK", 0)
    paths = sorted(objects.iterdir())
    for two in itertools.zip_longest(paths[::2], paths[1::2]):
        run(tmp_path, *filter(None, two))
        with opened(tmp_path) as lake:
            for table in TABLES.values():
                compact(lake, table)
            collect(lake, min_age=timedelta(0))
    with opened(tmp_path) as lake:
        hours = list(lake.load(TABLES["flows"]).scan().plan_files())
    assert len(hours) == 3  # one file an hour: 08, 10 and 11 o'clock
    assert state(tmp_path) == undisturbed


def test_gc_beside_a_slow_batch_spares_its_files(
    objects, undisturbed, tmp_path, monkeypatch
):
    from datetime import timedelta

    from lake.expire import collect

    real = Batch.commit

    def slow_commit(self):
        for head in self._heads.values():
            head.buffer.flush()
        with opened(tmp_path) as lake:
            collect(lake, min_age=timedelta(days=3))
        real(self)

    monkeypatch.setattr(Batch, "commit", slow_commit)
    run(tmp_path, objects)
    assert state(tmp_path) == undisturbed


def test_a_rewritten_object_is_reported_and_replaced_only_when_asked(tmp_path):
    source = write_objects(tmp_path / "source")
    run(tmp_path / "lake", source)
    before = state(tmp_path / "lake")
    first = sorted(source.iterdir())[0]
    body = gzip.decompress(first.read_bytes()).decode().splitlines()
    first.write_bytes(gzip.compress("\n".join(body[:11]).encode(), mtime=0))
    told = run(tmp_path / "lake", source)
    assert (told.rewritten, told.objects) == (1, 0)
    assert state(tmp_path / "lake") == before
    done = run(tmp_path / "lake", source, replace=True)
    assert (done.rewritten, done.objects, done.flows) == (1, 1, 10)
    fresh = run(tmp_path / "fresh", source)
    assert fresh.flows == 242 - 30
    after, expected = state(tmp_path / "lake"), state(tmp_path / "fresh")
    assert after == expected
    again = run(tmp_path / "lake", source, replace=True)
    assert (again.rewritten, again.objects) == (0, 0)


def test_a_source_that_cannot_be_listed_fails_alone(objects, undisturbed, tmp_path):
    nothing = run(tmp_path / "nothing", tmp_path / "missing")
    assert (nothing.failed, nothing.exit_code) == (1, 3)
    with_others = run(tmp_path / "lake", tmp_path / "missing", objects)
    assert (with_others.failed, with_others.exit_code) == (1, 1)
    assert state(tmp_path / "lake") == undisturbed
