"""One verification: list as `ingest` does, read again, compare, lot by lot."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

from ingest.ahead import ahead
from ingest.fetch import Fetcher
from ingest.job import Request, listed
from ingest.listing import Selection
from ingest.plan import windows
from ingest.s3 import client
from ingest.source import SourceObject
from ingest.verify.compare import Checked, Facts, compare
from ingest.verify.gone import Seen, gone
from ingest.verify.held import Held, Holdings, Window
from ingest.verify.recount import Recount, recount
from ingest.verify.report import Report
from ingest.verify.sample import Sample
from ingest.work import SMALL_BYTES, Progress, ReadAhead, group
from lake.catalog import Lake
from lake.datafiles import EPOCH
from lake.errors import SourceError

LOT = 20_000  # objects of one day compared together, each some 3 KB until it is
NEAR = timedelta(hours=1)  # windows so near each other are read as one
UNREAD_SPAN = timedelta(days=1)  # where records of an object that was not read may lie

Read = Recount | SourceError | None


class Verification:
    """Compares source objects with the lake as it is now; writes nothing.

    Args:
        lake: The open lake.
        request: Names the sources, as for `ingest`.
        sample: Which of them are read again.
        show: Bad objects to name.
        on_checked: Called with each object's outcome.
        on_listed: Called with the bytes of each part of the listing.
        progress: Called with (objects, bytes) as they are done.

    Raises:
        LakeError: The lake cannot be read.
    """

    def __init__(
        self,
        lake: Lake,
        request: Request,
        *,
        sample: Sample,
        show: int,
        on_checked: Callable[[Checked], None] = lambda checked: None,
        on_listed: Callable[[int], None] = lambda size: None,
        progress: Progress = lambda objects, size: None,
    ) -> None:
        settings = lake.settings
        self._settings = settings
        self._request = request
        self._sample = sample
        self._on_checked = on_checked
        self._on_listed = on_listed
        self._progress = progress
        self._workers = settings.workers or os.cpu_count() or 1
        self._holdings = Holdings(lake, workers=self._workers)
        self._facts = Facts(
            retained=self._holdings.retained,
            begun=self._holdings.begun,
            max_quarantine_rows=settings.max_quarantine_rows,
        )
        self.report = Report(show=show, snapshots=self._holdings.snapshots())

    def run(self) -> Report:
        """Check every object that is listed, then what is no longer listed."""
        began, seen = time.monotonic(), Seen()
        fetcher = Fetcher(
            lambda: client(self._settings),
            retries=self._settings.s3_retries,
            connections=self._settings.fetchers,
        )
        whole: list[str] = []
        try:
            pages = self._sample.of(map(seen.note, self._listed(whole)))
            for window in windows(pages):
                self._on_listed(window.size)
                for day, lot in window.by_day(LOT):
                    self._check(fetcher, day, lot)
        finally:
            fetcher.close()
            self.report.elapsed_s = round(time.monotonic() - began, 3)
        for source in gone(
            self._holdings.stored_sources, seen, whole, self._selection()
        ):
            self._tell(Checked(source, "gone", why="no longer listed"))
        self.report.elapsed_s = round(time.monotonic() - began, 3)
        return self.report

    def _listed(self, whole: list[str]) -> Iterator[list[SourceObject]]:
        """List each source; note those that were listed to their end."""
        for place in self._request.sources:
            failed = self.report.listing.failed
            one = replace(self._request, sources=(place,))
            yield from listed(one, self._settings, self.report.listing)
            if self.report.listing.failed == failed:
                whole.append(place)

    def _selection(self) -> Selection:
        request = self._request
        return Selection.with_slack(
            now=datetime.now(UTC),
            since=request.since,
            until=request.until,
            slack=request.slack,
            days=request.days,
            shard=request.shard,
        )

    def _check(
        self, fetcher: Fetcher, day: date | None, lot: list[SourceObject]
    ) -> None:
        held = self._holdings.sources(day, lot)
        read = self._read(fetcher, lot, held)
        for source in lot:
            held.setdefault(source.identity, Held())
        self._holdings.add_records(held, _windows_of(lot, read, held))
        for source, found in zip(lot, read, strict=True):
            checked = compare(source, found, held[source.identity], self._facts)
            self._tell(checked)

    def _tell(self, checked: Checked) -> None:
        self.report.count(checked)
        self._on_checked(checked)

    def _read(
        self, fetcher: Fetcher, lot: list[SourceObject], held: Mapping[str, Held]
    ) -> list[Read]:
        """Recount the objects that the lake knows, some at once, in their order."""
        read_item = partial(self._read_item, fetcher, held)
        found: list[Read] = []
        with ThreadPoolExecutor(self._workers, thread_name_prefix="recount") as pool:
            most = 2 * self._workers
            for item, read in ahead(pool, read_item, group(lot), most=most):
                found += read
                self._progress(len(item), sum(source.size for source in item))
        return found

    def _read_item(
        self, fetcher: Fetcher, held: Mapping[str, Held], item: list[SourceObject]
    ) -> list[Read]:
        """Recount a large object as it streams in, or small ones together."""
        known = [source for source in item if source.identity in held]
        if len(known) == 1 and known[0].size >= SMALL_BYTES:
            return [self._streamed(fetcher, known[0], held)]
        read: dict[str, Read] = {}
        for source, body in fetcher.read_many(known):
            read[source.location] = (
                self._recounted(source, iter([body]), held)
                if isinstance(body, bytes)
                else body
            )
        return [read.get(source.location) for source in item]

    def _streamed(
        self, fetcher: Fetcher, source: SourceObject, held: Mapping[str, Held]
    ) -> Read:
        try:
            with ReadAhead(fetcher.stream(source)) as chunks:
                return self._recounted(source, chunks, held)
        except SourceError as error:
            return error

    def _recounted(
        self, source: SourceObject, chunks: Iterator[bytes], held: Mapping[str, Held]
    ) -> Recount:
        row = held[source.identity].row
        fields = row["fields"] if row else ()
        most = self._settings.max_object_bytes
        try:
            return recount(chunks, fields=fields, most_bytes=most)
        except SourceError:
            raise
        except Exception as error:  # an object may make any library raise anything
            return Recount(doubt=f"unexpected {type(error).__name__}: {error}")


def _windows_of(
    lot: Sequence[SourceObject], read: Sequence[Read], held: Mapping[str, Held]
) -> list[Window]:
    """Return when records of the objects may start, in a few windows."""
    spans: list[tuple[datetime, datetime]] = []
    for source, found in zip(lot, read, strict=True):
        times = list(_times(found, held[source.identity]))
        if not times and source.key_time is None:
            return [(None, None)]
        if not times:
            key_time = source.key_time or EPOCH
            times = [key_time - UNREAD_SPAN, key_time + UNREAD_SPAN]
        spans.append((min(times), max(times)))
    merged: list[tuple[datetime, datetime]] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1] + NEAR:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return [(first, last + timedelta(seconds=1)) for first, last in merged]


def _times(found: Read, held: Held) -> Iterator[datetime]:
    """Yield the first and last start, as the recount and the ledger have them."""
    if isinstance(found, Recount) and found.first is not None:
        yield EPOCH + timedelta(seconds=found.first)
        yield EPOCH + timedelta(seconds=found.last or found.first)
    for row in held.rows:
        if row["first_start"] is not None:
            yield row["first_start"]
            yield row["last_start"]
