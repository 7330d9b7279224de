"""Answering from roll-ups: which of them, what of it, and whether it is sure enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lake.reading import Plan
from lake.snapshots import mark_of
from lake.tables import FLOWS
from queries.compose import folds, load_asked, unsure
from queries.computed import Computed, Page, planned, rows_of, run
from queries.contract import Asked
from queries.engine import Engine
from queries.filters import fields_of
from queries.hidden import kept_addresses
from queries.questions import Question
from queries.rolled import Parts, parts_of, plans_of
from queries.scoped import both_ends_known
from queries.session import Session
from queries.where import columns_needed


@dataclass(frozen=True, slots=True)
class Source:
    """A roll-up that may answer.

    Attributes:
        asked: Its likeness of what is asked about.
        parts: What of the window it answers.
        plans: What is read of it, and of `flows` for hours that are cut.
        beside: What the report reads besides.
    """

    asked: Asked
    parts: Parts
    plans: Sequence[Plan]
    beside: Sequence[Plan]


def sources_of(engine: Engine, question: Question) -> Iterator[Source]:
    """Give the roll-ups that may answer, all records being known to count or not."""
    if question.window is None:
        return
    for name in question.report.rolled:
        asked = load_asked(name)
        parts = parts_of(asked, question) if _tells_apart(asked, question) else None
        if parts is not None:
            plans = plans_of(engine, asked, parts, question.pinned)
            others = (n for n in question.report.reads if n != FLOWS.name)
            beside = [planned(engine, question, each) for each in others]
            yield Source(asked, parts, plans, beside)


def from_rollup(
    engine: Engine, question: Question, source: Source, page: Page | None
) -> Computed | None:
    """Compute the rows from a roll-up; None: it has folded what they must tell."""
    asked, parts = source.asked, source.parts
    with engine.session([*source.plans, *source.beside], question.limits) as session:
        if _is_unsure(session, question, asked, parts.parameters):
            return None
        rows = rows_of(session, question, asked.name, parts.parameters, page)
        read = [p for p in source.plans if p.table is FLOWS or parts.of(p.table)]
        read += source.beside
        kept = kept_addresses(session, question, read, parts.parameters)
    return Computed(rows, read, _absorbed(question, read[0].table.name), kept)


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
        return bool(run(session, sql, question, more)["found"][0].as_py())

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
