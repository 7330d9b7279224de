"""Reading a table's history: which snapshots lie above a mark, and what they say."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime

from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot

COMMIT_ID = "flowlake.commit-id"
OP = "flowlake.op"
HOURS = "flowlake.hours"
EVIDENCE = "flowlake.evidence"
ABSORBED = "flowlake.absorbed"
HEEDED = "flowlake.heeded"  # of `flows`: up to here settling heeded what it brought
RETAINED = "flowlake.retained-from"
HIDDEN = "flowlake.addresses-hidden"  # of roll-ups: since some are cut or hashed
FIRST_SEQUENCE_NUMBER = 1  # of a table's very first snapshot, in format 2
TOUCHING = ("ingest", "replace", "settle", "attribute")
MOVING = ("compact", "retain")  # they change no sum that is kept
_FILES = ("added-data-files", "deleted-data-files")


def ancestry(table: IcebergTable) -> list[Snapshot]:
    """Return the retained ancestors of the head, the head first."""
    found: list[Snapshot] = []
    snapshot = table.current_snapshot()
    while snapshot is not None:
        found.append(snapshot)
        parent = snapshot.parent_snapshot_id
        snapshot = table.snapshot_by_id(parent) if parent is not None else None
    return found


def above(table: IcebergTable, mark: int | None) -> list[Snapshot] | None:
    """Return the snapshots after ``mark``, oldest first.

    Expiry keeps every mark's own snapshot, so a mark that is not found is no ancestor,
    unless the oldest snapshot kept still names it as its parent: PyIceberg clears
    that name when it expires the parent, other catalogs leave it.

    Args:
        table: The table as loaded.
        mark: A snapshot id; None is before the first snapshot.

    Returns:
        The snapshots, or None if they cannot be proved to be all: ``mark`` is no
        ancestor of the head, or is None and the first snapshots have expired.
    """
    newer: list[Snapshot] = []
    for snapshot in ancestry(table):
        if snapshot.snapshot_id == mark:
            return newer[::-1]
        newer.append(snapshot)
    return newer[::-1] if _begins_after(table, newer, mark) else None


def _begins_after(
    table: IcebergTable, history: list[Snapshot], mark: int | None
) -> bool:
    """Whether nothing lies between ``mark`` and a history, the newest first."""
    if not history:
        next_number = table.metadata.next_sequence_number()
        return mark is None and next_number == FIRST_SEQUENCE_NUMBER
    if mark is None:
        return history[-1].sequence_number == FIRST_SEQUENCE_NUMBER
    return history[-1].parent_snapshot_id == mark


def head_id(table: IcebergTable) -> int | None:
    """Return the id of the current snapshot, None for an empty table."""
    snapshot = table.current_snapshot()
    return snapshot.snapshot_id if snapshot else None


def summary(snapshot: Snapshot, key: str) -> str | None:
    """Return one property of a snapshot's summary."""
    return snapshot.summary.get(key) if snapshot.summary else None


def find_commit(table: IcebergTable, commit_id: str) -> Snapshot | None:
    """Return the ancestor of the head that carries ``commit_id``, if any."""
    return next(
        (s for s in ancestry(table) if summary(s, COMMIT_ID) == commit_id), None
    )


def mark_property(head: str) -> str:
    """Return the property that holds a follower's mark on ``head``."""
    return ABSORBED if head == "flows" else f"{ABSORBED}.{head}"


def mark_of(table: IcebergTable, head: str) -> int | None:
    """Return the last snapshot of ``head`` that the follower has absorbed."""
    value = table.properties.get(mark_property(head))
    return int(value) if value else None


def heeded_mark(flows: IcebergTable) -> int | None:
    """Return the last snapshot of `flows` of which settling has heeded all it brought.

    Records that came are told by open files; this is for what no file tells.
    """
    value = flows.properties.get(HEEDED)
    return int(value) if value else None


def retained_from(table: IcebergTable) -> date:
    """Return the day before which `flowlake retain` has dropped every day."""
    return date.fromisoformat(table.properties.get(RETAINED, "0001-01-01"))


def hides_addresses(rollup: IcebergTable) -> bool:
    """Whether a roll-up may hold addresses that are cut or hashed."""
    return HIDDEN in rollup.properties


def hours_touched(snapshots: Iterable[Snapshot]) -> set[int] | None:
    """Return the hours since 1970 whose sums some snapshots of `flows` change.

    Returns:
        None where one changes files and does not say of which hours.
    """
    hours: set[int] = set()
    for snapshot in snapshots:
        named = _hours_touched(snapshot)
        if named is None:
            return None
        hours |= named
    return hours


def _hours_touched(snapshot: Snapshot) -> set[int] | None:
    if summary(snapshot, OP) in MOVING:
        return set()
    named = summary(snapshot, HOURS)
    if summary(snapshot, OP) in TOUCHING and named is not None:
        return {_hour(text) for text in named.split(",") if text}
    changes_files = any(summary(snapshot, key) not in (None, "0") for key in _FILES)
    return None if changes_files else set()


def hours_behind(follower: IcebergTable, flows: IcebergTable) -> set[int] | None:
    """Return the hours since 1970 that a roll-up has yet to absorb.

    Args:
        follower: The roll-up, as loaded before ``flows``.
        flows: Its head.

    Returns:
        None where its mark does not tell.
    """
    mark = mark_of(follower, "flows")
    newer = above(flows, mark) if mark is not None else None
    return None if newer is None else hours_touched(newer)


def _hour(text: str) -> int:
    begins = datetime.strptime(text, "%Y-%m-%dT%H").replace(tzinfo=UTC)
    return int(begins.timestamp()) // 3600
