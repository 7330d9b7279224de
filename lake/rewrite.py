"""Rewriting: data files of one hour streamed into others, and swapped for them.

Each rewrite streams the files that it takes out, counts rows, and swaps exactly
those files in one snapshot; rows that arrive meanwhile stay beside them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import structlog
from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.types import TimestamptzType

from lake.catalog import Lake
from lake.datafiles import EPOCH, DataFileWriter, open_parquet
from lake.errors import CommitConflict, LakeError
from lake.ordering import HOUR_US
from lake.reading import window
from lake.rows import columns_of, in_runs
from lake.snapshots import HOURS
from lake.store import Change, Check, commit
from lake.tables import Table

log = structlog.get_logger()

ATTEMPTS = 5  # plans of a rewrite that others were faster than

Transform = Callable[[pa.Table], pa.Table]


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What a rewrite did: files taken out, files put in, rows moved or dropped."""

    removed: int = 0
    added: int = 0
    rows: int = 0

    def __add__(self, other: Rewritten) -> Rewritten:
        return Rewritten(
            self.removed + other.removed,
            self.added + other.added,
            self.rows + other.rows,
        )


def live_files(
    stored: IcebergTable,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[DataFile]:
    """Return the current snapshot's data files, a head's within ``[since, until)``."""
    scan = stored.scan(row_filter=window(since, until))
    return [task.file for task in scan.plan_files()]


def hour_of(stored: IcebergTable, file: DataFile) -> int:
    """Return the hour since 1970 that a head's file lies in."""
    return hours_of(stored, file, "start_time").start


def hours_of(stored: IcebergTable, file: DataFile, column: str) -> range:
    """Return the hours since 1970 from a file's first to its last, by a column."""
    field = stored.schema().find_field(column).field_id
    first, last = (
        _hour(bounds[field]) for bounds in (file.lower_bounds, file.upper_bounds)
    )
    return range(first, last + 1)


def _hour(bound: bytes) -> int:
    time: Any = from_bytes(TimestamptzType(), bound)
    return int(time) // HOUR_US


def swap(
    lake: Lake,
    table: Table,
    files: Sequence[DataFile],
    *,
    op: str,
    transform: Transform | None = None,
    summary: dict[str, str] | None = None,
) -> Rewritten:
    """Rewrite files of one hour into one file and swap them in one snapshot.

    Args:
        lake: The open lake.
        table: Whose files they are.
        files: The files to take out, all of one hour (one day, for a ledger).
        op: Goes into the snapshot's summary.
        transform: Applied to each run of rows; without one no row may be lost.
        summary: More properties of the snapshot.

    Raises:
        CommitConflict: One of the files has gone since it was planned.
        LakeError: The rows written are not the rows read.
    """

    def rewritten(stored: IcebergTable) -> Iterator[pa.Table]:
        runs = in_runs(table, stored, files)
        if transform is None:
            return runs
        return (changed for run in runs if (changed := transform(run)).num_rows)

    return exchange(
        lake,
        table,
        files,
        rewritten,
        op=op,
        keeps_all=transform is None,
        summary=summary,
    )


def exchange(
    lake: Lake,
    table: Table,
    files: Sequence[DataFile],
    runs_of: Callable[[IcebergTable], Iterator[pa.Table]],
    *,
    op: str,
    keeps_all: bool = True,
    summary: dict[str, str] | None = None,
    check: Check | None = None,
    planned: IcebergTable | None = None,
) -> Rewritten:
    """Write one file of other rows for files of one hour and swap them.

    Args:
        lake: The open lake.
        table: Whose files they are.
        files: The files to take out, all of one hour (one day, for a ledger).
        runs_of: Makes the rows, from the table as loaded.
        op: Goes into the snapshot's summary.
        keeps_all: As many rows must be written as are taken out.
        summary: More properties of the snapshot.
        check: What else must still hold when it is committed: asked of all that came
            since the table was as planned.
        planned: The table as it was when this was planned; None: as it is now.

    Raises:
        CommitConflict: One of the files has gone since it was planned.
        LakeError: The rows written are not the rows read.
    """
    stored = lake.load(table) if planned is None else planned
    still_planned = still_there(files)
    still_planned(stored, ())
    change_id, begun = uuid.uuid4().hex, datetime.now(UTC)
    expected = sum(file.record_count for file in files)
    written = _written(table, stored, files, change_id, runs_of(stored))
    rows = sum(file.record_count for file in written)
    if keeps_all and rows != expected:
        raise LakeError(f"{table.name}: read {expected} rows and wrote {rows}")

    def holds(found: IcebergTable, since: Sequence[Snapshot]) -> None:
        still_planned(found, since)
        if check is not None:
            check(found, since)

    change = Change(
        op=op,
        commit_id=change_id,
        begun=begun,
        added=written,
        removed=files,
        summary=summary or {},
    )
    commit(lake, table, change, base=stored, check=holds)
    log.info("rewritten", table=table.name, op=op, files=len(files), rows=rows)
    return Rewritten(len(files), len(written), rows)


def _written(
    table: Table,
    stored: IcebergTable,
    files: Sequence[DataFile],
    change_id: str,
    runs: Iterator[pa.Table],
) -> list[DataFile]:
    """Write the runs; a single one without its null columns, several with all."""
    first = next(runs, None)
    if first is None:
        return []
    writer = DataFileWriter(table, stored, change_id)
    second = next(runs, None)
    if second is None:
        return [writer.write(first)]
    columns = {*columns_of(table, stored, files), *first.column_names}
    named = [field.name for field in table.fields if field.name in columns]
    rest = chain([first, second], runs)
    return [writer.write_runs(rest, columns=named)]


def still_there(
    files: Sequence[DataFile],
) -> Callable[[IcebergTable, Sequence[Snapshot]], None]:
    """Return a check that the files to be swapped are still in the table."""
    paths = {file.file_path for file in files}

    def check(table: IcebergTable, since: Sequence[Snapshot]) -> None:
        if not paths:
            return
        gone = paths - {file.file_path for file in live_files(table)}
        if gone:
            raise CommitConflict(f"{len(gone)} files were rewritten meanwhile")

    return check


def hours_property(hours: Sequence[int]) -> dict[str, str]:
    """Return the snapshot property that lists the hours touched, as ISO 8601."""
    named = sorted({f"{EPOCH + timedelta(hours=h):%Y-%m-%dT%H}" for h in hours})
    return {HOURS: ",".join(named)}


def without(
    table: Table,
    stored: IcebergTable,
    files: Sequence[DataFile],
    identities: Sequence[str],
    writer: DataFileWriter,
) -> tuple[list[DataFile], list[DataFile]]:
    """Rewrite the files that hold rows of some source objects, without those rows.

    Args:
        table: Whose files they are.
        stored: The table as loaded.
        files: Where the rows may be.
        identities: The source objects whose rows go.
        writer: Writes what is left.

    Returns:
        The files to take out, and the files with what is left of them.
    """
    gone = pa.array(identities, pa.string())

    def kept(rows: pa.Table) -> pa.Table:
        present = rows["source_object"].cast(pa.string())
        return rows.filter(pc.invert(pc.is_in(present, value_set=gone)))

    removed = holding(stored, files, identities)
    return removed, filtered(table, stored, removed, kept, writer)


def filtered(
    table: Table,
    stored: IcebergTable,
    files: Sequence[DataFile],
    kept: Transform,
    writer: DataFileWriter,
) -> list[DataFile]:
    """Rewrite each file with what ``kept`` leaves of its rows; none, if nothing."""
    added: list[DataFile] = []
    for file in files:
        runs = (
            left for run in in_runs(table, stored, [file]) if len(left := kept(run))
        )
        first = next(runs, None)
        if first is not None:
            columns = columns_of(table, stored, [file])
            added.append(writer.write_runs(chain([first], runs), columns=columns))
    return added


def holding(
    stored: IcebergTable, files: Sequence[DataFile], identities: Sequence[str]
) -> list[DataFile]:
    """Return those of the files that hold rows of some source objects."""
    if not identities:
        return []
    wanted = pa.array(identities, pa.string())
    return [file for file in files if _holds(stored, file, wanted)]


def _holds(stored: IcebergTable, file: DataFile, identities: pa.Array) -> bool:
    with open_parquet(stored.io, file.file_path) as parquet:
        present = parquet.read(columns=["source_object"])["source_object"]
    return bool(pc.any(pc.is_in(present, value_set=identities)).as_py())
