"""One batch: rows gathered from many objects, written by the hour, committed once."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import structlog
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot

from ingest.buffer import Enrich, RowBuffer
from ingest.known import Known
from ingest.ledger_rows import LedgerRows
from ingest.overlap import refuse_elsewhere, refuse_overlap
from ingest.source import Decoded, Tally
from ingest.staged import Staged
from ingest.writes import lake_writes
from lake import evidence
from lake.catalog import Lake
from lake.datafiles import DataFileWriter
from lake.rewrite import hour_of, hours_property, live_files, still_there, without
from lake.store import Change, commit
from lake.tables import FLOWS, HEADS, QUARANTINE, SILENCES, SOURCES, Table
from lake.withdrawn import WITHDRAWN

log = structlog.get_logger()

ONE_SECOND = timedelta(seconds=1)
SHARE = 24  # of the memory budget that unwritten rows may take; each is held sorted too


@dataclass(slots=True)
class _HeadBatch:
    """What one batch does to one head table.

    Attributes:
        identities: The objects that it brings.
        withdrawn: The objects whose earlier rows it takes out.
        removed: The data files that held those.
    """

    table: Table
    buffer: RowBuffer
    evidence: evidence.EvidenceWriter
    identities: list[str] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    removed: list[DataFile] = field(default_factory=list)


class Batch:
    """A batch being filled; safe to fill from several threads.

    A file that cannot be written is a LakeError, and not the fault of any object.

    Args:
        lake: The open lake.
        heads: The head tables as they were when the batch was planned.
        op: ingest or replace.
        enrich: Adds what is derived to rows of `flows`.

    Attributes:
        tallies: The objects taken.
        committed: Those of them whose head has been committed: one head may land
            and the other not.
    """

    def __init__(
        self,
        lake: Lake,
        heads: dict[str, IcebergTable],
        op: str,
        *,
        enrich: Enrich | None = None,
    ) -> None:
        self.commit_id = uuid.uuid4().hex
        self.begun = datetime.now(UTC)
        self.op = op
        self.tallies: list[Tally] = []
        self.committed: list[Tally] = []
        self._rows = LedgerRows(self.commit_id, self.begun)
        self._lake = lake
        self._bases = heads
        self._lock = threading.Lock()
        self._root = lake.evidence_root()
        limit = lake.settings.memory_bytes // SHARE
        self._heads = {
            head.name: _HeadBatch(
                table=head,
                buffer=RowBuffer(
                    DataFileWriter(head, heads[head.name], self.commit_id),
                    limit,
                    enrich=enrich if head is FLOWS else None,
                ),
                evidence=self._evidence(head, self.commit_id),
            )
            for head in HEADS
        }

    def stage(self, tally: Tally) -> Staged:
        """Return a place for one object's rows until it has been read to its end."""
        return Staged(self, tally)

    def add(self, decoded: Decoded, tallies: Iterable[Tally]) -> None:
        """Take the rows and tallies of objects that were read to their ends."""
        with lake_writes():
            self._heads[decoded.head.name].buffer.add(decoded.flows)
        self.add_evidence([decoded], tallies)

    def write_much(self) -> None:
        """Write what is worth a file, while other workers are still reading."""
        for head in self._heads.values():
            with lake_writes():
                head.buffer.write_much()

    def add_evidence(self, parts: Sequence[Decoded], tallies: Iterable[Tally]) -> None:
        """Take what the ledgers need of complete objects."""
        done = list(tallies)
        with self._lock, lake_writes():
            for part in parts:
                self.write_evidence(self._heads[part.head.name].evidence, part)
            for tally in done:
                self._heads[tally.head.name].identities.append(tally.source.identity)
            self.tallies.extend(done)
            for head in HEADS:
                mine = [t for t in done if t.head.name == head.name]
                if mine:
                    self._heads[head.name].evidence.add(
                        SOURCES, self._rows.sources(mine)
                    )
        log.debug("objects_done", count=len(done))

    def write_evidence(self, writer: evidence.EvidenceWriter, part: Decoded) -> None:
        """Write what `silences` and `quarantine` need of some rows."""
        if part.silences is not None:
            writer.add(SILENCES, self._rows.silences(part.silences, part.head))
        if part.quarantine is not None:
            writer.add(QUARANTINE, self._rows.quarantine(part.quarantine, part.head))

    def empty_buffer(self, head: Table) -> RowBuffer:
        """Return a buffer for one object's rows."""
        return self._heads[head.name].buffer.empty_twin()

    def empty_evidence(self, head: Table) -> evidence.EvidenceWriter:
        """Return a writer for one object's evidence; its files are its own."""
        return self._evidence(head, uuid.uuid4().hex)

    def adopt(
        self,
        buffers: Mapping[str, RowBuffer],
        writers: Mapping[str, evidence.EvidenceWriter],
    ) -> None:
        """Take over the rows and the evidence of an object that is complete."""
        with lake_writes():
            files = {name: writer.close() for name, writer in writers.items()}
            for name, buffer in buffers.items():
                self._heads[name].buffer.adopt(buffer)
        with self._lock:
            for name, named in files.items():
                self._heads[name].evidence.files.extend(named)

    def withdraw(self, known: Known) -> None:
        """Take out what the lake holds of the batch's objects from earlier reads.

        An object may have been in another head than it is in now.

        Args:
            known: What the batch was planned with.
        """
        identities = [tally.source.identity for tally in self.tallies]
        reads = known.reads(identities)
        for name, head in self._heads.items():
            earlier = reads.filter(pc.equal(reads["head"], name))
            if earlier.num_rows:
                with lake_writes():
                    self._withdraw_from(head, earlier)

    def _withdraw_from(self, head: _HeadBatch, earlier: pa.Table) -> None:
        head.withdrawn = pc.unique(earlier["source_object"]).to_pylist()
        head.evidence.add(WITHDRAWN, earlier.select(["source_object", "day"]))
        first = pc.min(earlier["first_start"]).as_py()
        if first is None:
            return  # they had no flows
        last = pc.max(earlier["last_start"]).as_py()
        base = self._bases[head.table.name]
        files = live_files(base, since=first, until=last + ONE_SECOND)
        writer = DataFileWriter(head.table, base, self.commit_id + "-kept")
        head.removed, kept = without(head.table, base, files, head.withdrawn, writer)
        head.buffer.files.extend(kept)
        head.buffer.hours.update(hour_of(base, file) for file in head.removed)

    def commit(self) -> None:
        """Write what is pending and commit it, one snapshot a head.

        A head that only loses objects goes first: whoever is killed between the two
        leaves an object that is in neither and will be read, not one in both.

        Raises:
            CommitConflict: An object of the batch was ingested meanwhile.
            CommitUnknown: The catalog cannot be asked whether the commit landed.
            BatchExpired: The batch is older than a day.
        """
        for head in sorted(self._heads.values(), key=lambda h: bool(h.identities)):
            if head.identities or head.withdrawn:
                self._commit_head(head)

    def _commit_head(self, head: _HeadBatch) -> None:
        with lake_writes():
            head.buffer.flush()
            named = head.evidence.close()
        change = Change(
            op=self.op,
            commit_id=self.commit_id,
            begun=self.begun,
            added=head.buffer.files,
            removed=head.removed,
            summary={
                **hours_property(sorted(head.buffer.hours)),
                **evidence.to_summary(named),
            },
        )
        base = self._bases[head.table.name]
        identities = {*head.identities, *head.withdrawn}
        files_stay = still_there(head.removed)

        def check(table: IcebergTable, since: Sequence[Snapshot]) -> None:
            files_stay(table, since)
            refuse_overlap(table, since, identities, commit_id=self.commit_id)
            self._refuse_elsewhere(head, identities)

        self._refuse_elsewhere(head, identities)
        commit(self._lake, head.table, change, base=base, check=check)
        self.committed.extend(t for t in self.tallies if t.head is head.table)

    def _refuse_elsewhere(self, head: _HeadBatch, identities: set[str]) -> None:
        refuse_elsewhere(
            self._lake,
            self._bases,
            head.table.name,
            identities,
            commit_id=self.commit_id,
        )

    def _evidence(self, head: Table, name: str) -> evidence.EvidenceWriter:
        file_io = self._bases[head.name].io
        return evidence.EvidenceWriter(file_io, self._root, f"{name}-{head.name}")
