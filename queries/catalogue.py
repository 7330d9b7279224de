"""The catalogue: every report in ``queries/sql``, checked against its own contract."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Set
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from lake.errors import UnknownReport
from lake.tables import ROLLUPS, TABLES
from queries.compose import (
    ADDED_UP,
    GATEWAYS,
    TRAFFIC,
    UNCOUNTED,
    composed,
    load_asked,
)
from queries.contract import ContractError, Parameter, Report
from queries.header import parse_report
from queries.where import FILTER, plain_parameters

HERE = Path(__file__).parent
FOLDER = HERE / "sql"
DERIVED = {
    "from",
    "since",
    "until",
    "first_day",
    "last_day",
    UNCOUNTED,
}  # the window's own
EXPLODE = Parameter(
    name="explode",
    type="boolean",
    optional=False,
    default="false",
    allowed=(),
    meaning="By security group: a row for each group of a set; rows then overlap.",
)


@cache
def load_catalogue(folder: Path = FOLDER) -> Mapping[str, Report]:
    """Read every report of the folder, by name, in alphabetical order.

    Raises:
        ContractError: A file's header and its SQL do not fit.
    """
    return {name: load_report(path) for name, path in _files(folder).items()}


def report_names() -> Set[str]:
    """Return the names of all reports; none is read for that."""
    return _files(FOLDER).keys()


def find_report(name: str) -> Report:
    """Return the report called ``name``; no other is read for that.

    Raises:
        UnknownReport: There is none; the message lists those that exist.
    """
    known = _files(FOLDER)
    if name not in known:
        raise UnknownReport(name, known)
    return load_report(known[name])


@cache
def _files(folder: Path) -> Mapping[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.sql"))}


@cache
def load_report(path: Path) -> Report:
    """Read one report and check that its header and its SQL agree; once a process.

    Raises:
        ContractError: They do not.
    """
    text = path.read_text(encoding="utf-8")
    version = hashlib.sha256((_shared() + text).encode()).hexdigest()[:12]
    report = parse_report(path.stem, text, version=version, asked=_taken())
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
        "order": report.sorted_by,
        "reads": [*report.reads, *report.brought, *report.made],
        "rollups": [t for name in report.rolled for t in load_asked(name).reads],
        "note": report.note,
    }


@cache
def _taken() -> Mapping[str, tuple[Parameter, ...]]:
    """Return what reports take that read ``traffic``, or what is added up of it."""
    first = load_asked(TRAFFIC).parameters
    rest = (EXPLODE, *plain_parameters(), FILTER)
    added = {name: load_asked(name).parameters for name in ADDED_UP}
    return {
        TRAFFIC: (*first, *rest),
        GATEWAYS: (*first, *rest),
        **{name: (*first, *own, *rest) for name, own in added.items()},
    }


@cache
def _shared() -> str:
    """Return the text of all that reports are composed with."""
    files = [*sorted((HERE / "asked").glob("*.sql")), HERE / "views.sql"]
    return "".join(file.read_text(encoding="utf-8") for file in files)


def _check(report: Report) -> None:
    unknown = set(report.reads) - set(TABLES)
    if unknown or not report.reads:
        raise ContractError(f"{report.name}: Reads names no table: {sorted(unknown)}")
    _check_columns(report)
    strange = {c.type for c in report.columns} - set(TYPES)
    if strange:
        raise ContractError(f"{report.name}: {sorted(strange)} are no types")
    bound = _bound(report)
    given = {p.name for p in report.parameters} | set(report.fixed) | DERIVED
    if bound - given:
        raise ContractError(f"{report.name}: {sorted(bound - given)} are not declared")
    unused = _own(report) - bound
    if unused:
        raise ContractError(f"{report.name}: {sorted(unused)} stand only in the header")
    for name in report.rolled:
        if not set(load_asked(name).reads) <= {t.name for t in ROLLUPS}:
            raise ContractError(f"{report.name}: {name} reads what is no roll-up")


def _check_columns(report: Report) -> None:
    returned, ordered = {c.name for c in report.columns}, {n for n, _ in report.order}
    if not {*report.key, *report.late} | ordered <= returned:
        raise ContractError(f"{report.name}: Order, Key or Late names no column")
    if ordered & set(report.late):
        raise ContractError(f"{report.name}: it is ordered by what comes late")


TYPES = {"varchar", "integer", "bigint", "double", "boolean", "timestamptz", "date",
         "varchar[]"}  # fmt: skip


def _own(report: Report) -> set[str]:
    """Return the parameters that must stand in the SQL itself."""
    shared = {p.name for p in _taken()[report.asks]} if report.asks else set()
    own = {p.name for p in report.parameters if p.name not in shared}
    if report.around:
        own -= {"at", "slack"}
    return own - {"baseline", "filter", "limit"}


def _bound(report: Report) -> set[str]:
    statements = duckdb.extract_statements(composed(report))
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise ContractError(f"{report.name}: a report is exactly one SELECT")
    return set(statements[0].named_parameters)
