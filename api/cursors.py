"""Where a page ends and the next one begins: signed, so that nobody can make one up.

A cursor is ``base64url(content + mac)``. Its content can be read, and holds nothing
that its caller has not seen; the mac is HMAC-SHA-256 over the content and the version.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from lake.errors import BadCursor, CursorExpired
from lake.settings import Settings
from queries.paging import PageEnd, Value

VERSION = b"flowlake cursor 1\n"  # signed too: what another version wrote is foreign
LIFE = timedelta(hours=24)
MOST = 8192  # characters; a longer one is none of ours
_MAC_BYTES = 32
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# What JSON has no word for, by the key of an object of one entry.
_UNUSUAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


@dataclass(frozen=True, slots=True)
class Cursor:
    """The end of a page.

    Attributes:
        route: What it pages, such as a report's name.
        question: As `fingerprint` returns it.
        asked_at: When the first page was asked for, which relative times count from
            on all pages; UTC.
        snapshots: The snapshot of each table that all pages are of.
        end: Where the page ends.
        expires: Until when it is taken; UTC.
    """

    route: str
    question: str
    asked_at: datetime
    snapshots: Mapping[str, int]
    end: PageEnd
    expires: datetime


def fingerprint(
    route: str, given: Mapping[str, Sequence[str]], *, limits: str = ""
) -> str:
    """Return what names a question and its caller's limits.

    Args:
        route: What is asked.
        given: The parameters as they were sent, which a client repeats for each page;
            without ``cursor``, and those that may change on the way: ``limit``,
            ``format``.
        limits: `Limits.key` of the caller.
    """
    asked = {name: list(texts) for name, texts in given.items()}
    text = json.dumps([route, asked, limits], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Cursors:
    """Makes cursors and reads them.

    Args:
        key: What they are signed with; None: a random one, as long as this lasts.
        clock: The time, UTC.
    """

    def __init__(
        self,
        key: bytes | None = None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._key = key or secrets.token_bytes(_MAC_BYTES)
        self._clock = clock

    @classmethod
    def of(cls, settings: Settings) -> Cursors:
        """Return those of the configured key."""
        key = settings.cursor_key
        return cls(key.get_secret_value().encode() if key else None)

    def expiry(self) -> datetime:
        """Return until when a cursor that is made now is taken."""
        return self._clock() + LIFE

    def seal(self, cursor: Cursor) -> str:
        """Return a cursor as text for a URL."""
        content = json.dumps(
            [
                cursor.route,
                cursor.question,
                _written(cursor.asked_at),
                dict(cursor.snapshots),
                [_written(value) for value in cursor.end.after],
                cursor.end.skipped,
                _written(cursor.expires),
            ],
            separators=(",", ":"),
            allow_nan=False,
        ).encode()
        return _text(content + self._mac(content))

    def open(self, text: str, question: str) -> Cursor:
        """Read a cursor.

        Args:
            text: As it was given.
            question: The `fingerprint` of the question that it is sent with.

        Raises:
            BadCursor: It was not made with this key, or it is of another question or
                of a caller with other limits.
            CursorExpired: It is too old.
        """
        cursor = _parsed(self._content(text))
        if not hmac.compare_digest(cursor.question, question):
            raise BadCursor("is of another question, or of another caller")
        if cursor.expires <= self._clock():
            raise CursorExpired("is older than a day")
        return cursor

    def _content(self, text: str) -> bytes:
        """Return what was signed, if it was and if nothing was changed."""
        sealed = _bytes(text)
        content, mac = sealed[:-_MAC_BYTES], sealed[-_MAC_BYTES:]
        if not hmac.compare_digest(self._mac(content), mac):
            raise BadCursor("was not made here, or it was changed")
        return content

    def _mac(self, content: bytes) -> bytes:
        return hmac.digest(self._key, VERSION + content, "sha256")


def _text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    """Return the bytes; of several spellings that base64 has, one alone is taken."""
    if len(text) <= MOST and text.isascii():
        try:
            sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except binascii.Error:
            sealed = b""
        if _text(sealed) == text:
            return sealed
    raise BadCursor("is none")


def _parsed(content: bytes) -> Cursor:
    """Read what was signed, so it is of our own making."""
    route, question, asked, snapshots, after, skipped, expires = json.loads(content)
    return Cursor(
        route=route,
        question=question,
        asked_at=_read(asked),
        snapshots=snapshots,
        end=PageEnd(tuple(_read(value) for value in after), skipped),
        expires=_read(expires),
    )


def _written(value: Value) -> Any:
    """Return a value as JSON: what JSON has not is an object of one entry."""
    if isinstance(value, list):
        return [_written(item) for item in value]
    if isinstance(value, datetime):
        return {"time": (value - _EPOCH) // _MICROSECOND}
    if isinstance(value, date):
        return {"day": value.isoformat()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"number": str(value)}
    return value


def _read(value: Any) -> Any:
    if isinstance(value, list):
        return [_read(item) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, text),) = value.items()
    if kind == "time":
        return _EPOCH + text * _MICROSECOND
    return date.fromisoformat(text) if kind == "day" else _UNUSUAL[text]
