"""Answering a question: from a roll-up that holds all it asks for, else `flows`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from queries.compose import order_of_pages
from queries.computed import Computed, Page, from_tables
from queries.engine import Engine
from queries.folded import from_rollup, sources_of
from queries.hidden import said_of
from queries.known import facts_for
from queries.meta import META_NAMES, Facts, meta_of
from queries.paging import PageEnd, page_end
from queries.questions import Question, pose

__all__ = ["META_NAMES", "Answer", "Page", "Question", "answer", "pose"]


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
    found, facts = _computed(engine, question, page)
    meta = meta_of(question, found.read, found.snapshot, facts)
    meta["warnings"] += said_of(found.kept)
    rows, more = _cut(question, found.rows)
    meta["more"] = more
    meta["elapsed_ms"] = round((time.perf_counter() - begun) * 1000, 1)
    return Answer(meta, rows, _end(question, rows, page) if more else None)


def _computed(
    engine: Engine, question: Question, page: Page | None
) -> tuple[Computed, Facts]:
    """Return the rows, and what is known of the window: it decides if roll-ups may."""
    facts = facts_for(engine, question)
    for source in sources_of(engine, question) if facts.all_decided else ():
        found = from_rollup(engine, question, source, page)
        if found is not None:
            return found, facts
    return from_tables(engine, question, page), facts


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
