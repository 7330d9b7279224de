"""Columns that every format can carry: what has no place in Arrow, cast by DuckDB."""

from __future__ import annotations

from typing import Any

import duckdb
from duckdb import sqltypes

# Integers past 64 bits become decimals of 38 digits; Arrow would cut them silently.
_WIDE = {"hugeint", "uhugeint"}
# Kinds that Arrow, Parquet, CSV or JSON lacks or mangles; DuckDB's own text is kept.
_AS_TEXT = {
    "bignum",
    "bit",
    "geometry",
    "interval",
    "time with time zone",
    "type",
    "union",
    "variant",
}

_NESTED = {"list", "array", "struct", "map", "tuple"}


def portable(relation: Any) -> Any:
    """Return a relation's columns, those of kinds that not every format has cast.

    HUGEINT and UHUGEINT become DECIMAL(38, 0): a larger value is an error, never a
    wrong number. INTERVAL, BIT, UNION, VARIANT, TIME WITH TIME ZONE, GEOMETRY and
    BIGNUM become text. So do those inside lists, structs and maps.
    """
    wanted = [_portable_type(type_) for type_ in relation.types]
    if wanted == relation.types:
        return relation
    columns = []
    for place, (name, type_) in enumerate(zip(relation.columns, wanted, strict=True)):
        # By place: a result may have one name twice.
        column = duckdb.SQLExpression(f"#{place + 1}")
        changed = type_ != relation.types[place]
        columns.append((column.cast(type_) if changed else column).alias(name))
    return relation.select(*columns)


def _portable_type(type_: Any) -> Any:
    kind = type_.id
    if kind in _WIDE:
        return duckdb.decimal_type(38, 0)
    if kind in _AS_TEXT:
        return sqltypes.VARCHAR
    if kind in _NESTED:
        return _portable_nested(type_)
    return type_


def _portable_nested(type_: Any) -> Any:
    kind, children = type_.id, type_.children
    size = children.pop()[1] if kind == "array" else 0
    inner = [(name, _portable_type(child)) for name, child in children]
    if inner == children:
        return type_
    first = inner[0][1]
    if kind == "list":
        return duckdb.list_type(first)
    if kind == "array":
        return duckdb.array_type(first, size)
    if kind == "map":
        return duckdb.map_type(first, inner[1][1])
    # A tuple's elements have no names to rebuild it by.
    return duckdb.struct_type(dict(inner)) if kind == "struct" else sqltypes.VARCHAR
