"""What a head's own snapshots say of ledger rows: which are in it, and which newer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import structlog
from pyiceberg.io import FileIO
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot

from lake import evidence
from lake.errors import LakeError
from lake.snapshots import COMMIT_ID, OP, above, ancestry, mark_of, summary
from lake.tables import SOURCES
from lake.withdrawn import WITHDRAWN, may_be_of

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class History:
    """What the snapshots of a head above a ledger's mark did to its objects.

    Attributes:
        head: The head's name.
        is_followed: The mark is one of the head's snapshots, so the ledger's rows
            are those of that moment. Else the snapshots are all that are retained.
        snapshots: The oldest first.
        commits: The batch of each.
        replaced: Objects that they took out,
        last: and by which of the snapshots last.
        unsure_before: Of reads before this snapshot nobody knows whether it took them
            out: its evidence is lost.
        is_whole: Nothing but these snapshots was ever committed to the head.
    """

    head: str
    is_followed: bool
    snapshots: Sequence[Snapshot]
    commits: pa.Array
    replaced: pa.Array
    last: pa.Array
    unsure_before: int
    is_whole: bool

    @classmethod
    def above(
        cls, stored: IcebergTable, head: str, stored_head: IcebergTable
    ) -> History:
        """Return a head's history above the mark of a ledger.

        Args:
            stored: The ledger as loaded.
            head: The head's name.
            stored_head: The head as loaded.
        """
        newer = above(stored_head, mark_of(stored, head))
        snapshots = ancestry(stored_head)[::-1] if newer is None else newer
        last: dict[str, int] = {}
        unsure_before = -1
        for place, snapshot in enumerate(snapshots):
            if summary(snapshot, OP) != "replace":
                continue
            for named in evidence.of_snapshot(snapshot):
                if named.ledger not in (SOURCES.name, WITHDRAWN.name):
                    continue
                rows = readable(stored_head.io, named)
                if rows is None:
                    unsure_before = place
                else:
                    last.update(dict.fromkeys(rows["source_object"].to_pylist(), place))
        return cls(
            head=head,
            is_followed=newer is not None,
            snapshots=snapshots,
            commits=pa.array([summary(s, COMMIT_ID) for s in snapshots], pa.string()),
            replaced=pa.array(last.keys(), pa.string()),
            last=pa.array(last.values(), pa.int32()),
            unsure_before=unsure_before,
            is_whole=newer is None and above(stored_head, None) is not None,
        )

    def places(self, rows: pa.Table) -> pa.Array:
        """Return by which of the snapshots each row came; -1: by none of them."""
        commit_ids = rows["commit_id"].combine_chunks()
        known = pc.index_in(commit_ids, value_set=self.commits, skip_nulls=True)
        return pc.fill_null(known, -1)

    def denies(self, rows: pa.Table) -> pa.Array:
        """Return which rows are of reads that the head does not hold."""
        places = self.places(rows)
        objects = rows["source_object"].combine_chunks()
        last = self.last.take(pc.index_in(objects, value_set=self.replaced))
        taken_out = pc.fill_null(pc.greater(last, places), False)
        mine = may_be_of(rows, self.head).combine_chunks()
        if not self.is_whole:
            return pc.and_(mine, taken_out)
        of_a_batch = rows["commit_id"].combine_chunks().is_valid()
        of_the_head = pc.fill_null(pc.equal(rows["head"], self.head), False)
        never = pc.and_(pc.and_(of_a_batch, of_the_head), pc.equal(places, -1))
        return pc.or_(pc.and_(mine, taken_out), never)

    def doubts(self, rows: pa.Table) -> pa.Array:
        """Return which rows, of these snapshots' evidence, may have been taken out."""
        unsure = pc.less(self.places(rows), self.unsure_before)
        return pc.and_(may_be_of(rows, self.head).combine_chunks(), unsure)


def readable(file_io: FileIO, named: evidence.EvidenceFile) -> pa.Table | None:
    """Return the rows of an evidence file, None if it is lost."""
    try:
        return evidence.read(file_io, named)
    except LakeError as error:
        log.warning("evidence_lost", path=named.path, error=str(error)[:200])
        return None
