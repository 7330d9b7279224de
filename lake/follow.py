"""Followers: ledgers that absorb the evidence of every snapshot, exactly once.

A follower's mark is a property of its own table, set in the same commit as the rows,
on exactly the table that the mark was read from. So rows and mark move together,
and of two followers at once one must begin again.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pyarrow as pa
import structlog
from pyiceberg.io import FileIO
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot

from lake import evidence
from lake.catalog import Lake
from lake.datafiles import DataFileWriter
from lake.errors import CommitConflict, FollowerStopped
from lake.rewrite import live_files, without
from lake.snapshots import OP, above, mark_of, mark_property, summary
from lake.store import Change, commit, refuse
from lake.tables import HEADS, LEDGERS, SOURCES, Table, arrow_schema

log = structlog.get_logger()

CHUNK_ROWS = 250_000
CHUNK_SNAPSHOTS = 1_000


def follow_all(lake: Lake) -> int:
    """Let every ledger absorb both heads; return the rows absorbed.

    Raises:
        FollowerStopped: A ledger's mark is no ancestor of its head.
    """
    return sum(follow(lake, ledger, head) for ledger in LEDGERS for head in HEADS)


def follow(lake: Lake, ledger: Table, head: Table) -> int:
    """Let one ledger absorb one head; return the rows absorbed.

    Idempotent, and safe beside other followers of the same ledger.

    Raises:
        FollowerStopped: The mark is no ancestor of the head.
    """
    absorbed = 0
    while True:
        stored = lake.load(ledger)  # before the head: the mark can then only be older
        newer = unabsorbed(stored, lake.load(head), ledger=ledger, head=head)
        if not newer:
            return absorbed
        try:
            absorbed += _absorb(lake, stored, _chunk(newer, ledger), ledger, head)
        except CommitConflict:
            log.info("follower_raced", table=ledger.name, head=head.name)


def unabsorbed(
    stored: IcebergTable, stored_head: IcebergTable, *, ledger: Table, head: Table
) -> list[Snapshot]:
    """Return the head's snapshots above the ledger's mark, oldest first.

    Raises:
        FollowerStopped: The mark is no ancestor of the head.
    """
    mark = mark_of(stored, head.name)
    newer = above(stored_head, mark)
    if newer is None:
        raise FollowerStopped(ledger.name, mark, head.name)
    return newer


def _chunk(newer: list[Snapshot], ledger: Table) -> list[Snapshot]:
    """Take as many of the oldest snapshots as one commit should absorb.

    A snapshot that replaces objects is absorbed alone: their old rows go with it.
    """
    rows = 0
    for taken, snapshot in enumerate(newer[:CHUNK_SNAPSHOTS]):
        if summary(snapshot, OP) == "replace":
            return newer[: taken or 1]
        named = evidence.of_snapshot(snapshot)
        rows += sum(e.rows for e in named if e.ledger == ledger.name)
        if rows > CHUNK_ROWS and taken:
            return newer[:taken]
    return newer[:CHUNK_SNAPSHOTS]


def _absorb(
    lake: Lake,
    stored: IcebergTable,
    chunk: list[Snapshot],
    ledger: Table,
    head: Table,
) -> int:
    rows = read_evidence(stored.io, chunk, ledger)
    change_id = uuid.uuid4().hex
    writer = DataFileWriter(ledger, stored, change_id)
    begun = datetime.now(UTC)
    removed, files = _replaced(stored, chunk[0], ledger, writer)
    if rows.num_rows:
        files.extend(writer.write_by_day(rows))
    change = Change(
        op="follow",
        commit_id=change_id,
        begun=begun,
        added=files,
        removed=removed,
        properties={mark_property(head.name): str(chunk[-1].snapshot_id)},
    )
    commit(lake, ledger, change, base=stored, check=refuse)
    log.debug("followed", table=ledger.name, head=head.name, rows=rows.num_rows)
    return int(rows.num_rows)


def _replaced(
    stored: IcebergTable, snapshot: Snapshot, ledger: Table, writer: DataFileWriter
) -> tuple[list[DataFile], list[DataFile]]:
    """Return the swap that takes out the old rows of objects replaced there."""
    if summary(snapshot, OP) != "replace":
        return [], []
    replaced = read_evidence(stored.io, [snapshot], SOURCES)["source_object"]
    files = live_files(stored)
    return without(ledger, stored, files, replaced.to_pylist(), writer)


def read_evidence(
    file_io: FileIO, snapshots: list[Snapshot], ledger: Table
) -> pa.Table:
    """Return the ledger's rows that the snapshots' evidence holds."""
    parts = [
        evidence.conform(evidence.read(file_io, named), ledger)
        for snapshot in snapshots
        for named in evidence.of_snapshot(snapshot)
        if named.ledger == ledger.name
    ]
    return pa.concat_tables(parts) if parts else arrow_schema(ledger).empty_table()
