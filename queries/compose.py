"""A report's SQL put together from files: what it asks about, then the report itself.

A report about traffic says ``FROM asked`` (or ``FROM pairs``, ``FROM series``: what was
asked about, added up). What that is stands in ``asked/``, once from `flows` and once
from each roll-up that can tell the same, and is set before the report as common table
expressions. Filters are conditions there, only
those that are given. No part of the text is anybody's input: names come from closed
tables, values are bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from queries import paging
from queries.contract import Asked, Report
from queries.database import script
from queries.header import body, parse_asked
from queries.paging import Keyset
from queries.where import ADDRESS, PLAIN

FOLDER = Path(__file__).parent / "asked"
TRAFFIC, EXPLODED, GATEWAYS = "traffic", "exploded", "gateways"
PAIRS, SERIES = ADDED_UP = ("pairs", "series")
ORIENTED = "oriented"  # the view of all records, as client and server
UNCOUNTED = "uncounted"  # whether records are asked about whose packets count elsewhere


@cache
def load_asked(name: str) -> Asked:
    """Return what reports read under a name: `traffic`, or a roll-up's likeness.

    Raises:
        ContractError: Its header does not say what it must.
    """
    return parse_asked(name, _text(name))


def composed(
    report: Report,
    *,
    source: str = TRAFFIC,
    given: Iterable[str] = (),
    expression: str | None = None,
    explode: bool = False,
) -> str:
    """Return a report's statement, without order and limit.

    Args:
        report: The report.
        source: What it asks about is read from this file of ``asked/``.
        given: Names of the plain filters that are given.
        expression: A compiled filter expression over the rows asked about.
        explode: By security group, each group for itself.

    Returns:
        One SELECT with named parameters.
    """
    if report.asks is None:
        return report.sql
    filters = sorted({*given, *(name for name in report.fixed if name in PLAIN)})
    tests = [] if expression is None else [f"({expression})"]
    parts = {
        "called": load_asked(source).sql,
        "asked": asked_about(filters, tests=tests, explode=explode),
    }
    return with_parts(report, parts)


def for_any(report: Report) -> str:
    """Return a report's statement with every filter, each of which may be null.

    Slower to plan than one with just those that are given: for macros, whose
    parameters are known only once they are called.
    """
    if report.asks is None:
        return ordered(report, report.sql)
    tests = [
        each.predicate(f"${name}") if name in report.fixed
        else f"(${name} IS NULL OR {each.predicate(f'${name}')})"
        for name, each in PLAIN.items() if name != ADDRESS
    ]  # fmt: skip
    at_src, at_dst = _address_tests()
    arms = (
        [*tests, f"(${ADDRESS} IS NULL OR {at_dst})"],
        [*tests, f"${ADDRESS} IS NOT NULL", at_src, f"NOT coalesce({at_dst}, FALSE)"],
    )
    rows = f"called WHERE NOT $explode\nUNION ALL\nSELECT * FROM ({_sql(EXPLODED)})"
    parts = {
        "called": load_asked(TRAFFIC).sql,
        "rows": f"SELECT * FROM {rows} WHERE $explode",  # noqa: S608
        "asked": "\nUNION ALL\n".join(_selected("rows", arm) for arm in arms),
    }
    return ordered(report, with_parts(report, parts))


def unsure(asked: Asked, given: Iterable[str], expression: str | None) -> str:
    """Return the statement that tells if a roll-up is unsure of any row asked about.

    Which pods its folded rows were it does not tell: where these are asked for, or an
    expression may do so, any of them may be one.
    """
    is_blind = expression is not None or "pod" in given
    rows = asked_about(
        () if is_blind else given, tests=["folded_clients" if is_blind else "unsure"]
    )
    return (
        f"WITH called AS (\n{asked.sql}\n), asked AS (\n{rows}\n)\n"
        "SELECT count(*) > 0 AS unsure FROM asked"
    )


def ordered(report: Report, sql: str) -> str:
    """Return a statement with the report's order and limit."""
    if report.whole:
        return sql
    return f"{sql}\n{order_by(report)}\nLIMIT $limit"


