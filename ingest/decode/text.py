"""Text records to rows: whole lines, the compiled scan, and care for what is odd.

The scan (``scan.py``) takes every line that follows its layout's rules to the letter.
The few others, and layouts that it cannot read at all, go to ``lines.py``, which
says of each line what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from ingest.decode import scan
from ingest.decode.columns import Columns
from ingest.decode.gunzip import Damage
from ingest.decode.layout import Layout, looks_like_header
from ingest.decode.lines import parse_lines
from ingest.decode.tallying import Found, Reading
from ingest.decode.words import PADDING

ROOM = b" " * PADDING
BYTES_WITH_CARE = 8 * 1024 * 1024  # read so at a time
Part = tuple[Layout, Found]


@dataclass(frozen=True, slots=True)
class Span:
    """Whole lines of one object: ``text[begin:end]``, the last with its newline.

    ``PADDING`` bytes or more follow the end.
    """

    text: bytes
    begin: int
    end: int


def span_of(text: bytes, begin: int = 0) -> Span:
    """Return all of a text from ``begin`` on, made into whole lines."""
    ended = text if text.endswith(b"\n") else text + b"\n"
    return Span(ended + ROOM, begin, len(ended))


def whole_lines(
    pieces: Iterator[bytes], *, max_line_bytes: int, damage: Damage
) -> Iterator[Span]:
    """Cut a stream into spans of whole lines, without copying more than their edges.

    Where the stream breaks off, the line it breaks off in is no record: a cut number
    is another number. It goes to ``damage``. Of an endless line just more than
    the limit is held, so that it is found to be too long.
    """
    held = b""  # the beginning of a line whose end is still to come
    for piece in pieces:
        first = piece.find(b"\n") + 1
        if not first:
            if len(held) <= max_line_bytes:
                held += piece
            continue
        yield span_of(held[: max_line_bytes + 1] + piece[:first])
        last = piece.rfind(b"\n", 0, max(0, len(piece) - PADDING)) + 1
        if last > first:
            yield Span(piece, first, last)
        rest = piece[max(first, last) :]
        cut = rest.rfind(b"\n") + 1
        if cut:
            yield span_of(rest[:cut])
        held = rest[cut:]
    if damage.breaks_off:
        damage.tail = held
    elif held:
        yield span_of(held)


class TextReader:
    """Reads any number of objects; hands records on when they are many.

    Args:
        now: The present; UTC.
        rows: Records handed on at most at a time.
        max_line_bytes: A longer line is quarantined.
    """

    def __init__(self, *, now: datetime, rows: int, max_line_bytes: int) -> None:
        self._now = now
        self._rows = rows
        self._max_line_bytes = max_line_bytes
        self._columns: Columns | None = None

    def open(self, reading: Reading, layout: Layout, line: int) -> None:
        """Turn to an object whose next line has a layout and a number, from 1."""
        self._reading, self._layout, self._line = reading, layout, line

    def read(self, span: Span) -> Iterator[Part]:
        """Read some lines of the object; yield records with their layout."""
        begin = span.begin
        while begin < span.end:
            layout = self._layout
            if layout.scannable and layout.head is self._reading.tally.head:
                begin = yield from self._scan(span, begin)
            else:
                begin = yield from self._with_care(span, begin)

    def finish(self) -> Iterator[Part]:
        """Hand on the records that are left."""
        if self._columns is not None:
            found = self._columns.take()
            if found is not None:
                yield self._columns.layout, found

    def _scan(self, span: Span, begin: int) -> Generator[Part, None, int]:
        """Read until something is to be done; return where."""
        columns = yield from self._columns_for(self._layout)
        text = np.frombuffer(span.text, np.uint8)
        why = scan.MAYBE_HEADER
        while why == scan.MAYBE_HEADER:
            why, begin, self._line = columns.read(
                self._reading, text, begin, span.end, self._line
            )
            if why == scan.MAYBE_HEADER and _ends_with_header(span.text, begin):
                break
        if columns.odd_lines:
            yield from self._parse(*columns.take_odd(span.text))
        elif why == scan.FULL:
            yield from self.finish()
        return begin

    def _columns_for(self, layout: Layout) -> Generator[Part, None, Columns]:
        """Return the columns of a layout; what is held of another is handed on."""
        if self._columns is None or self._columns.layout is not layout:
            yield from self.finish()
            self._columns = Columns(
                layout,
                now=self._now,
                rows=self._rows,
                max_line_bytes=self._max_line_bytes,
            )
        return self._columns

    def _with_care(self, span: Span, begin: int) -> Generator[Part, None, int]:
        """Read a bearable number of lines as `lines.py` does; return where they end."""
        last = min(span.end, begin + BYTES_WITH_CARE) - 1
        end = span.text.find(b"\n", last) + 1
        lines = span.text[begin:end].split(b"\n")[:-1]
        numbers = np.arange(self._line, self._line + len(lines))
        self._line += len(lines)
        yield from self._parse(lines, numbers)
        return end

    def _parse(self, lines: list[bytes], numbers: Any) -> list[Part]:
        parts, self._layout = parse_lines(
            self._reading,
            lines,
            numbers,
            self._layout,
            now=self._now,
            max_line_bytes=self._max_line_bytes,
        )
        return parts


def _ends_with_header(text: bytes, end: int) -> bool:
    """Whether the line that ends before ``end`` is a header."""
    begin = text.rfind(b"\n", 0, end - 1) + 1
    return looks_like_header(text[begin : end - 1].decode())
