"""What DuckDB is told of a plan: file paths, columns by Iceberg field id, a window."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlparse

from pyiceberg.schema import Schema
from pyiceberg.types import (
    BooleanType,
    DateType,
    DoubleType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    StringType,
    TimestamptzType,
)

from lake.reading import is_timed
from lake.tables import Table
from queries.values import FAR_AHEAD, LONG_AGO, Window

_TYPES: dict[type[IcebergType], str] = {
    BooleanType: "BOOLEAN",
    DateType: "DATE",
    DoubleType: "DOUBLE",
    IntegerType: "INTEGER",
    LongType: "BIGINT",
    StringType: "VARCHAR",
    TimestamptzType: "TIMESTAMP WITH TIME ZONE",
}


def columns_of(schema: Schema) -> list[dict[str, Any]]:
    """Return field id, name and DuckDB type of every column."""
    return [
        {"id": f.field_id, "name": f.name, "type": engine_type(f.field_type)}
        for f in schema.fields
    ]


def engine_type(type_: IcebergType) -> str:
    """Return DuckDB's name of an Iceberg type."""
    if isinstance(type_, ListType):
        return f"{engine_type(type_.element_type)}[]"
    if isinstance(type_, MapType):
        key, value = engine_type(type_.key_type), engine_type(type_.value_type)
        return f"MAP({key}, {value})"
    return _TYPES[type(type_)]


def engine_path(location: str) -> str:
    """Return a data file's location as DuckDB opens it: a plain path if local."""
    parts = urlparse(location)
    return (
        location.removeprefix("file://") if parts.scheme in ("", "file") else location
    )


def rows_within(table: Table, window: Window) -> list[str]:
    """Return what rows of a table must be, to be of a window, its hours or its days."""
    if not is_timed(table):
        return []
    since, until = window.since, window.until
    if table.is_daily:
        last = until - timedelta(microseconds=1)
        found = [
            f"day >= DATE '{since.date().isoformat()}'",
            f"day <= DATE '{last.date().isoformat()}'",
        ]
    else:
        column = table.hour_column or "start_time"
        if column == "hour":
            since = since.replace(minute=0, second=0, microsecond=0)
        found = [f"{column} >= {_literal(since)}", f"{column} < {_literal(until)}"]
    open_ended = (window.since == LONG_AGO, window.until == FAR_AHEAD)
    return [
        text for text, is_open in zip(found, open_ended, strict=True) if not is_open
    ]


def _literal(time: datetime) -> str:
    return f"TIMESTAMPTZ '{time.isoformat()}'"
