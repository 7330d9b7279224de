"""Text records to rows: clean blocks in one typed pass, others line by line.

A block is parsed as typed columns by pyarrow's CSV reader. If anything about it is odd
(a value that does not convert, a row too many or too few) it is split into halves
until the odd part is one object's, and that is read as text columns, each check a
mask, so that a bad line costs its neighbours nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from ingest.decode.layout import Layout
from ingest.decode.tallying import Found, Reading
from transform.normalise import problems

HEX = (b" 0x", b" 0X")  # pyarrow reads these as integers, flow logs have none
DIGITS = 20  # the longest number, and a space
NEWLINE = 10


@dataclass(frozen=True, slots=True)
class Segment:
    """Some lines of one object, all of one layout.

    Attributes:
        reading: The object being read.
        body: Whole lines, without a header; the last may lack its newline.
        first_line: Line number of the first one, from 1.
        lines: How many there are.
    """

    reading: Reading
    body: bytes
    first_line: int
    lines: int


def segment_of(reading: Reading, body: bytes, first_line: int) -> Segment:
    """Return a segment with its lines counted, blank ones included."""
    newlines = int(np.count_nonzero(np.frombuffer(body, np.uint8) == NEWLINE))
    lines = newlines + (not body.endswith(b"\n"))
    return Segment(reading, body, first_line, lines)


def parse_clean(
    segments: Sequence[Segment],
    layout: Layout,
    *,
    now: datetime,
    max_line_bytes: int,
) -> Found | None:
    """Parse segments in one pass; None if anything in them is odd.

    Args:
        segments: Lines of one or several objects, each with at least one line.
        layout: What all of them have.
        now: The present; UTC.
        max_line_bytes: A longer line is odd.
    """
    lines = [segment.lines for segment in segments]
    body = segments[0].body if len(segments) == 1 else b"\n".join(
        segment.body.removesuffix(b"\n") for segment in segments
    )  # fmt: skip
    if not layout.checkable or _has_hex(body):
        return None
    try:
        table = read_columns(body, layout, typed=True)
    except pa.ArrowInvalid:
        return None
    if table.num_rows != sum(lines) or _may_be_long(table, max_line_bytes):
        return None
    if next(problems(table, now=now), None) is not None:
        return None
    readings = [segment.reading for segment in segments]
    return Found(table, np.asarray(lines), readings)


def _has_hex(body: bytes) -> bool:
    """Whether some token may be read as a hexadecimal integer.

    One byte is found ten times faster than three, and hardly any log has an x.
    """
    return (b"x" in body or b"X" in body) and any(mark in body for mark in HEX)


def read_columns(body: bytes, layout: Layout, *, typed: bool) -> pa.Table:
    """Read lines as columns by our names.

    Raises:
        ArrowInvalid: A line has too few or too many tokens, is not UTF-8, or (typed)
            a value does not convert.
    """
    names = [column.name for column in layout.columns]
    types = {c.name: c.type if typed else pa.string() for c in layout.columns}
    if layout.stamped:
        names.insert(0, "stamp")
        types["stamp"] = pa.string()
    table = pacsv.read_csv(
        pa.py_buffer(body),
        read_options=pacsv.ReadOptions(
            column_names=names,
            use_threads=False,
            block_size=max(len(body) + 1, 4096),
        ),
        parse_options=pacsv.ParseOptions(
            delimiter=layout.delimiter,
            quote_char='"' if layout.delimiter == "," else False,
            escape_char=False,
            newlines_in_values=False,
            ignore_empty_lines=True,
        ),
        convert_options=pacsv.ConvertOptions(
            column_types=types,
            null_values=["-"] if layout.delimiter == " " else ["-", ""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            check_utf8=not body.isascii(),
        ),
    )
    return table.drop_columns("stamp") if layout.stamped else table


def _may_be_long(table: pa.Table, max_line_bytes: int) -> bool:
    """Whether some line may be over the limit, going by the longest text a column."""
    longest = 0
    for column in table.columns:
        for chunk in column.chunks:
            longest += DIGITS
            if pa.types.is_dictionary(column.type):
                longest += _longest(chunk.dictionary)
            elif pa.types.is_string(column.type):
                longest += _longest(chunk)
    return longest > max_line_bytes


def _longest(values: pa.Array) -> int:
    if len(values) == 0:
        return 0
    offsets: Any = np.frombuffer(values.buffers()[1], dtype=np.int32)
    used = offsets[values.offset : values.offset + len(values) + 1]
    return int(np.diff(used).max(initial=0))
