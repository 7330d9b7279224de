"""Reading an object once more, with nothing of the decoder: zlib, polars, json.

What is counted is what nobody can doubt: lines that are not blank, header lines,
records that say NODATA or SKIPDATA; and of all others packets and bytes by the day of
their start. Whether a line is refused is the decoder's to say; it is not judged here.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO

from ingest.verify import columns, envelopes
from ingest.verify.columns import DaySums
from ingest.verify.lines import LineCounter
from ingest.verify.spool import spooled

GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"
BOM = b"\xef\xbb\xbf"
PIECE = 4 * 1024 * 1024
GZIP_WINDOW = 31
BLANK = b" \t\r\n"
_BLANK_LINES = re.compile(rb"\A(?:[ \t\r]*\n)*")


@dataclass(slots=True)
class Recount:
    """What an object holds, as far as it could be read.

    Attributes:
        lines: Lines that are not blank; of Parquet, rows.
        headers: Header lines.
        silent: Records that say NODATA or SKIPDATA.
        by_day: Of the other lines, by days since 1970 of their start, what polars
            reads of them; None: no start is told.
        first: The earliest start of any record, seconds since 1970.
        last: The latest.
        doubt: Why the object cannot be recounted; empty: it can.
        breaks_off: Whether its compression does, so that its last line is none.
    """

    lines: int = 0
    headers: int = 0
    silent: int = 0
    by_day: dict[int | None, DaySums] = field(default_factory=dict)
    first: int | None = None
    last: int | None = None
    doubt: str = ""
    breaks_off: bool = False

    def add(self, found: columns.Found) -> None:
        """Add what one part of the object holds."""
        self.silent += found.silent
        for day, sums in found.by_day.items():
            self.by_day[day] = self.by_day.get(day, DaySums()).plus(sums)
        if found.first is not None and found.last is not None:
            self.first = min(self.first or found.first, found.first)
            self.last = max(self.last or found.last, found.last)


class Doubtful(Exception):
    """The object cannot be read to its end by plain means."""


def recount(
    chunks: Iterator[bytes], *, fields: Sequence[str] = (), most_bytes: int
) -> Recount:
    """Count an object's lines and what its records sum up to.

    Args:
        chunks: Its stored bytes.
        fields: AWS's names of the fields of text that has no header, in their order,
            as the lake says that it was read; empty: it does not say.
        most_bytes: An object that is larger when decompressed is not read on.

    Raises:
        SourceError: As ``chunks`` raised it.
    """
    told = Recount()
    pieces = _limited(_opened(chunks, told), most_bytes)
    try:
        _count(pieces, told, fields)
    except (Doubtful, envelopes.NoEnvelope) as why:
        told.doubt = str(why)
    return told


def _count(pieces: Iterator[bytes], told: Recount, fields: Sequence[str]) -> None:
    start = _begin(pieces)
    text = _BLANK_LINES.sub(b"", start.removeprefix(BOM), count=1)
    if not start:
        raise Doubtful(told.doubt or "it has no bytes")
    if start.startswith(PARQUET):
        with spooled(start, pieces) as file:
            _count_parquet(file, told)
        return
    if text.lstrip(BLANK).startswith(b"{"):
        pieces, text = envelopes.messages(text, pieces), b""
    counter = LineCounter(told, fields)
    counter.take(text)
    for piece in pieces:
        counter.take(piece)
    counter.end(breaks_off=told.breaks_off)


def _begin(pieces: Iterator[bytes]) -> bytes:
    """Return the first bytes, enough to tell what they are the beginning of."""
    start = b""
    for piece in pieces:
        start += piece
        if len(start.removeprefix(BOM).lstrip(BLANK)) >= len(PARQUET):
            break
    return start


def _count_parquet(file: IO[bytes], told: Recount) -> None:
    try:
        told.lines, found = columns.of_parquet(file)
    except columns.Unread as error:
        raise Doubtful(f"not readable as Parquet: {error}") from error
    told.add(found)


def _opened(chunks: Iterator[bytes], told: Recount) -> Iterator[bytes]:
    first = next((chunk for chunk in chunks if chunk), b"")
    if not first.startswith(GZIP):
        yield first
        yield from chunks
        return
    yield from _gunzipped(first, chunks, told)


def _gunzipped(first: bytes, chunks: Iterator[bytes], told: Recount) -> Iterator[bytes]:
    """Decompress gzip members; note where they break off, and end there."""
    member = zlib.decompressobj(GZIP_WINDOW)
    data = first
    while True:
        while data:
            if member.eof:
                if not data.startswith(GZIP[: len(data)]):
                    told.doubt = _behind(itertools.chain([data], chunks))
                    return
                member = zlib.decompressobj(GZIP_WINDOW)
            try:
                piece = member.decompress(data, PIECE)
            except zlib.error as error:
                told.doubt, told.breaks_off = f"its gzip is corrupt: {error}", True
                return
            yield piece
            data = member.unused_data if member.eof else member.unconsumed_tail
        more = next(chunks, None)
        if more is None:
            break
        data = more
    if not member.eof:
        told.doubt, told.breaks_off = "its gzip breaks off", True


def _behind(chunks: Iterator[bytes]) -> str:
    """Say what is wrong with what lies behind the last member; zeros are padding."""
    if any(chunk.strip(b"\0") for chunk in chunks):
        return "something lies behind the last gzip member"
    return ""


def _limited(pieces: Iterator[bytes], most: int) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > most:
            raise Doubtful(f"more than {most:,} bytes decompressed")
        yield piece
