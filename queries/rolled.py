"""Answering a report from roll-ups, where they hold all that it asks for.

They do if it asks for whole hours that they have absorbed and not dropped, by what
they tell apart, and if nothing that they have folded would be shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from lake.datafiles import HOUR
from lake.reading import Plan
from lake.snapshots import hours_behind
from lake.tables import FLOWS, Table, iceberg_schema
from queries.contract import Asked
from queries.engine import Engine, Pinned
from queries.values import Window

DAY = timedelta(days=1)
DAYS_AS_SUCH = 3 * DAY  # in longer windows whole days are read by the day


@dataclass(frozen=True, slots=True)
class Parts:
    """A window of whole hours, cut up by which roll-up answers what of it.

    Attributes:
        hours: What is read by the hour.
        days: First whole day and the one after the last, as read by the day; None:
            there is no roll-up by the day.
    """

    hours: tuple[Window, ...]
    days: tuple[date, date] | None = None

    def of(self, table: Table) -> tuple[Window, ...]:
        """Return what is read of one roll-up."""
        if not table.is_daily:
            return self.hours
        if self.days is None or self.days[0] == self.days[1]:
            return ()
        return (Window(_begin(self.days[0]), _begin(self.days[1])),)

    @property
    def parameters(self) -> dict[str, date]:
        """What the SQL over roll-ups by the day is bound to."""
        if self.days is None:
            return {}
        return {"first_day": self.days[0], "last_day": self.days[1]}


def parts_of(
    asked: Asked,
    window: Window,
    pinned: Mapping[str, Pinned],
    *,
    by_day: Window | None,
) -> Parts | None:
    """Return the parts of a window, each of which its roll-up holds; None: it does not.

    Args:
        asked: What would answer.
        window: All that must be read.
        pinned: Its roll-ups and `flows`, the roll-ups loaded first.
        by_day: The part of the window whose whole days may be read as such.
    """
    if any(moment != _begin_of_hour(moment) for moment in (window.since, window.until)):
        return None
    flows = pinned[FLOWS.name]
    tables = [pinned[name] for name in asked.reads]
    daily = next((t for t in tables if t.table.is_daily), None)
    cuts = [Parts((window,), (window.since.date(),) * 2 if daily else None)]
    if daily and _is_long(by_day) and _days_are_kept_up(tables, flows, window):
        cuts.insert(0, _with_days(window, by_day or window))
    for cut in cuts:
        if all(_holds(t, flows, part) for t in tables for part in cut.of(t.table)):
            return cut
    return None


def plans_of(
    engine: Engine, asked: Asked, parts: Parts, pinned: Mapping[str, Pinned]
) -> list[Plan]:
    """Return what is read; of a table that nothing is read of, no files."""
    return [
        _plan(engine, pinned[name], parts.of(pinned[name].table))
        for name in asked.reads
    ]


def hours_not_absorbed(rollup: Pinned, flows: Pinned, window: Window) -> int | None:
    """Return how many hours of a window a roll-up has yet to absorb; None: unknown."""
    if rollup.stored is None or flows.stored is None:
        return None
    behind = hours_behind(rollup.stored, flows.stored)
    if behind is None:
        return None
    first, last = _hour(window.since), -(-window.until.timestamp() // 3600)
    return sum(first <= hour < last for hour in behind)


def _days_are_kept_up(tables: Sequence[Pinned], flows: Pinned, window: Window) -> bool:
    """Whether the hours that days are added up from stay as long as `flows` does."""
    since = max(window.since.date(), flows.retained_from)
    return all(t.retained_from <= since for t in tables if not t.table.is_daily)


def _is_long(window: Window | None) -> bool:
    return window is not None and window.until - window.since > DAYS_AS_SUCH


def _with_days(window: Window, by_day: Window) -> Parts:
    first = (by_day.since + DAY - HOUR).date()
    last = by_day.until.date()
    beside = Window(window.since, _begin(first)), Window(_begin(last), window.until)
    return Parts(tuple(w for w in beside if w.since < w.until), (first, last))


def _holds(rollup: Pinned, flows: Pinned, window: Window) -> bool:
    return (
        rollup.stored is not None
        and hours_not_absorbed(rollup, flows, window) == 0
        and rollup.retained_from <= window.since.date()
    )


def _plan(engine: Engine, pinned: Pinned, parts: tuple[Window, ...]) -> Plan:
    plans = [engine.plan(pinned, part) for part in parts]
    stored = pinned.stored
    return Plan(
        table=pinned.table,
        snapshot=pinned.snapshot,
        schema=stored.schema() if stored else iceberg_schema(pinned.table),
        files=tuple(file for plan in plans for file in plan.files),
        rows=sum(plan.rows for plan in plans),
        size=sum(plan.size for plan in plans),
    )


def _hour(moment: datetime) -> int:
    return int(moment.timestamp() // 3600)


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _begin_of_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
