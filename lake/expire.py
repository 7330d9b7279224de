"""Keeping the history short: snapshots, and files that no snapshot names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow.fs as pafs
import structlog
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import Table as IcebergTable

from lake import evidence
from lake.catalog import Lake
from lake.errors import CommitConflict, LakeError
from lake.snapshots import ancestry, mark_of
from lake.store import drop_snapshots
from lake.tables import HEADS, LEDGERS, TABLES, Table

log = structlog.get_logger()

EXPIRY_SLACK = 20  # expire in lots: one commit of metadata for twenty of data


@dataclass(frozen=True, slots=True)
class Collected:
    """What `gc` removed, or would remove.

    Attributes:
        files: Number of files.
        size: Their bytes.
        kept: Files in the lake that stay.
    """

    files: int
    size: int
    kept: int


def expire(lake: Lake, table: Table, *, keep: int, slack: int = EXPIRY_SLACK) -> int:
    """Forget all but the newest ``keep`` snapshots; return how many went.

    Never past the slowest follower's mark. The mark itself may go: the snapshot above
    it still names it as its parent. Files stay until `gc`.
    """
    stored = lake.load(table)
    history = ancestry(stored)
    keep = max(keep, _above_slowest_mark(lake, table, history_ids(stored)), 1)
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
    return max(ids.index(m) if m in ids else len(ids) for m in marks)


def collect(lake: Lake, *, min_age: timedelta, dry_run: bool = False) -> Collected:
    """Delete the files that no live snapshot names.

    Spared: whatever is younger than ``min_age`` (a batch being written names nothing
    yet), and evidence that some ledger has not absorbed.

    Raises:
        LakeError: A table cannot be read; then nothing is deleted.
    """
    before = datetime.now(UTC) - min_age
    live, places, file_io = _live(lake)
    count = size = kept = 0
    for info in _files(file_io, places):
        young = info.mtime is None or info.mtime >= before
        if young or _bare(info.path) in live:
            kept += 1
            continue
        count, size = count + 1, size + (info.size or 0)
        if not dry_run:
            _delete(file_io, places[0], info.path)
    log.info("collected", files=count, bytes=size, kept=kept, dry_run=dry_run)
    return Collected(count, size, kept)


def _live(lake: Lake) -> tuple[set[str], list[str], PyArrowFileIO]:
    """Return the files to keep, the folders to look in, and how to reach them."""
    live: set[str] = set()
    places: list[str] = []
    file_io: object = None
    for table in TABLES.values():
        stored = lake.load(table)
        file_io = stored.io
        places.append(stored.location())
        live.update(_bare(path) for path in _named(stored))
        if table in HEADS:
            live.update(_bare(path) for path in _waiting(lake, table, stored))
    places.append(lake.evidence_root())
    if not isinstance(file_io, PyArrowFileIO):
        raise LakeError("gc needs the lake's files to be reached through PyArrow")
    return live, places, file_io


def _named(stored: IcebergTable) -> Iterator[str]:
    """Yield every file that the table's live metadata names."""
    yield stored.metadata_location
    yield from (entry.metadata_file for entry in stored.metadata.metadata_log)
    yield from (s.statistics_path for s in stored.metadata.statistics)
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


def _waiting(lake: Lake, head: Table, stored: IcebergTable) -> Iterator[str]:
    """Yield the evidence that some ledger has yet to absorb."""
    ids = history_ids(stored)
    waiting = set(ids[: _above_slowest_mark(lake, head, ids)])
    for snapshot in stored.snapshots():
        if snapshot.snapshot_id in waiting:
            yield from (e.path for e in evidence.of_snapshot(snapshot))


def _files(file_io: PyArrowFileIO, places: list[str]) -> Iterator[pafs.FileInfo]:
    for place in places:
        scheme, netloc, path = file_io.parse_location(place)
        system = file_io.fs_by_scheme(scheme, netloc)
        selector = pafs.FileSelector(path, recursive=True, allow_not_found=True)
        for info in system.get_file_info(selector):
            if info.type == pafs.FileType.File:
                yield info


def _delete(file_io: PyArrowFileIO, place: str, path: str) -> None:
    scheme, netloc, _ = file_io.parse_location(place)
    file_io.fs_by_scheme(scheme, netloc).delete_file(path)


def _bare(location: str) -> str:
    """Return the path as a file system lists it: no scheme."""
    return PyArrowFileIO.parse_location(location)[2]
