"""The work of one batch: fetch and decode its objects, one decoder a core."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from ingest.batch import Batch
from ingest.fetch import Fetcher
from ingest.source import SourceObject, Tally
from lake.errors import FlowlakeError, SourceError, SourceUnreadable

if TYPE_CHECKING:
    from ingest.decode.decoder import Decoder

log = structlog.get_logger()

SMALL_BYTES = 256 * 1024  # an object below this is decoded together with others
GROUP_BYTES = 4 * 1024 * 1024
GROUP_OBJECTS = 512
READ_AHEAD = 8  # chunks fetched before the decoder asks for them

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Worked:
    """What came of a batch's objects besides their rows.

    Attributes:
        failures: Objects that could not be read this time; the next run tries again.
    """

    failures: list[SourceError] = field(default_factory=list)


def work(
    sources: Sequence[SourceObject],
    batch: Batch,
    *,
    fetcher: Fetcher,
    decoder: Decoder,
    workers: int,
    progress: Progress,
) -> Worked:
    """Read every object into the batch; memory does not grow with their number.

    Args:
        sources: The objects, in time order.
        batch: Takes the rows.
        fetcher: Reads objects.
        decoder: Decodes them.
        workers: Objects decoded at once.
        progress: Called with (objects, bytes) as they are done.
    """
    worked = Worked()
    items = list(group(sources))
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        reader = _Reader(batch, fetcher, decoder)
        last = len(items) - workers
        pending = {
            pool.submit(reader.read if number < last else reader.read_last, item): item
            for number, item in enumerate(items)
        }
        try:
            for done in as_completed(pending):
                worked.failures.extend(done.result())
                item = pending.pop(done)
                progress(len(item), sum(source.size for source in item))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    for failure in worked.failures:
        log.warning("object_failed", location=failure.location, reason=failure.reason,
                    detail=failure.detail)  # fmt: skip
    return worked


def group(sources: Sequence[SourceObject]) -> Iterator[list[SourceObject]]:
    """Cut the work into items: a large object alone, small ones together."""
    small: list[SourceObject] = []
    size = 0
    for source in sources:
        if source.size >= SMALL_BYTES:
            yield [source]
            continue
        if small and (size + source.size > GROUP_BYTES or len(small) == GROUP_OBJECTS):
            yield small
            small, size = [], 0
        small.append(source)
        size += source.size
    if small:
        yield small


@dataclass(frozen=True, slots=True)
class _Reader:
    batch: Batch
    fetcher: Fetcher
    decoder: Decoder

    def read(self, item: list[SourceObject]) -> list[SourceError]:
        """Read one item; return the objects that failed.

        Whatever one object makes us raise is that object's failure: a group is read
        again object by object, to find out whose. The lake's errors are not its.
        """
        try:
            if len(item) == 1 and item[0].size >= SMALL_BYTES:
                return self._read_large(item[0])
            return self._read_small(item)
        except _Unexpected as unexpected:
            if len(item) > 1:
                return [failed for source in item for failed in self.read([source])]
            return [_failure(item[0], unexpected.cause)]

    def read_last(self, item: list[SourceObject]) -> list[SourceError]:
        """Read one item behind which there is hardly another one for this worker."""
        failed = self.read(item)
        self.batch.write_much()
        return failed

    def _read_large(self, source: SourceObject) -> list[SourceError]:
        tally = Tally(source)
        staged = self.batch.stage(tally)
        try:
            with _fence(), ReadAhead(self.fetcher.stream(source)) as chunks:
                for decoded in self.decoder.decode(source, chunks, tally):
                    staged.add(decoded)
        except SourceUnreadable as error:
            self.batch.add(self.decoder.whole(tally, error), [tally])
        except SourceError as error:
            return [error]
        else:
            staged.join()
        return []

    def _read_small(self, item: list[SourceObject]) -> list[SourceError]:
        bodies: list[tuple[SourceObject, bytes, Tally]] = []
        failures: list[SourceError] = []
        with _fence():
            for source, body in self.fetcher.read_many(item):
                if isinstance(body, SourceError):
                    failures.append(body)
                else:
                    bodies.append((source, body, Tally(source)))
            parts, unreadable = self.decoder.decode_small(bodies)
            wholes = [self.decoder.whole(tally, error) for tally, error in unreadable]
        for decoded in parts:
            self.batch.add(decoded, [])
        self.batch.add_evidence(wholes, [tally for _, _, tally in bodies])
        return failures


class _Unexpected(Exception):
    """Something that no error of ours stands for was raised while reading objects."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause
        super().__init__(str(cause))


@contextmanager
def _fence() -> Iterator[None]:
    try:
        yield
    except (FlowlakeError, MemoryError):
        raise
    except Exception as error:  # an object may make any library raise anything
        raise _Unexpected(error) from error


def _failure(source: SourceObject, cause: Exception) -> SourceError:
    log.error("object_broke_the_reader", location=source.location, exc_info=cause)
    return SourceError(source.location, f"unexpected {type(cause).__name__}: {cause}")


class ReadAhead:
    """Fetches chunks on a thread of its own, a bounded few ahead of the decoder."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._queue: queue.Queue[bytes | BaseException | None] = queue.Queue(READ_AHEAD)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fetch", daemon=True)

    def __enter__(self) -> Iterator[bytes]:
        self._thread.start()
        return self._received()

    def __exit__(self, *exc: object) -> None:
        self._stopped.set()
        while self._thread.is_alive():
            self._drain()
            self._thread.join(0.01)

    def _received(self) -> Iterator[bytes]:
        while (item := self._queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def _run(self) -> None:
        try:
            for chunk in self._chunks:
                if self._stopped.is_set():
                    return
                self._queue.put(chunk)
            self._queue.put(None)
        except BaseException as error:  # handed to the decoder's thread
            self._queue.put(error)

    def _drain(self) -> None:
        while True:
            try:
                self._queue.get_nowait()
            except queue.Empty:
                return
