"""The decoder: any source object to rows, told apart by content, never by name."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from ingest.decode import gunzip, parquet
from ingest.decode.envelopes import unwrap
from ingest.decode.layout import Layout, looks_like_header, of_format, of_header
from ingest.decode.lines import parse_lines
from ingest.decode.tallying import Found, Reading, Window, finish
from ingest.decode.text import Segment, parse_clean, segment_of
from ingest.source import Decoded, SourceObject, Tally
from lake.errors import SourceUnreadable

BOM = b"\xef\xbb\xbf"
SNIFFED = 4096
_STAMP = re.compile(
    r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9:]+)|[0-9]{13}) "
)
NO_HEADER = (
    "no header line: name the fields with --log-format, as `aws ec2 "
    "describe-flow-logs` prints LogFormat"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one object may cost.

    Attributes:
        max_object_bytes: Decompressed; more is quarantined whole.
        max_line_bytes: A longer line is quarantined.
        max_quarantine_rows: Rows kept an object; the rest is only counted.
        block_bytes: Text parsed at a time.
    """

    max_object_bytes: int
    max_line_bytes: int
    max_quarantine_rows: int
    block_bytes: int = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Decoder:
    """Decodes source objects; holds no state, so threads may share it.

    Attributes:
        limits: What one object may cost.
        now: The present; UTC.
        log_format: Fields of headerless text.
        formats: Fields of headerless text by flow log, which win over that.
        since: Flows before this are counted as outside the window; UTC.
        until: Flows from here on are counted as outside the window; UTC.
    """

    limits: Limits
    now: datetime
    log_format: str | None = None
    formats: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None

    def decode(
        self, source: SourceObject, chunks: Iterator[bytes], tally: Tally
    ) -> Iterator[Decoded]:
        """Decode one object as it streams in; memory is bounded by the block.

        Args:
            source: What is read.
            chunks: Its stored bytes.
            tally: Filled in; complete and balanced when the iterator ends.

        Yields:
            Rows of the object's head table, in ``batch_schema``'s types.

        Raises:
            SourceUnreadable: The object must be quarantined whole; what has been
                yielded of it must not be kept.
            SourceError: As ``chunks`` raised it.
        """
        reading = Reading(tally, self.limits.max_quarantine_rows)
        damage = gunzip.Damage()
        pieces = self._opened(chunks, damage, source.location)
        start, pieces = _peek(pieces)
        if not start:
            if damage.code:
                raise SourceUnreadable(source.location, damage.code, damage.detail)
            raise SourceUnreadable(source.location, "empty_object", "it has no bytes")
        yield from self._records(start, pieces, reading, damage)
        if damage.code:
            _damaged(reading, damage)
        yield from self._left(reading)

    def decode_small(
        self, bodies: Sequence[tuple[SourceObject, bytes, Tally]]
    ) -> tuple[list[Decoded], list[tuple[Tally, SourceUnreadable]]]:
        """Decode small objects together: those of one layout in one pass.

        Returns:
            The rows, and the objects that must be quarantined whole.
        """
        alike: dict[Layout, list[Segment]] = {}
        others: list[tuple[SourceObject, bytes, Tally]] = []
        for source, body, tally in bodies:
            segment = self._plain_segment(body, tally)
            if segment is None:
                others.append((source, body, tally))
            else:
                alike.setdefault(segment[0], []).append(segment[1])
        decoded: list[Decoded] = []
        for layout, segments in alike.items():
            for lot in _lots(segments, self.limits.block_bytes):
                decoded.extend(self._parse(lot, layout)[0])
            for segment_ in segments:
                decoded.extend(self._left(segment_.reading))
        unreadable = self._one_by_one(others, decoded)
        return decoded, unreadable

    def _one_by_one(
        self,
        bodies: Sequence[tuple[SourceObject, bytes, Tally]],
        decoded: list[Decoded],
    ) -> list[tuple[Tally, SourceUnreadable]]:
        unreadable: list[tuple[Tally, SourceUnreadable]] = []
        for source, body, tally in bodies:
            try:
                decoded.extend(list(self.decode(source, iter([body]), tally)))
            except SourceUnreadable as error:
                unreadable.append((tally, error))
        return unreadable

    def whole(self, tally: Tally, error: SourceUnreadable) -> Decoded:
        """Quarantine an object whole: one row, and no line of it is a flow."""
        lines = max(1, tally.lines)
        empty = Tally(tally.source, format=tally.format)
        for name in Tally.__slots__:
            setattr(tally, name, getattr(empty, name))
        tally.lines = tally.quarantined = lines
        tally.whole_reason = error.code
        reading = Reading(Tally(tally.source), 1)
        reading.reject([None], error.code, error.detail, [""])
        (rows,) = reading.take_rejects()
        return Decoded(tally.head, flows=pa.table({}), quarantine=rows)

    def _opened(
        self, chunks: Iterator[bytes], damage: gunzip.Damage, location: str
    ) -> Iterator[bytes]:
        start, chunks = _peek(chunks)
        if start.startswith(gunzip.MAGIC):
            chunks = gunzip.gunzip(chunks, damage)
        return gunzip.limited(chunks, self.limits.max_object_bytes, location)

    def _records(
        self,
        start: bytes,
        pieces: Iterator[bytes],
        reading: Reading,
        damage: gunzip.Damage,
    ) -> Iterator[Decoded]:
        tally = reading.tally
        if start.startswith(parquet.MAGIC):
            tally.format = "parquet"
            found = parquet.parse_parquet(pieces, reading, now=self.now)
            for layout, part in found:
                yield self._finish(part, layout)
            return
        if start.lstrip(BOM + b" \r\n\t").startswith(b"{"):
            tally.format = "json"
            pieces = unwrap(pieces)
            start, pieces = _peek(pieces)
            if not start:
                return  # only control messages
        yield from self._text(pieces, reading, damage)

    def _text(
        self, pieces: Iterator[bytes], reading: Reading, damage: gunzip.Damage
    ) -> Iterator[Decoded]:
        blocks = _blocks(pieces, self.limits, damage)
        layout: Layout | None = None
        line = 1
        for block in blocks:
            if layout is None:
                layout, block, line = self._begin(block, blocks, reading)
                if not block:
                    continue
            segment = segment_of(reading, block, line)
            line += segment.lines
            decoded, layout = self._parse([segment], layout)
            yield from decoded

    def _begin(
        self, block: bytes, blocks: Iterator[bytes], reading: Reading
    ) -> tuple[Layout, bytes, int]:
        """Return the layout, the block behind the header, and its first line."""
        body = block.removeprefix(BOM).lstrip(b"\r\n")
        skipped = block[: len(block) - len(body)].count(b"\n")
        first, _, rest = body.partition(b"\n")
        layout = _header(first, reading.tally.source.location)
        if layout is None:
            return self._headerless(body, blocks, reading), body, 1 + skipped
        self._note(reading, layout)
        reading.tally.lines += 1
        reading.tally.headers += 1
        return layout, rest, 2 + skipped

    def _headerless(
        self, block: bytes, blocks: Iterator[bytes], reading: Reading
    ) -> Layout:
        tally = reading.tally
        location = tally.source.location
        if _binary(block[:SNIFFED]):
            raise SourceUnreadable(location, "not_a_flow_log", "it is not text")
        log_format = self.formats.get(tally.source.flow_log_id or "", self.log_format)
        stamped = _STAMP.match(block[:64].decode("utf-8", "replace")) is not None
        if log_format is None:
            # counted, so that the summary says how many lines wait for a format
            tally.lines = sum(_line_count(b) for b in itertools.chain([block], blocks))
            raise SourceUnreadable(location, "no_header", NO_HEADER)
        layout = of_format(log_format, stamped=stamped)
        if layout is None:
            raise SourceUnreadable(
                location, "bad_log_format", f"no such fields: {log_format[:200]}"
            )
        if tally.format is None and stamped:
            tally.format = "cloudwatch_export"
        self._note(reading, layout)
        return layout

    def _note(self, reading: Reading, layout: Layout) -> None:
        tally = reading.tally
        if not (tally.flows or tally.silences):
            tally.head = layout.head
        tally.fields = tally.fields or layout.fields
        tally.extra_fields = tally.extra_fields or layout.extra_fields
        tally.format = tally.format or ("csv" if layout.delimiter == "," else "text")

    def _plain_segment(
        self, body: bytes, tally: Tally
    ) -> tuple[Layout, Segment] | None:
        """Open a small text object with a header; None for anything else."""
        damage = gunzip.Damage()
        try:
            pieces = self._opened(iter([body]), damage, tally.source.location)
            text = b"".join(pieces)
        except SourceUnreadable:
            return None
        if damage.code or len(text) > self.limits.block_bytes:
            return None
        first, _, rest = text.partition(b"\n")
        if not first or not rest or first.startswith((BOM, b"{", parquet.MAGIC)):
            return None
        try:
            layout = _header(first, tally.source.location)
        except SourceUnreadable:
            return None
        if layout is None:
            return None
        reading = Reading(tally, self.limits.max_quarantine_rows)
        self._note(reading, layout)
        tally.lines = tally.headers = 1
        return layout, segment_of(reading, rest, 2)

    def _parse(
        self, segments: Sequence[Segment], layout: Layout
    ) -> tuple[list[Decoded], Layout]:
        """Parse cleanly if possible, else in halves, at last line by line."""
        if all(s.reading.tally.head is layout.head for s in segments):
            found = parse_clean(
                segments,
                layout,
                now=self.now,
                max_line_bytes=self.limits.max_line_bytes,
            )
            if found is not None:
                return [self._finish(found, layout)], layout
        if len(segments) > 1:
            half = len(segments) // 2
            ahead, _ = self._parse(segments[:half], layout)
            behind, _ = self._parse(segments[half:], layout)
            return ahead + behind, layout
        parts, layout = parse_lines(
            segments[0],
            layout,
            now=self.now,
            max_line_bytes=self.limits.max_line_bytes,
        )
        return [self._finish(part, one) for one, part in parts], layout

    def _finish(self, found: Found, layout: Layout) -> Decoded:
        return finish(found, layout.head, Window(self.since, self.until))

    def _left(self, reading: Reading) -> Iterator[Decoded]:
        """Yield the quarantine rows that no good row has carried out."""
        rejects = reading.take_rejects()
        if rejects:
            yield Decoded(
                reading.tally.head,
                flows=pa.table({}),
                quarantine=pa.concat_tables(rejects),
            )


