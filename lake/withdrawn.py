"""Which objects a snapshot takes out of its head: evidence beside that of its rows.

A replaced object may go from one head to the other, and that takes a snapshot of
each. What a snapshot takes out is therefore named in its own evidence, and the ledger
rows of a head depend on the snapshots of that head alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.io import FileIO
from pyiceberg.table.snapshots import Snapshot

from lake import evidence
from lake.shape import conform
from lake.snapshots import OP, summary
from lake.tables import SOURCES, Table, arrow_schema

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


def replaced_objects(file_io: FileIO, snapshots: Sequence[Snapshot]) -> pa.Table:
    """Return object and day of what snapshots take out of their head."""
    parts = [arrow_schema(WITHDRAWN).empty_table()]
    for snapshot in snapshots:
        if summary(snapshot, OP) != "replace":
            continue
        for named in evidence.of_snapshot(snapshot):
            if named.ledger in (SOURCES.name, WITHDRAWN.name):
                rows = evidence.read(file_io, named)
                parts.append(conform(rows, arrow_schema(WITHDRAWN)))
    return pa.concat_tables(parts)


def may_be_of(rows: pa.Table, head: str) -> pa.ChunkedArray:
    """Return which ledger rows are of a head, or do not say of which."""
    if "head" not in rows.column_names:
        return pa.chunked_array([pa.repeat(True, rows.num_rows)])
    return pc.fill_null(pc.equal(rows["head"].cast(pa.string()), head), True)
