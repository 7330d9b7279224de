"""Every report as a table macro, so that SQL can say ``FROM top_talkers(by := …)``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lake.tables import TABLES
from queries.compose import UNCOUNTED, for_any
from queries.contract import ENGINE_TYPES, Parameter, Report
from queries.spelling import literal
from queries.where import PLAIN

RESERVED = {"limit", "order", "group", "from", "to", "end", "column", "table", "all"}


def macro_statements(report: Report) -> Iterator[str]:
    """Give the statements that define a report's macro, the outer one last.

    The inner macro holds the SQL; the outer one has the names and defaults that
    people use, reads times as `24h`, and refuses values that are not allowed.
    """
    taken = [p for p in report.parameters if p.type != "filter"]
    body = for_any(report)
    for name, text in {UNCOUNTED: "false", **report.fixed}.items():
        body = re.sub(rf"\${name}\b", _fixed(name, text), body)
    body = re.sub(r"\$(\w+)", r"given_\1", body)
    inner = [f"given_{p.name}" for p in taken]
    outer = ", ".join(f"{_quoted(p, report)} := {_default(p)}" for p in taken)
    passed = [_passed(p, report) for p in taken]
    if "given_from" in body:
        inner.append("given_from")
        passed.append(_begin(report))
    yield (
        f"CREATE OR REPLACE MACRO {report.name}_of({', '.join(inner)}) AS TABLE\n{body}"
    )
    yield (
        f"CREATE OR REPLACE MACRO {report.name}({outer}) AS TABLE "
        f"FROM {report.name}_of({', '.join(passed)})"
    )


def macro_name(parameter: Parameter, report: Report) -> str:
    """Return a parameter's name in SQL.

    SQL cannot tell a parameter from a column of the same name, nor from a reserved
    word: such a name gets a ``_`` behind it.
    """
    columns = {f.name for table in report.reads for f in TABLES[table].fields}
    taken = parameter.name in columns or parameter.name in RESERVED
    return f"{parameter.name}_" if taken else parameter.name


def _begin(report: Report) -> str:
    """Return where what is read begins: a baseline before the window."""
    since = f"window_start({_quoted_name('since', report)})"
    if report.parameter("baseline") is None:
        return since
    ago = f"time_ago({_quoted_name('baseline', report)})"
    return f"{since} - coalesce({ago}, INTERVAL 0 HOUR)"


def _fixed(name: str, text: str) -> str:
    """Return what a report sets itself, as a literal."""
    if name == UNCOUNTED:
        return text
    if name not in PLAIN:
        return literal(text)
    return f"[{', '.join(literal(value) for value in text.split('|'))}]"


def _quoted_name(name: str, report: Report) -> str:
    parameter = report.parameter(name)
    return _quoted(parameter, report) if parameter else "NULL"


def _quoted(parameter: Parameter, report: Report) -> str:
    return f'"{macro_name(parameter, report)}"'


def _default(parameter: Parameter) -> str:
    return "NULL" if parameter.default is None else literal(parameter.default)


def _passed(parameter: Parameter, report: Report) -> str:
    name = _quoted(parameter, report)
    if parameter.name in ("since", "until"):
        return f"window_{'start' if parameter.name == 'since' else 'end'}({name})"
    if parameter.allowed and not parameter.is_list:
        allowed = ", ".join(literal(value) for value in parameter.allowed)
        message = literal(f"{parameter.name} is one of {', '.join(parameter.allowed)}")
        free = f"{name} IS NULL OR " if parameter.default is None else ""
        return (
            f"CASE WHEN {free}{name} IN ({allowed}) THEN {name} "
            f"ELSE error({message}) END"
        )
    return f"CAST({name} AS {ENGINE_TYPES[parameter.type]})"
