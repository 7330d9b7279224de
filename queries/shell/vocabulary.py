"""The words of the shell: what there is to ask, and one sentence on each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from lake.reading import Plan
from lake.schema import Field
from queries.catalogue import load_catalogue
from queries.contract import Report
from queries.database import HERE
from queries.views import engine_type

ROWS_OF: Mapping[str, str] = {
    "flows": "One flow-log record, with who its two sides were and what became of it.",
    "tgw_flows": "One record of a Transit Gateway flow log.",
    "sources": "One object that was ingested, with what was read from it.",
    "silences": "One interval without records: no traffic, or skipped by AWS.",
    "quarantine": "One line or object that could not be read, with the reason.",
    "identities": "What held an address, from when to when, and how that is known.",
    "configurations": "What a resource was configured to be, from when to when.",
    "edges_hourly": "Sums of an hour: client workload, server workload, port, verdict.",
    "edges_daily": "The same of a day, for long windows.",
    "endpoints_hourly": "Sums of an hour: pod or interface, peer workload, verdict.",
    "rejections_hourly": "Sums of an hour of what was rejected: source, server, port.",
    "coverage_hourly": "What was heard of an interface in an hour, what is missing.",
}
# A helper's comment begins with how it is called.
_HELPER = re.compile(r"^-- ((\w+)\([\w, ]*\)): (.+(?:\n-- .+)*)", re.MULTILINE)
_KEYWORDS = """
ALL AND AS ASC BETWEEN BY CASE CAST COUNT CROSS DATE DESC DESCRIBE DISTINCT ELSE END
EXCEPT EXISTS EXPLAIN FALSE FILTER FROM FULL GROUP HAVING ILIKE IN INNER INTERSECT
INTERVAL IS JOIN LEFT LIKE LIMIT NOT NULL NULLS OFFSET ON OR ORDER OUTER OVER PARTITION
PIVOT QUALIFY RIGHT SELECT SHOW SUMMARIZE THEN TIMESTAMPTZ TRUE UNION UNNEST UNPIVOT
USING VALUES WHEN WHERE WINDOW WITH
"""
KEYWORDS = tuple(_KEYWORDS.split())


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its DuckDB type, and its meaning in a sentence."""

    name: str
    type: str
    meaning: str


_DAY = Column("day", "DATE", "The day of start_time; UTC.")  # a view's own


@dataclass(frozen=True, slots=True)
class Helper:
    """One function of ours: how it is called, and what it returns."""

    name: str
    call: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All words that mean something in a statement, by name.

    Attributes:
        tables: The columns of each table, as it is stored.
    """

    tables: Mapping[str, Sequence[Column]]
    reports: Mapping[str, Report]
    helpers: Mapping[str, Helper]


def vocabulary_of(plans: Sequence[Plan]) -> Vocabulary:
    """Return the words for statements over these plans."""
    return Vocabulary(
        tables={plan.table.name: _columns(plan) for plan in plans},
        reports=load_catalogue(),
        helpers=load_helpers(),
    )


@cache
def load_helpers() -> Mapping[str, Helper]:
    """Read the functions for people from the comments in ``functions.sql``."""
    text = (HERE / "functions.sql").read_text(encoding="utf-8")
    return {
        name: Helper(name, call, meaning.replace("\n-- ", " "))
        for call, name, meaning in _HELPER.findall(text)
    }


def _columns(plan: Plan) -> Sequence[Column]:
    known = {field.name: field for field in plan.table.fields}
    columns = [
        Column(f.name, engine_type(f.field_type), _meaning(known.get(f.name)))
        for f in plan.schema.fields
    ]
    return [*columns, _DAY] if plan.table.is_head else columns


def _meaning(field: Field | None) -> str:
    if field is None:
        return ""
    told = field.unit.lower() in field.doc.lower()
    return field.doc if told else f"{field.doc} [{field.unit}]"
