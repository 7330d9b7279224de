"""Settling and attributing again: hours whose records have come, or may be wrong.

An hour is settled once it is old enough; again, together with its neighbours, when
late records came; and again when the inventory knows more of its time.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import structlog
from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.types import BooleanType

from ingest.enriching import Inventories
from ingest.hour import HourRows
from ingest.reopened import attributed_mark, reopened
from lake.catalog import Lake
from lake.datafiles import EPOCH
from lake.errors import CommitConflict
from lake.rewrite import (
    ATTEMPTS,
    Rewritten,
    batches,
    exchange,
    hour_of,
    hours_property,
    live_files,
)
from lake.tables import FLOWS, SILENCES

log = structlog.get_logger()

HOUR = timedelta(hours=1)
Progress = Callable[[int, int], None]


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


def due(
    hours: dict[int, HourFiles], *, now: datetime, lateness: timedelta
) -> list[int]:
    """Return the hours to settle, in an order in which a crash loses nothing.

    An hour that was settled before records of its neighbour came is settled again,
    and before the neighbour, whose open rows are what tells.
    """
    aged = due_by_age(hours, now=now, lateness=lateness)
    return _with_neighbours(hours, [h for h in aged if hours[h].open], set(aged))


def _with_neighbours(
    hours: dict[int, HourFiles], wanted: Sequence[int], old: Container[int]
) -> list[int]:
    """Return hours, and before them their neighbours that open rows of them reopen."""
    again = {
        beside
        for hour in wanted
        for beside in (hour - 1, hour + 1)
        if hours[hour].open
        and beside in old
        and not hours[beside].open
        and hours[hour].newest_open > hours[beside].oldest
    }
    return [*sorted(again - set(wanted)), *wanted]


class Settler:
    """Settles and attributes the hours of a lake.

    Args:
        lake: The open lake.
        inventories: Its inventory.
        progress: Called with (hours done, hours to do).
    """

    def __init__(
        self,
        lake: Lake,
        inventories: Inventories,
        *,
        progress: Progress = lambda done, wanted: None,
    ) -> None:
        self._lake = lake
        self._inventories = inventories
        self._progress = progress
        self._lateness = timedelta(minutes=lake.settings.lateness_minutes)
        self._left_alone = 0

    def settle_due(self, *, now: datetime) -> Rewritten:
        """Settle the hours that are old enough; return what was rewritten.

        Raises:
            LakeError: The lake cannot be read or written; nothing is lost.
        """
        hours = hours_of(self._lake.load(FLOWS))
        return self._each(due(hours, now=now, lateness=self._lateness), op="settle")

    def settle(
        self, *, since: datetime | None, until: datetime | None, now: datetime
    ) -> Rewritten:
        """Settle again whatever lies in ``[since, until)`` and is old enough."""
        hours = hours_of(self._lake.load(FLOWS))
        old = due_by_age(hours, now=now, lateness=self._lateness)
        wanted = [h for h in old if _within(h, since, until)]
        return self._each(_with_neighbours(hours, wanted, set(old)), op="settle")

    def attribute(self, *, now: datetime, everything: bool = False) -> Rewritten:
        """Attribute again the hours of which the inventory knows more than before.

        Args:
            now: The present; UTC.
            everything: All hours, whatever is known.
        """
        stored = self._lake.load(FLOWS)
        hours = hours_of(stored)
        change = reopened(self._lake, stored)
        self._left_alone = 0
        wanted = list(hours) if everything else change.hours(hours)
        old = set(due_by_age(hours, now=now, lateness=self._lateness))
        settled = _with_neighbours(hours, [h for h in wanted if h in old], old)
        young = [h for h in wanted if h not in old]
        done = self._each(settled, op="attribute")
        done += self._each(young, op="attribute", only_enrich=True)
        if not self._left_alone:  # else the next run does them
            change.absorb(self._lake)
        return done

    def _each(
        self, wanted: Sequence[int], *, op: str, only_enrich: bool = False
    ) -> Rewritten:
        done = Rewritten()
        for number, hour in enumerate(wanted):
            done += self._hour(hour, op=op, only_enrich=only_enrich)
            self._progress(number + 1, len(wanted))
        return done

    def _hour(self, hour: int, *, op: str, only_enrich: bool) -> Rewritten:
        """Rewrite one hour, planned again whenever another rewrite was faster."""
        for _ in range(ATTEMPTS):
            try:
                return self._rewrite(hour, op=op, only_enrich=only_enrich)
            except CommitConflict as error:
                log.info("hour_planned_again", hour=hour, why=str(error))
        log.warning("hour_left_alone", hour=hour)
        self._left_alone += 1
        return Rewritten()

    def _rewrite(self, hour: int, *, op: str, only_enrich: bool) -> Rewritten:
        stored = self._lake.load(FLOWS)
        mark = attributed_mark(stored)
        enricher = self._inventories.newest()
        hours = hours_of(stored)
        if hour not in hours:
            return Rewritten()

        def same_mark(found: IcebergTable, since: Sequence[Snapshot]) -> None:
            del since
            if attributed_mark(found) != mark:
                raise CommitConflict("the inventory was absorbed meanwhile")

        beside = [f for h in (hour - 1, hour + 1) if h in hours for f in hours[h].files]
        rows = HourRows(stored, hours[hour].files, () if only_enrich else beside)

        def runs(loaded: IcebergTable) -> Iterator[pa.Table]:
            del loaded
            if only_enrich:
                return map(enricher, rows.batches())
            return rows.settled(enricher.attributor, _reporting(self._lake, hour))

        return exchange(
            self._lake,
            FLOWS,
            hours[hour].files,
            runs,
            op=op,
            summary=hours_property([hour]),
            check=same_mark,
        )


def due_by_age(
    hours: Iterable[int], *, now: datetime, lateness: timedelta
) -> list[int]:
    """Return the hours that ended longer ago than records may be late."""
    return [h for h in hours if EPOCH + (h + 1) * HOUR + lateness <= now]


def _within(hour: int, since: datetime | None, until: datetime | None) -> bool:
    begins = EPOCH + hour * HOUR
    return (since is None or begins + HOUR > since) and (
        until is None or begins < until
    )


def _reporting(lake: Lake, hour: int) -> list[tuple[str, str | None]]:
    """Return interfaces and the flow logs that reported their silence near an hour."""
    since, until = EPOCH + (hour - 1) * HOUR, EPOCH + (hour + 2) * HOUR
    stored = lake.load(SILENCES)
    found: set[tuple[str, str | None]] = set()
    files = live_files(stored, since=since, until=until)
    columns = ("interface_id", "start_time", "flow_log_id")
    for rows in batches(SILENCES, stored, files, columns):
        if "interface_id" in rows.column_names:
            start = rows["start_time"]
            near = pc.and_(pc.greater_equal(start, since), pc.less(start, until))
            some = rows.filter(near)
            names = some["interface_id"].cast(pa.string())
            logs = pa.nulls(len(names), pa.string())
            if "flow_log_id" in some.column_names:
                logs = some["flow_log_id"].cast(pa.string())
            pairs = pa.table([names, logs], names=["interface", "log"])
            for pair in pairs.group_by(["interface", "log"]).aggregate([]).to_pylist():
                if pair["interface"]:
                    found.add((pair["interface"], pair["log"]))
    return sorted(found, key=lambda pair: (pair[0], pair[1] or ""))
