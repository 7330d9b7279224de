"""Times as AWS tools write them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

TIMESTAMP = pa.timestamp("us", tz="UTC")


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
