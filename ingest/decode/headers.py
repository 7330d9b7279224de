"""The header line of a text object: at its top, or further down, or not there."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from functools import lru_cache

from ingest.decode.layout import Layout, looks_like_header, of_header
from ingest.decode.tallying import Reading
from ingest.decode.text import Span
from lake.errors import SourceUnreadable

BOM = b"\xef\xbb\xbf"
_LIKE_HEADER = re.compile(rb"^[a-z\"][a-z0-9_, \"-]*\r?$", re.MULTILINE)
NO_HEADER = (
    "no header line: name the fields with --log-format, as `aws ec2 "
    "describe-flow-logs` prints LogFormat"
)


def header_layout(line: bytes, location: str) -> Layout | None:
    """Return the layout of a header line, None if the line is none.

    Raises:
        SourceUnreadable: ``bad_header``: it names a field twice.
    """
    is_header, layout = _layout_of(line)
    if is_header and layout is None:
        raise SourceUnreadable(location, "bad_header", "it names a field twice")
    return layout


@lru_cache(maxsize=256)
def _layout_of(line: bytes) -> tuple[bool, Layout | None]:
    """Return whether a line is a header, and its layout if it describes one."""
    try:
        text = line.removeprefix(BOM).decode("utf-8")
    except UnicodeDecodeError:
        return False, None
    if not looks_like_header(text):
        return False, None
    return True, of_header(text)


def first_line(spans: Iterator[Span]) -> tuple[bytes, int, Iterator[Span]]:
    """Return the first line that is not blank, its number, and what follows it."""
    line = 1
    for span in spans:
        begin = span.begin
        while begin < span.end:
            end = span.text.index(b"\n", begin) + 1
            first = span.text[begin:end].strip(b"\r\n")
            first = first.removeprefix(BOM) if line == 1 else first
            if first.strip():
                rest = Span(span.text, end, span.end)
                return first, line, itertools.chain([rest], spans)
            begin, line = end, line + 1
    return b"", line, iter(())


def find_header(
    spans: Iterator[Span], line: int, reading: Reading
) -> tuple[Layout, int, Iterator[Span]]:
    """Return the layout of the first header, the line behind it, and what follows.

    The lines before it are quarantined.

    Raises:
        SourceUnreadable: ``no_header``: there is none; all lines have been counted.
    """
    location = reading.tally.source.location
    for span in spans:
        for match in _LIKE_HEADER.finditer(span.text, span.begin, span.end):
            layout = header_layout(match[0].rstrip(b"\r"), location)
            if layout is not None:
                line = _refuse(reading, span.text[span.begin : match.start()], line)
                reading.tally.lines += 1
                reading.tally.headers += 1
                rest = Span(span.text, match.end() + 1, span.end)
                return layout, line + 1, itertools.chain([rest], spans)
        line = _refuse(reading, span.text[span.begin : span.end], line)
    raise SourceUnreadable(location, "no_header", NO_HEADER)


def _refuse(reading: Reading, text: bytes, line: int) -> int:
    """Quarantine lines that stand before any header; return the next line's number."""
    lines = text.split(b"\n")[:-1]
    there = [at for at, one in enumerate(lines, start=line) if one.strip()]
    room = max(0, reading.max_rows - reading.kept)
    texts = [lines[at - line].decode("utf-8", "replace") for at in there[:room]]
    reading.tally.lines += len(there)
    reading.reject(there, "no_header", NO_HEADER, texts)
    return line + len(lines)
