"""The catalogue: every report in ``queries/sql``, checked against its own contract."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from lake.errors import UnknownReport
from lake.tables import ROLLUPS, TABLES
from queries.contract import (
    ContractError,
    Report,
    Rolled,
    parse_report,
    parse_rolled,
)

FOLDER = Path(__file__).parent / "sql"
ROLLED = "rolled"  # the folder of what roll-ups answer, beside the reports
DAYS = {"first_day", "last_day"}  # the window's whole days, for what reads them


@cache
def load_catalogue(folder: Path = FOLDER) -> Mapping[str, Report]:
    """Read every report of the folder, by name, in alphabetical order.

    Raises:
        ContractError: A file's header and its SQL do not fit.
    """
    return {path.stem: load_report(path) for path in sorted(folder.glob("*.sql"))}


def find_report(name: str) -> Report:
    """Return the report called ``name``.

    Raises:
        UnknownReport: There is none; the message lists those that exist.
    """
    known = load_catalogue()
    if name not in known:
        raise UnknownReport(name, known)
    return known[name]


def load_report(path: Path) -> Report:
    """Read one report and check that its header and its SQL agree.

    Raises:
        ContractError: They do not.
    """
    text = path.read_text(encoding="utf-8")
    rolled = _load_rolled(path)
    both = text + (rolled.sql if rolled else "")
    version = hashlib.sha256(both.encode()).hexdigest()[:12]
    report = parse_report(path.stem, text, version=version, rolled=rolled)
    _check(report)
    if rolled is not None:
        _check_rolled(report, rolled)
    return report


def _load_rolled(path: Path) -> Rolled | None:
    beside = path.parent / ROLLED / path.name
    if not beside.exists():
        return None
    return parse_rolled(path.stem, beside.read_text(encoding="utf-8"))


def describe(report: Report) -> dict[str, Any]:
    """Return a report's contract as JSON-able values."""
    return {
        "name": report.name,
        "sentence": report.sentence,
        "href": f"/v1/reports/{report.name}",
        "parameters": [
            {
                "name": p.name,
                "type": p.type,
                "required": p.required,
                "default": p.default,
                "allowed": list(p.allowed),
                "meaning": p.meaning,
            }
            for p in report.parameters
        ],
        "columns": [{"name": c.name, "type": c.type} for c in report.columns],
        "order": report.order,
        "reads": list(report.reads),
        "rollups": list(report.rolled.reads) if report.rolled else [],
        "note": report.note,
    }


def _check(report: Report) -> None:
    declared = {p.name for p in report.parameters}
    bound = _bound(report.name, report.sql)
    if declared != bound:
        raise ContractError(
            f"{report.name}: {sorted(declared ^ bound)} stand only in the header "
            "or only in the SQL"
        )
    unknown = set(report.reads) - set(TABLES)
    if unknown or not report.reads:
        raise ContractError(f"{report.name}: Reads names no table: {sorted(unknown)}")


def _check_rolled(report: Report, rolled: Rolled) -> None:
    tables = {t.name: t for t in ROLLUPS}
    if not rolled.reads or not set(rolled.reads) <= set(tables):
        raise ContractError(f"{report.name}: {rolled.reads} are no roll-ups")
    expected = {p.name for p in report.parameters} - set(rolled.without)
    if any(tables[name].is_daily for name in rolled.reads):
        expected |= DAYS
    bound = _bound(report.name, rolled.sql)
    if bound != expected:
        raise ContractError(
            f"{report.name}: from roll-ups, {sorted(bound ^ expected)} do not fit"
        )
    for name, values in rolled.values.items():
        parameter = report.parameter(name)
        if parameter is None or not set(values) <= set(parameter.allowed):
            raise ContractError(f"{report.name}: ${name} is not one of {values}")


def _bound(name: str, sql: str) -> set[str]:
    statements = duckdb.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise ContractError(f"{name}: a report is exactly one SELECT")
    return set(statements[0].named_parameters)
