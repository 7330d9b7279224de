"""Silences by the hour: which of them a snapshot brings, and which settling hears."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import structlog
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot

from lake import evidence
from lake.catalog import Lake
from lake.datafiles import EPOCH, HOUR
from lake.errors import LakeError
from lake.follow import PART_ROWS
from lake.ordering import hours_in
from lake.rewrite import live_files
from lake.rows import batches
from lake.tables import SILENCES
from lake.withdrawn import WITHDRAWN
from transform.logged import Silence, Silences, Skipped

log = structlog.get_logger()

SKIPDATA = "SKIPDATA"
_COLUMNS = ("interface_id", "start_time", "end_time", "log_status", "flow_log_id",
            "commit_id")  # fmt: skip


def silent_hours(flows: IcebergTable, snapshot: Snapshot) -> set[int] | None:
    """Return the hours whose silences a snapshot changes; None: that is lost."""
    hours: set[int] = set()
    for named in evidence.of_snapshot(snapshot):
        try:
            if named.ledger == SILENCES.name:
                hours |= _hours_of(flows, named)
            elif named.ledger == WITHDRAWN.name:
                days = pc.unique(evidence.read(flows.io, named)["day"]).to_pylist()
                if None in days:
                    return None
                hours |= {hour for day in days for hour in _hours_around(day)}
        except LakeError as error:
            log.warning("evidence_lost", path=named.path, error=str(error)[:200])
            return None
    return hours


def hours_of_silences(stored: IcebergTable) -> set[int]:
    """Return the hours in which any silence begins."""
    parts = batches(SILENCES, stored, live_files(stored), ("start_time",))
    return set[int]().union(*map(hours_in, parts))


def silences_near(lake: Lake, hour: int, *, without: Collection[str] = ()) -> Silences:
    """Return what flow logs said near an hour of windows without records.

    Args:
        lake: The open lake; its `silences` has absorbed what settling is to hear.
        hour: Hours since 1970; those beside it count.
        without: Batches whose silences are left out, by their commit ids.
    """
    since, until = EPOCH + (hour - 1) * HOUR, EPOCH + (hour + 2) * HOUR
    stored = lake.load(SILENCES)
    files = live_files(stored, since=since, until=until)
    others = pa.array(without, pa.string())
    reporting: set[Silence] = set()
    skipped: set[Skipped] = set()
    for rows in batches(SILENCES, stored, files, _COLUMNS):
        start = rows["start_time"]
        near = pc.and_(pc.greater_equal(start, since), pc.less(start, until))
        came = pc.is_in(_texts(rows, "commit_id"), value_set=others)
        rows = rows.filter(pc.and_not(near, came))
        reporting.update(_distinct(rows, "interface_id", "flow_log_id"))
        of_skips = pc.equal(_texts(rows, "log_status"), SKIPDATA)
        times = ("start_time", "end_time")
        for name, *window in _distinct(rows.filter(of_skips), "interface_id", *times):
            begin, end = (int((at or window[0]).timestamp()) for at in window)
            skipped.add((name, begin, end))
    return Silences(
        reporting=sorted(reporting, key=lambda pair: (pair[0], pair[1] or "")),
        skipped=sorted(skipped),
    )


def _distinct(rows: pa.Table, *names: str) -> Iterator[tuple[Any, ...]]:
    """Yield the distinct values of some columns, where the first is there."""
    columns = [rows[n] if n.endswith("_time") else _texts(rows, n) for n in names]
    table = pa.table(columns, names=list(names)).group_by(list(names)).aggregate([])
    for row in table.to_pylist():
        if row[names[0]]:
            yield tuple(row[name] for name in names)


def _texts(rows: pa.Table, name: str) -> pa.ChunkedArray:
    if name in rows.column_names:
        return rows[name].cast(pa.string())
    return pa.chunked_array([pa.nulls(rows.num_rows, pa.string())])


def _hours_of(flows: IcebergTable, named: evidence.EvidenceFile) -> set[int]:
    if named.hours is not None:
        return set(named.hours)
    parts = evidence.stream(flows.io, named, SILENCES, rows=PART_ROWS)
    return set[int]().union(*map(hours_in, parts))


def _hours_around(day: date) -> range:
    """Return a day's hours and the two beside it: what objects of its keys hold."""
    first = (day - EPOCH.date()).days * 24
    return range(first - 1, first + 25)
