"""What the lake knows: `sources`, and what is committed above its marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import BooleanExpression, EqualTo, IsNull
from pyiceberg.table import Table as IcebergTable

from ingest.source import SourceObject
from lake.catalog import Lake
from lake.follow import read_evidence, unabsorbed
from lake.reading import in_set
from lake.tables import HEADS, SOURCES, Table, arrow_schema
from lake.withdrawn import replaced_objects

COLUMNS = ("source_object", "day", "location", "etag", "ingested_at", "head",
           "first_start", "last_start")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ingested:
    """What the lake knows of an object that it has read.

    Attributes:
        head: The head that it is in.
        doubled: Whether it is in the other head too.
    """

    location: str
    etag: str | None
    ingested_at: datetime
    head: str
    doubled: bool = False


@dataclass(frozen=True, slots=True)
class _Above:
    """What the snapshots of one head above the mark of `sources` do to its rows.

    Attributes:
        rows: Those they add, and do not take out again.
        gone: Objects whose earlier rows they take out.
    """

    head: str
    rows: pa.Table
    gone: pa.Array

    @classmethod
    def of(cls, head: Table, stored: IcebergTable, sources: IcebergTable) -> _Above:
        rows = arrow_schema(SOURCES).empty_table().select(COLUMNS)
        gone = pa.array([], pa.string())
        for snapshot in unabsorbed(sources, stored, ledger=SOURCES, head=head):
            replaced = replaced_objects(stored.io, [snapshot])["source_object"].unique()
            rows = rows.filter(_is_none_of(rows, replaced))
            added = read_evidence(stored.io, [snapshot], SOURCES).select(COLUMNS)
            rows = pa.concat_tables([rows, added])
            gone = pa.concat_arrays([gone, replaced])
        return cls(head.name, rows, gone)

    def applied_to(self, rows: pa.Table) -> pa.Table:
        """Return rows of `sources` without those that the head holds no longer."""
        if len(self.gone) == 0:
            return rows
        elsewhere = pc.not_equal(rows["head"], self.head)
        return rows.filter(pc.or_(elsewhere, _is_none_of(rows, self.gone)))


class Known:
    """The objects that are in the lake, exactly as of the heads it was made with.

    `sources` and its marks are loaded first, the heads second; whoever lists after
    that cannot see an object as new that a committed snapshot names.

    Args:
        lake: The open lake.

    Raises:
        FollowerStopped: `sources` cannot say what it has absorbed.
    """

    def __init__(self, lake: Lake) -> None:
        self._sources = lake.load(SOURCES)
        self.heads: dict[str, IcebergTable] = {h.name: lake.load(h) for h in HEADS}
        self._above = [
            _Above.of(head, self.heads[head.name], self._sources) for head in HEADS
        ]

    def find(
        self, day: date | None, sources: Sequence[SourceObject]
    ) -> dict[str, Ingested]:
        """Return, by identity, what the lake knows of objects of one day.

        Args:
            day: The day in the objects' names; None: they have none.
            sources: The objects. Memory grows with their number, not with that of
                all that the lake has of the day.
        """
        wanted = pa.array([source.identity for source in sources], pa.string())
        found: dict[str, Ingested] = {}
        scan = self._sources.scan(row_filter=_on(day), selected_fields=COLUMNS)
        with scan.to_arrow_batch_reader() as reader:
            for batch in reader:
                rows = pa.Table.from_batches([batch])
                rows = rows.filter(_is_one_of(rows, wanted))
                if rows.num_rows:
                    _remember(found, self._standing(rows))
        for above in self._above:
            _remember(found, above.rows.filter(_is_one_of(above.rows, wanted)))
        return found

    def reads(self, identities: Sequence[str]) -> pa.Table:
        """Return the rows of `sources` about some objects, in ``COLUMNS``."""
        wanted = in_set("source_object", identities)
        rows = self._sources.scan(row_filter=wanted, selected_fields=COLUMNS)
        names = pa.array(identities, pa.string())
        return pa.concat_tables(
            [
                self._standing(rows.to_arrow()),
                *(a.rows.filter(_is_one_of(a.rows, names)) for a in self._above),
            ]
        )

    def _standing(self, rows: pa.Table) -> pa.Table:
        rows = rows.select(COLUMNS).cast(
            pa.schema([arrow_schema(SOURCES).field(name) for name in COLUMNS])
        )
        for above in self._above:
            rows = above.applied_to(rows)
        return rows


def _on(day: date | None) -> BooleanExpression:
    # PyIceberg's pydantic models hide their positional __init__ from mypy.
    if day is None:
        return IsNull("day")  # type: ignore[call-arg, arg-type]
    return EqualTo("day", day.isoformat())  # type: ignore[call-arg, arg-type]


def _is_one_of(rows: pa.Table, identities: pa.Array) -> pa.ChunkedArray:
    return pc.is_in(rows["source_object"], value_set=identities)


def _is_none_of(rows: pa.Table, identities: pa.Array) -> pa.ChunkedArray:
    return pc.invert(_is_one_of(rows, identities))


def _remember(into: dict[str, Ingested], rows: pa.Table) -> None:
    """Keep one row of each object, and whether two heads have one."""
    columns = ("source_object", "location", "etag", "ingested_at", "head")
    for identity, *told in zip(
        *(rows[name].to_pylist() for name in columns), strict=True
    ):
        found, before = Ingested(*told), into.get(identity)
        if before is not None and (before.doubled or before.head != found.head):
            found = replace(found, doubled=True)
        into[identity] = found
