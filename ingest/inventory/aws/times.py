"""Times as AWS tools write them, and times in the names of saved files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

TIMESTAMP = pa.timestamp("us", tz="UTC")

# A moment, not a day: 20260101T003000Z, 2026-01-01T00:30:00Z, 2026-01-01T00-30-00.
_STAMP = re.compile(
    r"(?:^|(?<=[^0-9]))(\d{4})-?(\d{2})-?(\d{2})[T_ ](\d{2})[:-]?(\d{2})"
    r"(?:[:-]?(\d{2}))?(?:\.\d+)?(Z|[+-]\d{2}:?\d{2})?$"
)


def parse_time(value: Any) -> datetime | None:
    """Read a time: ISO 8601 with ``T`` or a space, or seconds since 1970.

    Returns:
        UTC; None if it is no time.
    """
    try:
        if isinstance(value, datetime):
            return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        return parse_time(datetime.fromisoformat(value.strip()))
    except (AttributeError, ValueError, OverflowError, OSError):
        return None


def stamp_of(name: str) -> datetime | None:
    """Return the moment that a name ends in; UTC; None without one."""
    found = _STAMP.search(name)
    if found is None:
        return None
    try:
        return in_utc(found.groups()[:6], found[7])
    except (ValueError, OverflowError):
        return None


def in_utc(parts: Sequence[str | None], offset: str | None) -> datetime:
    """Return a time from its year to its second, told with an offset or in UTC.

    Raises:
        ValueError: There is no such time.
    """
    year, month, day, hour, minute, second = (int(part or 0) for part in parts)
    zone = timedelta()
    if offset and offset != "Z":
        zone = timedelta(hours=int(offset[1:3]), minutes=int(offset[-2:]))
        zone = -zone if offset[0] == "-" else zone
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC) - zone


def without_stamp(name: str) -> str:
    """Return a name less the moment that it ends in."""
    return name if stamp_of(name) is None else _STAMP.sub("", name).rstrip("-_. ")


def as_times(texts: Any) -> Any:
    """Return a column of times; null where a text is none."""
    try:
        return pc.cast(texts, TIMESTAMP)
    except pa.ArrowInvalid:
        coded = texts.dictionary_encode()
        words = [_read(word) for word in coded.dictionary.to_pylist()]
        return pa.array(words, TIMESTAMP).take(coded.indices)


@lru_cache(maxsize=4096)
def _read(text: str | None) -> datetime | None:
    return parse_time(text)
