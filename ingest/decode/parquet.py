"""AWS Parquet to rows: columns by name, any integer width, ``-`` and null missing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingest.decode.layout import Layout, of_names
from ingest.decode.tallying import Found, Reading
from lake.errors import SourceUnreadable
from lake.tables import DICTIONARY
from transform.normalise import problems

MAGIC = b"PAR1"
IN_MEMORY = 64 * 1024 * 1024
BATCH_ROWS = 65_536


def parse_parquet(
    chunks: Iterator[bytes], reading: Reading, *, now: datetime
) -> Iterator[tuple[Layout, Found]]:
    """Read a Parquet object batch by batch; its footer is at the end, so spool it.

    Raises:
        SourceUnreadable: ``bad_parquet`` or ``bad_header``.
    """
    location = reading.tally.source.location
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as spool:
        _spool(chunks, spool)
        try:
            with pq.ParquetFile(spool) as parquet:
                layout = _layout(parquet, location)
                reading.tally.head = layout.head
                reading.tally.fields = layout.fields
                reading.tally.extra_fields = layout.extra_fields
                for batch in parquet.iter_batches(batch_size=BATCH_ROWS):
                    found = _good(pa.Table.from_batches([batch]), layout, reading, now)
                    if found is not None:
                        yield layout, found
        except pa.ArrowException as error:
            raise SourceUnreadable(location, "bad_parquet", str(error)[:300]) from error


def _spool(chunks: Iterator[bytes], spool: IO[bytes]) -> None:
    for chunk in chunks:
        spool.write(chunk)
    spool.seek(0)


def _layout(parquet: pq.ParquetFile, location: str) -> Layout:
    names = tuple(parquet.schema_arrow.names)
    layout = of_names(names)
    if layout is None:
        raise SourceUnreadable(
            location, "bad_header", f"Parquet columns {', '.join(names)[:300]}"
        )
    return layout


def _good(
    raw: pa.Table, layout: Layout, reading: Reading, now: datetime
) -> Found | None:
    """Return the rows that fit; the others are quarantined by row number."""
    first = reading.tally.lines + 1
    numbers = np.arange(first, first + raw.num_rows)
    bad = np.zeros(raw.num_rows, dtype=bool)
    columns: dict[str, Any] = {}
    for column, values in zip(layout.columns, raw.columns, strict=True):
        converted, failed = _converted(values, column.type)
        columns[column.name] = converted
        if failed is not None and (failed & ~bad).any():
            detail = f"{column.aws} is no integer of its width"
            _reject(reading, raw, numbers, failed & ~bad, "bad_integer", detail)
            bad |= failed
    table = pa.table(columns)
    for problem in problems(table, now=now):
        fresh = problem.rows & ~bad
        if fresh.any():
            _reject(reading, raw, numbers, fresh, problem.reason, problem.detail)
        bad |= problem.rows
    good = table.filter(pa.array(~bad))
    if good.num_rows == 0:
        return None
    return Found(good, np.array([good.num_rows]), [reading])


def _converted(values: Any, type_: pa.DataType) -> tuple[Any, Any]:
    """Return the column in our type, and the mask of rows that do not convert."""
    if pa.types.is_integer(type_):
        if pa.types.is_integer(values.type):
            wide = values.cast(pa.int64(), safe=False)
        else:
            texts = values.cast(pa.string())
            shaped = pc.match_substring_regex(texts, pattern=r"^-?[0-9]{1,18}$")
            fit = pc.if_else(shaped, texts, pa.scalar(None, pa.string()))
            wide = fit.cast(pa.int64())
        narrow = pc.if_else(_fits(wide, type_), wide, pa.scalar(None, pa.int64()))
        lost = np.asarray(pc.is_null(narrow)) & ~np.asarray(_missing(values))
        return narrow.cast(type_), lost if lost.any() else None
    texts = values.cast(pa.string())
    texts = pc.if_else(_missing(texts), pa.scalar(None, pa.string()), texts)
    return texts.cast(type_) if type_ != DICTIONARY else texts.dictionary_encode(), None


def _fits(wide: Any, type_: pa.DataType) -> Any:
    limit = 2 ** (type_.bit_width - 1) - 1
    return pc.fill_null(
        pc.and_(pc.less_equal(wide, limit), pc.greater_equal(wide, -limit)), False
    )


def _missing(values: Any) -> Any:
    missing = pc.is_null(values)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        missing = pc.or_(missing, pc.fill_null(pc.equal(values, "-"), False))
    return missing


def _reject(
    reading: Reading, raw: pa.Table, numbers: Any, mask: Any, reason: str, detail: str
) -> None:
    """Quarantine rows, spelt as a text record would be."""
    reading.tally.lines += int(mask.sum())
    room = max(0, reading.max_rows - reading.kept)
    some = raw.filter(pa.array(mask)).slice(0, room)
    texts = [
        " ".join("-" if value is None else str(value) for value in row.values())
        for row in some.to_pylist()
    ]
    reading.reject(numbers[mask].tolist(), reason, detail, texts)
