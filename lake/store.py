"""The one way in which a flowlake table changes: a compare-and-swap commit.

No commit path deletes a file. PyIceberg's own clean-up after a failed commit removes
the manifest list of a commit that may have landed, so commits are made from our
own snapshot producers and handed to the catalog directly; only `flowlake gc` deletes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from pyiceberg.manifest import (
    DATA_FILE_TYPE,
    DataFile,
    ManifestEntry,
    ManifestFile,
)
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table import Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Operation, Snapshot
from pyiceberg.table.update import (
    AssertRefSnapshotId,
    RemoveSnapshotsUpdate,
    SetPropertiesUpdate,
    TableUpdate,
)
from pyiceberg.table.update.snapshot import (
    _MergeAppendFiles,
    _OverwriteFiles,
    _SnapshotProducer,
)

from lake.catalog import Lake
from lake.errors import BatchExpired, CommitConflict, CommitUnknown, LakeError
from lake.signals.run import count_commit
from lake.signals.traces import span
from lake.snapshots import COMMIT_ID, OP, above, find_commit, head_id
from lake.tables import Table

log = structlog.get_logger()

MAX_BATCH_AGE = timedelta(days=1)
RELOAD_ATTEMPTS = 6
COMMIT_ATTEMPTS = 100  # beaten by another writer each time
FAILED_ATTEMPTS = 8  # failed although nobody else moved the table
_BOUNDS = ("lower_bounds", "upper_bounds")

Check = Callable[[IcebergTable, Sequence[Snapshot]], None]


@dataclass(frozen=True, slots=True)
class Change:
    """What one commit does to one table.

    Attributes:
        op: ingest, replace, settle, attribute, compact, retain, follow or repair.
        commit_id: Names the change, so that a commit of unknown outcome can be found.
        added: Data files to add.
        removed: Data files to take out, as a scan of the base planned them.
        summary: More properties of the snapshot.
        properties: Table properties set in the same commit.
        begun: When its files began to be written; UTC.
    """

    op: str
    commit_id: str
    begun: datetime
    added: Sequence[DataFile] = ()
    removed: Sequence[DataFile] = ()
    summary: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)


class _OnBase(Transaction):
    """Stages nothing: what the table is in it is what it was as loaded.

    PyIceberg's own copies all metadata, deep, a dozen times a commit.
    """

    @property
    def table_metadata(self) -> TableMetadata:
        """The base's metadata."""
        return self._table.metadata


class _Append(_MergeAppendFiles):
    """An append that leaves every file where it is, whatever happens."""

    def _cleanup_uncommitted(self) -> None:
        """Delete nothing."""

    def _clean_all_uncommitted(self) -> None:
        """Delete nothing."""


class _Overwrite(_OverwriteFiles):
    """A swap of files that leaves every file where it is, whatever happens."""

    def _existing_manifests(self) -> list[ManifestFile]:
        """Leave out those that only tell what earlier snapshots removed, as appends do.

        PyIceberg hands them on, and reads each of them whenever it plans.
        """
        kept = super()._existing_manifests()
        return [m for m in kept if m.has_added_files() or m.has_existing_files()]

    def _deleted_entries(self) -> list[ManifestEntry]:
        """Name what is removed without its columns' bounds, which are values of it."""
        return [_without_bounds(entry) for entry in super()._deleted_entries()]

    def _cleanup_uncommitted(self) -> None:
        """Delete nothing."""

    def _clean_all_uncommitted(self) -> None:
        """Delete nothing."""


def _without_bounds(entry: ManifestEntry) -> ManifestEntry:
    found = entry.data_file
    values = (
        None if field.name in _BOUNDS else found[place]
        for place, field in enumerate(DATA_FILE_TYPE[2].fields)
    )
    entry.data_file = DataFile(*values)
    entry.data_file.spec_id = found.spec_id
    return entry


