"""Rows of data files, streamed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import pyarrow as pa
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable

from lake.datafiles import open_parquet
from lake.tables import Table, batch_schema

RUN_ROWS = 1_000_000  # sorted in memory at once: 140-300 MB of v5 records


def in_runs(
    table: Table, stored: IcebergTable, files: Sequence[DataFile]
) -> Iterator[pa.Table]:
    """Stream the files' rows in runs of about ``RUN_ROWS``."""
    pending: list[pa.Table] = []
    rows = 0
    for batch in batches(table, stored, files):
        pending.append(batch)
        rows += batch.num_rows
        if rows >= RUN_ROWS:
            yield _joined(pending)
            pending, rows = [], 0
    if pending:
        yield _joined(pending)


def batches(
    table: Table,
    stored: IcebergTable,
    files: Sequence[DataFile],
    columns: Collection[str] | None = None,
) -> Iterator[pa.Table]:
    """Stream the files' rows in ``batch_schema``'s types.

    Args:
        table: Whose files they are.
        stored: The table as loaded.
        files: What to read.
        columns: Only these; None: all that there are.
    """
    schema = batch_schema(table)
    texts = [field.name for field in schema if pa.types.is_dictionary(field.type)]
    for file in files:
        with open_parquet(stored.io, file.file_path, dictionaries=texts) as parquet:
            names = parquet.schema_arrow.names
            wanted = [n for n in names if columns is None or n in columns]
            for batch in parquet.iter_batches(batch_size=RUN_ROWS // 8, columns=wanted):
                rows = pa.Table.from_batches([batch])
                yield pa.table(
                    {
                        name: encoded(rows[name], schema.field(name).type)
                        for name in rows.column_names
                    }
                )


def encoded(column: pa.ChunkedArray, type_: pa.DataType) -> pa.ChunkedArray:
    """Return the column in its type in a batch: text as a dictionary."""
    if pa.types.is_dictionary(type_):
        if pa.types.is_dictionary(column.type):
            return column
        return column.dictionary_encode()
    return column.cast(type_)


def columns_of(
    table: Table, stored: IcebergTable, files: Sequence[DataFile]
) -> list[str]:
    """Return the columns that some file has; the others are null everywhere."""
    found: set[str] = set()
    for file in files:
        with open_parquet(stored.io, file.file_path) as parquet:
            found.update(parquet.schema_arrow.names)
    return [field.name for field in table.fields if field.name in found]


def _joined(parts: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(parts, promote_options="default")
