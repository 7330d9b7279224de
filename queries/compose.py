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
UNSURE = "unsure"
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
    cut: bool = False,
) -> str:
    """Return a report's statement, without order and limit.

    Args:
        report: The report.
        source: What it asks about is read from this file of ``asked/``.
        given: Names of the plain filters that are given.
        expression: A compiled filter expression over the rows asked about.
        explode: By security group, each group for itself.
        cut: Of hours asked for in part, `flows` are read.

    Returns:
        One SELECT with named parameters.
    """
    if report.asks is None:
        return report.sql
    filters = sorted({*given, *(name for name in report.fixed if name in PLAIN)})
    tests = [] if expression is None else [f"({expression})"]
    parts = {
        "called": called(load_asked(source), cut=cut),
        "asked": asked_about(filters, tests=tests, explode=explode),
    }
    if report.asks != GATEWAYS and (source == TRAFFIC or cut):
        # Not the view: what is read but once is cheaper to plan in its place.
        parts = {ORIENTED: _oriented(), **parts}
    return with_parts(report, parts)


def called(asked: Asked, *, cut: bool) -> str:
    """Return the rows that are asked of; those of cut hours are `flows`' own."""
    if not cut:
        return asked.sql
    return (
        f"SELECT * FROM (\n{asked.sql}\n)\nUNION ALL BY NAME\n"  # noqa: S608
        f"SELECT * FROM (\n{load_asked(TRAFFIC).sql}\n)\n"
        "WHERE list_contains("
        "CAST($cut_hours AS TIMESTAMPTZ[]), date_trunc('hour', start_time))"
    )


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


def folds(asked: Asked, given: Iterable[str], what: str) -> str:
    """Return the statement that tells if a roll-up has folded what is asked about.

    Args:
        asked: The roll-up's likeness.
        given: Names of the plain filters that are given.
        what: ``folded_clients`` or ``folded_ports``.
    """
    rows = asked_about(given, tests=[what])
    return _with(
        {"called": asked.sql, "asked": rows}, "SELECT count(*) > 0 AS found FROM asked"
    )


def unsure(asked: Asked, given: Iterable[str]) -> str:
    """Return the statement that tells if what it has folded leaves any row unsure."""
    rows = asked_about(given, tests=["folded_clients"])
    return _with({"called": asked.sql, "asked": rows}, _sql(UNSURE))


def ordered(report: Report, sql: str) -> str:
    """Return a statement with the report's order and limit."""
    if report.whole:
        return sql
    order = order_by(report)
    if report.late:
        return f"{_shown(sql, f'{order} LIMIT $limit')}\n{order}"
    return f"{sql}\n{order}\nLIMIT $limit"


def paged(report: Report, sql: str, begin: Keyset | None) -> str:
    """Return a statement of one page, in an order that leaves no ties.

    Args:
        report: The report.
        sql: Its statement, without order and limit.
        begin: Where the page begins, its values bound as `Keyset` names them, and
            ``$skipped``; None: it is the first.
    """
    order = f"ORDER BY {paging.order_by(order_of_pages(report))}"
    where = f"WHERE {begin.predicate}\n" if begin else ""
    page = f"{where}{order}\nLIMIT $limit{' OFFSET $skipped' if begin else ''}"
    if report.late:
        return f"{_shown(sql, page)}\n{order}"
    return f"SELECT * FROM (\n{sql}\n) AS answer\n{page}"  # noqa: S608


def order_of_pages(report: Report) -> tuple[paging.OrderColumn, ...]:
    """Return the order of a report's pages: its own, then all other columns.

    Those that are late follow from the others.
    """
    names = (c.name for c in report.columns if c.name not in report.late)
    return paging.total(paging.order_of(report.order), names)


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
        parts = {"told": _oriented(), ORIENTED: _sql(GATEWAYS), **parts}
    return _with(parts, report.sql)


def _with(parts: dict[str, str], sql: str) -> str:
    """Return a SELECT behind common table expressions.

    DuckDB would write each of these down whole where it is asked of twice.
    """
    tables = ",\n".join(
        f"{name} AS NOT MATERIALIZED (\n{part}\n)" for name, part in parts.items()
    )
    own, rest = re.match(r"(WITH\s+)?(.*)", sql, re.DOTALL).groups()  # type: ignore[union-attr]
    return f"WITH {tables}{',' if own else ''}\n{rest}"


def _shown(sql: str, page: str) -> str:
    """Return a statement whose late columns are of the rows that are shown."""
    found = re.fullmatch(r"(.*\nfound AS \(\n.*?\n\))(.*)", sql, re.DOTALL)
    before, behind = found.groups()  # type: ignore[union-attr]
    return f"{before},\nshown AS (\nSELECT * FROM found\n{page}\n){behind}"


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


@cache
def _oriented() -> str:
    """Return what the view of all records selects."""
    view = next(s for s in script("views.sql") if f"VIEW {ORIENTED} " in s)
    return view.partition(" AS\n")[2].partition(";")[0]


@cache
def _text(name: str) -> str:
    return (FOLDER / f"{name}.sql").read_text(encoding="utf-8")
