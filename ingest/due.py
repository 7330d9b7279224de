"""Which hours are due: old enough and not settled, or settled before a neighbour came.

What is settled is read off the files of `flows` themselves, whatever was killed when.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable
from pyiceberg.types import BooleanType

from lake.datafiles import EPOCH, HOUR
from lake.rewrite import hour_of


@dataclass(frozen=True, slots=True)
class HourFiles:
    """The data files of one hour.

    Attributes:
        hour: Hours since 1970.
        files: All of them.
        open: Those with rows that are not settled.
        newest_open: Sequence number of the newest of these; 0 without any.
        oldest: Sequence number of the oldest file.
    """

    hour: int
    files: tuple[DataFile, ...]
    open: tuple[DataFile, ...]
    newest_open: int
    oldest: int


def hours_of(stored: IcebergTable) -> dict[int, HourFiles]:
    """Return the hours of `flows` and what is settled of each."""
    settled = stored.schema().find_field("settled").field_id
    found: dict[int, list[tuple[int, DataFile]]] = {}
    for number, file in _numbered(stored):
        found.setdefault(hour_of(stored, file), []).append((number, file))
    hours = {}
    for hour, numbered in sorted(found.items()):
        unsettled = [(n, f) for n, f in numbered if not _is_settled(f, settled)]
        hours[hour] = HourFiles(
            hour=hour,
            files=tuple(f for _, f in numbered),
            open=tuple(f for _, f in unsettled),
            newest_open=max((n for n, _ in unsettled), default=0),
            oldest=min(n for n, _ in numbered),
        )
    return hours


def _numbered(stored: IcebergTable) -> Iterator[tuple[int, DataFile]]:
    """Yield the live files with their sequence numbers."""
    snapshot = stored.current_snapshot()
    if snapshot is None:
        return
    for manifest in snapshot.manifests(stored.io):
        for entry in manifest.fetch_manifest_entry(stored.io, discard_deleted=True):
            yield int(entry.sequence_number or 0), entry.data_file


def _is_settled(file: DataFile, field_id: int) -> bool:
    lowest = (file.lower_bounds or {}).get(field_id)
    if lowest is None:
        return False
    return bool(from_bytes(BooleanType(), lowest))


def newest_old(*, now: datetime, lateness: timedelta) -> int:
    """Return the newest hour that ended longer ago than records may be late."""
    return (now - lateness - EPOCH) // HOUR - 1


def due(hours: Mapping[int, HourFiles], *, newest: int) -> list[int]:
    """Return the hours to settle, in an order in which a crash loses nothing.

    An hour that was settled before records of its neighbour came is settled again,
    and before the neighbour, whose open rows are what tells.

    Args:
        hours: Of `flows`.
        newest: The newest hour that is old enough.
    """
    wanted = [h for h in hours if h <= newest and hours[h].open]
    return with_neighbours(hours, wanted, newest=newest)


def with_neighbours(
    hours: Mapping[int, HourFiles], wanted: Sequence[int], *, newest: int
) -> list[int]:
    """Return hours, and before them their neighbours that open rows of them reopen."""
    again = {
        beside
        for hour in wanted
        for beside in (hour - 1, hour + 1)
        if hours[hour].open
        and beside in hours
        and beside <= newest
        and not hours[beside].open
        and hours[hour].newest_open > hours[beside].oldest
    }
    return [*sorted(again - set(wanted)), *wanted]


def beside(hours: Iterable[int]) -> set[int]:
    """Return hours and those beside them: what settling one of them depends on."""
    return {near for hour in hours for near in (hour - 1, hour, hour + 1)}
