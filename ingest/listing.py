"""Listing source objects: S3 prefixes, single objects, directories, files."""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ingest.keys import identity_of, parse_key
from ingest.s3 import TRANSPORT_ERRORS, as_source_error, retrying
from ingest.source import SourceObject
from lake.errors import SourceDenied, SourceMissing, UsageError

ClientFactory = Callable[[], Any]

PAGE = 1000
MOST_LEVELS = 10  # below a prefix; AWS's deepest layout has nine
LIST_RETRIES = 5
CHUNK_BYTES = 1024 * 1024
NOT_LOGS = ("aws-logs-write-test",)  # CloudWatch writes it to test an export
ONE_DAY = timedelta(days=1)

_YEAR = re.compile(r"(?P<hive>year=)?(?P<year>[0-9]{4})/")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a listing are wanted.

    Attributes:
        since: Key times from here on; objects without one are always wanted. UTC.
        until: Key times before this; UTC.
        shard: (i, n): the i-th of n parts, by identity.
    """

    since: datetime | None = None
    until: datetime | None = None
    shard: tuple[int, int] | None = None

    def wants(self, source: SourceObject) -> bool:
        """Whether the object is selected."""
        time = source.key_time
        if time is not None and (
            (self.since is not None and time < self.since)
            or (self.until is not None and time >= self.until)
        ):
            return False
        if self.shard is None:
            return True
        part, parts = self.shard
        return zlib.crc32(source.identity.encode()) % parts == part

    def days(self, now: datetime) -> list[datetime] | None:
        """Return the days whose prefixes hold the selection, None for all of them.

        A day more at either end: a key's day and its folder's may differ by a little.
        """
        if self.since is None:
            return None
        last = (self.until or now) + ONE_DAY
        day = (self.since - ONE_DAY).replace(hour=0, minute=0, second=0, microsecond=0)
        return [day + n * ONE_DAY for n in range((last - day).days + 1)]


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
) -> Iterator[list[SourceObject]]:
    """List objects page by page; memory does not grow with their number.

    Args:
        sources: ``s3://bucket/prefix``, ``s3://bucket/key``, directories, files.
        client_factory: Makes the S3 client when one is needed.
        now: The present; UTC.
        since: Objects whose key time is at or after this less ``slack``; UTC.
        until: Objects whose key time is before this plus ``slack``; UTC.
        slack: How far a key's time may lie from its records' times.
        days: Only objects whose key time lies in the last so many days.
        shard: (i, n): only the i-th of n parts.

    Yields:
        At most 1,000 objects at a time, in the order of the listing.

    Raises:
        SourceMissing: There is no such bucket, directory or file.
        SourceDenied: It may not be listed.
        SourceUnavailable: The store kept failing.
        UsageError: It is no kind of source that flowlake knows.
    """
    if days is not None:
        recent = now - timedelta(days=days)
        since = recent if since is None else max(since, recent)
    selection = Selection(
        since=since - slack if since else None,
        until=until + slack if until else None,
        shard=shard,
    )
    for place in sources:
        for page in _pages(place, client_factory, selection, now):
            wanted = [source for source in page if selection.wants(source)]
            if wanted:
                yield wanted


def _pages(
    place: str, client_factory: ClientFactory, selection: Selection, now: datetime
) -> Iterator[list[SourceObject]]:
    scheme, separator, rest = place.partition("://")
    if not separator:
        return _local_pages(Path(place))
    if scheme == "file":
        return _local_pages(Path(rest))
    if scheme != "s3":
        raise UsageError(
            f"{place}: a source is s3://bucket/prefix, a directory or a file"
        )
    bucket, _, prefix = rest.partition("/")
    if not bucket:
        raise UsageError(f"{place}: it names no bucket; write s3://bucket/prefix")
    listing = _Bucket(client_factory(), bucket)
    return listing.pages(prefix, selection.days(now))


def _local_pages(path: Path) -> Iterator[list[SourceObject]]:
    path = Path(os.path.abspath(path))  # noqa: PTH100  # keeps symlinks as given
    if not path.exists():
        raise SourceMissing(str(path), "no such file or directory")
    page: list[SourceObject] = []
    for file in _walk(path):
        page.append(_local_source(file))
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page


def _walk(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except PermissionError as error:
        raise SourceDenied(str(path), str(error)) from error
    for entry in entries:
        if entry.is_dir():
            yield from _walk(Path(entry.path))
        elif entry.is_file() and entry.name not in NOT_LOGS:
            yield Path(entry.path)


def _local_source(file: Path) -> SourceObject:
    stat = file.stat()
    try:
        etag = local_etag(file)
    except OSError:
        etag = "unreadable"  # reading it will fail, be named, and be tried again
    modified = datetime.fromtimestamp(stat.st_mtime, UTC)
    return _source(str(file), etag, stat.st_size, modified, local=True)


def local_etag(file: Path) -> str:
    """Return a hash of a file's content, in hex."""
    with file.open("rb") as body:
        return hashlib.file_digest(body, "sha256").hexdigest()[:32]


