"""What is dropped is not to be found in any file, whatever it was written in."""

import gzip
import json
import os
import time
from datetime import UTC, date, datetime, timedelta
from typing import get_args

import pyarrow as pa
import pytest

from ingest.inventory.store import record
from ingest.job import Ingest, Request
from ingest.retain_cli import _follow
from ingest.retain_cli import retain as retain_command
from lake.catalog import Lake
from lake.errors import SettingsError, UsageError
from lake.expire import collect, named_files
from lake.job_settings import TableName
from lake.ordering import trim_dictionary
from lake.retain import retain
from lake.settings import load_settings
from lake.tables import CONFIGURATIONS, FLOWS, IDENTITIES, QUARANTINE, SOURCES, TABLES
from tests.lakes import keep, open_lake, put_back
from tests.samples import V2
from tests.traces import traces
from tests.unit.test_inventory_store import sighting

OLD, YOUNG = datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 9, 12, tzinfo=UTC)
GONE, STAYING = "198.51.100.77", "203.0.113.9"  # both are the least of their day
TEXT = "refused-text-7c1d"
DAY = timedelta(days=1)
NOTHING_OLD = timedelta(days=3)


def write_object(place, number, time, client, *more):
    place.mkdir(exist_ok=True)
    start = int(time.timestamp())
    name = (
        "123456789010_vpcflowlogs_us-east-1_fl-0123456789abcdef0_"
        f"{time:%Y%m%dT%H%M}Z_{number:08x}.log.gz"
    )
    line = (
        f"2 123456789010 eni-1 {{}} 10.0.0.2 4 443 6 3 9 {start} {start + 59} {{}} OK"
    )
    lines = [
        V2,
        line.format(client, "REJECT"),
        line.format(client, "ACCEPT"),
        line.format("99.9.9.9", "REJECT"),
        *more,
    ]
    (place / name).write_bytes(gzip.compress("\n".join([*lines, ""]).encode()))


def ingest(lake, logs):
    Ingest(lake, Request((str(logs),))).run()


def fill(lake, logs):
    """Bring one client of long ago in two runs, one of now, and a line to refuse."""
    for number, (time_, client) in enumerate([(OLD, GONE), (YOUNG, STAYING)]):
        write_object(logs, number, time_, client, f"{TEXT} is no record")
        ingest(lake, logs)


def kept_from():
    tomorrow = datetime.now(UTC).date() + DAY  # refused texts are of when they came
    days = dict.fromkeys(TABLES.values(), date(2026, 1, 5))
    del days[SOURCES]
    return days | {QUARANTINE: tomorrow}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    place = tmp_path_factory.mktemp("filled")
    settings = load_settings(lake=str(place / "lake"), workers=2)
    with open_lake(settings) as lake:
        fill(lake, place / "logs")
    keep(settings.lake)
    return settings


@pytest.fixture
def lake(filled):
    put_back(filled.lake)
    with Lake(filled) as opened:
        yield opened


def kinds(found):
    parts = (
        "evidence",
        "metadata",
        "flows/data",
        "quarantine/data",
        "rejections_hourly",
    )
    return {part for part in parts if any(f"/{part}/" in name for name in found)}


def test_what_is_to_go_is_everywhere_before(lake):
    found = traces(lake.settings.lake, GONE, TEXT)
    assert kinds(found) == {
        "evidence", "metadata", "flows/data", "quarantine/data", "rejections_hourly",
    }  # fmt: skip


@pytest.mark.parametrize("now", [True, False])
def test_dropped_days_leave_no_trace_in_any_file(lake, now):
    named = named_files(lake)
    retain(lake, kept_from(), follow=_follow)
    if now:
        collect(lake, min_age=NOTHING_OLD, forgotten=named)
    else:
        waiting = collect(lake, min_age=NOTHING_OLD)
        assert waiting.young
        assert traces(lake.settings.lake, GONE, TEXT)
        age(lake.settings.lake)
        assert collect(lake, min_age=NOTHING_OLD).files == waiting.young
    assert traces(lake.settings.lake, GONE, TEXT) == []
    assert kinds(traces(lake.settings.lake, STAYING)) >= {"metadata", "flows/data"}


