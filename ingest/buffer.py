"""Rows gathered until they are many, then written: sorted runs, a file an hour."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pyarrow as pa
from pyiceberg.manifest import DataFile

from lake.datafiles import DataFileWriter
from lake.ordering import HOUR_US, by_hour

Enrich = Callable[[pa.Table], pa.Table]
Runs = dict[int, list[pa.Table]]  # by hour since 1970

ENOUGH_ROWS = 131_072  # for a run, which becomes a row group


class RowBuffer:
    """Rows of one head table, written out as data files whenever they are many.

    Rows are sorted and enriched by whoever adds enough of them, so that at the end
    there is little left to do, for which other threads would wait.

    Args:
        writer: Writes the data files.
        limit: Bytes of rows, as they are added, held before they are written.
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
        self._added: list[pa.Table] = []
        self._runs: Runs = {}
        self._bytes = 0
        self.files: list[DataFile] = []
        self.hours: set[int] = set()

    def add(self, rows: pa.Table) -> None:
        """Take rows; the thread that fills the buffer writes it out."""
        if rows.num_rows == 0:
            return
        with self._lock:
            self._added.append(rows)
            enough = sum(map(len, self._added)) >= ENOUGH_ROWS
            parts = self._take_added() if enough else []
        self._sort(parts)

    def flush(self) -> None:
        """Write out what is pending."""
        with self._lock:
            rest = self._take_added()
        self._sort(rest)
        with self._lock:
            runs = self._take_runs()
        self._write(runs)

    def write_much(self) -> None:
        """Write what is sorted if it is worth a file."""
        with self._lock:
            much = self._bytes >= self._limit // 2
            runs = self._take_runs() if much else {}
        self._write(runs)

    def adopt(self, other: RowBuffer) -> None:
        """Take over another buffer's files and rows: its object is complete."""
        with self._lock:
            self.files.extend(other.files)
            self.hours.update(other.hours)
        for rows in other._take_added():
            self.add(rows)
        size = other._bytes
        self._hold(other._take_runs(), size)

    def empty_twin(self) -> RowBuffer:
        """Return an empty buffer of the same table, for one object's rows."""
        return RowBuffer(self._writer, self._limit, enrich=self._enrich)

    def _take_added(self) -> list[pa.Table]:
        taken, self._added = self._added, []
        return taken

    def _take_runs(self) -> Runs:
        taken, self._runs, self._bytes = self._runs, {}, 0
        return taken

    def _sort(self, parts: list[pa.Table]) -> None:
        for rows in _joined(parts):
            runs: Runs = {}
            for cut in by_hour(rows, self._writer.table):
                hour = cut["start_time"][0].value // HOUR_US
                runs[hour] = [cut if self._enrich is None else self._enrich(cut)]
            self._hold(runs, rows.nbytes)

    def _hold(self, runs: Runs, size: int) -> None:
        """Keep sorted runs of so many bytes; write all if these are too many."""
        with self._lock:
            for hour, some in runs.items():
                self._runs.setdefault(hour, []).extend(some)
            self._bytes += size
            full = self._take_runs() if self._bytes >= self._limit else {}
        self._write(full)

    def _write(self, runs: Runs) -> None:
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
