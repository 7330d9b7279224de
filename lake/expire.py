"""Keeping the history short: snapshots, and files that no snapshot names."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain

import structlog
from pyiceberg.table import Table as IcebergTable

from lake import evidence
from lake.catalog import Lake
from lake.errors import CommitConflict, LakeError
from lake.places import Found, Place, name_of, outermost
from lake.snapshots import ancestry, heeded_mark, mark_of
from lake.store import drop_snapshots
from lake.tables import FLOWS, HEADS, LEDGERS, ROLLUPS, TABLES, Table

log = structlog.get_logger()

EXPIRY_SLACK = 20  # expire in lots: one commit of metadata for twenty of data


@dataclass(frozen=True, slots=True)
class Collected:
    """What `gc` removed, or would remove.

    Attributes:
        files: Number of files.
        size: Their bytes.
        kept: Files in the lake that stay.
        young: Those of them that nothing names and that a later `gc` will remove.
        young_until: When the last of these is old enough; UTC.
    """

    files: int
    size: int
    kept: int
    young: int = 0
    young_until: datetime | None = None


def expire(lake: Lake, table: Table, *, keep: int, slack: int = EXPIRY_SLACK) -> int:
    """Forget all but the newest ``keep`` snapshots; return how many went.

    Never past the slowest follower's mark, whose own snapshot stays: PyIceberg takes
    from the oldest snapshot kept the name of its parent. Files stay until `gc`.
    """
    stored = lake.load(table)
    history = ancestry(stored)
    keep = max(keep, _above_slowest_mark(lake, table, history_ids(stored)) + 1)
    live = {s.snapshot_id for s in history[:keep]}
    gone = [s.snapshot_id for s in stored.snapshots() if s.snapshot_id not in live]
    if len(gone) <= slack:
        return 0
    try:
        drop_snapshots(stored, gone)
    except CommitConflict as error:
        log.info("expiry_postponed", table=table.name, error=str(error)[:200])
        return 0
    log.info("snapshots_expired", table=table.name, count=len(gone))
    return len(gone)


def history_ids(stored: IcebergTable) -> list[int]:
    """Return the ids of the retained ancestors of the head, the head first."""
    return [s.snapshot_id for s in ancestry(stored)]


def _above_slowest_mark(lake: Lake, table: Table, ids: list[int]) -> int:
    """Return how many of the newest snapshots some follower has yet to absorb."""
    if table not in HEADS or not ids:
        return 0
    marks = [mark_of(lake.load(ledger), table.name) for ledger in LEDGERS]
    if table is FLOWS:  # a roll-up without a mark reads all files, and no history
        found = [mark_of(lake.load(rollup), table.name) for rollup in ROLLUPS]
        found.append(heeded_mark(lake.load(FLOWS)))
        marks += [mark for mark in found if mark is not None]
    return max(ids.index(m) if m in ids else len(ids) for m in marks)


def collect(
    lake: Lake,
    *,
    min_age: timedelta,
    dry_run: bool = False,
    forgotten: Container[str] = (),
) -> Collected:
    """Delete the files that no live snapshot names.

    Spared: whatever is younger than ``min_age`` (a batch being written names nothing
    yet), and evidence that some ledger has not absorbed. A listing is believed only
    if it holds every live file under its own name.

    Args:
        lake: The open lake.
        min_age: How old a file must be.
        dry_run: Only count.
        forgotten: Names of files that may go however young they are: snapshots named
            them, so no batch is still writing them.

    Raises:
        LakeError: A table cannot be read, or a live file was not listed; then
            nothing is deleted.
    """
    before = datetime.now(UTC) - min_age
    live = _live(lake)
    orphans: list[tuple[Place, Found]] = []
    seen: set[str] = set()
    young: list[datetime | None] = []
    kept = 0
    for place, found in _listed(live):
        if found.name in live.names:
            seen.add(found.name)
        elif found.name in forgotten or (found.modified or before) < before:
            orphans.append((place, found))
            continue
        else:
            young.append(found.modified)
        kept += 1
    _refuse_unless_complete(lake, live, seen)
    if not dry_run:
        for place, found in orphans:
            place.delete(found)
    size = sum(found.size for _, found in orphans)
    log.info("collected", files=len(orphans), bytes=size, kept=kept, dry_run=dry_run)
    last = max((time for time in young if time is not None), default=None)
    return Collected(len(orphans), size, kept, len(young), last and last + min_age)


def named_files(lake: Lake) -> set[str]:
    """Return the names of all files that snapshots name, evidence included."""
    found: set[str] = set()
    for table in TABLES.values():
        stored = lake.load(table)
        paths = chain(
            _needed(stored),
            (e.path for s in stored.snapshots() for e in evidence.of_snapshot(s)),
        )
        found.update(name_of(path, stored.io) for path in paths)
    return found


@dataclass(slots=True)
class _Live:
    """What must stay.

    Attributes:
        tables: The folders of the tables.
        evidence: The folder of evidence.
        names: The files to keep.
        needed: Those of them without which the lake cannot be read or followed.
        tips: Of each table, the current metadata and manifest list.
    """

    tables: list[Place]
    evidence: Place
    names: set[str]
    needed: set[str]
    tips: set[str]

    def expected(self) -> set[str]:
        """Return the files that a listing of the folders has to hold."""
        places = [*self.tables, self.evidence]
        below = (n for n in self.needed if any(place.holds(n) for place in places))
        return self.tips.union(below)


def _live(lake: Lake) -> _Live:
    tables: list[Place] = []
    names: set[str] = set()
    needed: set[str] = set()
    tips: set[str] = set()
    for table in TABLES.values():
        stored = lake.load(table)
        io = stored.io
        tables.append(Place(io, stored.location()))
        tips.update(name_of(path, io) for path in _tips(stored))
        needed.update(name_of(path, io) for path in _needed(stored))
        if table in HEADS:
            needed.update(name_of(path, io) for path in _waiting(lake, table, stored))
        names.update(name_of(path, io) for path in _recorded(stored))
    evidence_folder = Place(lake.load(FLOWS).io, lake.evidence_root())
    return _Live(
        outermost(tables), evidence_folder, names | needed | tips, needed, tips
    )


def _tips(stored: IcebergTable) -> Iterator[str]:
    yield stored.metadata_location
    current = stored.current_snapshot()
    if current is not None:
        yield current.manifest_list


def _needed(stored: IcebergTable) -> Iterator[str]:
    """Yield the files that the table's snapshots are read from."""
    seen: set[str] = set()
    for snapshot in stored.snapshots():
        yield snapshot.manifest_list
        for manifest in snapshot.manifests(stored.io):
            if manifest.manifest_path in seen:
                continue
            seen.add(manifest.manifest_path)
            yield manifest.manifest_path
            for entry in manifest.fetch_manifest_entry(stored.io):
                yield entry.data_file.file_path


