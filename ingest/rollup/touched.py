"""Which hours a roll-up has to add up again: those that newer snapshots touched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable

from ingest.silent import silent_hours
from lake.datafiles import EPOCH, HOUR
from lake.errors import FollowerStopped
from lake.rewrite import hours_of, live_files
from lake.snapshots import above, head_id, hours_touched, mark_of, retained_from
from lake.tables import FLOWS, Table

_TIME = pa.timestamp("us", tz="UTC")


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
        silent = silent_hours(flows, snapshot)
        if silent is None:
            return Touched(everything=True)
        hours |= silent
    return Touched(frozenset(hours))


def hours_by_file(
    table: Table, stored: IcebergTable, files: Iterable[DataFile] | None = None
) -> dict[int, list[DataFile]]:
    """Return the live files of a table by hour; one of a day stands under its hours."""
    column = table.hour_column or "hour"
    found: dict[int, list[DataFile]] = {}
    for file in live_files(stored) if files is None else files:
        for hour in hours_of(stored, file, column):
            found.setdefault(hour, []).append(file)
    return found


def files_of(
    by_hour: Mapping[int, Sequence[DataFile]], hours: Iterable[int]
) -> list[DataFile]:
    """Return the data files of some hours, each once."""
    found = {file.file_path: file for hour in hours for file in by_hour.get(hour, ())}
    return list(found.values())


def in_hours(rows: pa.Table, hours: Iterable[int]) -> pa.ChunkedArray:
    """Return which rows of a roll-up are of some hours since 1970."""
    times = pa.array([EPOCH + hour * HOUR for hour in hours], _TIME)
    return pc.is_in(rows["hour"], value_set=times)


def first_hour(tables: Sequence[IcebergTable]) -> int:
    """Return the first hour of which none of the tables has dropped its day.

    Sums of an hour whose rows are gone in part stay as they are.
    """
    day: date = max(retained_from(stored) for stored in tables)
    begins = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return (begins - EPOCH) // HOUR
