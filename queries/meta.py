"""What every answer says of itself: what it rests on, and how far to trust it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lake.reading import Plan
from lake.tables import COVERAGE_HOURLY, FLOWS
from queries.hours import Hours
from queries.limits import Limits
from queries.questions import Question
from queries.rolled import hours_not_absorbed
from queries.session import Session
from queries.spelling import iso
from queries.statements import statement
from queries.values import Window

COVERAGE = COVERAGE_HOURLY.name
NO_COVERAGE = "hours of it are not rolled up: the next `flowlake ingest` does that"
NOT_HEARD = "no interface was heard of in the window, nor within a day on both sides"
BY_NAMESPACE = "interfaces are of no namespace: of those alone nobody knows"
NO_FLOWS = "nothing has been ingested yet: `flowlake ingest` does that"
# What `meta` says, by name; the documentation is made from it.
META_NAMES: Mapping[str, str] = {
    "report": "The report's name.",
    "parameters": "Every parameter with the value that was taken.",
    "window": "The half-open window, since and until; UTC.",
    "snapshot": "The snapshot of `flows` that the answer was computed from: of a "
    "roll-up, the last one that it has absorbed.",
    "snapshots": "The snapshot of every table read.",
    "table": "The main table read: `flows`, or a roll-up that holds all that it takes.",
    "data_through": "How far the records of the lake reach; null: none yet.",
    "completeness": "The share of expected intervals that were heard of (null: not "
    "known, with the reason), intervals that AWS skipped, the share of records that is "
    "not settled, and records that should have arrived somewhere and did not. With "
    "limits, of the interfaces in scope; to namespaces, null: interfaces are of none.",
    "attributed": "The share of records' sides that are ours, or may be, with a known "
    "identity; null: not known yet.",
    "files": "Data files read; null for those with limits.",
    "rows_read": "Rows in those files, before any filter; null for those with limits.",
    "warnings": "What to know before trusting the answer.",
    "more": "Whether the limit left rows out; null: the report has a limit of its own.",
    "elapsed_ms": "How long it took, milliseconds.",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a question's window."""

    data_through: datetime | None
    skipped: int | None
    coverage: Mapping[str, int]
    undecided: int = 0  # records, of the baseline too, that may or may not count
    not_covered: int | None = None  # hours changed since they were added up; None: all
    reach_not_covered: int | None = None  # of the baseline too
    unheard: int = 0  # hours of the baseline in which nothing was heard
    has_flows: bool = True

    @property
    def all_decided(self) -> bool:
        """Whether it is known of every record if it counts: roll-ups have no others."""
        return self.reach_not_covered == 0 and not self.undecided


def facts_of(
    question: Question,
    hours: Hours,
    *,
    through: datetime | None,
    skipped: int | None,
    undecided: int | None = None,
) -> Facts:
    """Return what is known of the question's window, within its limits.

    Args:
        question: What is asked.
        hours: Of its window and baseline.
        through: How far the records reach.
        skipped: In how many intervals AWS skipped records; None: nobody knows.
        undecided: Of how many records, of the baseline too, nobody knows if they
            count; None: as many as are within the limits.
    """
    has_flows = question.pinned[FLOWS.name].snapshot is not None
    if question.window is None or question.reach is None:
        return Facts(through, 0, {}, has_flows=has_flows)
    coverage = hours.sums(question.window)
    baseline = Window(question.reach.since, question.window.since)
    has_baseline = bool(question.parameters.get("baseline"))
    if undecided is None:
        undecided = hours.sums(question.reach).get("undecided", 0)
    return Facts(
        data_through=through,
        skipped=skipped,
        coverage=coverage,
        undecided=undecided,
        not_covered=_behind(question, question.window),
        reach_not_covered=_behind(question, question.reach),
        unheard=hours.unheard(baseline) if has_baseline else 0,
        has_flows=has_flows,
    )


def through_of(session: Session, limits: Limits) -> datetime | None:
    """Return how far the records of the lake reach: with limits, those in scope."""
    name = "through" if limits.is_unlimited else "heard_through"
    found = session.few(statement(f"meta/data_{name}"))["data_through"][0].as_py()
    return found if isinstance(found, datetime) else None


def skipped_of(session: Session, window: Window) -> int:
    """Return in how many intervals of a window AWS skipped records."""
    given = {"since": window.since, "until": window.until}
    return int(session.few(statement("meta/skipped"), given)["skipped"][0].as_py())


def _behind(question: Question, window: Window) -> int | None:
    pinned = question.pinned
    return hours_not_absorbed(pinned[COVERAGE], pinned[FLOWS.name], window)


def _unknown(facts: Facts, limits: Limits) -> str:
    """Return why nobody knows how complete the answer is."""
    if not facts.has_flows:
        return NO_FLOWS
    if limits.by_namespace:
        return BY_NAMESPACE
    is_told = limits.is_unlimited and facts.not_covered != 0
    return NO_COVERAGE if is_told else NOT_HEARD


