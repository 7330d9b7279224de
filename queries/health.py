"""Whether the lake keeps what was promised: how fresh, how complete, and what to do.

What is promised is an operator's setting (``FLOWLAKE_SLO_…``); the numbers are those of
`flowlake status`, of ``/metrics`` and of the alert rules alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from lake.datafiles import HOUR
from lake.settings import Settings
from lake.tables import COVERAGE_HOURLY
from queries.engine import Engine, Pinned
from queries.hours import hours_of
from queries.limits import UNLIMITED
from queries.meta import share_of
from queries.rolled import begin_of_hour
from queries.spelling import iso
from queries.values import Window

FIRST_HOURS = 2 * HOUR  # of a new lake, in which none can be whole


@dataclass(frozen=True, slots=True)
class Objective:
    """One promise.

    Attributes:
        slo: Its name.
        value: What is; null: nobody knows.
        target: What it should be: at most, of ``completeness`` at least.
        unit: Of both.
        met: Whether it is; null: nobody can know it yet.
        do: What to do if it is not.
    """

    slo: str
    value: float | None
    target: float
    unit: str
    met: bool | None
    do: str


def window_since(settings: Settings, now: datetime) -> datetime:
    """Return where the objectives' window begins."""
    return now - timedelta(hours=settings.slo_window_hours)


def health_of(
    engine: Engine,
    pinned: Mapping[str, Pinned],
    objects: Mapping[str, Any],
    fresh: Mapping[str, Any],
    followers: Mapping[str, int | None],
    *,
    heard: datetime | None,
    now: datetime,
) -> dict[str, Any]:
    """Return the numbers of the objectives' window, and the objectives.

    Args:
        engine: Over the lake.
        pinned: Its tables.
        objects: What ``meta/objects`` says of all that was read.
        fresh: What ``meta/fresh`` says of those of the window.
        followers: What each has still to absorb; None: it has stopped.
        heard: End of the newest record, silences too; None: there is none.
        now: The end of the window; UTC.
    """
    settings = engine.settings
    since = window_since(settings, now)
    hours = _hours(engine, pinned[COVERAGE_HOURLY.name], since, now)
    found = {
        "since": iso(since),
        **fresh,
        "completeness": share_of(hours, "heard", "expected"),
        "unsettled": share_of(hours, "unsettled", "records"),
        "attributed": share_of(hours, "attributed", "sides"),
        "skipped": hours.get("skipped", 0),
    }
    is_new = _is_new(objects, settings, now)
    is_rolled_up = _has_rows(pinned[COVERAGE_HOURLY.name])
    stopped = sum(behind is None for behind in followers.values())
    objectives = [
        _recency(heard, settings, now=now),
        # Objects of silences alone have no last record that could be late.
        _freshness(found, settings, may_be_unknown=is_new or fresh["objects"] > 0),
        # Nothing is expected of a lake of which no hour was ever rolled up.
        _completeness(found, settings, may_be_unknown=is_new or not is_rolled_up),
        Objective("followers", stopped, 0, "stopped", stopped == 0,
                  "run `flowlake repair`, which makes them anew"),
    ]  # fmt: skip
    return {"window": found, "objectives": [asdict(each) for each in objectives]}


def missed(status: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the objectives of a status that are not met."""
    return [each for each in status["objectives"] if each["met"] is False]


def objective_lines(status: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each objective."""
    for each in status["objectives"]:
        is_share = each["unit"] == "share"
        word = {True: "met", False: "MISSED", None: "not known yet"}[each["met"]]
        value = "unknown" if each["value"] is None else f"{each['value']:g}"
        bound = "at least" if is_share else "at most"
        line = f"{each['slo']}: {word}: {value} {each['unit']}, {bound} "
        line += f"{each['target']:g} wanted"
        yield line if each["met"] is not False else f"{line}: {each['do']}"


def _hours(
    engine: Engine, coverage: Pinned, since: datetime, now: datetime
) -> dict[str, int]:
    """Return the sums of the whole hours within a window that are old enough."""
    lateness = timedelta(minutes=engine.settings.lateness_minutes)
    first = begin_of_hour(since) + HOUR
    last = begin_of_hour(now - lateness)
    if last <= first:
        return {}
    window = Window(first, last)
    return hours_of(engine, coverage, window, UNLIMITED).sums(window)


def _has_rows(pinned: Pinned) -> bool:
    snapshot = pinned.stored.current_snapshot() if pinned.stored else None
    totals = snapshot.summary if snapshot else None
    return int((totals.get("total-records") if totals else None) or 0) > 0


def _is_new(objects: Mapping[str, Any], settings: Settings, now: datetime) -> bool:
    """Whether the lake is too young for any of its hours to be whole."""
    first = objects["first_ingested"]
    young = timedelta(minutes=settings.lateness_minutes) + FIRST_HOURS
    return first is None or bool(now - first < young)


def _recency(
    through: datetime | None, settings: Settings, *, now: datetime
) -> Objective:
    target = settings.slo_recency_minutes
    value = None if through is None else round((now - through).total_seconds() / 60, 1)
    return Objective(
        "recency", value, target, "minutes", value is not None and value <= target,
        "see that `flowlake ingest` runs, that it finds objects, and that AWS "
        "delivers them",
    )  # fmt: skip


def _freshness(
    found: Mapping[str, Any], settings: Settings, *, may_be_unknown: bool
) -> Objective:
    seconds, target = found["lag_p95_s"], settings.slo_freshness_minutes
    value = None if seconds is None else round(seconds / 60, 1)
    return Objective(
        "freshness", value, target, "minutes",
        _at_most(value, target, may_be_unknown=may_be_unknown),
        "run `flowlake ingest` more often, or by --follow-sqs; `flowlake report "
        "freshness` says which flow log is late",
    )  # fmt: skip


def _completeness(
    found: Mapping[str, Any], settings: Settings, *, may_be_unknown: bool
) -> Objective:
    share, target = found["completeness"], settings.slo_completeness
    lacking = None if share is None else -share
    return Objective(
        "completeness", share, target, "share",
        _at_most(lacking, -target, may_be_unknown=may_be_unknown),
        "`flowlake report coverage --by observer` says what is missing, `flowlake "
        "verify` whether objects are",
    )  # fmt: skip


def _at_most(
    value: float | None, target: float, *, may_be_unknown: bool
) -> bool | None:
    if value is None:
        return None if may_be_unknown else False
    return value <= target
