"""A table that users give: a file of theirs, in every session under its own name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

from queries.spelling import literal

SQL_TYPES: Mapping[pa.DataType, str] = {
    pa.string(): "VARCHAR",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.date32(): "DATE",
}


@dataclass(frozen=True, slots=True)
class Given:
    """A table of a user's.

    Attributes:
        name: Its name in SQL.
        table: Its rows, of the types in ``SQL_TYPES``.
        version: Changes with its content, so that caches know; None: it was not given,
            and has no rows.
    """

    name: str
    table: pa.Table
    version: str | None

    def create(self, database: duckdb.DuckDBPyConnection) -> None:
        """Make it a table of a database."""
        database.from_arrow(self.table).create(self.name)

    def view_statement(self) -> str:
        """Return its definition as a view, for where no table can be made."""
        schema = self.table.schema
        rows = ", ".join(
            f"({', '.join(_literal(value) for value in row.values())})"
            for row in self.table.to_pylist()
        )
        names = ", ".join(schema.names)
        typed = ", ".join(
            f"CAST({field.name} AS {SQL_TYPES[field.type]}) AS {field.name}"
            for field in schema
        )
        values = rows or f"({', '.join('NULL' for _ in schema)})"
        none = "" if rows else " WHERE FALSE"
        return (
            f"CREATE VIEW {self.name} AS SELECT {typed} FROM (VALUES {values}) "  # noqa: S608
            f"AS given ({names}){none}"
        )


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, date):
        return f"DATE {literal(value.isoformat())}"
    return literal(value) if isinstance(value, str) else str(value)
