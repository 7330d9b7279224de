"""Counting lines: whole ones, header lines among them, sums of what is between."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ingest.verify import columns
from lake.schema import TGW_FIELDS, VPC_FIELDS

MOST_HELD = 16 * 1024 * 1024  # of a line without end; it counts as one all the same
_KNOWN = frozenset(f.aws for f in (*VPC_FIELDS, *TGW_FIELDS) if f.aws)
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_HEADER = re.compile(rb'^["a-z][-a-z0-9_, "]*\r?$', re.MULTILINE)
_STAMP = re.compile(rb"(?:\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-][0-9:]+)|\d{13}) ")
_NEWLINE, _RETURN = ord("\n"), ord("\r")


class Counts(Protocol):
    """What a `LineCounter` adds to."""

    lines: int
    headers: int
    doubt: str

    def add(self, found: columns.Found) -> None:
        """Add what some records hold."""


class LineCounter:
    """Counts text as it comes, in bounded memory.

    Args:
        told: Gets the counts.
        fields: AWS's names of the fields of text without a header.
    """

    def __init__(self, told: Counts, fields: Sequence[str]) -> None:
        self._told = told
        self._fields = tuple(fields)
        self._delimiter = " "
        self._stamped: bool | None = None
        self._held = b""

    def take(self, piece: bytes) -> None:
        """Count the whole lines that a piece completes."""
        cut = piece.rfind(b"\n") + 1
        if not cut:
            if len(self._held) < MOST_HELD:
                self._held += piece
            return
        text, self._held = self._held + piece[:cut], piece[cut:]
        self._count(text)

    def end(self, *, breaks_off: bool) -> None:
        """Count a last line without a newline, unless the object breaks off in it."""
        if self._held and not breaks_off:
            self._count(self._held + b"\n")

    def _count(self, text: bytes) -> None:
        self._told.lines += _lines_in(text)
        begin = 0
        for match in _HEADER.finditer(text):
            named = _fields_of(match[0])
            if named is None:
                continue
            self._sum(text[begin : match.start()])
            self._fields, self._delimiter = named
            self._stamped = False
            self._told.headers += 1
            begin = match.end() + 1
        self._sum(text[begin:])

    def _sum(self, text: bytes) -> None:
        if not self._fields or not text.strip():
            return
        if self._stamped is None:
            self._stamped = _STAMP.match(text) is not None
        try:
            found = columns.of_text(
                text, self._fields, delimiter=self._delimiter, stamped=self._stamped
            )
        except columns.Unread as error:
            self._told.doubt = f"polars cannot read it: {error}"
            return
        self._told.add(found)


def _lines_in(text: bytes) -> int:
    """Count the lines that hold anything but their end."""
    data = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(data == _NEWLINE)
    lengths = np.diff(ends, prepend=-1) - 1
    lengths -= (data[np.maximum(ends - 1, 0)] == _RETURN) & (lengths > 0)
    return int(np.count_nonzero(lengths))


def _fields_of(line: bytes) -> tuple[tuple[str, ...], str] | None:
    """Return the fields that a header names and their delimiter, None: it is none."""
    text = line.decode().rstrip("\r ")
    delimiter = "," if "," in text else " "
    names = [name.strip().strip('"') for name in text.split(delimiter)]
    aws = tuple(name.replace("_", "-") for name in names)
    fits = all(map(_NAME.fullmatch, aws)) and len(set(aws)) == len(aws)
    return (aws, delimiter) if fits and _KNOWN.intersection(aws) else None
