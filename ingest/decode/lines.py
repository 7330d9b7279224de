"""Lines read with care: every check a mask, every bad line named."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.decode.layout import Layout, looks_like_header, of_header
from ingest.decode.tallying import Found, Reading
from lake.tables import DICTIONARY
from transform.normalise import problems

HEADER = r"^\"?[a-z][a-z0-9_\-]*\"?([ ,]\s?\"?[a-z][a-z0-9_\-]*\"?)*\s*$"
SHORT = r"^-?[0-9]{1,18}$"
LONG = r"^[0-9]{19}$"
MOST = str(2**63 - 1)  # texts of one length compare as their numbers do


@dataclass(slots=True)
class _Lines:
    """Lines that are still good: their texts and numbers."""

    texts: Any
    numbers: Any

    def keep(self, mask: Any) -> _Lines:
        return _Lines(self.texts.filter(pa.array(mask)), self.numbers[mask])


def parse_lines(
    reading: Reading,
    raw: list[bytes],
    numbers: Any,
    layout: Layout,
    *,
    now: datetime,
    max_line_bytes: int,
) -> tuple[list[tuple[Layout, Found]], Layout]:
    """Parse some lines of one object, naming each that does not fit.

    A header line inside switches the layout for the lines behind it.

    Args:
        reading: The object; gets what does not fit.
        raw: The lines, in order, without their newlines.
        numbers: The lines' numbers; int64.
        layout: The layout of the first line.
        now: The present; UTC.
        max_line_bytes: A longer line is quarantined.

    Returns:
        The good records, in parts of one layout each; and the layout at the end.
    """
    lines = _readable(reading, raw, numbers, max_line_bytes)
    parts: list[tuple[Layout, Found]] = []
    for current, some in _by_layout(reading, lines, layout):
        layout = current
        if len(some.numbers) == 0:
            continue
        found = _records(reading, some, layout, now)
        if found is not None:
            parts.append((layout, found))
    return parts, layout


def _readable(
    reading: Reading, raw: list[bytes], numbers: Any, max_line_bytes: int
) -> _Lines:
    """Return the lines that are text of a bearable length; blank ones are none."""
    raw = [line.removesuffix(b"\r") for line in raw]
    lengths = np.fromiter(map(len, raw), dtype=np.int64, count=len(raw))
    decoded, invalid = _decoded(raw)
    long = lengths > max_line_bytes
    reject(reading, numbers, long, "line_too_long",
           f"a line of more than {max_line_bytes:,} bytes",
           lambda at: raw[at][:2000].decode("utf-8", "replace"))  # fmt: skip
    bad = invalid & ~long
    reject(reading, numbers, bad, "bad_encoding", "a line that is not UTF-8",
           lambda at: raw[at][:2000].decode("utf-8", "replace"))  # fmt: skip
    return _Lines(decoded, numbers).keep((lengths > 0) & ~invalid & ~long)


def _decoded(raw: list[bytes]) -> tuple[Any, Any]:
    """Return the lines as text, and the mask of those that are not UTF-8."""
    invalid = np.zeros(len(raw), dtype=bool)
    try:
        return pa.array(raw, pa.binary()).cast(pa.string()), invalid
    except pa.ArrowInvalid:  # only a block that has such a line is looked at by line
        texts = [_text_or_none(line) for line in raw]
    array = pa.array(texts, pa.string())
    return array, np.asarray(pc.is_null(array), dtype=bool)


def _text_or_none(line: bytes) -> str | None:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return None


def reject(
    reading: Reading, numbers: Any, mask: Any, reason: str, detail: str, text: Any
) -> None:
    """Quarantine the lines of a mask; ``text`` gives the text at a position."""
    positions = np.flatnonzero(mask)
    if len(positions) == 0:
        return
    reading.tally.lines += len(positions)
    room = max(0, reading.max_rows - reading.kept)
    texts = [text(int(at)) for at in positions[:room]]
    reading.reject(numbers[positions].tolist(), reason, detail, texts)


def _by_layout(
    reading: Reading, lines: _Lines, layout: Layout
) -> Iterator[tuple[Layout, _Lines]]:
    """Cut the lines at header lines inside."""
    like = pc.match_substring_regex(lines.texts, pattern=HEADER)
    begin = 0
    for at in np.flatnonzero(np.asarray(like, dtype=bool)).tolist():
        text = lines.texts[at].as_py()
        if not looks_like_header(text):
            continue
        named = of_header(text)
        yield layout, _between(lines, begin, at)
        begin = at + 1
        tally = reading.tally
        if named is None:
            where = np.zeros(len(lines.numbers), dtype=bool)
            where[at] = True
            reject(reading, lines.numbers, where, "bad_header",
                   "a header that names a field twice",
                   lambda _, text=text: text)  # fmt: skip
            continue
        tally.lines += 1
        tally.headers += 1
        layout = named
    yield layout, _between(lines, begin, len(lines.numbers))


def _between(lines: _Lines, begin: int, end: int) -> _Lines:
    return _Lines(lines.texts.slice(begin, end - begin), lines.numbers[begin:end])


def _records(
    reading: Reading, lines: _Lines, layout: Layout, now: datetime
) -> Found | None:
    if layout.head is not reading.tally.head:
        everything = np.ones(len(lines.numbers), dtype=bool)
        _reject_lines(reading, lines, everything, "other_head",
                      f"a {layout.head.name} record in an object of "
                      f"{reading.tally.head.name}")  # fmt: skip
        return None
    lines, columns = _split(reading, lines, layout)
    table, bad = _typed(reading, lines, layout, columns)
    lines, table = lines.keep(~bad), table.filter(pa.array(~bad))
    for _ in range(len(layout.columns) + 8):  # each round settles one kind of problem
        problem = next(problems(table, now=now), None)
        if problem is None:
            break
        _reject_lines(reading, lines, problem.rows, problem.reason, problem.detail)
        lines = lines.keep(~problem.rows)
        table = table.filter(pa.array(~problem.rows))
    if table.num_rows == 0:
        return None
    return Found(table, np.array([table.num_rows]), [reading])


def _reject_lines(
    reading: Reading, lines: _Lines, mask: Any, reason: str, detail: str
) -> None:
    reject(reading, lines.numbers, mask, reason, detail,
           lambda at: lines.texts[at].as_py())  # fmt: skip


def _split(reading: Reading, lines: _Lines, layout: Layout) -> tuple[_Lines, list[Any]]:
    """Split the lines that have one token a field; quarantine the others."""
    width = len(layout.columns) + layout.stamped
    tokens = _tokens(lines.texts, layout.delimiter)
    counts = np.asarray(pc.list_value_length(tokens))
    for mask, reason in ((counts < width, "too_few_fields"),
                         (counts > width, "too_many_fields")):  # fmt: skip
        _reject_lines(reading, lines, mask, reason, f"the layout has {width} fields")
    good = counts == width
    flat = tokens.filter(pa.array(good)).flatten()
    rows = int(good.sum())
    columns = [
        flat.take(pa.array(np.arange(rows) * width + position))
        for position in range(int(layout.stamped), width)
    ]
    return lines.keep(good), columns


def _tokens(texts: Any, delimiter: str) -> Any:
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    if delimiter == " ":
        return pc.split_pattern(texts, " ")
    # CSV is written by people and query tools, not by AWS
    return pa.array(map(_csv_row, texts.to_pylist()), pa.list_(pa.string()))


def _csv_row(text: str) -> list[str]:
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error:  # such as a quote that is not closed on its line
        return []


def _typed(
    reading: Reading, lines: _Lines, layout: Layout, columns: list[Any]
) -> tuple[pa.Table, Any]:
    """Convert text columns; return the table and the mask of lines that failed."""
    bad = np.zeros(len(lines.numbers), dtype=bool)
    made: dict[str, Any] = {}
    missing = pa.array(["-"] if layout.delimiter == " " else ["-", ""])
    for column, texts in zip(layout.columns, columns, strict=True):
        absent = pc.is_in(texts, value_set=missing)
        texts = pc.if_else(absent, pa.scalar(None, pa.string()), texts)
        if pa.types.is_integer(column.type):
            texts, failed = integers(texts, column.type)
            failed &= ~bad  # a line is reported once
            _reject_lines(reading, lines, failed, "bad_integer",
                          f"{column.aws} is no integer of its width")  # fmt: skip
            bad |= failed
            made[column.name] = pa.chunked_array([texts])
        else:
            encoded = texts.dictionary_encode() if column.known else texts
            kind = DICTIONARY if column.known else pa.string()
            made[column.name] = pa.chunked_array([encoded.cast(kind)])
    return pa.table(made), bad


def integers(texts: Any, type_: pa.DataType) -> tuple[Any, Any]:
    """Return texts as integers of a width, and the mask of those that are none."""
    short = pc.match_substring_regex(texts, pattern=SHORT)
    long = pc.match_substring_regex(texts, pattern=LONG)
    fits = pc.or_(short, pc.and_(long, pc.less_equal(texts, MOST)))
    shaped = np.asarray(pc.fill_null(fits, True), dtype=bool)
    wide = pc.if_else(pa.array(shaped), texts, pa.scalar(None, pa.string()))
    values = wide.cast(pa.int64())
    limit = 2 ** (type_.bit_width - 1) - 1
    narrow = pc.and_(pc.less_equal(values, limit), pc.greater_equal(values, -limit))
    kept = pc.if_else(narrow, values, pa.scalar(None, pa.int64()))
    fit = np.asarray(pc.fill_null(narrow, True), dtype=bool)
    return kept.cast(type_), ~(shaped & fit)
