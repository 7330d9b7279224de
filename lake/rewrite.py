"""Rewriting: many small files of one hour to few, old days to none.

Each rewrite streams the files that it takes out, counts rows, and swaps exactly
those files in one snapshot; rows that arrive meanwhile stay beside them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import structlog
from pyiceberg.conversions import from_bytes
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.types import TimestamptzType

from lake.catalog import Lake
from lake.datafiles import EPOCH, DataFileWriter, open_parquet
from lake.errors import CommitConflict, LakeError
from lake.ordering import HOUR_US
from lake.snapshots import HOURS
from lake.store import Change, commit
from lake.tables import Table, batch_schema

log = structlog.get_logger()

RUN_ROWS = 1_000_000  # sorted in memory at once: 140-300 MB of v5 records
FULL_ENOUGH = 0.75  # of the target size: such a file is left alone
MIN_FILES = 2

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


def compact(
    lake: Lake,
    table: Table,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Rewritten:
    """Merge the small files of each hour (of each day, for a ledger).

    Args:
        lake: The open lake.
        table: What to compact.
        since: Only hours from here on; UTC.
        until: Only hours before this; UTC.

    Raises:
        CommitConflict: Another rewrite took one of the files; run it again.
    """
    done = Rewritten()
    stored = lake.load(table)
    for span, files in sorted(_small_files(lake, table, stored).items()):
        begins = EPOCH + timedelta(hours=span)
        if (since and begins + timedelta(hours=1) <= since) or (
            until and begins >= until
        ):
            continue
        done += _merge(lake, table, files)
    return done


def _small_files(
    lake: Lake, table: Table, stored: IcebergTable
) -> dict[int, list[DataFile]]:
    """Group the files worth merging by the hour in which their rows begin."""
    limit = int(lake.settings.target_file_bytes * FULL_ENOUGH)
    groups: dict[int, list[DataFile]] = {}
    for file in live_files(stored):
        if file.file_size_in_bytes < limit:
            groups.setdefault(_span_of(table, stored, file), []).append(file)
    return {k: v for k, v in groups.items() if len(v) >= MIN_FILES}


def live_files(stored: IcebergTable) -> list[DataFile]:
    """Return the data files of the current snapshot."""
    scan = stored.scan(row_filter=AlwaysTrue())
    return [task.file for task in scan.plan_files()]


def hour_of(stored: IcebergTable, file: DataFile) -> int:
    """Return the hour since 1970 that a head table's file lies in."""
    column = stored.schema().find_field("start_time").field_id
    lowest: Any = from_bytes(TimestamptzType(), file.lower_bounds[column])
    return int(lowest) // HOUR_US


def _span_of(table: Table, stored: IcebergTable, file: DataFile) -> int:
    if table.is_head:
        return hour_of(stored, file)
    day = file.partition[0]
    return -1 if day is None else int(day) * 24


def _merge(lake: Lake, table: Table, files: Sequence[DataFile]) -> Rewritten:
    """Merge one hour's files, in lots of the target size, one commit a lot."""
    done = Rewritten()
    for lot in _lots(files, lake.settings.target_file_bytes):
        if len(lot) >= MIN_FILES:
            done += swap(lake, table, lot, op="compact")
    return done


