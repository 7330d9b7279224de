"""Settling and attributing again: hours whose records have come, or may be wrong.

An hour is settled once it is old enough; again, together with its neighbours, when
late records came; and again when the inventory knows more of its time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import structlog
from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.types import BooleanType

from ingest.enriching import Enricher, Inventories, with_columns
from ingest.reopened import attributed_mark, reopened
from lake.catalog import Lake
from lake.datafiles import EPOCH
from lake.errors import CommitConflict
from lake.rewrite import (
    ATTEMPTS,
    Rewritten,
    exchange,
    hour_of,
    hours_property,
    live_files,
    read_rows,
)
from lake.schema import DERIVED, SIDE_FIELDS
from lake.tables import FLOWS, SILENCES
from transform.settle import settle

log = structlog.get_logger()

HOUR = timedelta(hours=1)
DERIVED_COLUMNS = {
    f.name for f in (*SIDE_FIELDS, *DERIVED)
} - {"src_address", "dst_address", "observer"}  # fmt: skip
# What settling needs of the hours beside the one to be settled.
NEIGHBOUR_COLUMNS = (
    "account_id", "interface_id", "srcaddr", "dstaddr", "srcport", "dstport",
    "protocol", "start_time", "end_time", "action", "vpc_id", "subnet_id",
    "instance_id", "tcp_flags", "pkt_srcaddr", "pkt_dstaddr", "az_id",
    "pkt_src_aws_service", "pkt_dst_aws_service", "flow_direction", "traffic_path",
    "resource_id", "interface_type", "reject_reason", "src_address", "dst_address",
    "observer", "flow_log_id",
)  # fmt: skip

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
    old = {h for h in hours if EPOCH + (h + 1) * HOUR + lateness <= now}
    fresh = [h for h in hours if h in old and hours[h].open]
    again = {
        beside
        for hour in fresh
        for beside in (hour - 1, hour + 1)
        if beside in old
        and beside in hours
        and not hours[beside].open
        and hours[hour].newest_open > hours[beside].oldest
    }
    return [*sorted(again), *fresh]


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
        return self._each(wanted, op="settle")

    def attribute(self, *, now: datetime, everything: bool = False) -> Rewritten:
        """Attribute again the hours of which the inventory knows more than before.

        Args:
            now: The present; UTC.
            everything: All hours, whatever is known.
        """
        stored = self._lake.load(FLOWS)
        hours = hours_of(stored)
        change = reopened(self._lake, stored)
        wanted = list(hours) if everything else change.hours(hours)
        old = set(due_by_age(hours, now=now, lateness=self._lateness))
        settled = [h for h in wanted if h in old]
        young = [h for h in wanted if h not in old]
        done = self._each(settled, op="attribute")
        done += self._each(young, op="attribute", only_enrich=True)
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

        work = _Hour(self._lake, stored, hours, hour, enricher, only_enrich=only_enrich)
        return exchange(
            self._lake,
            FLOWS,
            hours[hour].files,
            lambda loaded: work.runs(),
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


class _Hour:
    """The rows of one hour and those beside it, and what comes of them."""

    def __init__(
        self,
        lake: Lake,
        stored: IcebergTable,
        hours: dict[int, HourFiles],
        hour: int,
        enricher: Enricher,
        *,
        only_enrich: bool,
    ) -> None:
        self._lake = lake
        self._stored = stored
        self._hours = hours
        self._hour = hour
        self._enricher = enricher
        self._only_enrich = only_enrich

    def runs(self) -> Iterator[pa.Table]:
        """Yield the hour's rows with everything derived anew."""
        mine = read_rows(FLOWS, self._stored, self._hours[self._hour].files)
        mine = mine.drop_columns(
            [name for name in mine.column_names if name in DERIVED_COLUMNS]
        )
        if self._only_enrich:
            yield self._enricher(mine)
            return
        beside = [
            read_rows(FLOWS, self._stored, self._hours[h].files, NEIGHBOUR_COLUMNS)
            for h in (self._hour - 1, self._hour + 1)
            if h in self._hours
        ]
        together = pa.concat_tables([mine, *beside], promote_options="default")
        derived = settle(
            together.unify_dictionaries(),
            self._enricher.attributor,
            reporting=self._reporting(),
        )
        count = mine.num_rows
        yield with_columns(mine, {n: a.slice(0, count) for n, a in derived.items()})

    def _reporting(self) -> list[str]:
        """Return the interfaces that reported silence around the hour."""
        begins = EPOCH + self._hour * HOUR
        stored = self._lake.load(SILENCES)
        found: set[str] = set()
        for file in live_files(stored, since=begins - HOUR, until=begins + 2 * HOUR):
            rows = read_rows(SILENCES, stored, [file], ("interface_id", "start_time"))
            found.update(_heard(rows, begins - HOUR, begins + 2 * HOUR))
        return sorted(found)


def _heard(rows: pa.Table, since: datetime, until: datetime) -> Iterator[Any]:
    if "interface_id" not in rows.column_names:
        return
    start = rows["start_time"]
    near = pc.and_(pc.greater_equal(start, since), pc.less(start, until))
    names = rows.filter(near)["interface_id"].cast(pa.string())
    yield from (n for n in pc.unique(names).to_pylist() if n)
