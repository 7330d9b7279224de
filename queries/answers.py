"""Answering a question: from a roll-up that holds all it asks for, else `flows`."""

from __future__ import annotations

import re
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from lake.reading import Plan, is_timed
from lake.snapshots import mark_of
from lake.tables import COVERAGE_HOURLY, FLOWS
from queries.compose import (
    TRAFFIC,
    composed,
    folds,
    load_asked,
    order_of_pages,
    ordered,
    paged,
    unsure,
)
from queries.contract import Asked
from queries.engine import Engine
from queries.filters import compiled, fields_of
from queries.meta import (
    META_NAMES,
    Facts,
    coverage_of,
    facts_of,
    meta_of,
    through_of,
)
from queries.paging import Keyset, PageEnd, page_end
from queries.questions import META_TABLES, Question, pose
from queries.rolled import parts_of, plans_of
from queries.scoped import both_ends_known
from queries.session import Session
from queries.where import columns_needed

__all__ = ["META_NAMES", "Answer", "Page", "Question", "answer", "pose"]

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
class Answer:
    """Rows, and `meta`: what they were computed from and how far to trust them.

    Attributes:
        end: Where this page ends, if a page was asked for and there are more.
    """

    meta: dict[str, Any]
    rows: pa.Table
    end: PageEnd | None = None


def answer(engine: Engine, question: Question, page: Page | None = None) -> Answer:
    """Compute the answer.

    A window without rows gives an empty answer whose `meta` says so.

    Args:
        engine: Over the lake.
        question: What is asked.
        page: Which page of it; None: its first rows, and nothing is said of others.

    Raises:
        QueryError: It takes too long or too much.
    """
    begun = time.perf_counter()
    facts: Facts = engine.facts.get(_about(question), lambda: _facts(engine, question))
    found = _from_rollups(engine, question, facts, page) or _from_tables(
        engine, question, page
    )
    meta = meta_of(question, found.read, found.snapshot, facts)
    rows, more = _cut(question, found.rows)
    meta["more"] = more
    meta["elapsed_ms"] = round((time.perf_counter() - begun) * 1000, 1)
    return Answer(meta, rows, _end(question, rows, page) if more else None)


def _cut(question: Question, rows: pa.Table) -> tuple[pa.Table, bool | None]:
    """Return the rows within the limit, and whether there are others."""
    if question.report.whole:
        return rows, None
    most = question.parameters["limit"]
    return rows.slice(0, most), rows.num_rows > most


def _end(question: Question, rows: pa.Table, page: Page | None) -> PageEnd | None:
    if page is None or rows.num_rows == 0:
        return None
    order = order_of_pages(question.report)
    return page_end(order, rows, before=page.before)


def _facts(engine: Engine, question: Question) -> Facts:
    through = _through(engine, question)
    plans = [_planned(engine, question, name) for name in META_TABLES]
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


@dataclass(frozen=True, slots=True)
class _Computed:
    """Rows, and what they were computed from, the main table first.

    Attributes:
        snapshot: Of `flows`: of a roll-up, the last one that it has absorbed.
    """

    rows: pa.Table
    read: Sequence[Plan]
    snapshot: int | None


def _from_tables(engine: Engine, question: Question, page: Page | None) -> _Computed:
    plans = [_planned(engine, question, name) for name in question.report.reads]
    with engine.session(plans, question.limits) as session:
        rows = _rows(session, question, TRAFFIC, {}, page)
    return _Computed(rows, plans, plans[0].snapshot)


def _from_rollups(
    engine: Engine, question: Question, facts: Facts, page: Page | None
) -> _Computed | None:
    """Answer from the first roll-up that holds all that is asked; None: none does."""
    if not facts.all_decided or question.window is None:
        return None
    for name in question.report.rolled:
        asked = load_asked(name)
        if _tells_apart(asked, question):
            found = _from(engine, question, asked, page)
            if found is not None:
                return found
    return None


def _tells_apart(asked: Asked, question: Question) -> bool:
    filtered = set(question.filters) - set(asked.values)
    expression = question.expression
    return (
        all(both_ends_known(table, question.limits) for table in asked.reads)
        and asked.can_answer(question.bound)
        and columns_needed(filtered) <= asked.columns
        and (expression is None or fields_of(expression) <= asked.columns)
        and not question.parameters.get("explode")
        and question.parameters.get("ports") != "all"
    )


def _from(
    engine: Engine, question: Question, asked: Asked, page: Page | None
) -> _Computed | None:
    parts = parts_of(asked, question)
    if parts is None:
        return None
    plans = plans_of(engine, asked, parts, question.pinned)
    beside = [
        _planned(engine, question, name)
        for name in question.report.reads
        if name != FLOWS.name
    ]
    with engine.session([*plans, *beside], question.limits) as session:
        if _is_unsure(session, question, asked, parts.parameters):
            return None
        rows = _rows(session, question, asked.name, parts.parameters, page)
    read = [p for p in plans if p.table is FLOWS or parts.of(p.table)]
    read += beside
    return _Computed(rows, read, _absorbed(question, read[0].table.name))


def _absorbed(question: Question, rollup: str) -> int | None:
    """Return the snapshot of `flows` whose sums a roll-up holds."""
    pinned = question.pinned[rollup]
    if pinned.older is not None:
        return question.pinned[FLOWS.name].snapshot
    return mark_of(pinned.stored, FLOWS.name) if pinned.stored else None


def _is_unsure(
    session: Session, question: Question, asked: Asked, more: Mapping[str, Any]
) -> bool:
    """Whether a roll-up has folded what the answer would have to tell apart.

    Which ports and pods its folded rows were it does not tell: where these are asked
    for, or an expression may do so, any of them may be one.
    """
    expression = question.expression

    def tells(sql: str) -> bool:
        return bool(_query(session, sql, question, more)["found"][0].as_py())

    by_port = expression is not None and "service_port" in fields_of(expression)
    if by_port and tells(folds(asked, (), "folded_ports")):
        return True
    if "folded_clients" not in asked.columns:
        return False
    is_blind = expression is not None or "pod" in question.filters
    given = () if is_blind else question.filters
    if not tells(folds(asked, given, "folded_clients")):
        return False
    return is_blind or tells(unsure(asked, given))


def _rows(
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
        expression=_tested(question),
        explode=bool(question.parameters.get("explode")),
        cut=bool(more.get("cut_hours")),
    )
    if report.whole:
        return _query(session, sql, question, more)
    known = {**more, "limit": question.parameters["limit"] + 1}
    if page is None:
        return _query(session, ordered(report, sql), question, known)
    if page.begin is not None:
        known |= {**page.begin.parameters, "skipped": page.begin.skipped}
    return _query(session, paged(report, sql, page.begin), question, known)


def _tested(question: Question) -> str | None:
    """Return the filter expression as SQL."""
    expression = question.expression
    return None if expression is None else compiled(expression).sql


def _query(
    session: Session, sql: str, question: Question, more: Mapping[str, Any]
) -> pa.Table:
    """Run a statement with just those of the question's values that it names."""
    known = {**question.bound, **more}
    names = set(_NAMES.findall(sql))
    return session.query(sql, {n: v for n, v in known.items() if n in names})


def _planned(engine: Engine, question: Question, name: str) -> Plan:
    pinned = question.pinned[name]
    return engine.plan(pinned, question.reach if is_timed(pinned.table) else None)
