"""What an object's name tells: account, Region, flow log, time; and its identity."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime
from sys import intern

# A suffix outside this list (.md5, .tmp) makes another thing of the same stem.
_NAME = re.compile(
    r"(?P<stem>(?P<account>[0-9]{12})_vpcflowlogs_(?P<region>[a-z0-9-]+)"
    r"_(?P<flow_log>fl-[0-9a-z]+)_(?P<time>[0-9]{8}T[0-9]{4})Z_(?P<hash>[0-9A-Za-z]+))"
    r"(?:\.(?:log|gz|gzip|parquet|snappy|txt|csv|json|jsonl))*"
)
_FOLDER = re.compile(
    r"(?:^|/)(?:(?:aws-)?service=)?vpcflowlogs/(?:aws-region=)?[a-z0-9-]+/"
    r"(?:year=)?(?P<year>[0-9]{4})/"
    r"(?:(?:month=)?(?P<month>[0-9]{2})/(?:(?:day=)?(?P<day>[0-9]{2})/)?)?"
)


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """The parts of an AWS-shaped base name.

    Attributes:
        stem: The base name without its suffix; the same wherever a copy lies and
            however it is compressed.
        key_time: Begin of the delivery window; it bounds no record's time. UTC.
    """

    stem: str
    account_id: str
    region: str
    flow_log_id: str
    key_time: datetime


@dataclass(frozen=True, slots=True)
class Days:
    """Days from ``first`` to ``last``, both of them included; UTC."""

    first: date
    last: date

    def overlap(self, other: Days) -> bool:
        """Whether any day is in both."""
        return self.first <= other.last and other.first <= self.last


def parse_key(key: str) -> KeyFacts | None:
    """Return what an AWS-shaped base name tells, None for any other name.

    Source:
        AWS VPC User Guide, "Flow log files": the file name format
        ``account_vpcflowlogs_region_flow-log-id_YYYYMMDDTHHmmZ_hash.log.gz``.
    """
    match = _NAME.fullmatch(key.rpartition("/")[2])
    if match is None:
        return None
    try:
        time = _time(match["time"])
    except ValueError:
        return None
    return KeyFacts(
        stem=match["stem"],
        account_id=intern(match["account"]),
        region=intern(match["region"]),
        flow_log_id=intern(match["flow_log"]),
        key_time=time,
    )


def _time(text: str) -> datetime:
    """Read `20260131T2359`; ten times as fast as strptime, for millions of names."""
    year, month, day = int(text[:4]), int(text[4:6]), int(text[6:8])
    return datetime(year, month, day, int(text[9:11]), int(text[11:]), tzinfo=UTC)


def folder_days(key: str) -> Days | None:
    """Return the days that an AWS-shaped folder is for, None for any other.

    Args:
        key: A key, or a prefix that ends in a slash: of a year, a month, a day or
            an hour.

    Source:
        AWS VPC User Guide, "Flow log files": plain and Hive-compatible prefixes.
    """
    match = _FOLDER.search(key)
    if match is None:
        return None
    year, month, day = (int(part) if part else None for part in match.groups())
    try:
        first = date(year or 0, month or 1, day or 1)
    except ValueError:
        return None
    if day:
        return Days(first, first)
    last_month = month or 12
    return Days(
        first, date(first.year, last_month, monthrange(first.year, last_month)[1])
    )


def identity_of(location: str, *, etag: str, local: bool) -> str:
    """Return the name by which the lake knows an object for ever.

    An AWS-shaped object is known by its stem wherever it lies, so a replicated bucket
    is not read twice; any other by its place, a local file also by its content.
    """
    return identity_by(parse_key(location), location, etag=etag, local=local)


def identity_by(
    facts: KeyFacts | None, location: str, *, etag: str, local: bool
) -> str:
    """Return the same of an object whose name has been parsed already."""
    if facts is not None:
        return facts.stem
    return f"{location}#{etag}" if local else location
