"""What a query's process is given: every table at one snapshot, and every report.

The process defines what its query names. Files stand in the views by their numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import urlparse

from lake.reading import Plan, is_timed
from lake.tables import FLOWS, TABLES
from queries.brought import MMDB, tables_of
from queries.catalogue import load_catalogue
from queries.database import script
from queries.engine import ORIENTED, OVER_FLOWS, Engine, Pinned, view_of
from queries.isolated.lending import Lent
from queries.isolated.lent import location
from queries.macros import macro_statements, refusal
from queries.remote import ReadOnlyFiles, files_for
from queries.sqldoor import view_statement, window_between
from queries.values import Window
from queries.views import columns_of, rows_within

_MACRO = re.compile(r"CREATE OR REPLACE MACRO (\w+)")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every table, at one snapshot each, in a window or whole.

    Attributes:
        window: What the rows of timed tables are of; None: all.
        plans: One a table.
        files: Of all tables; a file's place is its number.
        tables: Of each table, and of each view over one, the view's definition, the
            numbers of its files, and what it is over.
    """

    window: Window | None
    plans: Sequence[Plan]
    files: Sequence[Lent]
    tables: Mapping[str, Mapping[str, Any]]
    reports: Mapping[str, Mapping[str, Any]]


def take(
    engine: Engine, *, now: datetime, since: str | None, until: str | None
) -> Snapshot:
    """Plan every table as the catalogue has them now.

    Args:
        engine: Over the lake.
        now: What relative times count from; UTC.
        since: See only records from here on, as a user writes it.
        until: See only records before this.

    Raises:
        BadParameter: An end is no time, or the ends do not stand in order.
        LakeError: The catalog cannot be reached.
    """
    window = window_between(now, since, until)
    plans: list[Plan] = []
    files: list[Lent] = []
    tables: dict[str, Mapping[str, Any]] = {}
    for pinned in engine.pin(list(TABLES)).values():
        plan = engine.plan(pinned, window if is_timed(pinned.table) else None)
        numbers = range(len(files), len(files) + len(plan.files))
        lent = replace(plan, files=tuple(map(location, numbers)))
        files += _lent(pinned, plan)
        tables[plan.table.name] = {
            "definition": _view(lent, window),
            "files": list(numbers),
        }
        plans.append(plan)
    over = FLOWS.name
    for view in OVER_FLOWS:
        definition = view_of(view).replace(" TEMP VIEW ", " VIEW ")
        tables[view] = {"definition": definition, "files": [], "over": over}
        over = view
    for given in tables_of(engine.brought):
        tables[given.name] = {"definition": given.view_statement(), "files": []}
    return Snapshot(window, plans, files, tables, _reports(engine))


def _reports(engine: Engine) -> Mapping[str, Mapping[str, Any]]:
    lacking = {
        report.name: {"definitions": [why], "reads": []}
        for report in load_catalogue().values()
        if (why := refusal(report, engine.brought))
    }
    return {**reports(), **lacking}


@cache
def reports() -> Mapping[str, Mapping[str, Any]]:
    """Return of each report its macro's definitions, and the tables that it reads."""
    return {
        report.name: {
            "definitions": list(macro_statements(report)),
            "reads": [
                *report.reads,
                *([ORIENTED] if report.asks else []),
                *(name for name in report.brought if name != MMDB),
            ],
        }
        for report in load_catalogue().values()
        if not report.made
    }


@cache
def functions() -> tuple[list[str], list[str]]:
    """Return the definitions of our own functions, and their names."""
    definitions = script("functions.sql")
    names = [name for sql in definitions for name in _MACRO.findall(sql)]
    return definitions, names


def _lent(pinned: Pinned, plan: Plan) -> list[Lent]:
    schemes: dict[str, ReadOnlyFiles | None] = {"": None, "file": None}
    found = []
    for file in plan.files:
        scheme = urlparse(file).scheme
        if scheme not in schemes and pinned.stored:
            schemes[scheme] = files_for(pinned.stored, scheme)
        found.append(Lent(file, schemes[scheme]))
    return found


def _view(plan: Plan, window: Window | None) -> str:
    if not plan.files:
        return _empty_view(plan)
    within = rows_within(plan.table, window) if window else []
    return view_statement(plan) + (f" WHERE {' AND '.join(within)}" if within else "")


def _empty_view(plan: Plan) -> str:
    columns = [
        f'CAST(NULL AS {column["type"]}) AS "{column["name"]}"'
        for column in columns_of(plan.schema)
    ]
    if plan.table.is_head:
        columns.append("CAST(NULL AS DATE) AS day")
    return f"CREATE VIEW {plan.table.name} AS SELECT {', '.join(columns)} WHERE FALSE"
