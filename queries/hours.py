"""The hours of `coverage_hourly`, added up by the day and kept.

What a data file says never changes: a day is added up anew once it has other files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lake.datafiles import EPOCH, HOUR
from queries.engine import Engine, Pinned
from queries.limits import Limits
from queries.statements import statement
from queries.values import Window

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Hours:
    """What was heard in hours; one in which nothing was heard may be missing."""

    rows: tuple[Row, ...] = ()

    def sums(self, window: Window) -> dict[str, int]:
        """Return the sums of the hours that a window touches, those that are known."""
        found: dict[str, int] = {}
        for row in self._within(window):
            for name, count in row.items():
                if name not in ("hour", "is_heard") and count is not None:
                    found[name] = found.get(name, 0) + count
        return found

    def unheard(self, window: Window) -> int:
        """Return in how many of the hours that a window touches nothing was heard."""
        touched = -(-(window.until - window.since) // HOUR)
        return touched - len({r["hour"] for r in self._within(window) if r["is_heard"]})

    def _within(self, window: Window) -> Iterator[Row]:
        since = window.since.replace(minute=0, second=0, microsecond=0)
        return (row for row in self.rows if since <= row["hour"] < window.until)


def hours_of(engine: Engine, pinned: Pinned, window: Window, limits: Limits) -> Hours:
    """Return the hours of a window.

    Args:
        engine: Over the lake.
        pinned: `coverage_hourly`.
        window: Hours beside it, of the same days, may be among them.
        limits: Of which interfaces.
    """
    plan = engine.plan(pinned, window)
    days: dict[int | None, list[str]] = {}
    for file, day in zip(plan.files, plan.days, strict=True):
        days.setdefault(day, []).append(file)
    keys = {day: (frozenset(files), limits.key) for day, files in days.items()}
    kept = {day: engine.hours.peek(key) for day, key in keys.items()}
    missing = [day for day, rows in kept.items() if rows is None]
    if missing:
        files = tuple(file for day in missing for file in days[day])
        part = replace(plan, files=files, days=())
        with engine.session([part], limits) as session:
            found = session.query(statement("meta/coverage")).to_pylist()
        added: dict[int | None, list[Row]] = {day: [] for day in missing}
        for row in found:
            added[(row["hour"] - EPOCH) // HOUR // 24].append(row)
        for day, rows in added.items():
            kept[day] = engine.hours.put(keys[day], tuple(rows))
    return Hours(tuple(row for rows in kept.values() for row in rows or ()))
