"""When saved output was taken: as is said, else as names tell, else when written.

One rule for everything that ``flowlake inventory … --from`` reads. ``--at`` says it for
all files, whatever they are called. Without it the moment in a file's name counts, else
that of the nearest folder, up to the one that was given; else when it was written. A
moment in a name is a day and a time: ``20260101T003000Z``, ``2026-01-01T00-30-00``,
``20260101-003000``. A day alone tells no time, but that a time of another day is not
its: copies are written when they are made. Nothing was taken in the future, but for
what clocks differ.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
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
# Within a name, or one part a folder: 2026/01/01, year=2026/month=01/day=01.
_DAY = re.compile(
    r"(?<![0-9])(20[0-9]{2})([-_./]?|/[a-z]+=)([0-9]{2})([-_./]?|/[a-z]+=)([0-9]{2})"
    r"(?![0-9])"
)


@dataclass(frozen=True, slots=True)
class Named:
    """What names tell of when a file was taken.

    Attributes:
        at: The moment; UTC.
        day: The day, where it stands alone and no moment is nearer to the file.
    """

    at: datetime | None = None
    day: date | None = None

    def is_refuted_by(self, at: datetime) -> bool:
        """Whether the file would be of another day than is told, if it were of then."""
        return self.day is not None and self.day != at.astimezone(UTC).date()


def told(names: Sequence[Named], at: datetime | None) -> list[datetime | None]:
    """Return when each file was taken, as far as that is told; UTC.

    Args:
        names: What the files' names tell.
        at: What the user says of all of them.

    Raises:
        UsageError: It is said of files whose names tell of several moments: taken for
            one look, what came and went between them would be mixed up.
    """
    if at is None:
        return [each.at for each in names]
    stamps = sorted(each.at for each in names if each.at is not None)
    days = sorted({f"{each.day}" for each in names if each.day is not None})
    if stamps and stamps[-1] - stamps[0] > ONE_MOMENT:
        days = [f"{t:%Y-%m-%dT%H:%M:%SZ}" for t in stamps]
    if len(days) > 1:
        raise UsageError(
            f"--at is the time of one look, but names tell of several, from {days[0]} "
            f"to {days[-1]}: leave it out, or give one look's files"
        )
    return [at] * len(names)


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


def of_another_day(named: Named, at: datetime) -> str:
    """Say why a file whose names tell a day, but that is of another, is not read."""
    return (
        f"its name tells the day {named.day}, its time would be {at:%Y-%m-%dT%H:%M:%SZ}"
        f": say when it was taken with --at, or in the name, as in {named.day}T14-30-00"
    )


def named(file: Path, place: Path) -> Named:
    """Return what names tell of a file below a place that was given."""
    top = place if place.is_dir() else place.parent
    nearer = ""
    for name in reversed((top.resolve().name, *file.relative_to(top).parts)):
        if (at := stamp_in(name)) is not None:
            return Named(at, day_in(nearer))
        nearer = f"{name}/{nearer}"
    return Named(None, day_in(nearer))


def written_at(file: Path) -> datetime:
    """Return when a file was last written; UTC."""
    return datetime.fromtimestamp(file.stat().st_mtime, UTC)


def stamp_in(name: str) -> datetime | None:
    """Return the last moment in a name, to the second; UTC; None without one."""
    found = None
    for match in _STAMP.finditer(name):
        found = _in_utc(match) or found
    return found


def day_in(names: str) -> date | None:
    """Return the last day that names with ``/`` between them tell; None without one."""
    found = None
    for year, _, month, _, day in _DAY.findall(names):
        try:
            found = date(int(year), int(month), int(day))
        except ValueError:
            continue
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
