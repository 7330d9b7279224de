"""What is known of a question's window: computed once, and kept."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime

from lake.tables import COVERAGE_HOURLY, FLOWS
from queries.computed import planned
from queries.engine import Engine
from queries.meta import Facts, coverage_of, facts_of, through_of
from queries.questions import META_TABLES, OF_WINDOWS, Question


def facts_for(engine: Engine, question: Question) -> Facts:
    """Return what is known of the window, within the question's limits."""
    found: Facts = engine.facts.get(_about(question), lambda: _facts(engine, question))
    return found


def _facts(engine: Engine, question: Question) -> Facts:
    through = _through(engine, question)
    plans = [planned(engine, question, name) for name in OF_WINDOWS]
    undecided = None
    if not question.limits.is_unlimited and question.reach is not None:
        # Of all: what is in scope of a record may be seen by another's interface.
        with engine.session(plans) as session:
            undecided = coverage_of(session, question.reach).get("undecided", 0)
    with engine.session(plans, question.limits) as session:
        return facts_of(session, question, through=through, undecided=undecided)


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
