"""Files are chosen by what manifests list, as PyIceberg would choose them."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from pyiceberg.manifest import ManifestContent

from ingest.rollup.follower import roll_up
from lake import listed
from lake.compact import compact
from lake.errors import LakeError
from lake.listed import Manifests, Span
from lake.reading import plan
from lake.settings import load_settings
from lake.tables import EDGES_DAILY, FLOWS, REJECTIONS_HOURLY, ROLLUPS, SILENCES
from tests.lakes import open_lake
from tests.plain_sums import dice_of, flows_of, put

BEGIN = datetime(2026, 1, 1, 22, tzinfo=UTC)


@pytest.fixture(scope="module")
def lake_(tmp_path_factory):
    """Rolled-up hours of three days, some of them rewritten."""
    with open_lake(load_settings(lake=str(tmp_path_factory.mktemp("lake")))) as opened:
        for seed in range(4):
            put(opened, flows_of(seed, [0, 1, 2, 5, 9, 26, 30, 50]))
            roll_up(opened)
        compact(opened, FLOWS)
        yield opened


def column_of(table):
    return "day" if table.is_daily else table.hour_column or "start_time"


def as_pyiceberg(table, stored, since, until):
    """Return the files by an expression over the column that the window is of."""
    parts = []
    if table.hour_column == "hour" and since:
        since = since.replace(minute=0, second=0, microsecond=0)
    if table.is_daily:
        if since:
            parts.append(f"day >= '{since.date()}'")
        if until:
            parts.append(f"day <= '{(until - timedelta(microseconds=1)).date()}'")
    else:
        parts += [f"{column_of(table)} >= '{since.isoformat()}'"] if since else []
        parts += [f"{column_of(table)} < '{until.isoformat()}'"] if until else []
    scan = stored.scan(row_filter=" and ".join(parts)) if parts else stored.scan()
    return {task.file.file_path for task in scan.plan_files()}


def windows():
    dice = dice_of(5)
    yield None, None
    for _ in range(60):
        ends = sorted(
            BEGIN + timedelta(minutes=30 * dice.randrange(-4, 120)) for _ in "ab"
        )
        open_ = dice.random()
        yield (None if open_ < 0.1 else ends[0], None if open_ > 0.9 else ends[1])


@pytest.mark.parametrize("table", [FLOWS, *ROLLUPS, SILENCES], ids=lambda t: t.name)
def test_the_files_of_a_window_are_those_that_pyiceberg_plans(lake_, table):
    stored, manifests = lake_.load(table), Manifests()
    sizes = set()
    for since, until in windows():
        if since == until and since is not None:
            continue
        found = plan(table, stored, since=since, until=until, manifests=manifests)
        assert set(found.files) == as_pyiceberg(table, stored, since, until)
        assert len(set(found.files)) == len(found.files)
        sizes.add(len(found.files))
    assert len(sizes) > 2 or table in (EDGES_DAILY, SILENCES)


def test_what_a_manifest_lists_is_read_once(lake_, monkeypatch):
    read, real = list[str](), listed._of_file

    def of_file(file, field):
        read.append(file.file_path)
        return real(file, field)

    monkeypatch.setattr(listed, "_of_file", of_file)
    stored, manifests = lake_.load(FLOWS), Manifests()
    first = plan(FLOWS, stored, manifests=manifests)
    known = len(read)
    assert plan(FLOWS, stored, manifests=manifests) == first
    assert len(read) == known >= len(first.files)


def test_manifests_of_other_days_are_not_opened(lake_):
    stored, manifests = lake_.load(REJECTIONS_HOURLY), Manifests()
    long_ago = Span(first_day=0, last_day=1)
    snapshot = stored.current_snapshot()
    assert list(manifests.files(stored, snapshot, "hour", long_ago)) == []
    assert not manifests._files._values


def test_rows_deleted_one_by_one_are_refused_rather_than_shown(lake_, monkeypatch):
    deletes = SimpleNamespace(DATA=ManifestContent.DELETES)
    monkeypatch.setattr(listed, "ManifestContent", deletes)
    with pytest.raises(LakeError, match="deleted single rows"):
        plan(FLOWS, lake_.load(FLOWS))