def paged(report: Report, sql: str, begin: Keyset | None) -> str:
    """Return a statement of one page, in an order that leaves no ties.

    Args:
        report: The report.
        sql: Its statement, without order and limit.
        begin: Where the page begins, its values bound as `Keyset` names them, and
            ``$skipped``; None: it is the first.
    """
    order = paging.order_by(order_of_pages(report))
    where = f"WHERE {begin.predicate}\n" if begin else ""
    skip = " OFFSET $skipped" if begin else ""
    return (
        f"SELECT * FROM (\n{sql}\n) AS answer\n{where}"  # noqa: S608
        f"ORDER BY {order}\nLIMIT $limit{skip}"
    )


def order_of_pages(report: Report) -> tuple[paging.OrderColumn, ...]:
    """Return the order of a report's pages: its own, then all other columns."""
    return paging.total(
        paging.order_of(report.order), (column.name for column in report.columns)
    )


def order_by(report: Report) -> str:
    """Return the report's order; nulls come last either way."""
    columns = (f"{name} {way.upper()} NULLS LAST" for name, way in report.order)
    return f"ORDER BY {', '.join(columns)}"


def asked_about(
    filters: Iterable[str], *, tests: Iterable[str] = (), explode: bool = False
) -> str:
    """Return the rows that a question is about, of those that are `called`.

    Args:
        filters: Names of plain filters, whose values are bound under these names.
        tests: More conditions.
        explode: By security group, each group for itself.
    """
    plain = [PLAIN[f].predicate(f"${f}") for f in filters if f != ADDRESS]
    wanted = [*plain, *tests]
    rows = f"({_sql(EXPLODED)}) AS exploded" if explode else "called"
    if ADDRESS not in filters:
        return _selected(rows, wanted)
    # One arm a side: an OR over both would read every row group.
    at_src, at_dst = _address_tests()
    arms = ([at_dst], [at_src, f"NOT coalesce({at_dst}, FALSE)"])
    return "\nUNION ALL\n".join(_selected(rows, [*wanted, *arm]) for arm in arms)


def with_parts(report: Report, parts: dict[str, str]) -> str:
    """Return the report's SELECT behind common table expressions."""
    if report.asks in ADDED_UP:
        parts = {**parts, report.asks: _sql(report.asks)}
    if report.asks == GATEWAYS:  # other records in place of those that count
        parts = {"told": _told(), ORIENTED: _sql(GATEWAYS), **parts}
    tables = ",\n".join(f"{name} AS (\n{sql}\n)" for name, sql in parts.items())
    own, rest = re.match(r"(WITH\s+)?(.*)", report.sql, re.DOTALL).groups()  # type: ignore[union-attr]
    return f"WITH {tables}{',' if own else ''}\n{rest}"


def _address_tests() -> tuple[str, str]:
    """Return the conditions on a record's source and destination address."""
    at_src, at_dst = (
        PLAIN[ADDRESS].test.format(column=column, value=f"${ADDRESS}")
        for column in PLAIN[ADDRESS].columns
    )
    return at_src, at_dst


def _selected(rows: str, tests: list[str]) -> str:
    where = "\n  AND ".join(tests)
    return f"SELECT * FROM {rows}" + (f"\nWHERE {where}" if tests else "")  # noqa: S608


def _sql(name: str) -> str:
    return body(_text(name))


def _told() -> str:
    """Return what the view of all records selects."""
    view = next(s for s in script("views.sql") if f"VIEW {ORIENTED} " in s)
    return view.partition(" AS\n")[2].partition(";")[0]


@cache
def _text(name: str) -> str:
    return (FOLDER / f"{name}.sql").read_text(encoding="utf-8")
