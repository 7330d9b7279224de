"""Evidence: what the ledgers need of a batch, written before the batch is committed.

Evidence files have the ledgers' final schemas and lie outside every table. The
snapshot that commits the batch names each with its size and checksum; a ledger copies
their rows when it follows. So a batch and its ledger rows become true together.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import structlog
from pyiceberg.io import FileIO
from pyiceberg.table.snapshots import Snapshot

from lake.errors import LakeError
from lake.ordering import hours_in
from lake.shape import conform
from lake.snapshots import EVIDENCE, summary
from lake.tables import SILENCES, Table, arrow_schema

log = structlog.get_logger()

PART_BYTES = 32 * 1024 * 1024
SHAPE = re.compile(r"/\d{4}-\d\d-\d\d/[0-9a-f]{32}(-[a-z_]+)+-\d{4,}\.parquet$")


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """One evidence file, as a snapshot names it.

    Attributes:
        ledger: The table that its rows are for.
        size: Bytes.
        sha256: Checksum of the whole file, in hex.
        hours: Hours since 1970 in which its silences begin, so that who asks only for
            these need not read it; None: it holds no silences, or does not tell.
    """

    ledger: str
    path: str
    rows: int
    size: int
    sha256: str
    hours: Sequence[int] | None = None


class EvidenceWriter:
    """Collects the ledger rows of one batch; bounded by writing parts.

    Args:
        file_io: The head table's file access.
        root: The evidence folder.
        commit_id: Names the batch and its files.
    """

    def __init__(self, file_io: FileIO, root: str, commit_id: str) -> None:
        self._io = file_io
        self._stem = f"{root}/{datetime.now(UTC):%Y-%m-%d}/{commit_id}"
        self._pending: dict[str, list[pa.Table]] = {}
        self._tables: dict[str, Table] = {}
        self.files: list[EvidenceFile] = []

    def add(self, ledger: Table, rows: pa.Table) -> None:
        """Add rows in any subset of the ledger's columns; the rest is null."""
        self._tables[ledger.name] = ledger
        pending = self._pending.setdefault(ledger.name, [])
        pending.append(conform(rows, arrow_schema(ledger)))
        if sum(part.nbytes for part in pending) >= PART_BYTES:
            self._flush(ledger.name)

    def close(self) -> list[EvidenceFile]:
        """Write what is pending and return every file of the batch."""
        for name in list(self._pending):
            self._flush(name)
        return self.files

    def _flush(self, name: str) -> None:
        rows = pa.concat_tables(self._pending.pop(name))
        if rows.num_rows == 0:
            return
        sink = io.BytesIO()
        pq.write_table(rows, sink, compression="zstd", store_schema=False)
        body = sink.getvalue()
        path = f"{self._stem}-{name}-{len(self.files):04d}.parquet"
        with self._io.new_output(path).create() as out:
            out.write(body)
        digest = hashlib.sha256(body).hexdigest()
        hours = sorted(hours_in(rows)) if name == SILENCES.name else None
        self.files.append(
            EvidenceFile(name, path, rows.num_rows, len(body), digest, hours)
        )
        log.debug("evidence_written", ledger=name, rows=rows.num_rows)


def to_summary(files: Sequence[EvidenceFile]) -> dict[str, str]:
    """Return the snapshot property that names the files."""
    return {EVIDENCE: json.dumps([astuple(f) for f in files], separators=(",", ":"))}


def of_snapshot(snapshot: Snapshot) -> list[EvidenceFile]:
    """Return the evidence files that a snapshot names."""
    named = summary(snapshot, EVIDENCE)
    return [EvidenceFile(*entry) for entry in json.loads(named)] if named else []


def read(file_io: FileIO, evidence: EvidenceFile) -> pa.Table:
    """Read one evidence file.

    Raises:
        LakeError: It is missing, or not what the snapshot says that it is.
    """
    return pq.read_table(pa.BufferReader(_body(file_io, evidence)))


def stream(
    file_io: FileIO, evidence: EvidenceFile, ledger: Table, *, rows: int
) -> Iterator[pa.Table]:
    """Read one evidence file, at most so many rows at a time, in the ledger's schema.

    Raises:
        LakeError: It is missing, or not what the snapshot says that it is.
    """
    body = pa.BufferReader(_body(file_io, evidence))
    for batch in pq.ParquetFile(body).iter_batches(batch_size=rows):
        yield conform(pa.Table.from_batches([batch]), arrow_schema(ledger))


def _body(file_io: FileIO, evidence: EvidenceFile) -> bytes:
    try:
        with file_io.new_input(evidence.path).open() as source:
            body: bytes = source.read()
    except OSError as error:
        raise LakeError(
            f"evidence {evidence.path} cannot be read ({error}): run "
            f"`flowlake repair {evidence.ledger}`"
        ) from error
    if hashlib.sha256(body).hexdigest() != evidence.sha256:
        raise LakeError(
            f"evidence {evidence.path} is not what its snapshot names: run "
            f"`flowlake repair {evidence.ledger}`"
        )
    return body
