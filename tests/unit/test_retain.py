"""Retention: what is dropped is gone, and nothing else changes."""

import gzip
import shutil
from datetime import UTC, date, datetime, timedelta

import pytest

from ingest.job import Ingest, Request
from ingest.rollup.follower import roll_up
from ingest.unheard import heed_later
from lake.catalog import Lake
from lake.compact import compact
from lake.errors import SettingsError, UsageError
from lake.expire import expire
from lake.follow import follow_all
from lake.retain import drop_days, retain
from lake.settings import load_settings
from lake.snapshots import ancestry, retained_from
from lake.store import MAX_BATCH_AGE
from lake.tables import FLOWS, HEADS, LEDGERS, QUARANTINE, SILENCES, SOURCES, TABLES
from tests.lakes import keep, open_lake, put_back
from tests.samples import V2, record, rows_of

DAY = timedelta(days=1)
FIRST = datetime(2026, 1, 1, 12, tzinfo=UTC)
BEFORE = date(2026, 1, 3)
ALL_BUT_SOURCES = [t for t in TABLES.values() if t is not SOURCES]


@pytest.fixture
def lake(tmp_path):
    settings = load_settings(lake=str(tmp_path / "lake"), workers=2)
    with open_lake(settings) as opened:
        yield opened


def write_object(place, number, *, key_time, starts):
    place.mkdir(exist_ok=True)
    name = (
        "123456789010_vpcflowlogs_us-east-1_fl-0123456789abcdef0_"
        f"{key_time:%Y%m%dT%H%M}Z_{number:08x}.log.gz"
    )
    lines = [V2]
    for time in starts:
        start = int(time.timestamp())
        lines.append(record(number, start))
        lines.append(
            f"2 123456789010 eni-9 - - - - - - - {start} {start + 60} - NODATA"
        )
    (place / name).write_bytes(gzip.compress("\n".join([*lines, ""]).encode()))
    return place / name


@pytest.fixture(scope="module")
def five_days(tmp_path_factory):
    """The settings of a lake that holds one object a day for five days; it is kept."""
    place = tmp_path_factory.mktemp("five-days")
    for number in range(5):
        time = FIRST + number * DAY
        write_object(place / "logs", number, key_time=time, starts=[time])
    settings = load_settings(lake=str(place / "lake"), workers=2)
    with open_lake(settings) as opened:
        ingest(opened, place / "logs")
    keep(settings.lake)
    return settings


@pytest.fixture
def ingested(five_days):
    """That lake, whose objects are below `logs` beside it."""
    put_back(five_days.lake)
    with Lake(five_days) as opened:
        yield opened


@pytest.fixture
def objects(five_days, tmp_path):
    """Copies of its objects, which a test may add to."""
    return shutil.copytree(five_days.lake_path.with_name("logs"), tmp_path / "logs")


def ingest(lake, place):
    return Ingest(lake, Request((str(place),))).run()


def follow_everything(lake):
    follow_all(lake)
    roll_up(lake)
    heed_later(lake)


def days_of(lake, table):
    column = "start_time" if table in HEADS else "day"
    rows = lake.load(table).scan(selected_fields=(column,)).to_arrow()
    return sorted(str(value)[:10] for value in rows[column].to_pylist())


def test_dropped_days_are_gone_and_ingest_goes_on(ingested, objects):
    done = retain(
        ingested, dict.fromkeys(ALL_BUT_SOURCES, BEFORE), follow=follow_everything
    )
    assert (done["flows"].rows, done["silences"].rows) == (2, 2)
    for table in (FLOWS, SILENCES):
        assert days_of(ingested, table) == ["2026-01-03", "2026-01-04", "2026-01-05"]
        assert len(ancestry(ingested.load(table))) == 1
    late = FIRST + 5 * DAY
    write_object(objects, 5, key_time=late, starts=[late])
    again = ingest(ingested, objects)
    assert (again.objects, again.skipped) == (1, 5)
    assert days_of(ingested, FLOWS)[-1] == "2026-01-06"


def test_retention_lets_the_ledgers_follow_before_it_expires(
    lake, objects, monkeypatch
):
    with monkeypatch.context() as stopped:
        stopped.setattr("ingest.load.follow_all", lambda lake: 0)
        ingest(lake, objects)
    retain(lake, dict.fromkeys(ALL_BUT_SOURCES, BEFORE))
    assert len(rows_of(lake)["sources"]) == 5
    assert days_of(lake, SILENCES) == ["2026-01-03", "2026-01-04", "2026-01-05"]
    assert ingest(lake, objects).skipped == 5


