"""Which objects a snapshot takes out of its head: evidence beside that of its rows.

A replaced object may go from one head to the other, and that takes a snapshot of
each. What a snapshot takes out is therefore named in its own evidence, and the ledger
rows of a head depend on the snapshots of that head alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from pyiceberg.io import FileIO
from pyiceberg.table.snapshots import Snapshot

from lake import evidence
from lake.snapshots import OP, summary
from lake.tables import SOURCES, Table

WITHDRAWN = Table(
    name="withdrawn",
    fields=tuple(f for f in SOURCES.fields if f.name in ("source_object", "day")),
    partition_on="day",
)


def named_objects(
    file_io: FileIO, snapshot: Snapshot, ledgers: Sequence[Table]
) -> set[str]:
    """Return the objects that a snapshot's evidence for the ledgers names."""
    wanted = {ledger.name for ledger in ledgers}
    return {
        identity
        for named in evidence.of_snapshot(snapshot)
        if named.ledger in wanted
        for identity in evidence.read(file_io, named)["source_object"].to_pylist()
    }


def replaced_objects(file_io: FileIO, snapshot: Snapshot) -> pa.Array:
    """Return the objects whose earlier rows a snapshot takes out of its head."""
    if summary(snapshot, OP) != "replace":
        return pa.array([], pa.string())
    found = named_objects(file_io, snapshot, (SOURCES, WITHDRAWN))
    return pa.array(sorted(found), pa.string())
