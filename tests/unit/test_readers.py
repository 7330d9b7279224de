"""Other engines see in the Iceberg tables just what we wrote."""

import duckdb
import polars as pl
import pyarrow.compute as pc
import pytest

from lake.catalog import Lake
from lake.reading import plan
from lake.tables import FLOWS, QUARANTINE, SILENCES, SOURCES, TGW_FLOWS

COLUMNS = ["start_time", "end_time", "observer", "src_address", "dst_address",
           "srcport", "dstport", "protocol", "packets", "bytes", "action",
           "source_object"]  # fmt: skip


@pytest.fixture
def lake(answered):
    with Lake(answered) as opened:
        yield opened


def in_order(rows):
    return rows.select(COLUMNS).sort(COLUMNS)


def test_polars_sees_the_same_rows(lake, monkeypatch):
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")
    stored = lake.load(FLOWS)
    ours = pl.from_arrow(stored.scan().to_arrow())
    assert isinstance(ours, pl.DataFrame)
    theirs = pl.scan_iceberg(stored).collect()
    assert theirs.height == ours.height > 10_000
    assert in_order(theirs).equals(in_order(ours))


@pytest.mark.parametrize(
    "table", [FLOWS, TGW_FLOWS, SOURCES, SILENCES, QUARANTINE], ids=lambda t: t.name
)
def test_duckdb_over_the_planned_files_counts_the_same(lake, table):
    stored = lake.load(table)
    files = list(plan(table, stored).files)
    paths = [f.removeprefix("file://") for f in files]
    with duckdb.connect() as engine:
        counted = engine.execute(
            "SELECT count(*) FROM read_parquet($paths)", {"paths": paths}
        ).fetchone()
    assert counted == (stored.scan().count(),)
    assert counted[0] > 0


def test_no_data_file_spans_an_hour_and_each_lies_in_its_day(lake):
    stored = lake.load(FLOWS)
    seen = 0
    for task in stored.scan().plan_files():
        rows = pl.read_parquet(task.file.file_path.removeprefix("file://"))
        hours = rows["start_time"].dt.truncate("1h").unique()
        assert len(hours) == 1
        assert f"day={hours[0]:%Y-%m-%d}/" in task.file.file_path
        seen += rows.height
    assert seen == stored.scan().count()


def test_sources_add_up_to_flows(lake):
    sources = lake.load(SOURCES).scan().to_arrow()
    for head in (FLOWS, TGW_FLOWS):
        of_head = sources.filter(pc.equal(sources["head"], head.name))
        assert pc.sum(of_head["flows"]).as_py() == lake.load(head).scan().count()
