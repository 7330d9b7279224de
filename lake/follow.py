"""Followers: ledgers that absorb the evidence of every snapshot, exactly once.

A follower's mark is a property of its own table, set in the same commit as the rows,
on exactly the table that the mark was read from. So rows and mark move together,
and of two followers at once one must begin again.

A snapshot that replaces objects takes out their old rows of its own head, and names
those that it takes out only because they are in the other head now. So a ledger's rows
of a head depend on that head's snapshots alone, and a ledger shows what is in which:
an object of whose two commits only one has landed is in neither head or in both.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile

import pyarrow as pa
import pyarrow.compute as pc
import structlog
from pyiceberg.expressions import And, BooleanExpression, IsNull, Or
from pyiceberg.io import FileIO
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot

from lake import evidence
from lake.catalog import Lake
from lake.datafiles import DataFileWriter
from lake.errors import CommitConflict, FollowerStopped
from lake.reading import in_set
from lake.rewrite import filtered, holding
from lake.snapshots import OP, above, head_id, mark_of, mark_property, summary
from lake.store import Change, commit, refuse
from lake.tables import HEADS, LEDGERS, SOURCES, Table, arrow_schema
from lake.withdrawn import may_be_of, replaced_objects

log = structlog.get_logger()

CHUNK_ROWS = 250_000
CHUNK_SNAPSHOTS = 1_000
PART_ROWS = 125_000  # in memory at once: 25 MB as text, three times that when written


@dataclass(frozen=True, slots=True)
class _Step:
    """What one commit absorbs: snapshots of one head, the oldest first."""

    head: Table
    snapshots: Sequence[Snapshot]


def follow_all(lake: Lake) -> int:
    """Let every ledger absorb both heads; return the rows absorbed.

    Raises:
        FollowerStopped: A ledger's mark is no ancestor of its head.
    """
    return sum(follow(lake, ledger) for ledger in LEDGERS)


def follow(lake: Lake, ledger: Table) -> int:
    """Let one ledger absorb both heads; return the rows absorbed.

    Idempotent, and safe beside other followers of the same ledger.

    Raises:
        FollowerStopped: A mark is no ancestor of its head.
    """
    absorbed = 0
    while True:
        stored = lake.load(ledger)  # before the heads: marks can then only be older
        step = _next_step(lake, stored, ledger)
        if step is None:
            return absorbed
        try:
            absorbed += _absorb(lake, stored, step, ledger)
        except CommitConflict:
            log.info("follower_raced", table=ledger.name, head=step.head.name)


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


def _next_step(lake: Lake, stored: IcebergTable, ledger: Table) -> _Step | None:
    """Choose what to absorb next: what replaces nothing, else the oldest replace."""
    while True:
        heads = {head: lake.load(head) for head in HEADS}
        fronts: list[tuple[int, Table, Snapshot]] = []
        for head, stored_head in heads.items():
            newer = unabsorbed(stored, stored_head, ledger=ledger, head=head)
            plain = list(takewhile(lambda s: not _replaces(s), newer))
            if plain:
                return _Step(head, _chunk(plain, ledger))
            if newer:
                fronts.append((newer[0].timestamp_ms, head, newer[0]))
        if not fronts:
            return None
        if _of_one_moment(lake, heads):
            _, head, oldest = min(fronts, key=lambda front: front[0])
            return _Step(head, [oldest])


def _of_one_moment(lake: Lake, heads: dict[Table, IcebergTable]) -> bool:
    """Whether the heads were all as loaded at one time.

    Else the one loaded first may lack what a replace on the other took out.
    """
    *earlier, _ = heads.items()
    return all(head_id(lake.load(head)) == head_id(stored) for head, stored in earlier)


def _replaces(snapshot: Snapshot) -> bool:
    return summary(snapshot, OP) == "replace"


def _chunk(plain: Sequence[Snapshot], ledger: Table) -> Sequence[Snapshot]:
    """Take as many of the oldest snapshots as one commit should absorb."""
    rows = 0
    for taken, snapshot in enumerate(plain[:CHUNK_SNAPSHOTS]):
        named = evidence.of_snapshot(snapshot)
        rows += sum(e.rows for e in named if e.ledger == ledger.name)
        if rows > CHUNK_ROWS and taken:
            return plain[:taken]
    return plain[:CHUNK_SNAPSHOTS]


def _absorb(lake: Lake, stored: IcebergTable, step: _Step, ledger: Table) -> int:
    change_id = uuid.uuid4().hex
    writer = DataFileWriter(ledger, stored, change_id)
    begun = datetime.now(UTC)
    removed, files = _replaced(stored, step, ledger, writer)
    absorbed = 0
    for part in bounded(_evidence(stored.io, step.snapshots, ledger)):
        files.extend(writer.write_by_day(part))
        absorbed += part.num_rows
    change = Change(
        op="follow",
        commit_id=change_id,
        begun=begun,
        added=files,
        removed=removed,
        properties={mark_property(step.head.name): str(step.snapshots[-1].snapshot_id)},
    )
    commit(lake, ledger, change, base=stored, check=refuse)
    log.debug("followed", table=ledger.name, head=step.head.name, rows=absorbed)
    return absorbed


def _replaced(
    stored: IcebergTable, step: _Step, ledger: Table, writer: DataFileWriter
) -> tuple[list[DataFile], list[DataFile]]:
    """Return the swap that takes out the head's old rows of objects replaced there."""
    rows = replaced_objects(stored.io, step.snapshots)
    if rows.num_rows == 0:
        return [], []
    gone = rows["source_object"].unique()
    row_filter = in_set("source_object", gone.to_pylist())
    if ledger is SOURCES:
        row_filter = And(row_filter, _same_days(rows))

    def kept(some: pa.Table) -> pa.Table:
        named = pc.is_in(some["source_object"].cast(pa.string()), value_set=gone)
        return some.filter(pc.invert(pc.and_(named, may_be_of(some, step.head.name))))

    planned = [task.file for task in stored.scan(row_filter=row_filter).plan_files()]
    files = holding(stored, planned, gone.to_pylist())
    return files, filtered(ledger, stored, files, kept, writer)


def _same_days(rows: pa.Table) -> BooleanExpression:
    """Return the filter of the days of the rows: an object's key has one day."""
    unknown: BooleanExpression = IsNull("day")  # type: ignore[call-arg, arg-type]
    days = [day.isoformat() for day in rows["day"].unique().to_pylist() if day]
    return Or(unknown, in_set("day", days)) if days else unknown


def read_evidence(
    file_io: FileIO, snapshots: Sequence[Snapshot], ledger: Table
) -> pa.Table:
    """Return the ledger's rows that the snapshots' evidence holds."""
    parts = list(_evidence(file_io, snapshots, ledger))
    return pa.concat_tables(parts) if parts else arrow_schema(ledger).empty_table()


def _evidence(
    file_io: FileIO, snapshots: Iterable[Snapshot], ledger: Table
) -> Iterator[pa.Table]:
    for snapshot in snapshots:
        for named in evidence.of_snapshot(snapshot):
            if named.ledger == ledger.name:
                yield from evidence.stream(file_io, named, ledger, rows=PART_ROWS)


def bounded(parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Join tables to some ``PART_ROWS`` rows each: few files, in bounded memory."""
    pending: list[pa.Table] = []
    rows = 0
    for part in parts:
        if rows and rows + part.num_rows > PART_ROWS:
            yield pa.concat_tables(pending)
            pending, rows = [], 0
        pending.append(part)
        rows += part.num_rows
    if rows:
        yield pa.concat_tables(pending)
