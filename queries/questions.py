"""A question made definite: its parameters, its window, the snapshots it reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lake.tables import COVERAGE_HOURLY, FLOWS
from queries.brought import Brought, check_brought
from queries.compose import UNCOUNTED, load_asked
from queries.contract import Report
from queries.engine import Engine, Pinned
from queries.filters import Filter, compiled
from queries.limits import UNLIMITED, Limits
from queries.scoped import check_may_read
from queries.values import Window, bind, is_midnight, reach_of, window_of
from queries.where import FILTER, PLAIN, read_filter

META_TABLES = ("sources", "silences", COVERAGE_HOURLY.name)  # `meta` is made from them


@dataclass(frozen=True, slots=True)
class Question:
    """A report with every parameter and every snapshot fixed.

    Attributes:
        parameters: A value for each parameter of the contract.
        window: The window asked about; None for a report without one.
        pinned: The tables that it may read: roll-ups first, so that none has
            absorbed more than there is.
        limits: What its answer is limited to.
        brought: What it reads that users bring, by name.
    """

    report: Report
    parameters: Mapping[str, Any]
    window: Window | None
    pinned: Mapping[str, Pinned]
    limits: Limits = UNLIMITED
    brought: Mapping[str, Brought] = field(default_factory=dict)

    @property
    def snapshots(self) -> dict[str, int]:
        """The snapshot of each table that it may read."""
        known = ((name, p.snapshot) for name, p in self.pinned.items())
        return {name: snapshot for name, snapshot in known if snapshot is not None}

    @property
    def reach(self) -> Window | None:
        """All that must be read: the window and its baseline."""
        return None if self.window is None else reach_of(self.window, self.parameters)

    @property
    def by_day(self) -> Window | None:
        """What may be read by whole days: nothing within one of them is told apart."""
        window, reach = self.window, self.reach
        if window is None or reach is None or self._tells_hours_apart:
            return None
        if reach == window or is_midnight(window.since):
            return reach
        before = Window(reach.since, window.since)
        return max(window, before, key=lambda part: part.until - part.since)

    @property
    def _tells_hours_apart(self) -> bool:
        return self.parameters.get("step") not in (None, "day")

    @property
    def bound(self) -> dict[str, Any]:
        """What may be bound in the SQL, by name."""
        found = {**self.parameters, **_fixed(self.report)}
        found[UNCOUNTED] = self.report.fixed.get(UNCOUNTED) == "true"
        if self.expression is not None:
            found |= compiled(self.expression).parameters
        if self.window is not None and self.reach is not None:
            found["from"] = self.reach.since
            found |= {"since": self.window.since, "until": self.window.until}
        return found

    @property
    def filters(self) -> tuple[str, ...]:
        """Names of the plain filters that are given."""
        return tuple(n for n in PLAIN if self.parameters.get(n) is not None)

    @property
    def expression(self) -> Filter | None:
        """The filter expression, if one is given."""
        text = self.parameters.get(FILTER.name)
        return None if text is None else read_filter(text)

    @property
    def tested(self) -> str | None:
        """The filter expression as SQL, its values bound; None: there is none."""
        expression = self.expression
        return None if expression is None else compiled(expression).sql

    @property
    def etag(self) -> str:
        """What names the answer: equal questions of an equal lake share it."""
        state = [p.metadata for p in self.pinned.values()]
        state += [str(b.version) for b in self.brought.values()]
        text = json.dumps(
            [
                self.report.version,
                dict(self.parameters),
                state,
                self.limits.key,
            ],
            default=str,
        )
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def pose(
    engine: Engine,
    report: Report,
    given: Mapping[str, Sequence[str]],
    *,
    now: datetime,
    limits: Limits = UNLIMITED,
    snapshots: Mapping[str, int] | None = None,
) -> Question:
    """Fix a report's parameters and pin the tables that it reads.

    Args:
        engine: Over the lake.
        report: What to ask.
        given: Parameters as text.
        now: What relative times count from; UTC.
        limits: What the answer is limited to.
        snapshots: Of some tables, the snapshot to read; else the newest.

    Raises:
        BadParameter: A parameter is unknown or not allowed.
        SnapshotGone: One of the snapshots has expired.
        UnlimitedOnly: The report reads what tells of everybody.
        NotBrought: The report needs a list of the user's.
        LakeError: The catalog cannot be reached.
    """
    parameters = bind(report, given, now)
    check_may_read(report.reads, limits)
    check_brought(report.name, report.brought, engine.brought)
    rollups = [table for name in report.rolled for table in load_asked(name).reads]
    names = dict.fromkeys(
        (*rollups, COVERAGE_HOURLY.name, *report.reads, FLOWS.name, *META_TABLES)
    )
    window = window_of(report, parameters)
    if window is not None:
        reach_of(window, parameters)
    pinned = engine.pin(list(names), snapshots)
    brought = {name: engine.brought[name] for name in report.brought}
    return Question(report, parameters, window, pinned, limits, brought)


def _fixed(report: Report) -> dict[str, Any]:
    """Return what the report sets itself, as it is bound."""
    return {
        name: text.split("|") if name in PLAIN else text
        for name, text in report.fixed.items()
    }
