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
from ingest.decode.lines import integers
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
        except (pa.ArrowException, OSError, ValueError) as error:  # as damage makes it
            raise SourceUnreadable(location, "bad_parquet", str(error)[:300]) from error


def _spool(chunks: Iterator[bytes], spool: IO[bytes]) -> None:
    for chunk in chunks:
        spool.write(chunk)
    spool.seek(0)


def _layout(parquet: pq.ParquetFile, location: str) -> Layout:
    names = tuple(parquet.schema_arrow.names)
    layout = of_names(names, strict=False)
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
        columns[column.name], failures = _converted(values, column.type)
        for failed, reason in failures:
            fresh = failed & ~bad
            if fresh.any():
                detail = f"{column.aws} {_DETAILS[reason]}"
                _reject(reading, raw, numbers, fresh, reason, detail)
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


_DETAILS = {
    "bad_integer": "is no integer of its width",
    "bad_encoding": "is not UTF-8",
}


def _converted(values: Any, type_: pa.DataType) -> tuple[Any, list[tuple[Any, str]]]:
    """Return the column in our type; masks of rows that fail, with their reasons."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_integer(type_) and not _is_text(values.type):
        made, failed = _narrowed(values, type_)
        return made, [(failed, "bad_integer")]
    texts, invalid = _texts(values)
    failures = [] if invalid is None else [(invalid, "bad_encoding")]
    texts = pc.if_else(pc.equal(texts, "-"), pa.scalar(None, pa.string()), texts)
    if pa.types.is_integer(type_):
        made, failed = integers(texts, type_)
        return made, [*failures, (failed, "bad_integer")]
    return texts.dictionary_encode() if type_ == DICTIONARY else texts, failures


def _is_text(type_: pa.DataType) -> bool:
    return any(
        is_kind(type_)
        for is_kind in (
            pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view,
            pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view,
        )
    )  # fmt: skip


def _narrowed(values: Any, type_: pa.DataType) -> tuple[Any, Any]:
    """Return numbers in our width, and the mask of those that do not fit."""
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("s", values.type.tz), safe=False)
    there = pc.is_valid(values)
    wide = values.cast(pa.int64(), safe=False)
    limit = 2 ** (type_.bit_width - 1) - 1
    fits = pc.and_(pc.less_equal(wide, limit), pc.greater_equal(wide, -limit))
    if pa.types.is_floating(values.type):
        fits = pc.and_(fits, pc.equal(pc.floor(values), values))
    kept = pc.if_else(fits, wide, pa.scalar(None, pa.int64()))
    failed = pc.and_(there, pc.is_null(kept))
    return kept.cast(type_), np.asarray(failed, dtype=bool)


def _texts(values: Any) -> tuple[Any, Any]:
    """Return a column as text, and the mask of rows that are not UTF-8, if any."""
    if not _is_text(values.type):
        return values.cast(pa.string()), None
    data = values.cast(pa.binary())
    try:
        return data.cast(pa.string()), None
    except pa.ArrowInvalid:
        coded = data.combine_chunks().dictionary_encode()
    invalid = np.array([not _is_utf8(v) for v in coded.dictionary.to_pylist()])
    codes = np.asarray(pc.fill_null(coded.indices, len(invalid)))
    failed = np.append(invalid, False)[codes]
    kept = pc.if_else(pa.array(failed), pa.scalar(None, pa.binary()), data)
    return kept.cast(pa.string()), failed


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _reject(
    reading: Reading, raw: pa.Table, numbers: Any, mask: Any, reason: str, detail: str
) -> None:
    """Quarantine rows, spelt as a text record would be."""
    reading.tally.lines += int(mask.sum())
    room = max(0, reading.max_rows - reading.kept)
    some = raw.filter(pa.array(mask)).slice(0, room)
    columns = [
        (column.cast(pa.binary()) if _is_text(column.type) else column).to_pylist()
        for column in some.columns
    ]
    texts = [" ".join(map(_spelt, row)) for row in zip(*columns, strict=True)]
    reading.reject(numbers[mask].tolist(), reason, detail, texts)


def _spelt(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "-" if value is None else str(value)
