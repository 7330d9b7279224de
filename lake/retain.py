"""Retention: old days dropped, and with them the snapshots that still hold them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime

import structlog
from pyiceberg.expressions import And, GreaterThanOrEqual, LessThan
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable

from lake.catalog import Lake
from lake.datafiles import DAY, EPOCH
from lake.errors import CommitConflict, UsageError
from lake.expire import expire
from lake.follow import follow_all
from lake.rewrite import ATTEMPTS, Rewritten, live_files, still_there
from lake.snapshots import RETAINED, retained_from
from lake.store import Change, commit
from lake.tables import HEADS, INVENTORY, SOURCES, Table

log = structlog.get_logger()

# Without them flows would be read again, or lose the names that they have.
NEEDED_BY_HEADS = (SOURCES, *INVENTORY)


def retain(
    lake: Lake,
    kept_from: Mapping[Table, date],
    *,
    dry_run: bool = False,
    follow: Callable[[Lake], object] = follow_all,
) -> dict[str, Rewritten]:
    """Drop whole days; rows without a day stay.

    Followers follow before anything is dropped, so that what a dropped day brought
    is known, and again before snapshots expire, so that no mark is lost. The inventory
    keeps a day more than is asked for: records of a day's first minute look back at it.

    Args:
        lake: The open lake.
        kept_from: What to drop from, and the first day that stays of each.
        dry_run: Only say what would be dropped.
        follow: Lets all followers follow.

    Returns:
        By table, the files and rows dropped.

    Raises:
        UsageError: `sources` or the inventory would be dropped where flows stay.
        FollowerStopped: A ledger cannot follow; then nothing is dropped.
        CommitConflict: Other rewrites were faster each time; run it again.
    """
    _refuse_if_flows_stay(lake, kept_from)
    if not dry_run:
        follow(lake)
    done: dict[str, Rewritten] = {}
    for table in sorted(kept_from, key=lambda t: t not in HEADS):
        first = _first_kept(table, kept_from)
        done[table.name] = drop_days(lake, table, first, dry_run=dry_run)
    if not dry_run:
        follow(lake)
        for table in kept_from:
            _forget(lake, table, _first_kept(table, kept_from))
    return done


def drop_days(
    lake: Lake, table: Table, before: date, *, dry_run: bool = False
) -> Rewritten:
    """Drop whole days of one table; a day of `sources` only with all of its flows.

    Raises:
        CommitConflict: Other rewrites were faster each time; run it again.
    """
    for attempt in range(1, ATTEMPTS + 1):
        stored = lake.load(table)
        old = _files_before(table, stored, before)
        dropped = Rewritten(len(old), 0, sum(file.record_count for file in old))
        if not old or dry_run:
            return dropped
        change = Change(
            op="retain",
            commit_id=uuid.uuid4().hex,
            begun=datetime.now(UTC),
            removed=old,
            properties={RETAINED: max(before, retained_from(stored)).isoformat()},
        )
        try:
            commit(lake, table, change, base=stored, check=still_there(old))
        except CommitConflict:
            if attempt == ATTEMPTS:
                raise
            log.info("retention_planned_again", table=table.name)
        else:
            return dropped
    raise AssertionError("unreachable")


def _first_kept(table: Table, kept_from: Mapping[Table, date]) -> date:
    return kept_from[table] - DAY if table in INVENTORY else kept_from[table]


def _forget(lake: Lake, table: Table, before: date) -> None:
    """Forget the snapshots that may still hold what was dropped, now or before."""
    if retained_from(lake.load(table)) < before:
        return
    for _ in range(ATTEMPTS):  # it is postponed where another writer is faster
        expire(lake, table, keep=1, slack=0)
        left = len(lake.load(table).snapshots())
        if left == 1:
            return
    log.warning("snapshots_stay", table=table.name, count=left)


def _files_before(table: Table, stored: IcebergTable, before: date) -> list[DataFile]:
    limit = _day_number(before)
    staying = _days_with_flows(stored, before) if table is SOURCES else set()
    return [
        file
        for file in live_files(stored)
        if (day := file.partition[0]) is not None and day < limit and day not in staying
    ]


def _days_with_flows(stored: IcebergTable, before: date) -> set[int]:
    """Return the old days of `sources` that know an object with flows that stay.

    A key's time does not bound its records' times; without its row the object would
    be read again beside them.
    """
    # PyIceberg's pydantic models hide their positional __init__ from mypy.
    old = LessThan("day", before.isoformat())  # type: ignore[call-arg, arg-type]
    begins = f"{before.isoformat()}T00:00:00+00:00"
    late = GreaterThanOrEqual("last_start", begins)  # type: ignore[call-arg, arg-type]
    rows = stored.scan(row_filter=And(old, late), selected_fields=("day",))
    return {_day_number(day) for day in rows.to_arrow()["day"].unique().to_pylist()}


def _refuse_if_flows_stay(lake: Lake, kept_from: Mapping[Table, date]) -> None:
    for table in NEEDED_BY_HEADS:
        if table in kept_from:
            for head in HEADS:
                _refuse_if_it_stays(lake, head, table, kept_from)


def _refuse_if_it_stays(
    lake: Lake, head: Table, table: Table, kept_from: Mapping[Table, date]
) -> None:
    before = kept_from[table]
    if head in kept_from:
        stays = kept_from[head] < before
    else:
        stays = bool(_files_before(head, lake.load(head), before))
    if stays:
        lost = (
            "`sources` rows, objects that are still listed would be read again"
            if table is SOURCES
            else f"`{table.name}`, they could not be attributed again"
        )
        raise UsageError(
            f"{head.name} has days before {before}: without their {lost}. Keep "
            f"{table.name} as long as {' and '.join(h.name for h in HEADS)}"
        )


def _day_number(day: date) -> int:
    return (day - EPOCH.date()).days
