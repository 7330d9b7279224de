"""Reading a table's history: which snapshots lie above a mark, and what they say."""

from __future__ import annotations

from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot

COMMIT_ID = "flowlake.commit-id"
OP = "flowlake.op"
HOURS = "flowlake.hours"
EVIDENCE = "flowlake.evidence"
ABSORBED = "flowlake.absorbed"


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

    Args:
        table: The table as loaded.
        mark: A snapshot id; None is before the first snapshot.

    Returns:
        The snapshots, or None if ``mark`` is no ancestor of the head as far as the
        retained history tells. A mark that has expired is still known as the parent
        of the oldest snapshot kept.
    """
    newer: list[Snapshot] = []
    for snapshot in ancestry(table):
        if snapshot.snapshot_id == mark:
            return newer[::-1]
        newer.append(snapshot)
    parent = newer[-1].parent_snapshot_id if newer else None
    return newer[::-1] if parent == mark else None


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
