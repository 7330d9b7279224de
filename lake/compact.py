"""Compaction: the small files of one hour, or of one day, to few."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import structlog
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable

from lake.catalog import Lake
from lake.datafiles import DAY, EPOCH, HOUR
from lake.errors import CommitConflict
from lake.rewrite import ATTEMPTS, Rewritten, hour_of, live_files, swap
from lake.tables import Table

log = structlog.get_logger()

FULL_ENOUGH = 0.75  # of the target size: such a file is left alone
MIN_FILES = 2


def compact(
    lake: Lake,
    table: Table,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    at_least: int = MIN_FILES,
) -> Rewritten:
    """Merge the small files of each hour (of each day, for a ledger or a roll-up).

    No row changes; so an hour of `flows` that may be settled is better settled, which
    makes it one file too: merged, it would look newer than what it was settled by.
    An hour whose files another rewrite takes is planned again, a few times; then it is
    left to the other, and to the next compaction.

    Args:
        lake: The open lake.
        table: What to compact.
        since: Only hours from here on; UTC.
        until: Only hours before this; UTC.
        at_least: Fewer files of one hour, or day, are left as they are.
    """
    done = Rewritten()
    length = HOUR if table.is_head else DAY
    for span, files in sorted(worth_merging(lake, table).items()):
        if len(files) >= at_least and within(span, since, until, length=length):
            done += _merge(lake, table, span, files)
    return done


def within(
    span: int,
    since: datetime | None,
    until: datetime | None,
    *,
    length: timedelta = HOUR,
) -> bool:
    """Whether what begins with an hour since 1970 touches ``[since, until)``."""
    begins = EPOCH + span * HOUR
    return (since is None or begins + length > since) and (
        until is None or begins < until
    )


def _merge(lake: Lake, table: Table, span: int, files: Sequence[DataFile]) -> Rewritten:
    """Merge one hour's or day's files, in lots of the target size, one commit a lot."""
    done = Rewritten()
    for _ in range(ATTEMPTS):
        try:
            for lot in _lots(files, lake.settings.target_file_bytes):
                if len(lot) >= MIN_FILES:
                    done += swap(lake, table, lot, op="compact")
        except CommitConflict as error:
            log.info("hour_planned_again", table=table.name, why=str(error))
            files = worth_merging(lake, table).get(span, [])
        else:
            return done
    log.warning("hour_left_alone", table=table.name, files=len(files))
    return done


def worth_merging(lake: Lake, table: Table) -> dict[int, list[DataFile]]:
    """Return the files worth merging, by the first hour of what they are merged by."""
    stored = lake.load(table)
    limit = int(lake.settings.target_file_bytes * FULL_ENOUGH)
    groups: dict[int, list[DataFile]] = {}
    for file in live_files(stored):
        if file.file_size_in_bytes < limit:
            groups.setdefault(_span_of(table, stored, file), []).append(file)
    return {k: v for k, v in groups.items() if len(v) >= MIN_FILES}


def _span_of(table: Table, stored: IcebergTable, file: DataFile) -> int:
    if table.is_head:
        return hour_of(stored, file)
    day = file.partition[0]
    return -1 if day is None else int(day) * 24


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
