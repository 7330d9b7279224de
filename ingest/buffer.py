"""Rows gathered until they are many, then written: sorted runs, a file an hour."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pyarrow as pa
from pyiceberg.manifest import DataFile

from lake.datafiles import DataFileWriter
from lake.ordering import HOUR_US, by_hour

Enrich = Callable[[pa.Table], pa.Table]

ENOUGH_ROWS = 131_072  # for a run, which becomes a row group


class RowBuffer:
    """Rows of one head table, written out as data files whenever they are many.

    Args:
        writer: Writes the data files.
        limit: Bytes of rows held before they are written.
        enrich: Adds what is derived to a sorted run.
    """

    def __init__(
        self,
        writer: DataFileWriter,
        limit: int,
        *,
        enrich: Enrich | None = None,
    ) -> None:
        self._writer = writer
        self._enrich = enrich
        self._limit = limit
        self._lock = threading.Lock()
        self._pending: list[pa.Table] = []
        self._bytes = 0
        self.files: list[DataFile] = []
        self.hours: set[int] = set()

    def add(self, rows: pa.Table) -> None:
        """Take rows; the thread that fills the buffer writes it out."""
        if rows.num_rows == 0:
            return
        with self._lock:
            self._pending.append(rows)
            self._bytes += rows.nbytes
            full = self._take() if self._bytes >= self._limit else []
        self._write(full)

    def flush(self) -> None:
        """Write out what is pending."""
        with self._lock:
            rest = self._take()
        self._write(rest)

    def adopt(self, other: RowBuffer) -> None:
        """Take over another buffer's files and rows: its object is complete."""
        with self._lock:
            self.files.extend(other.files)
            self.hours.update(other.hours)
        for rows in other._take():
            self.add(rows)

    def empty_twin(self) -> RowBuffer:
        """Return an empty buffer of the same table, for one object's rows."""
        return RowBuffer(self._writer, self._limit, enrich=self._enrich)

    def _take(self) -> list[pa.Table]:
        taken, self._pending, self._bytes = self._pending, [], 0
        return taken

    def _write(self, parts: list[pa.Table]) -> None:
        runs: dict[int, list[pa.Table]] = {}
        for rows in _joined(parts):
            for cut in by_hour(rows, self._writer.table):
                hour = cut["start_time"][0].value // HOUR_US
                run = cut if self._enrich is None else self._enrich(cut)
                runs.setdefault(hour, []).append(run)
        for hour, of_hour in runs.items():
            written = self._writer.write_runs(
                of_hour,
                columns=_filled(of_hour),
                complete=_complete(of_hour),
                ordered=True,
            )
            with self._lock:
                self.files.append(written)
                self.hours.add(hour)


def _joined(parts: list[pa.Table]) -> Iterator[pa.Table]:
    """Join small parts until they are worth a sort of their own; ``parts`` empties.

    Large ones stay apart: to bring dictionaries of many texts together costs as much
    as to sort.
    """
    parts.reverse()
    while parts:
        some = [parts.pop()]
        while parts and sum(map(len, some)) < ENOUGH_ROWS:
            some.append(parts.pop())
        yield pa.concat_tables(some, promote_options="default")


def _filled(runs: list[pa.Table]) -> list[str]:
    """Return the columns that some run has a value in."""
    return list(
        dict.fromkeys(
            name
            for run in runs
            for name, column in zip(run.column_names, run.columns, strict=True)
            if column.null_count < run.num_rows
        )
    )


def _complete(runs: list[pa.Table]) -> set[str]:
    """Return the columns that every run has, without a null."""
    return set.intersection(*map(_without_null, runs))


def _without_null(run: pa.Table) -> set[str]:
    named = zip(run.column_names, run.columns, strict=True)
    return {name for name, column in named if column.null_count == 0}
