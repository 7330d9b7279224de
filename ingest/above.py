"""What the snapshots of a head above a ledger's mark do to that ledger's rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.table import Table as IcebergTable

from lake.follow import read_evidence, unabsorbed
from lake.tables import Table, arrow_schema
from lake.withdrawn import replaced_objects


@dataclass(frozen=True, slots=True)
class Above:
    """What a ledger will have once it has followed a head.

    Attributes:
        head: The head's name.
        rows: Those that are added, and not taken out again.
        gone: Objects whose earlier rows are taken out.
    """

    head: str
    rows: pa.Table
    gone: pa.Array

    @classmethod
    def of(
        cls,
        head: Table,
        stored_head: IcebergTable,
        stored: IcebergTable,
        ledger: Table,
        columns: Sequence[str],
    ) -> Above:
        """Read what a ledger has yet to absorb.

        Args:
            head: The head.
            stored_head: As loaded, after the ledger.
            stored: The ledger as loaded.
            ledger: The ledger.
            columns: What is wanted of its rows; ``source_object`` and ``head`` too.

        Raises:
            FollowerStopped: The mark is no ancestor of the head.
        """
        rows = arrow_schema(ledger).empty_table().select(columns)
        gone = pa.array([], pa.string())
        for snapshot in unabsorbed(stored, stored_head, ledger=ledger, head=head):
            replaced = replaced_objects(stored_head.io, [snapshot])
            names = replaced["source_object"].unique()
            rows = rows.filter(_is_none_of(rows, names))
            added = read_evidence(stored_head.io, [snapshot], ledger).select(columns)
            rows = pa.concat_tables([rows, added])
            gone = pa.concat_arrays([gone, names])
        return cls(head.name, rows, gone)

    def applied_to(self, rows: pa.Table) -> pa.Table:
        """Return rows of the ledger without those that the head holds no longer."""
        if len(self.gone) == 0:
            return rows
        elsewhere = pc.not_equal(rows["head"], self.head)
        return rows.filter(pc.or_(elsewhere, _is_none_of(rows, self.gone)))


def is_one_of(rows: pa.Table, identities: pa.Array) -> pa.ChunkedArray:
    """Return which rows are about some objects."""
    return pc.is_in(rows["source_object"], value_set=identities)


def _is_none_of(rows: pa.Table, identities: pa.Array) -> pa.ChunkedArray:
    return pc.invert(is_one_of(rows, identities))