def test_days_that_came_in_one_run_leave_no_trace_in_each_other(tmp_path):
    """Files of one batch are cut from the same columns, dictionaries and all."""
    with open_lake(load_settings(lake=str(tmp_path / "lake"), workers=2)) as lake:
        write_object(tmp_path / "logs", 0, OLD, GONE)
        write_object(tmp_path / "logs", 1, YOUNG, STAYING)
        ingest(lake, tmp_path / "logs")
        named = named_files(lake)
        retain(lake, kept_from(), follow=_follow)
        collect(lake, min_age=NOTHING_OLD, forgotten=named)
        assert traces(lake.settings.lake, GONE) == []
        assert "flows/data" in kinds(traces(lake.settings.lake, STAYING))


@pytest.mark.parametrize("many", [2, 300, 5000])
def test_a_cut_of_rows_keeps_only_the_texts_that_it_has(many):
    texts = pa.array([f"t{n}" for n in range(many)]).dictionary_encode()
    cut = pa.chunked_array([texts.slice(1, many // 2), pa.array([None], texts.type)])
    found = trim_dictionary(cut)
    assert found.to_pylist() == cut.to_pylist()
    assert len(found.chunk(0).dictionary) == many // 2


def age(folder):
    then = time.time() - NOTHING_OLD.total_seconds() - 60
    for path, _, names in os.walk(folder):
        for name in names:
            os.utime(f"{path}/{name}", (then, then))


@pytest.mark.parametrize("table", [SOURCES, IDENTITIES, CONFIGURATIONS])
def test_what_flows_need_is_kept_as_long_as_they_are(lake, table):
    days = {FLOWS: date(2026, 1, 3), table: date(2026, 1, 4)}
    with pytest.raises(UsageError, match=f"Keep {table.name} as long as flows"):
        retain(lake, days)
    with pytest.raises(UsageError, match="flows has days before"):
        retain(lake, {table: date(2026, 1, 4)})
    assert retain(lake, {**days, FLOWS: date(2026, 1, 4)})["flows"].rows == 3


def run(capsys, days=None, tables=None, **given):
    retain_command(days, tables, **given)
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_each_table_keeps_its_days_by_one_command(lake, capsys, monkeypatch):
    monkeypatch.setenv("FLOWLAKE_LAKE", lake.settings.lake)
    with pytest.raises(UsageError, match="FLOWLAKE_RETAIN_DAYS"):
        run(capsys)
    since = (datetime.now(UTC).date() - date(2026, 1, 5)).days
    days = {"flows": since, "rejections_hourly": since - 9}
    monkeypatch.setenv("FLOWLAKE_RETAIN_DAYS", json.dumps(days))
    planned = run(capsys, dry_run=True)
    assert (planned["flows"]["rows"], planned["rejections_hourly"]["rows"]) == (3, 4)
    with pytest.raises(UsageError, match="no days for quarantine"):
        run(capsys, tables=["quarantine"])
    done = run(capsys, now=True)
    files = done.pop("files")
    assert done == planned
    assert files["files"] > 0
    assert files["young_until"] is None or files["young_until"].endswith("Z")
    for table in days:
        assert traces(f"{lake.settings.lake}/warehouse/{table}", GONE) == []


@pytest.mark.parametrize("days", ['{"flws": 3}', '{"flows": 0}', '{"flows": "many"}'])
def test_days_that_are_none_are_refused(monkeypatch, days):
    monkeypatch.setenv("FLOWLAKE_RETAIN_DAYS", days)
    with pytest.raises(SettingsError, match=r"FLOWLAKE_RETAIN_DAYS \(fl"):
        load_settings()


def test_the_settings_know_every_table():
    assert set(get_args(TableName)) == set(TABLES)


def test_names_that_ended_go_a_day_after_the_flows_they_named(tmp_path):
    """Records just past midnight look back at what ended before."""
    names = ["eni-stays", "eni-third", "eni-second", "eni-first"]
    ends = [date(2026, 1, day) for day in (2, 3, 4)]
    with open_lake(load_settings(lake=str(tmp_path / "lake"))) as lake:
        for day in range(4):
            record(lake, [sighting(day * 1440 + 60, *names[: 4 - day])])
        assert ended_days(lake) == ends
        retain(lake, dict.fromkeys([FLOWS, IDENTITIES, CONFIGURATIONS], ends[2]))
        collect(lake, min_age=timedelta(0))
        assert ended_days(lake) == ends[1:]
        assert traces(lake.settings.lake, "eni-first") == []
        assert traces(lake.settings.lake, "eni-second")


def ended_days(lake):
    rows = lake.load(IDENTITIES).scan().to_arrow()
    return sorted(filter(None, rows["day"].to_pylist()))
