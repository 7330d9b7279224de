"""What DuckDB is told of a plan: file paths, and columns by Iceberg field id."""

from __future__ import annotations

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
