"""When saved output was taken: as is said, else as names tell, else when written.

One rule for everything that ``flowlake inventory … --from`` reads. ``--at`` says it for
all files, whatever they are called. Without it the moment in a file's name counts, else
that of the nearest folder, up to the one that was given; else when it was written. A
moment in a name is a day and a time: ``20260101T003000Z``, ``2026-01-01T00-30-00``,
``20260101-003000``. Nothing was taken in the future, but for what clocks differ.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lake.errors import UsageError

# Files of one look have moments of their own where a script stamps each as it is saved.
ONE_MOMENT = timedelta(seconds=60)
SLACK = timedelta(minutes=5)  # so much another machine's clock may be ahead
_STAMP = re.compile(
    r"(?<![0-9])(20[0-9]{2})-?([0-9]{2})-?([0-9]{2})"
    r"[T_ -]([0-9]{2})[-:]?([0-9]{2})[-:]?([0-9]{2})?(?:[.,][0-9]+)?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?(?![0-9])"
)


def told(
    stamps: Sequence[datetime | None], at: datetime | None
) -> list[datetime | None]:
    """Return when each file was taken, as far as that is told; UTC.

    Args:
        stamps: What the files' names tell.
        at: What the user says of all of them.

    Raises:
        UsageError: It is said of files whose names tell of several moments: taken for
            one look, what came and went between them would be mixed up.
    """
    if at is None:
        return list(stamps)
    named = [stamp for stamp in stamps if stamp is not None]
    if named and max(named) - min(named) > ONE_MOMENT:
        first, last = (f"{t:%Y-%m-%dT%H:%M:%SZ}" for t in (min(named), max(named)))
        raise UsageError(
            f"--at is the time of one look, but names tell of several, from {first} to "
            f"{last}: leave it out, or give one look's files"
        )
    return [at] * len(stamps)


def is_future(time: datetime, now: datetime) -> bool:
    """Whether a time has not come yet, whatever clocks differ."""
    return time > now + SLACK


def refuse_future(at: datetime | None, now: datetime) -> None:
    """Refuse a time that has not come yet.

    Raises:
        UsageError: It has not: what is claimed then nobody can have seen.
    """
    if at is not None and is_future(at, now):
        raise UsageError(
            f"--at {at:%Y-%m-%dT%H:%M:%SZ} is in the future: it is when the files were "
            f"taken; now is {now:%Y-%m-%dT%H:%M:%SZ}"
        )


def of_the_future(at: datetime) -> str:
    """Say why a file that was taken then is not read."""
    return f"it would have been taken at {at:%Y-%m-%dT%H:%M:%SZ}, which is yet to come"


def named_at(file: Path, place: Path) -> datetime | None:
    """Return the moment that names tell of a file below a place that was given; UTC."""
    top = place if place.is_dir() else place.parent
    names = (top.resolve().name, *file.relative_to(top).parts)
    return next(filter(None, map(stamp_in, reversed(names))), None)


def written_at(file: Path) -> datetime:
    """Return when a file was last written; UTC."""
    return datetime.fromtimestamp(file.stat().st_mtime, UTC)


def stamp_in(name: str) -> datetime | None:
    """Return the last moment in a name, to the second; UTC; None without one."""
    found = None
    for match in _STAMP.finditer(name):
        found = _in_utc(match) or found
    return found


def without_stamps(name: str) -> str:
    """Return a name less the moments in it."""
    return _STAMP.sub(lambda m: "" if _in_utc(m) else m[0], name).strip("-_. ")


def _in_utc(match: re.Match[str]) -> datetime | None:
    """Return the time of a stamp, told with an offset or in UTC; None: it is none."""
    year, month, day, hour, minute, second = (int(p or 0) for p in match.groups()[:6])
    offset, zone = match[7], timedelta()
    if offset and offset != "Z":
        zone = timedelta(hours=int(offset[1:3]), minutes=int(offset[-2:]))
        zone = -zone if offset[0] == "-" else zone
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC) - zone
    except (ValueError, OverflowError):
        return None