def commit(
    lake: Lake,
    table: Table,
    change: Change,
    *,
    base: IcebergTable,
    check: Check,
    sleep: Callable[[float], None] = time.sleep,
) -> Snapshot:
    """Commit ``change`` on exactly ``base``, or on what the table has become.

    Any exception from the catalog means "unknown": the table is loaded again and its
    snapshots are searched for the commit id. If it is not there and others came
    between, ``check`` decides whether the change still holds; then it is swapped in
    again with the same files.

    Args:
        lake: The open lake.
        table: The table to change.
        change: What to do; its data files are written already.
        base: The table as it was when the change was planned.
        check: Called with the table and the snapshots since ``base``; raises
            CommitConflict if one of them takes the ground from under the change.
        sleep: Waits between attempts; seconds.

    Returns:
        The snapshot that holds the change.

    Raises:
        CommitConflict: ``check`` refused, or the base's history is gone.
        CommitUnknown: The catalog failed and cannot be asked what happened.
        BatchExpired: The change is older than a day.
    """
    failures = 0
    for attempt in range(COMMIT_ATTEMPTS):
        if datetime.now(UTC) - change.begun > MAX_BATCH_AGE:
            raise BatchExpired(f"batch {change.commit_id} was begun {change.begun}")
        with span("commit", table=table.name, op=change.op):
            failure = _try_commit(base, change)
        current = _reload(lake, table, sleep=sleep)
        landed = find_commit(current, change.commit_id)
        if landed is not None:
            count_commit("landed")
            log.info("committed", table=table.name, op=change.op,
                     commit_id=change.commit_id, id=landed.snapshot_id)  # fmt: skip
            return landed
        moved = head_id(current) != head_id(base)
        failures = 0 if moved else failures + 1
        count_commit("beaten" if moved else "unclear")
        if failures == FAILED_ATTEMPTS:
            break
        base = _rebase(base, current, check)
        sleep(min(0.01 * 2 ** min(attempt, 8), 1.0))
    raise CommitUnknown(
        f"{table.name}: the commit of {change.commit_id} keeps failing: {failure}. "
        "Nothing is lost: run the same command again"
    )


def _try_commit(base: IcebergTable, change: Change) -> Exception | None:
    log.debug("commit_attempted", table=base.name()[-1], commit_id=change.commit_id)
    try:
        producer = _producer(base, change)
        updates, requirements = producer._commit()
        if change.properties:
            updates = (*updates, SetPropertiesUpdate(updates=change.properties))
        base.catalog.commit_table(base, requirements, updates)
    except Exception as error:  # any failure leaves the outcome unknown
        log.warning("commit_unclear", table=base.name()[-1], error=str(error)[:200],
                    kind=type(error).__name__, commit_id=change.commit_id)  # fmt: skip
        return error
    return None


def _producer(base: IcebergTable, change: Change) -> _SnapshotProducer[Any]:
    properties = {COMMIT_ID: change.commit_id, OP: change.op, **change.summary}
    kind: type[_SnapshotProducer[Any]] = _Overwrite if change.removed else _Append
    producer = kind(
        operation=Operation.OVERWRITE if change.removed else Operation.APPEND,
        transaction=_OnBase(base),
        io=base.io,
        snapshot_properties=properties,
    )
    for data_file in change.added:
        producer.append_data_file(data_file)
    for data_file in change.removed:
        producer.delete_data_file(data_file)
    return producer


def _reload(
    lake: Lake, table: Table, *, sleep: Callable[[float], None]
) -> IcebergTable:
    for attempt in range(RELOAD_ATTEMPTS):
        try:
            return lake.load(table)
        except LakeError as error:
            failure = error
            log.warning("catalog_unreachable", table=table.name, error=str(error)[:200])
            sleep(min(0.2 * 2**attempt, 5.0))
    raise CommitUnknown(
        f"{table.name}: the catalog cannot be asked whether the commit landed "
        f"({failure}). Nothing is lost: run the same command again"
    ) from failure


def _rebase(base: IcebergTable, current: IcebergTable, check: Check) -> IcebergTable:
    since = above(current, head_id(base))
    if since is None:
        raise CommitConflict(
            f"{'.'.join(current.name())}: the history since the plan is gone"
        )
    if since:
        check(current, since)
    return current


def refuse(table: IcebergTable, since: Sequence[Snapshot]) -> None:
    """Accept nothing between: for changes computed from the whole of a table.

    Raises:
        CommitConflict: Always.
    """
    raise CommitConflict(f"{'.'.join(table.name())} moved on while it was absorbed")


def set_properties(lake: Lake, table: Table, properties: dict[str, str]) -> None:
    """Set properties of a table and nothing else: that is no snapshot of its own.

    For what may as well be set later: where others are faster each time, nothing is.
    """
    for _ in range(FAILED_ATTEMPTS):
        stored = lake.load(table)
        if properties.items() <= stored.properties.items():
            return
        try:
            update = SetPropertiesUpdate(updates=properties)
            stored.catalog.commit_table(stored, (), (update,))
        except Exception as error:  # any failure leaves the outcome unknown
            log.info("properties_unclear", table=table.name, error=str(error)[:200])
    log.info("properties_postponed", table=table.name)


def drop_snapshots(table: IcebergTable, ids: list[int]) -> None:
    """Forget snapshots, metadata only; their files stay until `flowlake gc`.

    Raises:
        CommitConflict: The table moved on; the next run will do it.
    """
    updates: tuple[TableUpdate, ...] = (
        RemoveSnapshotsUpdate.model_validate({"snapshot-ids": ids}),
    )
    still = AssertRefSnapshotId.model_validate(
        {"snapshot-id": head_id(table), "ref": "main"}
    )
    try:
        table.catalog.commit_table(table, (still,), updates)
    except Exception as error:
        raise CommitConflict(f"could not expire snapshots: {error}") from error