def _header(line: bytes, location: str) -> Layout | None:
    """Return the layout of a header line, None if the line is none.

    Raises:
        SourceUnreadable: ``bad_header``: it names a field twice.
    """
    try:
        text = line.removeprefix(BOM).decode("utf-8")
    except UnicodeDecodeError:
        return None
    if not looks_like_header(text):
        return None
    layout = of_header(text)
    if layout is None:
        raise SourceUnreadable(location, "bad_header", "it names a field twice")
    return layout


def _blocks(
    pieces: Iterator[bytes], limits: Limits, damage: gunzip.Damage
) -> Iterator[bytes]:
    """Cut a stream into blocks of whole lines.

    Where the stream breaks off, the line it breaks off in is no record: a cut number
    is another number. It goes to ``damage``. A line longer than a block is cut down
    to just over the limit, so that it is found to be too long and its tail not held.
    """
    parts: list[bytes] = []
    size = 0
    for piece in pieces:
        cut = piece.rfind(b"\n") + 1
        if size + len(piece) < limits.block_bytes or not cut:
            parts.append(piece)
            size += len(piece)
            if not cut and size > limits.block_bytes + limits.max_line_bytes:
                parts = [_cut_tail(b"".join(parts), limits.max_line_bytes)]
                size = len(parts[0])
            continue
        yield b"".join([*parts, piece[:cut]])
        parts, size = [piece[cut:]], len(piece) - cut
    rest = b"".join(parts)
    if damage.breaks_off:
        whole = rest.rfind(b"\n") + 1
        rest, damage.tail = rest[:whole], rest[whole:]
    if rest:
        yield rest


