"""Which hours a roll-up has to add up again: those that newer snapshots touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import structlog
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot

from lake import evidence
from lake.datafiles import EPOCH
from lake.errors import FollowerStopped, LakeError
from lake.follow import PART_ROWS
from lake.ordering import HOUR_US
from lake.rewrite import batches, hour_of, live_files
from lake.snapshots import above, head_id, hours_touched, mark_of, retained_from
from lake.tables import FLOWS, SILENCES, Table
from lake.withdrawn import WITHDRAWN

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Touched:
    """What a roll-up has to do.

    Attributes:
        hours: Hours since 1970 that snapshots above its mark touched.
        everything: Its mark does not tell: all hours, then.
    """

    hours: frozenset[int] = frozenset()
    everything: bool = False


def touched(
    table: Table, stored: IcebergTable, flows: IcebergTable, *, silences: bool = False
) -> Touched | None:
    """Return what a roll-up has to do; None: it has absorbed the head.

    Args:
        table: The roll-up.
        stored: As loaded, before ``flows``.
        flows: The head, as loaded.
        silences: Hours of silences are touched too.

    Raises:
        FollowerStopped: The mark is no ancestor of the head.
    """
    mark = mark_of(stored, FLOWS.name)
    if mark == head_id(flows):
        return None
    if mark is None:
        return Touched(everything=True)
    newer = above(flows, mark)
    if newer is None:
        raise FollowerStopped(table.name, mark, FLOWS.name)
    hours = hours_touched(newer)
    if hours is None:
        return Touched(everything=True)
    for snapshot in newer if silences else ():
        silent = _silent_hours(flows, snapshot)
        if silent is None:
            return Touched(everything=True)
        hours |= silent
    return Touched(frozenset(hours))


def hours_by_file(
    table: Table, stored: IcebergTable, files: Iterable[DataFile] | None = None
) -> dict[int, list[DataFile]]:
    """Return the live files of a table by the hour that each lies in."""
    found: dict[int, list[DataFile]] = {}
    for file in live_files(stored) if files is None else files:
        found.setdefault(hour_of(stored, file, table.hour_column), []).append(file)
    return found


def hours_of_silences(stored: IcebergTable) -> set[int]:
    """Return the hours in which any silence begins."""
    return _hours_in(batches(SILENCES, stored, live_files(stored), ("start_time",)))


def first_hour(tables: Sequence[IcebergTable]) -> int:
    """Return the first hour of which none of the tables has dropped its day.

    Sums of an hour whose rows are gone in part stay as they are.
    """
    day: date = max(retained_from(stored) for stored in tables)
    begins = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return (begins - EPOCH) // timedelta(hours=1)


def _silent_hours(flows: IcebergTable, snapshot: Snapshot) -> set[int] | None:
    """Return the hours whose silences a snapshot changes; None: that is lost."""
    hours: set[int] = set()
    for named in evidence.of_snapshot(snapshot):
        try:
            if named.ledger == SILENCES.name:
                parts = evidence.stream(flows.io, named, SILENCES, rows=PART_ROWS)
                hours |= _hours_in(parts)
            elif named.ledger == WITHDRAWN.name:
                days = pc.unique(evidence.read(flows.io, named)["day"]).to_pylist()
                if None in days:
                    return None
                hours |= {hour for day in days for hour in _hours_around(day)}
        except LakeError as error:
            log.warning("evidence_lost", path=named.path, error=str(error)[:200])
            return None
    return hours


def _hours_around(day: date) -> range:
    """Return a day's hours and the two beside it: what objects of its keys hold."""
    first = (day - EPOCH.date()).days * 24
    return range(first - 1, first + 25)


def _hours_in(parts: Iterator[pa.Table]) -> set[int]:
    hours: set[int] = set()
    for rows in parts:
        if "start_time" in rows.column_names:
            times = pc.drop_null(rows["start_time"]).cast(pa.int64())
            hours.update(pc.unique(pc.divide(times, HOUR_US)).to_pylist())
    return hours
