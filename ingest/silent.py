"""Silences by the hour: which of them a snapshot brings, and which settling hears."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import structlog
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot

from lake import evidence
from lake.catalog import Lake
from lake.datafiles import EPOCH
from lake.errors import LakeError
from lake.follow import PART_ROWS
from lake.ordering import hours_in
from lake.rewrite import live_files
from lake.rows import batches
from lake.tables import SILENCES
from lake.withdrawn import WITHDRAWN
from transform.logged import Silence

log = structlog.get_logger()

HOUR = timedelta(hours=1)


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


def reporting(lake: Lake, hour: int, *, without: Collection[str] = ()) -> list[Silence]:
    """Return interfaces and the flow logs that reported their silence near an hour.

    Args:
        lake: The open lake; its `silences` has absorbed what settling is to hear.
        hour: Hours since 1970; those beside it count.
        without: Batches whose silences are left out, by their commit ids.
    """
    since, until = EPOCH + (hour - 1) * HOUR, EPOCH + (hour + 2) * HOUR
    stored = lake.load(SILENCES)
    files = live_files(stored, since=since, until=until)
    columns = ("interface_id", "start_time", "flow_log_id", "commit_id")
    others = pa.array(without, pa.string())
    found: set[Silence] = set()
    for rows in batches(SILENCES, stored, files, columns):
        start = rows["start_time"]
        near = pc.and_(pc.greater_equal(start, since), pc.less(start, until))
        came = pc.is_in(_texts(rows, "commit_id"), value_set=others)
        found.update(_pairs(rows.filter(pc.and_not(near, came))))
    return sorted(found, key=lambda pair: (pair[0], pair[1] or ""))


def _pairs(rows: pa.Table) -> Iterator[Silence]:
    """Yield the distinct interfaces and flow logs of some silences."""
    names = ("interface_id", "flow_log_id")
    pairs = pa.table([_texts(rows, name) for name in names], names=list(names))
    for pair in pairs.group_by(list(names)).aggregate([]).to_pylist():
        if pair["interface_id"]:
            yield pair["interface_id"], pair["flow_log_id"]


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
