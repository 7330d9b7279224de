"""Reading source objects: streamed, resumed, bounded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ingest.ahead import ahead
from ingest.content import ContentHash
from ingest.s3 import Sleep, as_source_error, back_off, s3_errors
from ingest.source import SourceObject
from lake.errors import (
    SourceChanged,
    SourceDenied,
    SourceError,
    SourceMissing,
    SourceUnavailable,
)

CHUNK_BYTES = 1024 * 1024
BYTES_AHEAD = 32 * CHUNK_BYTES  # of small objects, read and not yet asked for


class Fetcher:
    """Reads objects from S3 and files from disk; one client for all threads.

    Args:
        client_factory: Makes the S3 client when one is needed.
        retries: Attempts after a failed one, for each object.
        connections: Small objects read at once.
        chunk_bytes: Bytes yielded at a time.
        sleep: Waits between attempts; seconds.
    """

    def __init__(
        self,
        client_factory: Callable[[], Any],
        *,
        retries: int,
        connections: int = 16,
        chunk_bytes: int = CHUNK_BYTES,
        sleep: Sleep = time.sleep,
    ) -> None:
        self._client_factory = client_factory
        self._retries = retries
        self._connections = connections
        self._chunk_bytes = chunk_bytes
        self._sleep = sleep
        self._lock = threading.Lock()
        self._client: Any = None
        self._pool = ThreadPoolExecutor(connections, thread_name_prefix="fetch")

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(cancel_futures=True)

    def stream(self, source: SourceObject) -> Iterator[bytes]:
        """Yield an object's stored bytes, resuming where a body breaks off.

        Raises:
            SourceMissing: Deleted since it was listed.
            SourceDenied: It may not be read.
            SourceChanged: Rewritten since it was listed.
            SourceUnavailable: The store kept failing; of an object that has been
                yielded to its end, that its checksum is wrong.
        """
        if source.location.startswith("s3://"):
            return self._remote(source)
        return _local(source, self._chunk_bytes)

    def read(self, source: SourceObject) -> bytes:
        """Return a whole small object; raises as `stream` does."""
        return b"".join(self.stream(source))

    def read_many(
        self, sources: Sequence[SourceObject]
    ) -> Iterator[tuple[SourceObject, bytes | SourceError]]:
        """Read small objects, a bounded many at once, in their order.

        Yields:
            Each object with its bytes, or with the error that kept it from being read.
        """
        if all(not source.location.startswith("s3://") for source in sources):
            return ((source, self._attempt(source)) for source in sources)
        return ahead(
            self._pool,
            self._attempt,
            sources,
            most=2 * self._connections,
            weigh=lambda source: source.size,
            most_weight=BYTES_AHEAD,
        )

    def _attempt(self, source: SourceObject) -> bytes | SourceError:
        try:
            return self.read(source)
        except SourceError as error:
            return error

    def _remote(self, source: SourceObject) -> Iterator[bytes]:
        """Yield an object's bytes; only attempts that gain nothing use up retries."""
        reached = failures = 0
        while reached < source.size:
            began = reached
            try:
                for chunk in self._body(source, reached):
                    reached += len(chunk)
                    yield chunk
                _all_read(source, reached)
            except SourceUnavailable as error:
                if reached - began >= self._chunk_bytes:
                    failures = 0
                if failures >= self._retries or reached >= source.size:
                    raise
                back_off(
                    failures, location=source.location, error=error, sleep=self._sleep
                )
                failures += 1

    def _body(self, source: SourceObject, reached: int) -> Iterator[bytes]:
        try:
            body = self._open(source, reached)
            try:
                while chunk := body.read(self._chunk_bytes):
                    yield chunk
            finally:
                body.close()
        except s3_errors() as error:
            raise as_source_error(error, source.location) from error

    def _open(self, source: SourceObject, reached: int) -> Any:
        bucket, _, key = source.location.removeprefix("s3://").partition("/")
        more = {"Range": f"bytes={reached}-"} if reached else {}
        answer = self._s3().get_object(
            Bucket=bucket, Key=key, IfMatch=f'"{source.etag}"', **more
        )
        begins = answer.get("ContentRange", "bytes 0-").startswith(f"bytes {reached}-")
        if not begins:
            answer["Body"].close()
            raise SourceUnavailable(source.location, f"no part from byte {reached} on")
        return answer["Body"]

    def _s3(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._client_factory()
            return self._client


def _all_read(source: SourceObject, reached: int) -> None:
    if reached < source.size:
        raise SourceUnavailable(source.location, f"ended after {reached} bytes")


def _local(source: SourceObject, chunk_bytes: int) -> Iterator[bytes]:
    content = ContentHash()
    try:
        with Path(source.location).open("rb") as body:
            while chunk := body.read(chunk_bytes):
                content.update(chunk)
                yield chunk
    except FileNotFoundError as error:
        raise SourceMissing(source.location, str(error)) from error
    except PermissionError as error:
        raise SourceDenied(source.location, str(error)) from error
    except OSError as error:
        raise SourceUnavailable(source.location, str(error)) from error
    if content.etag() != source.etag:
        raise SourceChanged(source.location, "its content is not what was listed")