def _source(
    location: str, etag: str, size: int, modified: datetime, *, local: bool
) -> SourceObject:
    facts = parse_key(location)
    return SourceObject(
        identity=identity_of(location, etag=etag, local=local),
        location=location,
        etag=etag,
        size=size,
        modified=modified,
        key_time=facts.key_time if facts else None,
        account_id=facts.account_id if facts else None,
        region=facts.region if facts else None,
        flow_log_id=facts.flow_log_id if facts else None,
    )


class _Bucket:
    """Lists one bucket."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def pages(
        self, prefix: str, days: list[datetime] | None
    ) -> Iterator[list[SourceObject]]:
        """List what a prefix holds; with ``days``, of dated folders only those."""
        if days is None:
            yield from self._flat(prefix)
        else:
            yield from self._descend(prefix, days, MOST_LEVELS)

    def _descend(
        self, prefix: str, days: list[datetime], levels: int
    ) -> Iterator[list[SourceObject]]:
        """Walk the folders until dates begin; list whole what is not dated."""
        folders: list[str] = []
        for answer in self._answers(prefix, delimiter="/"):
            yield self._sources(answer)
            folders.extend(c["Prefix"] for c in answer.get("CommonPrefixes", ()))
        for folder in folders:
            year = _YEAR.fullmatch(folder.rpartition("/")[0].rpartition("/")[2] + "/")
            if year is not None and "vpcflowlogs" in folder:
                for dated in _dated(folder, year, days):
                    yield from self._flat(dated)
            elif levels:
                yield from self._descend(folder, days, levels - 1)
            else:
                yield from self._flat(folder)

    def _flat(self, prefix: str) -> Iterator[list[SourceObject]]:
        for answer in self._answers(prefix):
            sources = self._sources(answer)
            exact = [s for s in sources if s.location == self._location(prefix)]
            if exact:  # a key was given, not a prefix; it sorts before longer ones
                yield exact
                return
            yield sources

    def _answers(self, prefix: str, delimiter: str = "") -> Iterator[dict[str, Any]]:
        token: dict[str, str] = {}
        while True:
            answer = self._answer(prefix, delimiter, token)
            yield answer
            if not answer.get("IsTruncated"):
                return
            token = {"ContinuationToken": answer["NextContinuationToken"]}

    def _answer(
        self, prefix: str, delimiter: str, token: dict[str, str]
    ) -> dict[str, Any]:
        location = self._location(prefix)

        def call() -> dict[str, Any]:
            try:
                answer: dict[str, Any] = self._client.list_objects_v2(
                    Bucket=self._bucket, Prefix=prefix, Delimiter=delimiter,
                    MaxKeys=PAGE, **token,
                )  # fmt: skip
            except self._client.exceptions.ClientError as error:
                raise as_source_error(error, location) from error
            except TRANSPORT_ERRORS as error:
                raise as_source_error(error, location) from error
            return answer

        return retrying(call, location=location, retries=LIST_RETRIES)

    def _sources(self, answer: dict[str, Any]) -> list[SourceObject]:
        return [
            _source(
                self._location(found["Key"]),
                found["ETag"].strip('"'),
                found["Size"],
                found["LastModified"].astimezone(UTC),
                local=False,
            )
            for found in answer.get("Contents", ())
            if not found["Key"].endswith("/")
            and found["Key"].rpartition("/")[2] not in NOT_LOGS
        ]

    def _location(self, key: str) -> str:
        return f"s3://{self._bucket}/{key}"


def _dated(folder: str, year: re.Match[str], days: list[datetime]) -> Iterator[str]:
    """Yield the prefixes of the wanted days below a year's folder."""
    shape = "month={:%m}/day={:%d}/" if year["hive"] else "{:%m}/{:%d}/"
    for day in days:
        if f"{day:%Y}" == year["year"]:
            yield folder + shape.format(day, day)
