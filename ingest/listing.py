"""Listing source objects: S3 prefixes, single objects, directories, files."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ingest.bucket import Bucket
from ingest.content import ContentHash
from ingest.keys import Days, folder_days, identity_by, parse_key
from ingest.s3 import Sleep
from ingest.source import SourceObject
from lake.errors import SourceDenied, SourceError, SourceMissing, UsageError

ClientFactory = Callable[[], Any]

PAGE = 1000
HASHED_AT_ONCE = 4 << 20  # bytes; behind each, other Python may have its turn first
NOT_LOGS = ("aws-logs-write-test",)  # CloudWatch writes it to test an export
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a listing are wanted.

    Attributes:
        since: Key times from here on; UTC.
        until: Key times before this; UTC.
        days: Of AWS's dated folders only the last so many days, unless ``since`` or
            ``until`` say more.
        shard: (i, n): the i-th of n parts, by identity.
        now: The present; UTC.
    """

    now: datetime
    since: datetime | None = None
    until: datetime | None = None
    days: int | None = None
    shard: tuple[int, int] | None = None

    @classmethod
    def with_slack(
        cls,
        *,
        now: datetime,
        since: datetime | None,
        until: datetime | None,
        slack: timedelta,
        days: int | None = None,
        shard: tuple[int, int] | None = None,
    ) -> Selection:
        """Return a selection whose window is wider by ``slack`` at either end."""
        earliest, latest = _earlier(since, slack), _later(until, slack)
        return cls(now=now, since=earliest, until=latest, days=days, shard=shard)

    def wants(self, source: SourceObject) -> bool:
        """Whether the object is selected.

        An object without a key time is, unless it lies in a dated folder that is not.
        """
        if source.key_time is None:
            dated, wanted = folder_days(source.location), self._window()
            if dated and wanted and not dated.overlap(wanted):
                return False
        elif not self._is_timely(source.key_time):
            return False
        if self.shard is None:
            return True
        part, parts = self.shard
        return zlib.crc32(source.identity.encode()) % parts == part

    def folders(self, prefix: str) -> Days | None:
        """Return the days whose folders hold what is wanted, None for all.

        ``days`` says nothing about a prefix that names a day itself.
        """
        if self.since or self.until:
            return self._window()
        named = folder_days(prefix)
        if self.days is None or (named and named.first == named.last):
            return None
        return Days((self.now - timedelta(days=self.days)).date(), date.max)

    def _is_timely(self, key_time: datetime) -> bool:
        return not (
            (self.since is not None and key_time < self.since)
            or (self.until is not None and key_time >= self.until)
        )

    def _window(self) -> Days | None:
        """Return the window's days, one more at either end.

        A key's day and its folder's may differ by a little.
        """
        if not (self.since or self.until):
            return None
        first = (self.since - ONE_DAY).date() if self.since else date.min
        return Days(first, (self.until + ONE_DAY).date() if self.until else date.max)


def list_sources(
    sources: Sequence[str],
    *,
    client_factory: ClientFactory,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
    slack: timedelta = ONE_DAY,
    days: int | None = None,
    shard: tuple[int, int] | None = None,
    sleep: Sleep = time.sleep,
) -> Iterator[list[SourceObject]]:
    """List objects page by page; memory does not grow with their number.

    Args:
        sources: ``s3://bucket/prefix``, ``s3://bucket/key``, directories, files.
        client_factory: Makes the S3 client when one is needed.
        now: The present; UTC.
        since: Objects whose key time is at or after this less ``slack``; UTC.
        until: Objects whose key time is before this plus ``slack``; UTC.
        slack: How far a key's time may lie from its records' times.
        days: In a bucket, of AWS's dated folders only the last so many days; without
            ``since`` and ``until`` only.
        shard: (i, n): only the i-th of n parts.
        sleep: Waits between attempts; seconds.

    Yields:
        At most 1,000 objects at a time, in the order of the listing.

    Raises:
        SourceMissing: There is no such bucket, prefix, directory or file.
        SourceDenied: It may not be listed; of a directory, after all that may.
        SourceUnavailable: The store kept failing.
        UsageError: It is no kind of source that flowlake knows.
    """
    selection = Selection.with_slack(
        now=now, since=since, until=until, slack=slack, days=days, shard=shard
    )
    for place in sources:
        for page in _pages(place, client_factory, selection, sleep):
            wanted = [source for source in page if selection.wants(source)]
            if wanted:
                yield wanted


def _earlier(moment: datetime | None, by: timedelta) -> datetime | None:
    """Return a moment less a while and room for a day, within what a date can be."""
    if moment is None:
        return None
    return max(moment, datetime.min.replace(tzinfo=UTC) + by + 2 * ONE_DAY) - by


