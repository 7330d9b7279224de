"""Reading source objects: streamed, resumed, bounded."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import structlog
from botocore.exceptions import ClientError

from ingest.s3 import TRANSPORT_ERRORS, Sleep, as_source_error, retrying
from ingest.source import SourceObject
from lake.errors import (
    SourceChanged,
    SourceDenied,
    SourceError,
    SourceMissing,
    SourceUnavailable,
)

log = structlog.get_logger()

CHUNK_BYTES = 1024 * 1024


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
            SourceUnavailable: The store kept failing.
        """
        if not source.location.startswith("s3://"):
            yield from _local(source, self._chunk_bytes)
            return
        reached = 0
        failures = 0
        while reached < source.size:
            try:
                for chunk in self._body(source, reached):
                    reached += len(chunk)
                    yield chunk
                _all_read(source, reached)
            except SourceUnavailable:
                failures += 1
                if failures > self._retries:
                    raise
                log.info("s3_resumed", location=source.location, at=reached)

    def read(self, source: SourceObject) -> bytes:
        """Return a whole small object; raises as `stream` does."""
        return b"".join(self.stream(source))

    def read_many(
        self, sources: Sequence[SourceObject]
    ) -> Iterator[tuple[SourceObject, bytes | SourceError]]:
        """Read small objects, many at once, in their order.

        Yields:
            Each object with its bytes, or with the error that kept it from being read.
        """
        if all(not source.location.startswith("s3://") for source in sources):
            for source in sources:
                yield source, self._attempt(source)
            return
        pending: list[tuple[SourceObject, Future[bytes | SourceError]]] = [
            (source, self._pool.submit(self._attempt, source)) for source in sources
        ]
        for source, future in pending:
            yield source, future.result()

    def _attempt(self, source: SourceObject) -> bytes | SourceError:
        try:
            return self.read(source)
        except SourceError as error:
            return error

    def _body(self, source: SourceObject, reached: int) -> Iterator[bytes]:
        body = retrying(
            lambda: self._open(source, reached),
            location=source.location,
            retries=self._retries,
            sleep=self._sleep,
        )
        try:
            while chunk := body.read(self._chunk_bytes):
                yield chunk
        except TRANSPORT_ERRORS as error:
            raise as_source_error(error, source.location) from error
        finally:
            body.close()

    def _open(self, source: SourceObject, reached: int) -> Any:
        bucket, _, key = source.location.removeprefix("s3://").partition("/")
        more = {"Range": f"bytes={reached}-"} if reached else {}
        try:
            answer = self._s3().get_object(
                Bucket=bucket, Key=key, IfMatch=f'"{source.etag}"', **more
            )
        except ClientError as error:
            raise as_source_error(error, source.location) from error
        except TRANSPORT_ERRORS as error:
            raise as_source_error(error, source.location) from error
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
    digest = hashlib.sha256()
    try:
        with Path(source.location).open("rb") as body:
            while chunk := body.read(chunk_bytes):
                digest.update(chunk)
                yield chunk
    except FileNotFoundError as error:
        raise SourceMissing(source.location, str(error)) from error
    except PermissionError as error:
        raise SourceDenied(source.location, str(error)) from error
    except OSError as error:
        raise SourceUnavailable(source.location, str(error)) from error
    if digest.hexdigest()[:32] != source.etag:
        raise SourceChanged(source.location, "its content is not what was listed")
