"""How columns are encoded in Parquet: what is worth its time, and what is not."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from lake.tables import ROW_GROUP_ROWS, Table

BLOOM_FALSE_POSITIVES = 0.02
NEVER_REPEATING = {"bytes", "srcport", "dstport", "service_port", "document"}
WRITE_BATCH_ROWS = 16_384  # a tenth less time than with Arrow's 1,024
FEW_TEXTS = 256
# Hardly a byte count repeats: as differences they take a third of the time of zstd, and
# a tenth more room.
DIFFERENCES = {"bytes"}
INCOMPRESSIBLE = {"start_time", "end_time"}  # seconds of an hour: 0.3 % less by zstd
ZSTD_LEVEL = 1  # 3 costs a tenth more time for 1 % fewer bytes on v5 records


def options(table: Table, rows: pa.Table) -> dict[str, Any]:
    """Return what a ``pyarrow.parquet.ParquetWriter`` is to do with a table's rows.

    Args:
        table: What is written.
        rows: The first of them, texts as dictionaries.
    """
    filters = {
        name: {"ndv": _distinct(rows[name]), "fpp": BLOOM_FALSE_POSITIVES}
        for name in table.bloom
        if name in rows.column_names
    }
    codecs = _codecs(rows)
    return {
        "compression": codecs,
        "compression_level": {
            path: ZSTD_LEVEL for path, codec in codecs.items() if codec == "zstd"
        },
        "store_schema": False,
        "write_batch_size": WRITE_BATCH_ROWS,
        "use_dictionary": _repeating(rows.schema),
        "column_encoding": {
            name: "DELTA_BINARY_PACKED"
            for name in rows.schema.names
            if name in DIFFERENCES
        },
        "write_statistics": [n for n in table.metrics if n in rows.column_names],
        "bloom_filter_options": filters or None,
    }


def _codecs(rows: pa.Table) -> dict[str, str]:
    """Return how to compress each column: where there are few texts, not at all.

    Of these, runs of small numbers are left: compressing them costs a tenth of the
    time of writing v5 records and saves a twentieth of the file.
    """
    return {
        path: (
            "none"
            if field.name in INCOMPRESSIBLE | DIFFERENCES
            or _has_few_texts(rows[field.name])
            else "zstd"
        )
        for field in rows.schema
        for path in _paths(field)
    }


def _has_few_texts(column: pa.ChunkedArray) -> bool:
    return pa.types.is_dictionary(column.type) and _distinct(column) <= FEW_TEXTS


def _repeating(schema: pa.Schema) -> list[str]:
    """Return the columns worth a dictionary page: not byte counts, ports, documents.

    A dictionary that is given up half-way costs 15 ms a column of 250,000 rows;
    statistics of columns that prune nothing cost half as much as all the rest.
    """
    return [
        path
        for field in schema
        if field.name not in NEVER_REPEATING
        for path in _paths(field)
    ]


def is_list(type_: pa.DataType) -> bool:
    """Whether a type is of lists, whatever the width of their offsets."""
    return bool(pa.types.is_list(type_) or pa.types.is_large_list(type_))


def _paths(field: pa.Field) -> list[str]:
    """Return where a column's values are in a Parquet file."""
    if pa.types.is_map(field.type):
        return [f"{field.name}.key_value.{part}" for part in ("key", "value")]
    if is_list(field.type):
        return [f"{field.name}.list.element"]
    return [field.name]


def _distinct(column: pa.ChunkedArray) -> int:
    """Bound the number of distinct values in one row group from above, cheaply."""
    if pa.types.is_dictionary(column.type):
        known = sum(len(chunk.dictionary) for chunk in column.chunks)
    else:
        known = len(column)
    return max(1, min(known, len(column), ROW_GROUP_ROWS))
