"""Whether a statement only reads, as DuckDB's own parser sees it.

A statement's type is not enough: a SELECT may hold a COPY or an INSERT in a common
table expression. So every node of its tree must be one that reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import duckdb

from lake.errors import QueryError
from queries.session import Session, one_line

READING_NODES = {
    "SELECT_NODE",
    "SET_OPERATION_NODE",
    "RECURSIVE_CTE_NODE",
    "CTE_NODE",
}
READING = "only statements that read are allowed: SELECT, FROM, SHOW, DESCRIBE, EXPLAIN"
ONE = "one statement at a time: leave out what follows the first ;"
NONE = "no statement: give one, such as FROM flows LIMIT 10"
PIVOTING = (
    "PIVOT must name the values that become columns, as in PIVOT flows ON action "
    "IN ('ACCEPT', 'REJECT') USING count(*): without them it would make a type first"
)
_EXPLAIN = re.compile(r"\s*EXPLAIN(\s+ANALYZE)?\b", re.IGNORECASE)


def check_reads(session: Session, sql: str) -> None:
    """Refuse anything but one statement that reads.

    Raises:
        QueryError: It is no SQL, several statements, or one that changes something.
    """
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryError(one_line(error)) from error
    if len(statements) != 1:
        raise QueryError(ONE if statements else NONE)
    if statements[0].type == duckdb.StatementType.MULTI:
        # It leaves a type behind in the database, where every session sees it.
        raise QueryError(PIVOTING)
    tree = _tree(session, _EXPLAIN.sub("", statements[0].query, count=1))
    nodes = {kind for kind in _types(tree) if kind.endswith("_NODE")}
    if not nodes or nodes - READING_NODES:
        raise QueryError(READING)


def _tree(session: Session, sql: str) -> Any:
    found = session.few("SELECT json_serialize_sql($sql) AS tree", {"sql": sql})
    tree = json.loads(found["tree"][0].as_py())
    if tree["error"]:
        raise QueryError(READING)
    return tree


def _types(tree: Any) -> Iterator[str]:
    """Give every node's type; an unhandled depth of nesting cannot hide one."""
    waiting = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if isinstance(item.get("type"), str):
                yield item["type"]
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
