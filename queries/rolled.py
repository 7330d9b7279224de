"""Answering a report from roll-ups, where they hold all that it asks for.

They do if it asks for hours that they have absorbed and not dropped, by what they tell
apart, and if nothing that they have folded would be shown. Hours that the window asks
for in part are read from `flows`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from lake.datafiles import DAY, HOUR
from lake.reading import MOMENT, Plan
from lake.snapshots import hours_behind
from lake.tables import FLOWS, Table, iceberg_schema
from queries.contract import Asked
from queries.engine import Engine, Pinned
from queries.questions import Question
from queries.values import Window

DAYS_AS_SUCH = 3 * DAY  # in longer windows whole days are read by the day


@dataclass(frozen=True, slots=True)
class Parts:
    """A window cut up by which table answers what of it.

    Attributes:
        hours: What is read by the hour.
        days: First whole day and the one after the last, as read by the day; None:
            there is no roll-up by the day.
        cut: Begins of the hours that are asked for in part, read from `flows`.
    """

    hours: tuple[Window, ...]
    days: tuple[date, date] | None = None
    cut: tuple[datetime, ...] = ()

    def of(self, table: Table) -> tuple[Window, ...]:
        """Return what is read of one roll-up."""
        if not table.is_daily:
            return self.hours
        if self.days is None or self.days[0] == self.days[1]:
            return ()
        return (Window(_begin(self.days[0]), _begin(self.days[1])),)

    @property
    def in_part(self) -> tuple[Window, ...]:
        """What is read of `flows`."""
        return tuple(Window(hour, hour + HOUR) for hour in self.cut)

    @property
    def parameters(self) -> dict[str, Any]:
        """What the SQL over roll-ups is bound to."""
        found: dict[str, Any] = {"cut_hours": list(self.cut)}
        if self.days is not None:
            found |= {"first_day": self.days[0], "last_day": self.days[1]}
        return found


def parts_of(asked: Asked, question: Question) -> Parts | None:
    """Return the parts of what a question reads, each held by its table; None: not so.

    Args:
        asked: What would answer.
        question: With its roll-ups pinned before `flows`.
    """
    reach, flows = question.reach, question.pinned[FLOWS.name]
    if reach is None:
        return None
    cut = _cut_hours(question)
    tables = [question.pinned[name] for name in asked.reads]
    daily = next((t for t in tables if t.table.is_daily), None)
    no_days = (reach.since.date(),) * 2 if daily else None
    cuts: list[tuple[tuple[Window, ...], tuple[date, date] | None]]
    cuts = [((reach,), no_days)]
    by_day = question.by_day
    if daily and _is_long(by_day) and _days_are_kept_up(tables, flows, reach):
        cuts.insert(0, _with_days(reach, by_day or reach))
    for beside, days in cuts:
        parts = Parts(_without(beside, cut), days, cut)
        whole = [(t, part) for t in tables for part in parts.of(t.table)]
        if whole and all(_holds(t, flows, part) for t, part in whole):
            return parts if _are_kept(flows, cut) else None
    return None


def _cut_hours(question: Question) -> tuple[datetime, ...]:
    """Return the begins of the hours that the window or its baseline cuts."""
    window, reach = question.window, question.reach
    if window is None or reach is None:
        return ()
    ends = reach.since, window.since, window.until
    return tuple(sorted({begin_of_hour(m) for m in ends if m != begin_of_hour(m)}))


def _without(
    windows: Iterable[Window], hours: Sequence[datetime]
) -> tuple[Window, ...]:
    """Return what is left of windows without some hours, in order."""
    left = list(windows)
    for hour in hours:
        left = [
            part
            for w in left
            for part in (
                Window(w.since, min(w.until, hour)),
                Window(max(w.since, hour + HOUR), w.until),
            )
            if part.since < part.until
        ]
    return tuple(left)


def _are_kept(flows: Pinned, hours: Sequence[datetime]) -> bool:
    return all(flows.retained_from <= hour.date() for hour in hours)


def plans_of(
    engine: Engine, asked: Asked, parts: Parts, pinned: Mapping[str, Pinned]
) -> list[Plan]:
    """Return what is read; of a table that nothing is read of, no files."""
    rolled = [
        _plan(engine, pinned[name], parts.of(pinned[name].table))
        for name in asked.reads
    ]
    if not parts.cut:
        return rolled
    return [*rolled, _plan(engine, pinned[FLOWS.name], parts.in_part)]


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


def _with_days(
    window: Window, by_day: Window
) -> tuple[tuple[Window, ...], tuple[date, date]]:
    """Return what lies beside whole days, and from which day to which they reach."""
    first = (by_day.since + DAY - MOMENT).date()
    last = by_day.until.date()
    beside = Window(window.since, _begin(first)), Window(_begin(last), window.until)
    return tuple(w for w in beside if w.since < w.until), (first, last)


def _holds(rollup: Pinned, flows: Pinned, window: Window) -> bool:
    return (
        rollup.stored is not None
        and hours_not_absorbed(rollup, flows, window) == 0
        and rollup.retained_from <= window.since.date()
    )


def _plan(engine: Engine, pinned: Pinned, parts: tuple[Window, ...]) -> Plan:
    """Return what is read of a table; no part of the window: nothing."""
    if parts:
        return engine.plan(pinned, *parts)
    stored = pinned.stored
    schema = stored.schema() if stored else iceberg_schema(pinned.table)
    return Plan(pinned.table, pinned.snapshot, schema, files=(), rows=0, size=0)


def _hour(moment: datetime) -> int:
    return int(moment.timestamp() // 3600)


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def begin_of_hour(moment: datetime) -> datetime:
    """Return when the hour of a moment begins."""
    return moment.replace(minute=0, second=0, microsecond=0)
