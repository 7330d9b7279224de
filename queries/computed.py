"""A question's rows, computed by one statement in a session."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from lake.reading import Plan, is_timed
from queries.compose import TRAFFIC, composed, ordered, paged
from queries.engine import Engine
from queries.made import made_for
from queries.paging import Keyset, PageEnd
from queries.questions import Question
from queries.session import Session

FEW = 10_000
_NAMES = re.compile(r"\$(\w+)")


@dataclass(frozen=True, slots=True)
class Page:
    """Which page of an answer is wanted; as many rows as the question's limit.

    Attributes:
        begin: Where it begins; None: it is the first.
        before: The end of the page before it.
    """

    begin: Keyset | None = None
    before: PageEnd | None = None


@dataclass(frozen=True, slots=True)
class Computed:
    """Rows, and what they were computed from, the main table first.

    Attributes:
        snapshot: Of `flows`: of a roll-up, the last one that it has absorbed.
        kept: See `queries.hidden.kept_addresses`.
    """

    rows: pa.Table
    read: Sequence[Plan]
    snapshot: int | None
    kept: Sequence[str] = ()


def from_tables(engine: Engine, question: Question, page: Page | None) -> Computed:
    """Compute the rows from the tables that the report names."""
    plans = [planned(engine, question, name) for name in question.report.reads]
    made = made_for(engine, question)
    with engine.session(plans, question.limits, made=made) as session:
        rows = rows_of(session, question, TRAFFIC, {}, page)
    return Computed(rows, plans, plans[0].snapshot)


def rows_of(
    session: Session,
    question: Question,
    source: str,
    more: Mapping[str, Any],
    page: Page | None,
) -> pa.Table:
    """Return the rows asked for, and one more, which tells that there are others."""
    report = question.report
    sql = composed(
        report,
        source=source,
        given=question.filters,
        expression=question.tested,
        explode=bool(question.parameters.get("explode")),
        cut=bool(more.get("cut_hours")),
    )
    if report.whole:
        return run(session, sql, question, more)
    known = {**more, "limit": question.parameters["limit"] + 1}
    if page is None:
        return run(session, ordered(report, sql), question, known)
    if page.begin is not None:
        known |= {**page.begin.parameters, "skipped": page.begin.skipped}
    return run(session, paged(report, sql, page.begin), question, known)


def run(
    session: Session, sql: str, question: Question, more: Mapping[str, Any]
) -> pa.Table:
    """Run a statement with just those of the question's values that it names."""
    known = {**question.bound, **more}
    names = set(_NAMES.findall(sql))
    given = {n: v for n, v in known.items() if n in names}
    is_short = known.get("limit", FEW) <= FEW
    return (session.few if is_short else session.query)(sql, given)


def planned(engine: Engine, question: Question, name: str) -> Plan:
    """Return what is read of a table: of one with times, what the question reaches."""
    pinned = question.pinned[name]
    return engine.plan(pinned, question.reach if is_timed(pinned.table) else None)