def _lots(files: Sequence[DataFile], target: int) -> Iterator[list[DataFile]]:
    lot: list[DataFile] = []
    size = 0
    for file in files:
        if lot and size + file.file_size_in_bytes > target:
            yield lot
            lot, size = [], 0
        lot.append(file)
        size += file.file_size_in_bytes
    if lot:
        yield lot


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
        CommitConflict: One of the files has gone meanwhile.
        LakeError: The rows written are not the rows read.
    """
    stored = lake.load(table)
    change_id, begun = uuid.uuid4().hex, datetime.now(UTC)
    expected = sum(file.record_count for file in files)
    written = _rewrite(table, stored, files, change_id, transform)
    rows = sum(file.record_count for file in written)
    if transform is None and rows != expected:
        raise LakeError(f"{table.name}: read {expected} rows and wrote {rows}")
    change = Change(
        op=op,
        commit_id=change_id,
        begun=begun,
        added=written,
        removed=files,
        summary=summary or {},
    )
    commit(lake, table, change, base=stored, check=still_there(files))
    log.info("rewritten", table=table.name, op=op, files=len(files), rows=rows)
    return Rewritten(len(files), len(written), rows)


def _rewrite(
    table: Table,
    stored: IcebergTable,
    files: Sequence[DataFile],
    change_id: str,
    transform: Transform | None,
) -> list[DataFile]:
    columns = _columns(table, stored, files)
    runs = _runs(table, stored, files)
    if transform is not None:
        runs = (changed for run in runs if (changed := transform(run)).num_rows)
    first = next(runs, None)
    if first is None:
        return []
    writer = DataFileWriter(table, stored, change_id)
    following = _chain(first, runs)
    return [writer.write_runs(following, columns=columns)]


def _chain(first: pa.Table, rest: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield first
    yield from rest


def _columns(
    table: Table, stored: IcebergTable, files: Sequence[DataFile]
) -> list[str]:
    """Return the columns that some file has; the others are null everywhere."""
    found: set[str] = set()
    for file in files:
        with open_parquet(stored.io, file.file_path) as parquet:
            found.update(parquet.schema_arrow.names)
    return [field.name for field in table.fields if field.name in found]


def _runs(
    table: Table, stored: IcebergTable, files: Sequence[DataFile]
) -> Iterator[pa.Table]:
    """Stream the files' rows in runs of about ``RUN_ROWS``."""
    pending: list[pa.Table] = []
    rows = 0
    for batch in _batches(table, stored, files):
        pending.append(batch)
        rows += batch.num_rows
        if rows >= RUN_ROWS:
            yield _joined(pending)
            pending, rows = [], 0
    if pending:
        yield _joined(pending)


def _joined(parts: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(parts, promote_options="default")


def _batches(
    table: Table, stored: IcebergTable, files: Sequence[DataFile]
) -> Iterator[pa.Table]:
    schema = batch_schema(table)
    for file in files:
        with open_parquet(stored.io, file.file_path) as parquet:
            for batch in parquet.iter_batches(batch_size=RUN_ROWS // 8):
                rows = pa.Table.from_batches([batch])
                yield pa.table(
                    {
                        name: encoded(rows[name], schema.field(name).type)
                        for name in rows.column_names
                    }
                )


def encoded(column: pa.ChunkedArray, type_: pa.DataType) -> pa.ChunkedArray:
    """Return the column in its type in a batch: text as a dictionary."""
    if pa.types.is_dictionary(type_):
        return column.dictionary_encode()
    return column.cast(type_)


def still_there(
    files: Sequence[DataFile],
) -> Callable[[IcebergTable, Sequence[Snapshot]], None]:
    """Return a check that the files to be swapped are still in the table."""
    paths = {file.file_path for file in files}

    def check(table: IcebergTable, since: Sequence[Snapshot]) -> None:
        gone = paths - {file.file_path for file in live_files(table)}
        if gone:
            raise CommitConflict(f"{len(gone)} files were rewritten meanwhile")

    return check


def drop_days(
    lake: Lake, table: Table, before: date, *, dry_run: bool = False
) -> Rewritten:
    """Drop whole days before ``before``; rows without a day stay.

    Raises:
        CommitConflict: Another rewrite took one of the files; run it again.
    """
    stored = lake.load(table)
    limit = (before - EPOCH.date()).days
    old = [
        file
        for file in live_files(stored)
        if file.partition[0] is not None and file.partition[0] < limit
    ]
    dropped = Rewritten(len(old), 0, sum(file.record_count for file in old))
    if old and not dry_run:
        change = Change(
            op="retain",
            commit_id=uuid.uuid4().hex,
            begun=datetime.now(UTC),
            removed=old,
        )
        commit(lake, table, change, base=stored, check=still_there(old))
    return dropped


def hours_property(hours: Sequence[int]) -> dict[str, str]:
    """Return the snapshot property that lists the hours touched, as ISO 8601."""
    named = sorted({f"{EPOCH + timedelta(hours=h):%Y-%m-%dT%H}" for h in hours})
    return {HOURS: ",".join(named)}
