"""What may come next in what is being typed: words, each with what it means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from queries.contract import Parameter, Report
from queries.macros import macro_name
from queries.shell.commands import COMMANDS
from queries.shell.typed import masked, split
from queries.shell.vocabulary import KEYWORDS, ROWS_OF, Vocabulary
from queries.spelling import literal

Word = tuple[str, str]  # with its meaning

_WORD = re.compile(r"\w*\Z")
_VALUE = re.compile(r"(\w+)\s*:=\s*('?[^'\s,()]*)\Z")
_BEFORE_PARAMETER = re.compile(r"[(,]\s*\Z")
_QUALIFIER = re.compile(r"(\w+)\.\Z")
_WHOLE_CALL = re.compile(r"\([^()]*\)")
_CLAUSE = re.compile(
    r"\b(select|from|join|where|on|using|group|order|having|qualify|limit|union"
    r"|describe|summarize|values)\b",
    re.IGNORECASE,
)
_TABLE_FOLLOWS = {"from", "join", "describe", "summarize"}
_SOURCE = re.compile(
    r"(?:\b(?:from|join|describe|summarize)\b|,)\s*(\w+)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One word that may come next.

    Attributes:
        text: The whole word.
        start: Where it begins, in characters from the cursor: 0 or less.
        meaning: A few words about it.
    """

    text: str
    start: int
    meaning: str


def suggestions(before: str, after: str, words: Vocabulary) -> list[Suggestion]:
    """Return what may stand at the cursor.

    Args:
        before: What was typed before it.
        after: What stands behind it; tables named there count.
        words: All that there is.
    """
    if before.lstrip().startswith("."):
        return _matching(*_of_command(before.lstrip(), words))
    begun = split(before)[1]
    code, is_text = masked(begun)
    report = _open_report(code, words)
    value = _VALUE.search(begun)
    if report is not None and value is not None:
        return _matching(value[2], _values(report, value[1]))
    if is_text:
        return []
    typed = code[_start_of_word(code) :]
    head = code[: len(code) - len(typed)]
    ended, rest = split(after)
    statement = masked(begun + (ended[0] if ended else rest))[0]
    return _matching(typed, _offered(head, statement, report, words))


def _matching(typed: str, offered: Iterable[Word]) -> list[Suggestion]:
    begins = typed.lower()
    return [
        Suggestion(text, -len(typed), meaning)
        for text, meaning in offered
        if text.lower().startswith(begins) or text.lower().startswith(f"'{begins}")
    ]


def _of_command(typed: str, words: Vocabulary) -> tuple[str, Iterable[Word]]:
    """Return the word begun in a dot command, and what it may be."""
    name, space, argument = typed.partition(" ")
    if not space:
        return name, [(c, COMMANDS[c].meaning) for c in COMMANDS]
    if name.lower() == ".describe":
        return argument, [*_tables(words), *_reports(words), *_helpers(words)]
    found = COMMANDS.get(name.lower())
    return argument, [(choice, "") for choice in (found.choices if found else ())]


def _offered(
    head: str, statement: str, report: Report | None, words: Vocabulary
) -> Iterator[Word]:
    """Give what may follow the code before the word, of any spelling."""
    if report is not None and _BEFORE_PARAMETER.search(head):
        yield from _parameters(report, head)
    elif qualifier := _QUALIFIER.search(head):
        yield from _columns([_alias_of(qualifier[1], statement, words)], words)
    elif _is_table_next(head):
        yield from _tables(words)
        yield from ((f"{name}(", meaning) for name, meaning in _reports(words))
    else:
        yield from _columns(_SOURCE.findall(statement.lower()), words)
        yield from ((f"{name}(", meaning) for name, meaning in _helpers(words))
        yield from ((keyword, "") for keyword in KEYWORDS)


def _start_of_word(code: str) -> int:
    found = _WORD.search(code)
    return found.start() if found else len(code)


def _open_report(code: str, words: Vocabulary) -> Report | None:
    """Return the report between whose parentheses the code ends."""
    before, _, _ = _without_whole_calls(code).rpartition("(")
    return words.reports.get(before[_start_of_word(before.rstrip()) :].strip().lower())


def _without_whole_calls(code: str) -> str:
    while True:
        fewer = _WHOLE_CALL.sub("", code)
        if fewer == code:
            return code
        code = fewer


def _is_table_next(head: str) -> bool:
    here = _without_whole_calls(head).rpartition("(")[2].rstrip()
    clauses = _CLAUSE.findall(here)
    if not clauses or clauses[-1].lower() not in _TABLE_FOLLOWS:
        return False
    return here.endswith((clauses[-1], ","))


def _alias_of(name: str, statement: str, words: Vocabulary) -> str:
    """Return the source that a statement calls by this name, or the name itself."""
    for source in _SOURCE.findall(_without_whole_calls(statement)):
        known = source.lower() in words.tables or source.lower() in words.reports
        if known and re.search(rf"(?i)\b{source}\s+(?:as\s+)?{name}\b", statement):
            return str(source).lower()
    return name.lower()


def _columns(sources: Sequence[str], words: Vocabulary) -> list[Word]:
    found: dict[str, str] = {}
    for source in sources:
        for column in words.tables.get(source, ()):
            found.setdefault(column.name, column.meaning)
        if source in words.reports:
            for returned in words.reports[source].columns:
                found.setdefault(returned.name, returned.type)
    return sorted(found.items())


def _parameters(report: Report, head: str) -> Iterator[Word]:
    given = set(re.findall(r"(\w+)\s*:=", head.rpartition(report.name)[2]))
    for parameter in report.parameters:
        name = macro_name(parameter, report)
        if name not in given:
            yield f"{name} := ", parameter.meaning


def _values(report: Report, name: str) -> list[Word]:
    for parameter in report.parameters:
        if macro_name(parameter, report) == name:
            return [(literal(value), "") for value in _usual(parameter)]
    return []


def _usual(parameter: Parameter) -> Sequence[str]:
    default = [parameter.default] if parameter.default else []
    return parameter.allowed or default


def _tables(words: Vocabulary) -> list[Word]:
    return [(name, ROWS_OF.get(name, "")) for name in words.tables]


def _reports(words: Vocabulary) -> list[Word]:
    return [(report.name, report.sentence) for report in words.reports.values()]


def _helpers(words: Vocabulary) -> list[Word]:
    return [(helper.name, helper.meaning) for helper in words.helpers.values()]
