"""One object's rows and evidence, until it has been read to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.source import Decoded, Tally
from ingest.writes import lake_writes
from lake.evidence import EvidenceWriter

if TYPE_CHECKING:
    from ingest.batch import Batch
    from ingest.buffer import RowBuffer

HELD_BYTES = 8 * 1024 * 1024  # of evidence; more goes to files of the object's own


class Staged:
    """One object's rows, which join the batch only when the object is complete.

    What has been written of an object that never gets complete is named by nothing.

    Args:
        batch: The batch to join.
        tally: The object's.
    """

    def __init__(self, batch: Batch, tally: Tally) -> None:
        self._batch = batch
        self._tally = tally
        self._buffers: dict[str, RowBuffer] = {}
        self._writers: dict[str, EvidenceWriter] = {}
        self._parts: list[Decoded] = []
        self._held = 0

    def add(self, decoded: Decoded) -> None:
        """Keep some of the object's rows."""
        name = decoded.head.name
        if name not in self._buffers:
            self._buffers[name] = self._batch.empty_buffer(decoded.head)
        with lake_writes():
            self._buffers[name].add(decoded.flows)
            decoded.flows = decoded.flows.slice(0, 0)
            self._parts.append(decoded)
            self._held += sum(
                rows.nbytes
                for rows in (decoded.silences, decoded.quarantine)
                if rows is not None
            )
            if self._held >= HELD_BYTES:
                self._spill()

    def join(self) -> None:
        """Give the rows to the batch."""
        self._batch.adopt(self._buffers, self._writers)
        self._batch.add_evidence(self._parts, [self._tally])

    def _spill(self) -> None:
        for part in self._parts:
            name = part.head.name
            if name not in self._writers:
                self._writers[name] = self._batch.empty_evidence(part.head)
            self._batch.write_evidence(self._writers[name], part)
        self._parts, self._held = [], 0
