"""What a query over REST may be: one SELECT made of nothing but what is listed.

The text is parsed by the DuckDB that will run it, and the tree that comes out is
walked. A part, a table, a function or a type that is not listed in allowed.toml is
refused, also one that a later DuckDB brings. A statement's type proves nothing: DuckDB
2.0 calls a SELECT what writes a file in a common table expression.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from lake.errors import QueryError, SqlRefused
from queries.session import one_line

TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})
DESCRIBING = frozenset({"DESCRIBE", "SUMMARY"})
QUALIFIERS = ("catalog", "catalog_name", "schema", "schema_name")
# Every schema and catalog there is: what else stands before a function is a column,
# as in `src_address.lower()`.
PLACES = frozenset({"system", "temp", "memory", "pg_catalog", "information_schema"})

ONE = "one SELECT at a time: leave out what follows the first ;"
NONE = "no statement: give one SELECT, such as FROM flows LIMIT 10"
SELECTS = (
    "one SELECT is allowed here, also as FROM …, WITH …, VALUES …, DESCRIBE … or "
    "SUMMARIZE …, and PIVOT with its values named"
)
DEEP = "the query is nested too deeply: take parts of it out into WITH"


@dataclass(frozen=True, slots=True)
class Known:
    """What a query may name.

    Attributes:
        tables: The catalogue's.
        reports: Called as table functions.
        macros: Our own functions, beside DuckDB's.
    """

    tables: Set[str]
    reports: Set[str]
    macros: Set[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Named:
    """What a query names: nothing else need be there for it."""

    tables: Set[str]
    reports: Set[str]


def check(parser: duckdb.DuckDBPyConnection, sql: str, known: Known) -> Named:
    """Prove that a text is one SELECT of allowed parts; say what it names.

    Args:
        parser: Of the DuckDB that will run it; here it only parses.
        sql: As `statement` returned it.
        known: What it may name.

    Raises:
        SqlRefused: Something in it is not allowed; the message says what, and what is.
        QueryError: It is no SQL.
        MemoryError: It is too much for the parser.
    """
    walk = _Walk(known)
    tree = _tree(parser, sql)
    try:
        walk.over(tree)
    except (KeyError, TypeError, AttributeError) as error:
        raise SqlRefused(f"a part of the query is not known here: {error}") from error
    return Named(frozenset(walk.tables), frozenset(walk.reports))


@cache
def allowed(section: str) -> Set[str]:
    """Return the names of one section of allowed.toml."""
    text = Path(__file__).with_name("allowed.toml").read_text(encoding="utf-8")
    listed: Mapping[str, str] = tomllib.loads(text)[section]
    return frozenset(" ".join(listed.values()).split())


def statement(sql: str) -> str:
    """Return the one statement of a text, without the ``;`` behind it.

    Raises:
        SqlRefused: There is none, or more than one.
        QueryError: It is no SQL.
    """
    text = sql.encode()
    try:
        tokens = duckdb.tokenize(sql)
    except duckdb.Error as error:
        raise QueryError(one_line(error)) from error
    places = [place for place, kind in tokens if kind.name != "comment"]
    end = len(text)
    while places and text.startswith(b";", places[-1]):
        end = places.pop()
    if not places:
        raise SqlRefused(NONE)
    if any(text.startswith(b";", place) for place in places):
        raise SqlRefused(ONE)
    return text[:end].decode()


def _tree(parser: duckdb.DuckDBPyConnection, sql: str) -> Any:
    """Parse a text, which does nothing else.

    To extract its statements would, in 1.5: it runs a PRAGMA, and IMPORT reads files.
    """
    found = parser.execute("SELECT json_serialize_sql($sql)", {"sql": sql})
    try:
        tree = json.loads(found.fetchall()[0][0])
    except RecursionError:
        raise SqlRefused(DEEP) from None
    if tree["error"]:
        raise _not_parsed(sql, tree["error_type"], tree["error_message"])
    if len(tree["statements"]) != 1:
        raise SqlRefused(ONE)
    return tree["statements"]


def _not_parsed(sql: str, kind: str, message: str) -> Exception:
    if kind == "out of memory":
        return MemoryError(message)
    if kind == "not implemented":
        word = sql.split(maxsplit=1)[0].upper()
        return SqlRefused(f"{word} is not allowed: {SELECTS}")
    return QueryError(f"{kind.capitalize()} error: {message}")


class _Walk:
    """One walk over a statement's tree; without recursion, so of any depth."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._waiting: list[tuple[Any, Set[str]]] = []
        self.tables: set[str] = set()
        self.reports: set[str] = set()

    def over(self, tree: Any) -> None:
        """Visit every part, each with the common table expressions in its scope."""
        self._waiting = [(tree, frozenset())]
        while self._waiting:
            item, scope = self._waiting.pop()
            if isinstance(item, dict):
                self._visit(item, scope)
            elif isinstance(item, list):
                self._waiting.extend((part, scope) for part in item)

    def _visit(self, item: Mapping[str, Any], scope: Set[str]) -> None:
        kind = item.get("type")
        if "class" in item:
            self._expression(item)
        elif isinstance(kind, str):
            self._part(item, kind, scope)
        elif "type_info" in item and item["id"] != "UNBOUND":
            _check_type(item["id"])
        if kind == "TABLE_FUNCTION":
            self._waiting.append((self._arguments(item["function"]), scope))
            return
        self._waiting.extend(_inside(item, scope))

    def _expression(self, item: Mapping[str, Any]) -> None:
        kind = item["class"]
        if kind not in allowed("expressions"):
            raise SqlRefused(f"{kind} is not allowed in an expression: write a value")
        if kind == "TYPE":
            _check_type(item["type_name"])
        if kind not in ("FUNCTION", "WINDOW"):
            return
        name = _folded(item["function_name"])
        if name not in allowed("functions") and name not in self._known.macros:
            raise SqlRefused(self._no_function(name))
        place = _qualifier(item)
        if PLACES & {_folded(part) for part in place}:
            raise SqlRefused(_qualified([*place, name]))
        if item.get("export_state"):
            raise SqlRefused("EXPORT_STATE is not allowed: ask for the value itself")

    def _part(self, item: Mapping[str, Any], kind: str, scope: Set[str]) -> None:
        if kind.endswith("_TYPE_INFO"):
            if kind == "UNBOUND_TYPE_INFO":
                _check_type(item["name"])
            return
        if kind not in allowed("parts"):
            what = kind.removesuffix("_NODE").removesuffix("_QUERY")
            raise SqlRefused(f"{what} is not allowed: {SELECTS}")
        if kind == "BASE_TABLE":
            self._table(item, scope)
        elif kind == "SHOW_REF" and (
            item["show_type"] not in DESCRIBING or not item["query"]
        ):
            raise SqlRefused(f"SHOW is not allowed: DESCRIBE is. {self._there_are}")

    def _table(self, item: Mapping[str, Any], scope: Set[str]) -> None:
        name = _folded(item["table_name"])
        if place := _qualifier(item):
            raise SqlRefused(_qualified([*place, name]))
        if item.get("at_clause"):
            raise SqlRefused("AT is not allowed: a query sees one snapshot, see meta")
        if name in scope:
            return
        if name not in self._known.tables:
            raise SqlRefused(f"table {name!r} is not allowed. {self._there_are}")
        self.tables.add(name)

    def _arguments(self, call: Mapping[str, Any]) -> list[Any]:
        """Return what a table function is called with, if it may be called."""
        name = _folded(call["function_name"])
        if place := _qualifier(call):
            raise SqlRefused(_qualified([*place, name]))
        if call["class"] != "FUNCTION":
            raise SqlRefused(f"{call['class']} is not allowed as a table")
        if name in self._known.reports:
            self.reports.add(name)
        elif name not in TABLE_FUNCTIONS:
            there_are = ", ".join(sorted(TABLE_FUNCTIONS | self._known.reports))
            raise SqlRefused(
                f"table function {name!r} is not allowed: there are {there_are}"
            )
        return [value for value in call.values() if isinstance(value, dict | list)]

    @property
    def _there_are(self) -> str:
        return f"There are {', '.join(sorted(self._known.tables))}"

    def _no_function(self, name: str) -> str:
        known = allowed("functions") | self._known.macros
        close = get_close_matches(name, known, n=3)
        hint = f"did you mean {', '.join(close)}? " if close else ""
        return (
            f"function {name!r} is not allowed: {hint}DuckDB's functions that take "
            "values and give values are, and flowlake's own"
        )