def _later(moment: datetime | None, by: timedelta) -> datetime | None:
    if moment is None:
        return None
    return min(moment, datetime.max.replace(tzinfo=UTC) - by - 2 * ONE_DAY) + by


def _pages(
    place: str, client_factory: ClientFactory, selection: Selection, sleep: Sleep
) -> Iterator[list[SourceObject]]:
    scheme, separator, rest = place.partition("://")
    if not separator:
        return _local_pages(Path(place))
    if scheme == "file":
        return _local_pages(Path(unquote(rest.removeprefix("localhost"))))
    if scheme != "s3":
        raise UsageError(
            f"{place}: a source is s3://bucket/prefix, a directory or a file"
        )
    name, _, prefix = rest.partition("/")
    if not name:
        raise UsageError(f"{place}: it names no bucket; write s3://bucket/prefix")
    bucket = Bucket(client_factory(), name, sleep=sleep)
    return _bucket_pages(bucket, prefix, selection.folders(prefix))


def _bucket_pages(
    bucket: Bucket, prefix: str, days: Days | None
) -> Iterator[list[SourceObject]]:
    for contents in bucket.below(prefix, days):
        yield [
            source_object(
                bucket.location(found["Key"]),
                etag=found["ETag"].strip('"'),
                size=found["Size"],
                modified=found["LastModified"].astimezone(UTC),
                local=False,
            )
            for found in contents
            if is_log(found["Key"])
        ]


def is_log(key: str) -> bool:
    """Whether a key may be a log's: neither a folder nor an export's test."""
    return not key.endswith("/") and key.rpartition("/")[2] not in NOT_LOGS


def _local_pages(path: Path) -> Iterator[list[SourceObject]]:
    path = Path(os.path.abspath(path))  # noqa: PTH100  # keeps symlinks as given
    refused: list[SourceError] = []
    files = _walk(path, refused)
    with ThreadPoolExecutor(os.cpu_count()) as hashing:
        while page := list(islice(files, PAGE)):
            described = hashing.map(_local_source, page)
            yield [source for source in described if source is not None]
    if refused:
        raise refused[0]


def _walk(
    path: Path, refused: list[SourceError], above: tuple[tuple[int, int], ...] = ()
) -> Iterator[Path]:
    """Yield the files below a path in order; note what may not be read.

    Args:
        path: A file or a directory.
        refused: Gets the errors.
        above: Device and inode of the directories above, so that a link to one of
            them is not followed.
    """
    if path.is_file():
        yield path
        return
    try:
        stat = path.stat()
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except FileNotFoundError:
        refused.append(SourceMissing(str(path), "there is no such file or directory"))
        return
    except OSError as error:
        refused.append(SourceDenied(str(path), error.strerror or ""))
        return
    here = (stat.st_dev, stat.st_ino)
    for entry in entries if here not in above else ():
        if entry.is_dir():
            yield from _walk(Path(entry.path), refused, (*above, here))
        elif entry.is_file() and entry.name not in NOT_LOGS:
            yield Path(entry.path)


def _local_source(file: Path) -> SourceObject | None:
    """Describe a file, None if it has been removed meanwhile."""
    try:
        stat = file.stat()
        etag, size, seconds = local_etag(file), stat.st_size, stat.st_mtime
    except FileNotFoundError:
        return None
    except OSError:  # reading it will fail, be named, and be tried again
        etag, size, seconds = "unreadable", 0, 0.0
    # A name that is no UTF-8 cannot be stored; spelled out it fails and is named.
    location = os.fsencode(file).decode("utf-8", "backslashreplace")
    modified = datetime.fromtimestamp(seconds, UTC)
    return source_object(location, etag=etag, size=size, modified=modified, local=True)


def local_etag(file: Path) -> str:
    """Return a hash of a file's content, in hex."""
    content = ContentHash()
    with file.open("rb", buffering=0) as body:
        most = min(HASHED_AT_ONCE, os.fstat(body.fileno()).st_size + 1)
        room = memoryview(bytearray(most))
        while size := body.readinto(room):
            content.update(room[:size])
    return content.etag()


def source_object(
    location: str, *, etag: str, size: int, modified: datetime, local: bool
) -> SourceObject:
    """Describe an object, with what its name tells."""
    facts = parse_key(location)
    return SourceObject(
        identity=identity_by(facts, location, etag=etag, local=local),
        location=location,
        etag=etag,
        size=size,
        modified=modified,
        key_time=facts.key_time if facts else None,
        account_id=facts.account_id if facts else None,
        region=facts.region if facts else None,
        flow_log_id=facts.flow_log_id if facts else None,
    )
