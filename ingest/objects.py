"""Listed objects, packed: millions of them wait in a plan."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any

import numpy as np

from ingest.listing import source_object
from ingest.source import SourceObject

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
NO_TIME = np.iinfo(np.int64).min  # sorts before every time
DAY_US = 86_400_000_000


class Objects:
    """A growing list of objects, some 120 bytes each in place of 840.

    What names have in common (bucket, folders, account, Region, flow log) is kept
    once; what a name tells is told again when an object is asked for.

    Args:
        sources: To begin with.
    """

    def __init__(self, sources: Iterable[SourceObject] = ()) -> None:
        self._beginnings: dict[str, int] = {}
        self._began = array("I")
        self._texts = bytearray()  # of each object the rest of its location, its etag
        self._ends = array("Q")
        self._sizes = array("q")
        self._modified = array("q")
        self._times = array("q")
        self._hashes = array("q")
        self._dropped = bytearray()
        self._left = 0
        self.size = 0
        self.extend(sources)

    def __len__(self) -> int:
        return self._left

    def __iter__(self) -> Iterator[SourceObject]:
        beginnings = list(self._beginnings)
        places = self._places(np.arange(len(self._ends)))
        return (self._get(place, beginnings) for place in places)

    def extend(self, sources: Iterable[SourceObject]) -> None:
        """Add objects."""
        for source in sources:
            beginning, rest = _cut(source.location)
            number = self._beginnings.setdefault(beginning, len(self._beginnings))
            self._began.append(number)
            self._texts += f"{rest}\n{source.etag}".encode()
            self._ends.append(len(self._texts))
            self._sizes.append(source.size)
            self._modified.append((source.modified - EPOCH) // MICROSECOND)
            time = source.key_time
            self._times.append((time - EPOCH) // MICROSECOND if time else NO_TIME)
            self._hashes.append(hash(source.identity))
            self._dropped.append(0)
            self._left += 1
            self.size += source.size

    def _take(self, places: Sequence[int]) -> list[SourceObject]:
        beginnings = list(self._beginnings)
        return [self._get(place, beginnings) for place in places]

    def by_day(self, most: int) -> Iterator[tuple[date | None, list[SourceObject]]]:
        """Yield the objects by the day in their names, so many at a time."""
        days = self._column(self._times) // DAY_US
        order = np.argsort(days, kind="stable")
        for _, places in groupby(self._places(order), key=days.__getitem__):
            of_day = list(places)
            for begin in range(0, len(of_day), most):
                lot = self._take(of_day[begin : begin + most])
                time = lot[0].key_time
                yield (time.date() if time else None), lot

    def newest_first(
        self, *, max_bytes: int, max_objects: int
    ) -> Iterator[list[SourceObject]]:
        """Cut the objects into batches, newest first, in time order within a batch.

        Newest first, so that a back-fill answers today's questions first; in time
        order within, so that few hours are open at once.
        """
        order = np.argsort(self._column(self._times), kind="stable")[::-1]
        batch: list[int] = []
        size = 0
        for place in self._places(order):
            more = self._sizes[place]
            if batch and (size + more > max_bytes or len(batch) >= max_objects):
                yield self._take(batch[::-1])
                batch, size = [], 0
            batch.append(place)
            size += more
        if batch:
            yield self._take(batch[::-1])

    def repeated(self) -> Iterator[list[tuple[int, SourceObject]]]:
        """Yield, with their places, the objects of each identity that comes again."""
        hashes = self._column(self._hashes)
        order = np.argsort(hashes, kind="stable")
        again = np.flatnonzero(np.diff(hashes[order]) == 0) + 1
        run: list[int] = []
        for position in again.tolist():
            if run and run[-1] != position - 1:
                yield from self._alike(order[run[0] - 1 : run[-1] + 1].tolist())
                run = []
            run.append(position)
        if run:
            yield from self._alike(order[run[0] - 1 : run[-1] + 1].tolist())

    def drop(self, place: int) -> None:
        """Take an object out; the others keep their places."""
        self._left -= 1
        self.size -= self._sizes[place]
        self._dropped[place] = 1

    def _alike(self, places: list[int]) -> Iterator[list[tuple[int, SourceObject]]]:
        """Group objects whose hashes are equal, which may be chance, by identity."""
        found: dict[str, list[tuple[int, SourceObject]]] = {}
        for place, source in zip(places, self._take(places), strict=True):
            found.setdefault(source.identity, []).append((place, source))
        return (group for group in found.values() if len(group) > 1)

    def _places(self, order: Any) -> Iterator[int]:
        return (place for place in order.tolist() if not self._dropped[place])

    def _column(self, values: array[int]) -> Any:
        return np.frombuffer(values, dtype=np.int64) if values else np.zeros(0, int)

    def _get(self, place: int, beginnings: Sequence[str]) -> SourceObject:
        begin = self._ends[place - 1] if place else 0
        text = self._texts[begin : self._ends[place]].decode()
        rest, _, etag = text.rpartition("\n")
        location = beginnings[self._began[place]] + rest
        return source_object(
            location,
            etag=etag,
            size=self._sizes[place],
            modified=EPOCH + self._modified[place] * MICROSECOND,
            local=not location.startswith("s3://"),
        )


def _cut(location: str) -> tuple[str, str]:
    """Cut off what an AWS-shaped name has to itself: its time and hash."""
    cut = location.rfind("_", 0, max(location.rfind("_"), 0)) + 1
    cut = cut or location.rfind("/") + 1
    return location[:cut], location[cut:]
