"""The decoder: any source object to rows, told apart by content, never by name."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from ingest.decode import gunzip, parquet
from ingest.decode.envelopes import unwrap
from ingest.decode.headers import BOM, find_header, first_line, header_layout
from ingest.decode.layout import Layout, of_format
from ingest.decode.sniff import SNIFFED, is_binary, is_stamped, peek
from ingest.decode.tallying import Found, Reading, Window, finish
from ingest.decode.text import Span, TextReader, span_of, whole_lines
from ingest.source import Decoded, SourceObject, Tally
from lake.errors import SourceUnreadable

MOST_BYTES = 2 * gunzip.PIECE  # of a small object, decompressed; others are streamed


@dataclass(frozen=True, slots=True)
class Limits:
    """What one object may cost.

    Attributes:
        max_object_bytes: Decompressed; more is quarantined whole.
        max_line_bytes: A longer line is quarantined.
        max_quarantine_rows: Rows kept an object; the rest is only counted.
        batch_rows: Records handed on at a time.
    """

    max_object_bytes: int
    max_line_bytes: int
    max_quarantine_rows: int
    batch_rows: int = 262_144


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
        start, pieces = peek(pieces)
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
        alike: dict[Layout, list[tuple[Reading, Span]]] = {}
        others: list[tuple[SourceObject, bytes, Tally]] = []
        for source, body, tally in bodies:
            plain = self._plain(body, tally)
            if plain is None:
                others.append((source, body, tally))
            else:
                layout, reading, span = plain
                alike.setdefault(layout, []).append((reading, span))
        decoded: list[Decoded] = []
        for layout, objects in alike.items():
            decoded.extend(self._together(layout, objects))
        unreadable = self._one_by_one(others, decoded)
        return decoded, unreadable

    def _together(
        self, layout: Layout, objects: list[tuple[Reading, Span]]
    ) -> Iterator[Decoded]:
        reader = self._reader()
        for reading, span in objects:
            reader.open(reading, layout, line=2)
            yield from self._finished(reader.read(span))
        yield from self._finished(reader.finish())
        for reading, _ in objects:
            yield from self._left(reading)

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
        start, chunks = peek(chunks)
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
            start, pieces = peek(pieces)
            if not start:
                return  # only control messages
        yield from self._text(pieces, reading, damage)

    def _text(
        self, pieces: Iterator[bytes], reading: Reading, damage: gunzip.Damage
    ) -> Iterator[Decoded]:
        start, pieces = peek(pieces)
        spans = whole_lines(
            pieces, max_line_bytes=self.limits.max_line_bytes, damage=damage
        )
        first, line, spans = first_line(spans)
        if not first:
            if damage.breaks_off:
                return  # in the first line
            raise SourceUnreadable(
                reading.tally.source.location, "empty_object", "it has no line"
            )
        layout = header_layout(first, reading.tally.source.location)
        if layout is None:
            spans = itertools.chain([span_of(first)], spans)
            layout, line, spans = self._headerless(start, first, line, spans, reading)
        else:
            reading.tally.lines += 1
            reading.tally.headers += 1
            line += 1
        self._note(reading, layout)
        reader = self._reader()
        reader.open(reading, layout, line)
        for span in spans:
            yield from self._finished(reader.read(span))
        yield from self._finished(reader.finish())

    def _reader(self) -> TextReader:
        return TextReader(
            now=self.now,
            rows=self.limits.batch_rows,
            max_line_bytes=self.limits.max_line_bytes,
        )

    def _headerless(
        self,
        start: bytes,
        first: bytes,
        line: int,
        spans: Iterator[Span],
        reading: Reading,
    ) -> tuple[Layout, int, Iterator[Span]]:
        """Return the layout that was told, or that a header further on tells."""
        tally = reading.tally
        location = tally.source.location
        if is_binary(start):
            raise SourceUnreadable(location, "not_a_flow_log", "it is not text")
        log_format = self.formats.get(tally.source.flow_log_id or "", self.log_format)
        if log_format is None:
            return find_header(spans, line, reading)
        stamped = is_stamped(first)
        layout = of_format(log_format, stamped=stamped)
        if layout is None:
            raise SourceUnreadable(
                location, "bad_log_format", f"no such fields: {log_format[:200]}"
            )
        if tally.format is None and stamped:
            tally.format = "cloudwatch_export"
        return layout, line, spans

    def _note(self, reading: Reading, layout: Layout) -> None:
        tally = reading.tally
        if not (tally.flows or tally.silences):
            tally.head = layout.head
        tally.fields = tally.fields or layout.fields
        tally.extra_fields = tally.extra_fields or layout.extra_fields
        tally.format = tally.format or ("csv" if layout.delimiter == "," else "text")

    def _plain(self, body: bytes, tally: Tally) -> tuple[Layout, Reading, Span] | None:
        """Open a small text object with a header; None for anything else."""
        damage = gunzip.Damage()
        try:
            pieces = self._opened(iter([body]), damage, tally.source.location)
            text = gunzip.joined(pieces, MOST_BYTES)
        except SourceUnreadable:
            return None
        if damage.code or text is None:
            return None
        first, _, rest = text.partition(b"\n")
        if not first or not rest or first.startswith((BOM, b"{", parquet.MAGIC)):
            return None
        try:
            layout = header_layout(first, tally.source.location)
        except SourceUnreadable:
            return None
        if layout is None:
            return None
        reading = Reading(tally, self.limits.max_quarantine_rows)
        self._note(reading, layout)
        tally.lines = tally.headers = 1
        return layout, reading, span_of(rest)

    def _finished(self, parts: Iterator[tuple[Layout, Found]]) -> Iterator[Decoded]:
        return (self._finish(found, layout) for layout, found in parts)

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


def _damaged(reading: Reading, damage: gunzip.Damage) -> None:
    """Count the cut or corrupt tail as one line that could not be read."""
    reading.tally.lines += 1
    text = damage.tail[:SNIFFED].decode("utf-8", "replace")
    reading.reject([reading.tally.lines], damage.code, damage.detail, [text])
