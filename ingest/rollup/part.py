"""One roll-up's part of a pass over `flows`: which of its rows go, stay and come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable

from ingest.rollup.coverage import Coverage
from ingest.rollup.touched import files_of, in_hours
from lake.datafiles import DataFileWriter
from lake.rewrite import filtered
from lake.tables import Table


@dataclass(slots=True)
class Part:
    """What a pass does to one roll-up.

    Attributes:
        hours: What it adds up again.
        first: The first hour that it may.
        old: Its data files by hour; one of a whole day stands under each of its hours.
        added: Its new data files.
        coverage: Of `coverage_hourly`: the hours that have been added up.
    """

    table: Table
    stored: IcebergTable
    writer: DataFileWriter
    hours: frozenset[int]
    first: int
    old: dict[int, list[DataFile]]
    added: list[DataFile] = field(default_factory=list)
    coverage: Coverage | None = None
    is_done: bool = False

    def write(self, runs: Iterator[pa.Table]) -> None:
        """Write an hour's rows, if there are any."""
        first = next(runs, None)
        if first is not None:
            columns = [f.name for f in self.table.fields]
            rows = chain([first], runs)
            self.added.append(self.writer.write_runs(rows, columns=columns))

    def replaced(self) -> list[DataFile]:
        """Return the data files that hold any of its hours."""
        return files_of(self.old, sorted(self.hours))

    def kept_of(self, replaced: Sequence[DataFile]) -> list[DataFile]:
        """Write what data files hold of other hours, a file each."""

        def kept(rows: pa.Table) -> pa.Table:
            return rows.filter(pc.invert(in_hours(rows, self.hours)))

        others = files_of(self.old, self.old.keys() - self.hours)
        places = {file.file_path for file in others}
        mixed = [file for file in replaced if file.file_path in places]
        return filtered(self.table, self.stored, mixed, kept, self.writer)
