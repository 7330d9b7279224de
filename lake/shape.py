"""Rows in the shape of a table: its columns, in its types and order."""

from __future__ import annotations

import pyarrow as pa


def conform(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows with exactly a schema's columns; such as they lack are null."""
    columns = [
        rows[field.name].cast(field.type)
        if field.name in rows.column_names
        else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def nullable(schema: pa.Schema) -> pa.Schema:
    """Return a schema that requires nothing: a file may lack columns made later."""
    return pa.schema([field.with_nullable(True) for field in schema])