def _completeness(facts: Facts, limits: Limits) -> dict[str, Any]:
    share = share_of(facts.coverage, "heard", "expected")
    return {
        "share": share,
        "reason": _unknown(facts, limits) if share is None else None,
        "skipdata": facts.skipped,
        "unsettled": share_of(facts.coverage, "unsettled", "records"),
        "unmatched": facts.coverage.get("unmatched"),
    }


def share_of(counts: Mapping[str, int], part: str, whole: str) -> float | None:
    """Return a count as a share of another; None of nothing."""
    if not counts.get(whole):
        return None
    return round(counts.get(part, 0) / counts[whole], 4)


def meta_of(
    question: Question,
    read: Sequence[Plan],
    snapshot: int | None,
    facts: Facts,
) -> dict[str, Any]:
    """Return what an answer says of itself, but how long it took.

    Args:
        question: What was asked.
        read: What was read, the main table first.
        snapshot: Of `flows`, that the answer was computed from.
        facts: What is known of the window.
    """
    all_of_it = question.limits.is_unlimited
    return {
        "report": question.report.name,
        "parameters": {k: _plain(v) for k, v in question.parameters.items()},
        "window": _window(question.window),
        "snapshot": snapshot_text(snapshot),
        "snapshots": {p.table.name: snapshot_text(p.snapshot) for p in read},
        "table": read[0].table.name,
        "data_through": _plain(facts.data_through),
        "completeness": _completeness(facts, question.limits),
        "attributed": share_of(facts.coverage, "attributed", "sides"),
        "files": sum(len(p.files) for p in read) if all_of_it else None,
        "rows_read": sum(p.rows for p in read) if all_of_it else None,
        "warnings": _warnings(question, read, facts),
    }


def _warnings(question: Question, read: Sequence[Plan], facts: Facts) -> list[str]:
    found = [*_of_completeness(facts, question.limits)]
    if question.parameters.get("explode"):
        found.append(
            "a record stands in the row of each of its security groups: rows overlap, "
            "and their sums are no total"
        )
    window, through = question.window, facts.data_through
    main = question.pinned[read[0].table.name]
    if question.reach and question.reach.since.date() < main.retained_from:
        found.append(
            f"{main.table.name} has dropped its days before {main.retained_from}: what "
            "they held is not in this answer"
        )
    if window and not _any_records(question, read, facts):
        found.append(f"no records of this window are known: {_reach(facts)}")
    elif window and through and through < window.until:
        found.append(f"records are known only up to {_plain(through)}")
    return found


def _any_records(question: Question, read: Sequence[Plan], facts: Facts) -> bool:
    """Whether there may be any: of a principal with limits, of its own."""
    if question.limits.by_namespace:
        return True
    if not question.limits.is_unlimited:
        return bool(facts.coverage.get("records"))
    about = [p for p in read if p.table.name != COVERAGE] or read
    return any(p.rows for p in about)


def _of_completeness(facts: Facts, limits: Limits) -> Iterator[str]:
    if facts.coverage.get("undecided"):
        yield (
            f"of {facts.coverage['undecided']} records nobody knows the direction, so "
            "they may be counted twice or not at all: see `flowlake doctor`"
        )
    unsettled = share_of(facts.coverage, "unsettled", "records")
    if unsettled:
        many = f"{unsettled:.1%}" if unsettled >= 0.001 else "fewer than 0.1%"
        yield (
            f"{many} of the records are not settled: what a second record decides is "
            "open"
        )
    if facts.not_covered and limits.is_unlimited:  # else: of others' records
        yield (
            f"{facts.not_covered} hours of the window have changed since completeness "
            "and attribution were added up: the end of the next ingest does it again"
        )
    if facts.unheard > 0 and facts.reach_not_covered == 0:
        yield (
            f"in {facts.unheard} hours of the baseline nothing was heard: what is "
            "called new may be older"
        )
    if facts.skipped:
        yield (
            f"AWS skipped records in {facts.skipped} intervals of the window (SKIPDATA)"
        )


def _reach(facts: Facts) -> str:
    through = facts.data_through
    if through is None and facts.has_flows:
        return "nor of any other time"
    if through is None:
        return (
            "flows is empty, `flowlake ingest` fills it (Transit Gateway records are "
            "in tgw_flows, for SQL)"
        )
    return f"records are known up to {_plain(through)}, see `since` and `until`"


def _window(window: Window | None) -> dict[str, Any] | None:
    if window is None:
        return None
    return {"since": _plain(window.since), "until": _plain(window.until)}


def snapshot_text(snapshot: int | None) -> str | None:
    """Return a snapshot id as text: it does not fit a JSON reader's double."""
    return None if snapshot is None else str(snapshot)


def _plain(value: Any) -> Any:
    return iso(value) if isinstance(value, datetime) else value
