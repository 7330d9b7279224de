"""Planning: which listed objects are new, and in which batches to take them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ingest.known import Ingested, Known
from ingest.source import SourceObject

EARLIEST = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Plan:
    """What a run has to do.

    Attributes:
        new: Objects to read.
        rewritten: Known objects whose etag has changed at the same place.
        doubled: Known objects that two runs took for different kinds of log.
        skipped: Known objects, copies included.
        copies: Known objects that lie at another place too.
    """

    new: list[SourceObject] = field(default_factory=list)
    rewritten: list[SourceObject] = field(default_factory=list)
    doubled: list[SourceObject] = field(default_factory=list)
    skipped: int = 0
    copies: int = 0

    def group_of(
        self, source: SourceObject, found: Ingested | None
    ) -> list[SourceObject] | None:
        """Return the list that an object belongs to, None if it is to be left."""
        if found is None:
            return self.new
        if found.doubled:
            return self.doubled
        if found.location == source.location and found.etag != source.etag:
            return self.rewritten
        return None

    @property
    def size(self) -> int:
        """Bytes of the new objects, as stored."""
        return sum(source.size for source in self.new)


def make_plan(known: Known | None, pages: Iterable[list[SourceObject]]) -> Plan:
    """Sort every listed object into new, rewritten and known.

    Args:
        known: What the lake holds; None: there is no lake.
        pages: The listing.
    """
    plan = Plan()
    planned: dict[str, str] = {}
    for page in pages:
        for source in page:
            _place(plan, planned, source, known.find(source) if known else None)
    return plan


def _place(
    plan: Plan, planned: dict[str, str], source: SourceObject, found: Ingested | None
) -> None:
    first = planned.get(source.identity) or (found.location if found else None)
    if source.identity not in planned:
        wanted = plan.group_of(source, found)
        if wanted is not None:
            planned[source.identity] = source.location
            wanted.append(source)
            return
    plan.copies += first != source.location
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
