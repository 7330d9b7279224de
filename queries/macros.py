"""Every report as a table macro, so that SQL can say ``FROM top_talkers(by := …)``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from lake.datafiles import DAY
from lake.errors import NoStatement, NotBrought
from lake.tables import TABLES
from queries.brought import Brought, check_brought
from queries.compose import UNCOUNTED, for_any
from queries.contract import ENGINE_TYPES, Parameter, Report
from queries.spelling import iso, literal
from queries.values import FAR_AHEAD, LONG_AGO, LONGEST, Window
from queries.where import PLAIN

RESERVED = {"limit", "order", "group", "from", "to", "end", "column", "table", "all"}


def macro_statements(report: Report, window: Window | None = None) -> Iterator[str]:
    """Give the statements that define a report's macro, the outer one last.

    The inner macro holds the SQL; the outer one has the names and defaults that
    people use, reads times as `24h`, and refuses values that are not allowed.

    Args:
        report: The report.
        window: What it asks about if it is not told; None: what the report says.
    """
    taken = _parameters(report)
    body = for_any(report)
    for name, text in {UNCOUNTED: "false", **report.fixed}.items():
        body = re.sub(rf"\${name}\b", _fixed(name, text), body)
    body = re.sub(r"\$(\w+)", r"given_\1", body)
    inner = [f"given_{p.name}" for p in taken]
    passed = [_passed(p, report) for p in taken]
    for name, expression in _derived(report).items():
        if re.search(rf"\bgiven_{name}\b", body):
            inner.append(f"given_{name}")
            passed.append(expression)
    yield (
        f"CREATE OR REPLACE MACRO {report.name}_of({', '.join(inner)}) AS TABLE\n{body}"
    )
    yield (
        f"CREATE OR REPLACE MACRO {report.name}({_taken(report, window)}) AS TABLE "
        f"FROM {report.name}_of({', '.join(passed)})"
    )


def macros_for(
    report: Report, brought: Mapping[str, Brought], window: Window | None = None
) -> list[str]:
    """Return a report's macro; of one that cannot answer in SQL, one that says so."""
    why = refusal(report, brought)
    return [why] if why else list(macro_statements(report, window))


def refusal(report: Report, brought: Mapping[str, Brought]) -> str | None:
    """Return a macro that says why its report cannot answer; None: it can."""
    try:
        check_statement(report)
        check_brought(report.name, report.brought, brought)
    except (NoStatement, NotBrought) as error:
        return (
            f"CREATE OR REPLACE MACRO {report.name}({_taken(report)}) AS TABLE "
            f"SELECT error({literal(str(error))}) AS error"
        )
    return None


def check_statement(report: Report) -> None:
    """Refuse a report that no statement over tables can answer.

    Raises:
        NoStatement: The message says where it is answered.
    """
    if report.made:
        raise NoStatement(report.name)


def macro_name(parameter: Parameter, report: Report) -> str:
    """Return a parameter's name in SQL.

    SQL cannot tell a parameter from a column of the same name, nor from a reserved
    word: such a name gets a ``_`` behind it.
    """
    columns = {f.name for table in report.reads for f in TABLES[table].fields}
    taken = parameter.name in columns or parameter.name in RESERVED
    return f"{parameter.name}_" if taken else parameter.name


def _parameters(report: Report) -> list[Parameter]:
    return [p for p in report.parameters if p.type != "filter"]


def _taken(report: Report, window: Window | None = None) -> str:
    told = _ends_of(window)
    return ", ".join(
        f"{_quoted(p, report)} := {told.get(p.name) or _default(p)}"
        for p in _parameters(report)
    )


def _ends_of(window: Window | None) -> dict[str, str]:
    """Return since and until as literals, a day apart where only the end is told."""
    if window is None:
        return {}
    since, until = window.since, window.until
    if until == FAR_AHEAD:
        return {"since": literal(iso(since))}
    begin = until - DAY if since == LONG_AGO else since
    return {"since": literal(iso(begin)), "until": literal(iso(until))}


def _derived(report: Report) -> dict[str, str]:
    """Return what follows from the parameters: where the window begins and ends.

    What is read begins before it, by a baseline or, around a moment, by what goes on.
    """
    moment = report.parameter("at")
    if report.around and moment:
        at = _passed(moment, report)
        slack = f"time_ago({_quoted_name('slack', report)})"
        minutes = int(LONGEST.total_seconds()) // 60
        return {
            "since": f"{at} - {slack}",
            "until": f"{at} + {slack}",
            "from": f"{at} - {slack} - INTERVAL {minutes} MINUTE",
        }
    since = f"window_start({_quoted_name('since', report)})"
    if report.parameter("baseline") is None:
        return {"from": since}
    ago = f"time_ago({_quoted_name('baseline', report)})"
    return {"from": f"{since} - coalesce({ago}, INTERVAL 0 HOUR)"}


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
    if parameter.required:
        message = literal(f"{report.name} needs {macro_name(parameter, report)} := …")
        name = f"coalesce({name}, error({message}))"
    if parameter.type == "timestamptz":
        return f"window_start({name})"
    return f"CAST({name} AS {ENGINE_TYPES[parameter.type]})"