def _inside(item: Mapping[str, Any], scope: Set[str]) -> Iterator[tuple[Any, Set[str]]]:
    """Give what is in a part, each with the common table expressions in its scope.

    One sees those before it, and a recursive one itself, in its second half. Anywhere
    else the same name would mean a table, or a file.
    """
    inner = scope
    for entry in (item.get("cte_map") or {}).get("map", ()):
        yield entry["value"], inner
        inner = inner | {_folded(entry["key"])}
    recursive = item.get("type") == "RECURSIVE_CTE_NODE"
    itself = {_folded(item["cte_name"])} if recursive else set()
    for key, value in item.items():
        if key != "cte_map":
            yield value, inner | itself if key == "right" else inner


def _qualifier(item: Mapping[str, Any]) -> list[str]:
    """Return what stands before a name, but for what DuckDB 1.5 says of operators."""
    path = (item.get("qualified_name") or {}).get("path", [])
    given = path[:-1] or [item[key] for key in QUALIFIERS if item.get(key)]
    return [] if given == ["main"] and "class" in item else given


def _qualified(path: list[str]) -> str:
    return f"{'.'.join(path)} is not allowed: leave out what stands before {path[-1]}"


def _check_type(name: str) -> None:
    if name.upper().replace(" ", "_") not in allowed("types"):
        there_are = ", ".join(sorted(allowed("types")))
        raise SqlRefused(f"type {name} is not allowed: there are {there_are}")


def _folded(name: str) -> str:
    """Fold case as DuckDB does, of ASCII alone: else two names look like one."""
    return name.encode().lower().decode()
