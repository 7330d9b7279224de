"""Planning: which listed objects are new, and in which batches to take them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import pyarrow as pa
from pyiceberg.expressions import BooleanExpression, EqualTo, IsNull
from pyiceberg.table import Table as IcebergTable

from ingest.source import SourceObject
from lake.catalog import Lake
from lake.follow import read_evidence, unabsorbed
from lake.tables import HEADS, SOURCES

DAYS_REMEMBERED = 16  # of `sources`, each some 100 bytes an object
EARLIEST = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Ingested:
    """What the lake knows of an object that it has read."""

    location: str
    etag: str | None
    ingested_at: datetime


class Known:
    """The objects that are in the lake: `sources`, and evidence above its marks.

    `sources` and its marks are loaded first, the heads second; whoever lists after
    that cannot see an object as new that a committed snapshot names.

    Args:
        lake: The open lake.

    Raises:
        FollowerStopped: `sources` cannot say what it has absorbed.
    """

    def __init__(self, lake: Lake) -> None:
        self._sources = lake.load(SOURCES)
        self.heads: dict[str, IcebergTable] = {h.name: lake.load(h) for h in HEADS}
        self._recent: dict[str, Ingested] = {}
        for head in HEADS:
            newer = unabsorbed(
                self._sources, self.heads[head.name], ledger=SOURCES, head=head
            )
            rows = read_evidence(self._sources.io, newer, SOURCES)
            _remember(self._recent, rows)
        self._days: OrderedDict[date | None, dict[str, Ingested]] = OrderedDict()

    def find(self, source: SourceObject) -> Ingested | None:
        """Return what the lake knows of the object, None if it is new."""
        recent = self._recent.get(source.identity)
        if recent is not None:
            return recent
        day = source.key_time.date() if source.key_time else None
        return self._of_day(day).get(source.identity)

    def _of_day(self, day: date | None) -> dict[str, Ingested]:
        if day in self._days:
            self._days.move_to_end(day)
            return self._days[day]
        columns = ("source_object", "location", "etag", "ingested_at")
        scan = self._sources.scan(row_filter=_on(day), selected_fields=columns)
        found: dict[str, Ingested] = {}
        _remember(found, scan.to_arrow())
        self._days[day] = found
        if len(self._days) > DAYS_REMEMBERED:
            self._days.popitem(last=False)
        return found


def _on(day: date | None) -> BooleanExpression:
    # PyIceberg's pydantic models hide their positional __init__ from mypy.
    if day is None:
        return IsNull("day")  # type: ignore[call-arg, arg-type]
    return EqualTo("day", day.isoformat())  # type: ignore[call-arg, arg-type]


def _remember(into: dict[str, Ingested], rows: pa.Table) -> None:
    """Keep the newest row of each object: a replaced object has more than one."""
    columns = ("source_object", "location", "etag", "ingested_at")
    for identity, location, etag, at in zip(
        *(rows[name].to_pylist() for name in columns), strict=True
    ):
        before = into.get(identity)
        if before is None or before.ingested_at <= at:
            into[identity] = Ingested(location, etag, at)


@dataclass(slots=True)
class Plan:
    """What a run has to do.

    Attributes:
        new: Objects to read.
        rewritten: Known objects whose etag has changed at the same place.
        skipped: Known objects, copies included.
        copies: Known objects that lie at another place too.
    """

    new: list[SourceObject] = field(default_factory=list)
    rewritten: list[SourceObject] = field(default_factory=list)
    skipped: int = 0
    copies: int = 0

    @property
    def size(self) -> int:
        """Bytes of the new objects, as stored."""
        return sum(source.size for source in self.new)


def make_plan(known: Known, pages: Iterable[list[SourceObject]]) -> Plan:
    """Sort every listed object into new, rewritten and known."""
    plan = Plan()
    planned: dict[str, str] = {}
    for page in pages:
        for source in page:
            _place(plan, planned, source, known.find(source))
    return plan


def _place(
    plan: Plan, planned: dict[str, str], source: SourceObject, found: Ingested | None
) -> None:
    if found is None and source.identity not in planned:
        planned[source.identity] = source.location
        plan.new.append(source)
        return
    first = found.location if found else planned[source.identity]
    if first != source.location:
        plan.copies += 1
    elif found and found.etag != source.etag:
        plan.rewritten.append(source)
        return
    plan.skipped += 1


def batches(
    sources: list[SourceObject], *, max_bytes: int, max_objects: int
) -> Iterator[list[SourceObject]]:
    """Cut the work into batches, newest first, in time order within a batch.

    Newest first, so that a back-fill answers today's questions first; in time order
    within, so that few hours are open at once.
    """
    newest_first = sorted(
        sources, key=lambda s: (s.key_time or EARLIEST, s.location), reverse=True
    )
    batch: list[SourceObject] = []
    size = 0
    for source in newest_first:
        if batch and (size + source.size > max_bytes or len(batch) >= max_objects):
            yield batch[::-1]
            batch, size = [], 0
        batch.append(source)
        size += source.size
    if batch:
        yield batch[::-1]