def _recorded(stored: IcebergTable) -> Iterator[str]:
    """Yield what the metadata names besides: a catalog may have cleaned it up."""
    yield from (entry.metadata_file for entry in stored.metadata.metadata_log)
    yield from (s.statistics_path for s in stored.metadata.statistics)
    yield from (s.statistics_path for s in stored.metadata.partition_statistics)


def _waiting(lake: Lake, head: Table, stored: IcebergTable) -> Iterator[str]:
    """Yield the evidence that some ledger has yet to absorb."""
    ids = history_ids(stored)
    waiting = set(ids[: _above_slowest_mark(lake, head, ids)])
    for snapshot in stored.snapshots():
        if snapshot.snapshot_id in waiting:
            yield from (e.path for e in evidence.of_snapshot(snapshot))


def _listed(live: _Live) -> Iterator[tuple[Place, Found]]:
    """List the tables' folders, and what the evidence folder holds of evidence.

    A table's folder is its own; the evidence folder may hold what is not ours.
    """
    for place in live.tables:
        for found in place.files():
            yield place, found
    for found in live.evidence.files():
        within = any(place.holds(found.name) for place in live.tables)
        if evidence.SHAPE.search(found.name) and not within:
            yield live.evidence, found


def _refuse_unless_complete(lake: Lake, live: _Live, seen: set[str]) -> None:
    """Stop if a live file was not listed: then the names are not to be trusted.

    Raises:
        LakeError: A file is missing that has not been let go meanwhile.
    """
    missing = live.expected() - seen
    if missing:
        missing &= _live(lake).expected()
    if missing:
        raise LakeError(
            f"{len(missing)} live files are not where the lake lists its files, such "
            f"as {min(missing)}: nothing was deleted. Check FLOWLAKE_EVIDENCE and the "
            "tables' locations"
        )
