"""Records of one layout, gathered from many texts in columns of numbers and codes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from ingest.decode import scan
from ingest.decode.layout import Column, Layout
from ingest.decode.tallying import Found, Reading
from transform.normalise import ADDRESSES, ALLOWED, RANGES, time_range

ROWS_A_TEXT = 2  # rows for each distinct text; with fewer, a batch is handed on early
STORE_BYTES = 8 * 1024 * 1024
ODD_LINES = 4096
MOST_WORDS = max(len(words) for words in ALLOWED.values())


class Columns:
    """Takes records until they are many; then they are taken as one table.

    Args:
        layout: What the lines have; `Layout.scannable`.
        now: The present; UTC.
        rows: Records held at most.
        max_line_bytes: A longer line is odd.
    """

    def __init__(
        self, layout: Layout, *, now: datetime, rows: int, max_line_bytes: int
    ) -> None:
        self.layout = layout
        self._max_line_bytes = max_line_bytes
        self._rows = rows
        self._kinds = [_kind(column) for column in layout.columns]
        if layout.stamped:
            self._kinds.insert(0, scan.SKIPPED)
        self._places = _places(self._kinds)
        self._rules = _rules(layout, self._kinds, self._places, now)
        entries = rows // ROWS_A_TEXT + len(self._kinds)
        self._slots = np.zeros(1 << entries.bit_length(), np.int32)
        self._entries = np.empty((entries + 1, 4), np.int64)
        self._store = np.empty(STORE_BYTES + 2 * max_line_bytes, np.uint8)
        self._odd = np.empty((ODD_LINES, 3), np.int64)
        self._used = np.zeros(5, np.int64)
        self._cells: tuple[Any, Any] | None = None
        self._begin()

    def read(
        self, reading: Reading, text: Any, begin: int, end: int, line: int
    ) -> tuple[int, int, int]:
        """Take records until the text ends or room does.

        Args:
            reading: The object that the text is of.
            text: Bytes as uint8; ``text[:end]`` ends with a newline, and
                ``PADDING`` bytes follow.
            begin: Where to begin: at a line.
            end: Where to end.
            line: Number of the line at ``begin``.

        Returns:
            Why it stopped (``DONE``, ``FULL``, ``MAYBE_HEADER``), where, and the
            number of the line there.
        """
        used = self._used
        if self._cells is None:
            narrow, wide = self._places[1]
            self._cells = (
                np.empty((narrow, self._rows), np.int32),
                np.empty((wide, self._rows), np.int64),
            )
        before = used[scan.ROWS]
        used[scan.PLACE], used[scan.LINE] = begin, line
        why = scan.scan(
            text, end, self._rules, *self._cells, self._tallies, self._slots,
            self._entries, self._store, self._odd, used, self._max_line_bytes,
        )  # fmt: skip
        self._count(reading, int(used[scan.ROWS] - before))
        return why, int(used[scan.PLACE]), int(used[scan.LINE])

    @property
    def odd_lines(self) -> int:
        """How many lines are waiting to be read with care."""
        return int(self._used[scan.ODD])

    @property
    def rows(self) -> int:
        """How many records are held."""
        return int(self._used[scan.ROWS])

    def take_odd(self, text: bytes) -> tuple[list[bytes], Any]:
        """Return the odd lines of the text just read, and their numbers."""
        places = self._odd[: self.odd_lines]
        self._used[scan.ODD] = 0
        lines = [text[begin:end] for begin, end, _ in places.tolist()]
        return lines, places[:, 2].copy()

    def take(self) -> Found | None:
        """Return the records held, None if there are none, and hold none."""
        rows = self.rows
        if rows == 0:
            self._begin()
            return None
        dictionaries = self._dictionaries()
        made: dict[str, Any] = {}
        named = zip(self.layout.columns, self._fields(), strict=True)
        for column, field in named:
            array = self._array(field, column, rows, dictionaries)
            if array.null_count < rows:
                made[column.name] = pa.chunked_array([array])
        found = Found(pa.table(made), np.asarray(self._counts), self._readings)
        if rows > self._rows // 2:
            self._cells = None  # the table has them
        self._begin()
        return found

    def _begin(self) -> None:
        """Begin with nothing: no record, no text."""
        if self._used[scan.ENTRIES]:
            self._slots.fill(0)
        self._used[:] = 0
        self._entries[0, scan.BEGIN] = 0
        self._tallies = np.zeros((len(self._kinds), 2), np.int64)
        self._readings: list[Reading] = []
        self._counts: list[int] = []

    def _count(self, reading: Reading, rows: int) -> None:
        if rows == 0:
            return
        if self._readings and self._readings[-1] is reading:
            self._counts[-1] += rows
        else:
            self._readings.append(reading)
            self._counts.append(rows)

    def _fields(self) -> range:
        return range(int(self.layout.stamped), len(self._kinds))

    def _dictionaries(self) -> dict[int, Any]:
        """Return each group's distinct texts, in the order of their codes."""
        count = int(self._used[scan.ENTRIES])
        begins = self._entries[: count + 1, scan.BEGIN].astype(np.int32)
        stored = self._store[: begins[-1]].tobytes()
        buffers = [None, pa.py_buffer(begins.tobytes()), pa.py_buffer(stored)]
        texts = pa.Array.from_buffers(pa.string(), count, buffers)
        owners = self._entries[:count, scan.OWNER]
        groups = self._rules[:, scan.GROUP].tolist()
        return {
            group: texts.take(pa.array(np.flatnonzero(owners == group)))
            for group in dict.fromkeys(groups)
        }

    def _array(
        self, field: int, column: Column, rows: int, dictionaries: dict[int, Any]
    ) -> Any:
        assert self._cells is not None  # noqa: S101  # there are rows, so there are cells
        narrow, wide = self._cells
        kind, place = self._kinds[field], self._places[0][field]
        values = (wide if kind == scan.INT64 else narrow)[place, :rows]
        if rows <= self._rows // 2:
            values = values.copy()
        known = None
        if self._tallies[field, scan.ABSENT]:  # counts those of odd lines too
            known = np.packbits(values != _ABSENT[kind], bitorder="little")
            if kind < scan.INT32:  # Arrow follows codes of nulls too when it joins
                values = np.maximum(values, 0)
        buffers = [None if known is None else pa.py_buffer(known), pa.py_buffer(values)]
        if kind >= scan.INT32:
            return pa.Array.from_buffers(column.type, rows, buffers)
        dictionary = dictionaries[int(self._rules[field, scan.GROUP])]
        codes = pa.Array.from_buffers(pa.int32(), rows, buffers)
        return pa.DictionaryArray.from_arrays(codes, dictionary, safe=False)


