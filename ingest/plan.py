"""Planning: which listed objects are new, and which are no longer what was read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import structlog

from ingest.known import Ingested, Known
from ingest.objects import Objects
from ingest.source import SourceObject

log = structlog.get_logger()

WINDOW = 500_000  # objects of a listing looked up together, day by day
LOT = 50_000  # of one day, unpacked at once
PLANNED = 500_000  # objects that wait to be loaded: more are listed after that


@dataclass(slots=True)
class Plan:
    """What a run has to do.

    Attributes:
        new: Objects to read.
        rewritten: Known objects that have been written again since they were read:
            at the same place another etag, or at another place one written later.
        doubled: Known objects that two runs took for different kinds of log.
        skipped: Known objects, copies included.
        copies: Known objects that lie at another place too.
        differing: Copies whose etag is another: rewritten before the one known was
            read, or uploaded in other parts.
    """

    new: Objects = field(default_factory=Objects)
    rewritten: Objects = field(default_factory=Objects)
    doubled: Objects = field(default_factory=Objects)
    skipped: int = 0
    copies: int = 0
    differing: int = 0

    @property
    def size(self) -> int:
        """Bytes of the new objects, as stored."""
        return self.new.size

    @property
    def waiting(self) -> int:
        """Objects that it holds."""
        return len(self.new) + len(self.rewritten) + len(self.doubled)

    def add(self, known: Known | None, window: Objects) -> None:
        """Place a part of a listing.

        A listing comes in the order of accounts and Regions, `sources` is kept by the
        day: so a part is looked up day by day, each day read once.

        Args:
            known: What the lake holds; None: there is no lake.
            window: The part.
        """
        for day, lot in window.by_day(LOT):
            found = known.find(day, lot) if known else {}
            for source in lot:
                self.place(source, found.get(source.identity))

    def place(self, source: SourceObject, found: Ingested | None) -> None:
        """Put an object where it belongs, by what the lake knows of it."""
        if found is None:
            self.new.extend([source])
        elif found.doubled:
            self.doubled.extend([source])
        elif _is_rewritten(source, found):
            self.rewritten.extend([source])
        else:
            self.skip(
                source,
                copy=found.location != source.location,
                differs=found.etag not in (None, source.etag),
            )

    def drop_repeated(self) -> None:
        """Leave one of each object that is to be read: the one written last.

        Of those with one etag, the one listed first.
        """
        for objects in (self.new, self.rewritten, self.doubled):
            for group in objects.repeated():
                kept = _to_be_read([source for _, source in group])
                for place, source in group:
                    if source is not kept:
                        objects.drop(place)
                        self.skip(
                            source,
                            copy=source.location != kept.location,
                            differs=source.etag != kept.etag,
                        )

    def skip(self, source: SourceObject, *, copy: bool, differs: bool) -> None:
        """Leave an object."""
        self.skipped += 1
        self.copies += copy
        if differs:
            self.differing += 1
            log.debug("copy_differs", location=source.location, etag=source.etag)


def make_plan(known: Known | None, pages: Iterable[list[SourceObject]]) -> Plan:
    """Sort every listed object into new, rewritten and known.

    Args:
        known: What the lake holds; None: there is no lake.
        pages: The listing.
    """
    plan = Plan()
    for window in windows(pages):
        plan.add(known, window)
        del window  # before the next one is listed
    plan.drop_repeated()
    return plan


def plan_in_parts(
    know: Callable[[], Known], pages: Iterable[list[SourceObject]]
) -> Iterator[tuple[Known, Plan]]:
    """Plan a listing of any length in bounded memory.

    The listing goes on once a part has been loaded. The next part is planned with what
    the lake holds by then, so that what is listed again, under another prefix, is
    known. Of copies that differ and are of two parts, the first listed is read.

    Args:
        know: Asks the lake what it holds now.
        pages: The listing.

    Yields:
        Plans with what they were made with; at least one.
    """
    known, plan = know(), Plan()
    for window in windows(pages):
        plan.add(known, window)
        del window  # before the next one is listed
        if plan.waiting >= PLANNED:
            plan.drop_repeated()
            yield known, plan
            known, plan = know(), Plan()
    plan.drop_repeated()
    yield known, plan


def windows(pages: Iterable[list[SourceObject]]) -> Iterator[Objects]:
    """Yield a listing in bounded parts, packed."""
    window = Objects()
    for page in pages:
        window.extend(page)
        if len(window) >= WINDOW:
            full, window = window, Objects()
            yield full
            del full
    if window:
        yield window


def _is_rewritten(source: SourceObject, found: Ingested) -> bool:
    """Whether an object has been written again since it was read.

    At another place another etag alone does not say so: a copy may have been
    uploaded in other parts. Only what was written after the known one was read
    counts, so that two places never replace each other in turn.
    """
    if found.etag is None or found.etag == source.etag:
        return False
    return source.location == found.location or source.modified > found.ingested_at


def _to_be_read(group: list[SourceObject]) -> SourceObject:
    if len({source.etag for source in group}) == 1:
        return group[0]
    return max(group, key=lambda source: source.modified)