def _cut_tail(text: bytes, max_line_bytes: int) -> bytes:
    begin = text.rfind(b"\n") + 1
    return text[: begin + max_line_bytes + 1]


def _lots(segments: Sequence[Segment], limit: int) -> Iterator[list[Segment]]:
    lot: list[Segment] = []
    size = 0
    for segment in segments:
        if lot and size + len(segment.body) > limit:
            yield lot
            lot, size = [], 0
        lot.append(segment)
        size += len(segment.body)
    if lot:
        yield lot


def _peek(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the first piece that is not empty, and all pieces again."""
    for piece in pieces:
        if piece:
            return piece, itertools.chain([piece], pieces)
    return b"", iter(())


def _binary(text: bytes) -> bool:
    """Whether bytes are no text: a NUL, or hardly any UTF-8."""
    decoded = text.decode("utf-8", "replace")
    return "\x00" in decoded or decoded.count("\ufffd") > max(2, len(decoded) // 20)


def _line_count(block: bytes) -> int:
    return sum(1 for line in block.splitlines() if line.strip())


def _damaged(reading: Reading, damage: gunzip.Damage) -> None:
    """Count the cut or corrupt tail as one line that could not be read."""
    reading.tally.lines += 1
    text = damage.tail[:SNIFFED].decode("utf-8", "replace")
    reading.reject([reading.tally.lines], damage.code, damage.detail, [text])
