"""The catalogue: every report in ``queries/sql``, checked against its own contract."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from lake.errors import UnknownReport
from lake.tables import TABLES
from queries.contract import ContractError, Report, parse_report

FOLDER = Path(__file__).parent / "sql"


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
    version = hashlib.sha256(text.encode()).hexdigest()[:12]
    report = parse_report(path.stem, text, version=version)
    _check(report)
    return report


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
        "note": report.note,
    }


def _check(report: Report) -> None:
    statements = duckdb.extract_statements(report.sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise ContractError(f"{report.name}: a report is exactly one SELECT")
    declared = {p.name for p in report.parameters}
    bound = set(statements[0].named_parameters)
    if declared != bound:
        raise ContractError(
            f"{report.name}: {sorted(declared ^ bound)} stand only in the header "
            "or only in the SQL"
        )
    unknown = set(report.reads) - set(TABLES)
    if unknown or not report.reads:
        raise ContractError(f"{report.name}: Reads names no table: {sorted(unknown)}")
