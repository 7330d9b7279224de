"""A lake of some days' traffic, as large as asked for: what the query bench reads.

Rows are made by DuckDB (``hour_of_traffic.sql``), written as ingest writes them (an
hour a file, sorted, Bloom filters, one commit a day) and rolled up by the followers.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa

from ingest.rollup.follower import roll_up
from lake.catalog import Lake
from lake.datafiles import DataFileWriter
from lake.rewrite import hour_of, hours_property
from lake.settings import load_settings
from lake.store import Change, commit
from lake.tables import FLOWS, batch_schema

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = 8  # so that a week may begin at any hour of the first
HOUR = timedelta(hours=1)
SQL = Path(__file__).with_name("hour_of_traffic.sql")


def fill(place: Path, rows: int) -> None:
    """Make the lake.

    Args:
        place: An empty directory.
        rows: How many records of `flows`, over these days.
    """
    with Lake(load_settings(lake=str(place)), create=True) as lake:
        lake.ensure_all()
        for day in range(DAYS):
            _add(lake, [24 * day + hour for hour in range(24)], rows // (24 * DAYS))
        roll_up(lake)


def _add(lake: Lake, hours: list[int], rows: int) -> None:
    base, commit_id = lake.load(FLOWS), uuid.uuid4().hex
    writer = DataFileWriter(FLOWS, base, commit_id)
    added = [writer.write(_of_hour(hour, rows)) for hour in hours]
    change = Change(
        op="ingest",
        commit_id=commit_id,
        begun=datetime.now(UTC),
        added=added,
        removed=(),
        summary=hours_property(sorted({hour_of(base, file) for file in added})),
    )
    commit(lake, FLOWS, change, base=base, check=lambda table, since: None)


def _of_hour(hour: int, rows: int) -> pa.Table:
    given = {"rows": rows, "hour": hour, "begin": BEGIN + hour * HOUR}
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        found = engine.sql(SQL.read_text(), params=given).to_arrow_table()
    schema = batch_schema(FLOWS)
    return pa.table(
        {name: found[name].cast(schema.field(name).type) for name in found.column_names}
    )
