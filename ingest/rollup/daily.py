"""`edges_daily`: days of `edges_hourly` that were touched, added up again."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import chain

import pyarrow as pa
import structlog
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable

from ingest.rollup.sums import Sums
from ingest.rollup.touched import Touched, touched
from lake.catalog import Lake
from lake.datafiles import EPOCH, DataFileWriter
from lake.errors import CommitConflict
from lake.rewrite import live_files
from lake.rows import batches
from lake.shape import conform, nullable
from lake.snapshots import mark_of, mark_property, retained_from
from lake.store import Change, commit, refuse
from lake.tables import EDGES_DAILY, EDGES_HOURLY, FLOWS, arrow_schema

log = structlog.get_logger()

HOURS_A_DAY = 24


def roll_up_days(lake: Lake, sums: Sums, *, anew: bool = False) -> int:
    """Let `edges_daily` absorb what `edges_hourly` has; return the days added up.

    Raises:
        FollowerStopped: Its mark is no ancestor of the head of `flows`.
        LakeError: The lake cannot be read or written; nothing is lost.
    """
    while True:
        stored = lake.load(EDGES_DAILY)  # before the hours: its mark is then older
        hourly = lake.load(EDGES_HOURLY)
        what = _todo(lake, stored, hourly, anew=anew)
        if what is None:
            return 0
        try:
            return _absorb(lake, stored, hourly, sums, what)
        except CommitConflict:
            log.info("follower_raced", table=EDGES_DAILY.name, head=FLOWS.name)


def _todo(
    lake: Lake, stored: IcebergTable, hourly: IcebergTable, *, anew: bool
) -> Touched | None:
    mark = mark_of(hourly, FLOWS.name)
    if mark is None:
        return None
    if anew:
        return Touched(everything=True)
    if mark_of(stored, FLOWS.name) == mark:
        return None
    return touched(EDGES_DAILY, stored, lake.load(FLOWS))


def _absorb(
    lake: Lake,
    stored: IcebergTable,
    hourly: IcebergTable,
    sums: Sums,
    what: Touched,
) -> int:
    change_id, begun = uuid.uuid4().hex, datetime.now(UTC)
    writer = DataFileWriter(EDGES_DAILY, stored, change_id)
    hours, old = _by_day(hourly), _by_day(stored)
    days = {hour // HOURS_A_DAY for hour in what.hours}
    if what.everything:
        days = {*hours, *old}
    bounds = retained_from(hourly), retained_from(stored)
    days = {day for day in days if _date(day) >= max(bounds)}
    added: list[DataFile] = []
    for day in sorted(days):
        sums.add_day(_rows(hourly, hours.get(day, [])))
        runs = sums.of_day(_date(day))
        first = next(runs, None)
        if first is not None:
            columns = [f.name for f in EDGES_DAILY.fields]
            added.append(writer.write_runs(chain([first], runs), columns=columns))
    change = Change(
        op="follow",
        commit_id=change_id,
        begun=begun,
        added=added,
        removed=[file for day in days for file in old.get(day, ())],
        properties={mark_property(FLOWS.name): str(mark_of(hourly, FLOWS.name))},
    )
    commit(lake, EDGES_DAILY, change, base=stored, check=refuse)
    return len(days)


def _rows(hourly: IcebergTable, files: Sequence[DataFile]) -> pa.RecordBatchReader:
    schema = nullable(arrow_schema(EDGES_HOURLY))

    def stream() -> Iterator[pa.RecordBatch]:
        for rows in batches(EDGES_HOURLY, hourly, files):
            yield from conform(rows, schema).to_batches()

    return pa.RecordBatchReader.from_batches(schema, stream())


def _by_day(stored: IcebergTable) -> dict[int, list[DataFile]]:
    found: dict[int, list[DataFile]] = {}
    for file in live_files(stored):
        found.setdefault(int(file.partition[0]), []).append(file)
    return found


def _date(day: int) -> date:
    return (EPOCH + timedelta(days=day)).date()