_ABSENT = {
    scan.TEXT: scan.ABSENT_CODE,
    scan.ADDRESS: scan.ABSENT_CODE,
    scan.WORD: scan.ABSENT_CODE,
    scan.INT32: scan.ABSENT_INT32,
    scan.INT64: scan.ABSENT_INT64,
}


def _kind(column: Column) -> int:
    if column.name in ADDRESSES:
        return scan.ADDRESS
    if column.name in ALLOWED:
        return scan.WORD
    if pa.types.is_int32(column.type):
        return scan.INT32
    return scan.INT64 if pa.types.is_int64(column.type) else scan.TEXT


def _places(kinds: list[int]) -> tuple[list[int], tuple[int, int]]:
    """Return each field's row among the narrow or the wide cells, and their counts."""
    places, narrow, wide = [], 0, 0
    for kind in kinds:
        if kind == scan.INT64:
            places.append(wide)
            wide += 1
        else:
            places.append(narrow)
            narrow += kind != scan.SKIPPED
    return places, (narrow, wide)


def _rules(
    layout: Layout, kinds: list[int], places: tuple[list[int], Any], now: datetime
) -> Any:
    rules = np.zeros((len(kinds), scan.WORDS + MOST_WORDS), np.int64)
    rules[:, scan.KIND], rules[:, scan.ROW] = kinds, places[0]
    rules[:, scan.GROUP] = range(len(kinds))
    addresses = rules[:, scan.KIND] == scan.ADDRESS
    rules[addresses, scan.GROUP] = addresses.argmax()  # most stand in two fields
    first = len(kinds) - len(layout.columns)
    for field, column in enumerate(layout.columns, start=first):
        if kinds[field] >= scan.INT32:
            rules[field, scan.LOW : scan.HIGH + 1] = _range(column, now)
        for place, word in enumerate(ALLOWED.get(column.name, ()), start=scan.WORDS):
            rules[field, place] = scan.word_of(word)
        rules[field, scan.NEEDED] = column.name == "start_time"
    return rules


def _range(column: Column, now: datetime) -> tuple[int, int]:
    """Return the least and greatest number that a field may hold; no sign is read."""
    if column.name in ("start_time", "end_time"):
        return time_range(now)
    low, high = RANGES.get(column.name, (0, None))
    return low, 2 ** (column.type.bit_width - 1) - 1 if high is None else high
