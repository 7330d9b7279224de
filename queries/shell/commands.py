"""The dot commands: what the lake holds, and what its words mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from lake.errors import QueryError
from queries.contract import Parameter, Report
from queries.macros import macro_name
from queries.shell.vocabulary import ROWS_OF, Column, Vocabulary, vocabulary_of
from queries.sqldoor import SqlSession
from queries.tables import words_text


class Shell:
    """What one shell remembers between two entries.

    Attributes:
        session: What its statements are asked of.
        is_timed: Whether an answer is followed by its rows and milliseconds.
        is_left: Whether it was asked to end.
    """

    def __init__(self, session: SqlSession) -> None:
        self.session = session
        self.is_timed = True
        self.is_left = False

    @cached_property
    def words(self) -> Vocabulary:
        """All that there is to name."""
        return vocabulary_of(self.session.plans)


@dataclass(frozen=True, slots=True)
class Command:
    """One dot command.

    Attributes:
        usage: How it is typed.
        meaning: What it does.
        run: Answers it; takes the words behind its name.
        choices: The words that it takes, if they are few.
    """

    usage: str
    meaning: str
    run: Callable[[Shell, Sequence[str]], str]
    choices: tuple[str, ...] = ()


def run_command(shell: Shell, typed: str) -> str:
    """Answer one dot command.

    Raises:
        QueryError: There is none of this name, or nothing of the name behind it.
    """
    name, *given = typed.strip().rstrip(";").split()
    found = COMMANDS.get(name.lower())
    if found is None:
        raise QueryError(f"{name} is no command: .help lists them")
    return found.run(shell, given)


def _tables(shell: Shell, given: Sequence[str]) -> str:
    rows = [
        (plan.table.name, plan.rows, len(plan.files), ROWS_OF.get(plan.table.name, ""))
        for plan in shell.session.plans
    ]
    return words_text(("table", "rows", "files", "a row is"), rows)


def _reports(shell: Shell, given: Sequence[str]) -> str:
    rows = [(report.name, report.sentence) for report in shell.words.reports.values()]
    return words_text(("report", "answers"), rows)


def _describe(shell: Shell, given: Sequence[str]) -> str:
    if len(given) != 1:
        raise QueryError("name one table, report or function: .describe flows")
    name, words = given[0].lower(), shell.words
    if name in words.tables:
        return _described_table(name, words.tables[name])
    if name in words.reports:
        return _described_report(words.reports[name])
    if name in words.helpers:
        helper = words.helpers[name]
        return f"{helper.call}: {helper.meaning}\n"
    raise QueryError(
        f"no table, report or function is called {name}: see .tables, .reports, .help"
    )


def _described_table(name: str, columns: Sequence[Column]) -> str:
    rows = [(c.name, c.type.lower(), c.meaning) for c in columns]
    return f"{ROWS_OF.get(name, name)}\n" + words_text(
        ("column", "type", "meaning"), rows
    )


def _described_report(report: Report) -> str:
    rows = [
        (f"{macro_name(p, report)} :=", p.default or "-", _meaning(p))
        for p in report.parameters
    ]
    columns = ", ".join(f"{c.name} {c.type}" for c in report.columns)
    return (
        f"{report.sentence} {report.note}".strip()
        + "\n"
        + words_text(("parameter", "default", "meaning"), rows)
        + f"returns {columns}; ordered by {report.order}\n"
    )


def _meaning(parameter: Parameter) -> str:
    many = " Several: a list, ['a', 'b']." if parameter.is_list else ""
    allowed = f" One of {', '.join(parameter.allowed)}." if parameter.allowed else ""
    return f"{parameter.meaning}{allowed}{many}"


def _timing(shell: Shell, given: Sequence[str]) -> str:
    if given not in (["on"], ["off"], []):
        raise QueryError("say .timing on or .timing off")
    if given:
        shell.is_timed = given == ["on"]
    return f"timing is {'on' if shell.is_timed else 'off'}\n"


def _help(shell: Shell, given: Sequence[str]) -> str:
    commands = [(c.usage, c.meaning) for c in COMMANDS.values()]
    helpers = [(h.call, h.meaning) for h in shell.words.helpers.values()]
    return (
        "A statement only reads, ends with ; and may take several lines; Ctrl-C "
        "stops it.\n"
        + words_text(("command", "does"), commands)
        + "\n"
        + words_text(("function", "returns"), helpers)
    )


def _quit(shell: Shell, given: Sequence[str]) -> str:
    shell.is_left = True
    return ""


COMMANDS: Mapping[str, Command] = {
    ".tables": Command(
        ".tables", "The tables: their rows and files, and what a row is.", _tables
    ),
    ".reports": Command(
        ".reports", "The reports, each asked as FROM name(since := '24h').", _reports
    ),
    ".describe": Command(
        ".describe NAME",
        "The columns of a table, or what a report or a function takes and returns.",
        _describe,
    ),
    ".timing": Command(
        ".timing on|off",
        "Whether rows and milliseconds stand behind each answer.",
        _timing,
        ("on", "off"),
    ),
    ".help": Command(".help", "This page.", _help),
    ".quit": Command(".quit", "Leave, as exit and Ctrl-D do.", _quit),
}