def test_retention_twice_drops_nothing_more(ingested):
    retain(ingested, dict.fromkeys(ALL_BUT_SOURCES, BEFORE))
    before = rows_of(ingested)
    done = retain(ingested, dict.fromkeys(ALL_BUT_SOURCES, BEFORE))
    assert sum(each.removed for each in done.values()) == 0
    assert rows_of(ingested) == before


def test_a_dry_run_drops_nothing(ingested):
    before = rows_of(ingested)
    told = retain(ingested, dict.fromkeys(TABLES.values(), BEFORE), dry_run=True)
    assert rows_of(ingested) == before
    assert told == retain(ingested, dict.fromkeys(TABLES.values(), BEFORE))


def test_sources_alone_is_refused_while_flows_stay(ingested):
    before = rows_of(ingested)
    with pytest.raises(UsageError, match="flows and tgw_flows"):
        retain(ingested, {SOURCES: BEFORE})
    assert rows_of(ingested) == before


@pytest.mark.parametrize("at_once", [True, False])
def test_sources_goes_with_its_flows_at_once_or_later(ingested, at_once):
    if at_once:
        retain(ingested, dict.fromkeys([SOURCES, *HEADS], BEFORE))
    else:
        retain(ingested, dict.fromkeys(HEADS, BEFORE))
        retain(ingested, {SOURCES: BEFORE})
    assert days_of(ingested, SOURCES) == ["2026-01-03", "2026-01-04", "2026-01-05"]


def test_a_day_of_sources_stays_with_the_flows_of_its_objects(lake, tmp_path):
    """A key's time bounds no record's time."""
    key_time = FIRST + DAY
    starts = [FIRST, FIRST + 4 * DAY]
    write_object(tmp_path / "logs", 1, key_time=key_time, starts=starts)
    write_object(tmp_path / "logs", 2, key_time=FIRST, starts=[FIRST])
    ingest(lake, tmp_path / "logs")
    retain(lake, dict.fromkeys([SOURCES, *HEADS], BEFORE))
    assert days_of(lake, SOURCES) == ["2026-01-02"]
    assert days_of(lake, FLOWS) == ["2026-01-05"]
    again = ingest(lake, tmp_path / "logs")
    assert (again.objects, again.skipped) == (1, 1)  # the other's rows are all gone


def test_the_day_retained_from_only_moves_forward(ingested, objects):
    drop_days(ingested, FLOWS, BEFORE)
    write_object(objects, 9, key_time=FIRST, starts=[FIRST])
    ingest(ingested, objects)
    drop_days(ingested, FLOWS, date(2026, 1, 2))
    assert retained_from(ingested.load(FLOWS)) == BEFORE


def test_a_compaction_that_was_faster_is_planned_around(ingested, objects, monkeypatch):
    write_object(objects, 9, key_time=FIRST, starts=[FIRST])
    ingest(ingested, objects)
    real, raced = ingested.load, list[bool]()

    def load(table):
        stored = real(table)
        if table is FLOWS and not raced:
            raced.append(True)
            compact(ingested, FLOWS)
        return stored

    monkeypatch.setattr(ingested, "load", load)
    drop_days(ingested, FLOWS, BEFORE)
    assert raced
    assert days_of(ingested, FLOWS) == ["2026-01-03", "2026-01-04", "2026-01-05"]


def test_runs_between_retention_and_expiry_of_everything_lose_nothing(lake, objects):
    paths = sorted(objects.iterdir())
    for number, path in enumerate(paths, 1):
        ingest(lake, path)
        retain(
            lake, dict.fromkeys([FLOWS, QUARANTINE], date(2025, 1, 1) + number * DAY)
        )
        for table in TABLES.values():
            expire(lake, table, keep=1, slack=0)
    assert len(days_of(lake, FLOWS)) == 5
    for ledger in LEDGERS:
        assert len(ancestry(lake.load(ledger))) <= 2
    assert len(rows_of(lake)["sources"]) == 5


@pytest.mark.parametrize("days", ["0", "1"])
def test_gc_may_not_take_the_files_of_a_running_batch(monkeypatch, days):
    monkeypatch.setenv("FLOWLAKE_GC_AGE_DAYS", days)
    with pytest.raises(SettingsError, match="FLOWLAKE_GC_AGE_DAYS"):
        load_settings()
    assert timedelta(days=load_settings(gc_age_days=1.1).gc_age_days) > MAX_BATCH_AGE
