"""What is known of a question's window: computed once, and kept."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime

from lake.tables import COVERAGE_HOURLY, FLOWS, SILENCES
from queries.computed import planned
from queries.engine import Engine
from queries.hours import Hours, hours_of
from queries.limits import UNLIMITED
from queries.meta import Facts, facts_of, skipped_of, through_of
from queries.questions import META_TABLES, Question


def facts_for(engine: Engine, question: Question) -> Facts:
    """Return what is known of the window, within the question's limits."""
    found: Facts = engine.facts.get(_about(question), lambda: _facts(engine, question))
    return found


def _facts(engine: Engine, question: Question) -> Facts:
    limits, reach = question.limits, question.reach
    hours, undecided = Hours(), None
    if reach is not None:
        coverage = question.pinned[COVERAGE_HOURLY.name]
        hours = hours_of(engine, coverage, reach, limits)
        if not limits.is_unlimited:
            # Of all: what is in scope of a record may be seen by another's interface.
            every = hours_of(engine, coverage, reach, UNLIMITED)
            undecided = every.sums(reach).get("undecided", 0)
    return facts_of(
        question,
        hours,
        through=_through(engine, question),
        skipped=_skipped(engine, question, hours),
        undecided=undecided,
    )


def _skipped(engine: Engine, question: Question, hours: Hours) -> int | None:
    """Return in how many intervals AWS skipped records; None: nobody knows."""
    if question.limits.by_namespace:
        return None
    if question.window is None:
        return 0
    if not question.limits.is_unlimited:
        return hours.sums(question.window).get("skipped", 0)
    with engine.session([planned(engine, question, SILENCES.name)]) as session:
        return skipped_of(session, question.window)


def _through(engine: Engine, question: Question) -> datetime | None:
    """Return how far the records reach that may be seen, whatever is asked of."""
    limits = question.limits
    of = question.pinned["sources" if limits.is_unlimited else COVERAGE_HOURLY.name]

    def look() -> datetime | None:
        with engine.session([engine.plan(of)], limits) as session:
            return through_of(session, limits)

    found: datetime | None = engine.facts.get((of.metadata, limits.key), look)
    return found


def _about(question: Question) -> Hashable:
    """Return all that what is known of a question's window depends on."""
    states = (question.pinned[name].metadata for name in (FLOWS.name, *META_TABLES))
    return *states, question.window, question.reach, question.limits.key
