"""Whether somebody else has committed what a batch is about to commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot

from lake.catalog import Lake
from lake.errors import CommitConflict
from lake.snapshots import COMMIT_ID, above, head_id, summary
from lake.tables import SOURCES, TABLES
from lake.withdrawn import WITHDRAWN, named_objects


def refuse_overlap(
    table: IcebergTable,
    since: Sequence[Snapshot],
    identities: Set[str],
    *,
    commit_id: str,
) -> None:
    """Refuse if a snapshot of another batch names one of the objects.

    Raises:
        CommitConflict: It does.
    """
    for snapshot in since:
        if summary(snapshot, COMMIT_ID) == commit_id:
            continue
        named = named_objects(table.io, snapshot, (SOURCES, WITHDRAWN))
        if shared := identities & named:
            raise CommitConflict(f"{len(shared)} objects were ingested meanwhile")


def refuse_elsewhere(
    lake: Lake,
    bases: Mapping[str, IcebergTable],
    head: str,
    identities: Set[str],
    *,
    commit_id: str,
) -> None:
    """Refuse if another head than the one to be committed has taken an object.

    An object may be rewritten as another kind of log between two runs' reads. Two
    tables cannot be compared and swapped as one, so this narrows the gap between two
    such commits to the commits themselves; a plan finds what falls through it.

    Raises:
        CommitConflict: It has, or its history since the plan is gone.
    """
    for name in bases.keys() - {head}:
        current = lake.load(TABLES[name])
        since = above(current, head_id(bases[name]))
        if since is None:
            raise CommitConflict(f"{name}: the history since the plan is gone")
        refuse_overlap(current, since, identities, commit_id=commit_id)
