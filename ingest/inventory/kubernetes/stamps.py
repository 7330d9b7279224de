"""When a saved file was taken, by its name, else by its age."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from ingest.inventory.aws.times import in_utc

_STAMP = re.compile(
    r"(?<![0-9])(20[0-9]{2})-?([0-9]{2})-?([0-9]{2})"
    r"[T_]([0-9]{2})[-:]?([0-9]{2})[-:]?([0-9]{2})?(?:[.,][0-9]+)?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?(?![0-9])"
)


def taken_at(path: Path) -> datetime:
    """Return when a file was taken; UTC.

    The last time in its name says so (``pods-20260101T003000Z.json``), else that in its
    folder's name, else when it was last written.
    """
    named = stamp_in(path.name) or stamp_in(path.absolute().parent.name)
    return named or written_at(path)


def written_at(path: Path) -> datetime:
    """Return when a file was last written; UTC."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def stamp_in(name: str) -> datetime | None:
    """Return the last time in a name, compact or ISO 8601, to the second; UTC."""
    found: datetime | None = None
    for match in _STAMP.finditer(name):
        try:
            found = in_utc(match.groups()[:6], match[7])
        except ValueError:
            continue
    return found
