"""What the lake knows: `sources`, and what is committed above its marks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import pyarrow as pa
from pyiceberg.expressions import BooleanExpression, EqualTo, IsNull
from pyiceberg.table import Table as IcebergTable

from ingest.above import Above, is_one_of
from ingest.source import SourceObject
from lake.catalog import Lake
from lake.reading import in_set
from lake.tables import HEADS, SOURCES, arrow_schema

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


class Known:
    """The objects that are in the lake, exactly as of the heads it was made with.

    `sources` and its marks are loaded first, the heads second; whoever lists after
    that cannot see an object as new that a committed snapshot names.

    Args:
        lake: The open lake.
        columns: What is read of `sources`; ``COLUMNS`` among them.

    Raises:
        FollowerStopped: `sources` cannot say what it has absorbed.
    """

    def __init__(self, lake: Lake, columns: Sequence[str] = COLUMNS) -> None:
        self.sources = lake.load(SOURCES)
        self.heads: dict[str, IcebergTable] = {h.name: lake.load(h) for h in HEADS}
        self._columns = tuple(columns)
        self._above = [
            Above.of(head, self.heads[head.name], self.sources, SOURCES, columns)
            for head in HEADS
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
        found: dict[str, Ingested] = {}
        for rows in self.rows(day, sources):
            _remember(found, rows)
        return found

    def rows(
        self, day: date | None, sources: Sequence[SourceObject]
    ) -> Iterator[pa.Table]:
        """Yield the rows of `sources` about objects of one day; see `find`."""
        wanted = pa.array([source.identity for source in sources], pa.string())
        scan = self.sources.scan(row_filter=_on(day), selected_fields=self._columns)
        with scan.to_arrow_batch_reader() as reader:
            for batch in reader:
                rows = pa.Table.from_batches([batch])
                rows = rows.filter(is_one_of(rows, wanted))
                if rows.num_rows:
                    yield self._standing(rows)
        for above in self._above:
            yield above.rows.filter(is_one_of(above.rows, wanted))

    def reads(self, identities: Sequence[str]) -> pa.Table:
        """Return the rows of `sources` about some objects, in ``COLUMNS``."""
        wanted = in_set("source_object", identities)
        rows = self.sources.scan(row_filter=wanted, selected_fields=self._columns)
        names = pa.array(identities, pa.string())
        return pa.concat_tables(
            [
                self._standing(rows.to_arrow()),
                *(a.rows.filter(is_one_of(a.rows, names)) for a in self._above),
            ]
        )

    def _standing(self, rows: pa.Table) -> pa.Table:
        rows = rows.select(self._columns).cast(
            pa.schema([arrow_schema(SOURCES).field(name) for name in self._columns])
        )
        for above in self._above:
            rows = above.applied_to(rows)
        return rows


def _on(day: date | None) -> BooleanExpression:
    # PyIceberg's pydantic models hide their positional __init__ from mypy.
    if day is None:
        return IsNull("day")  # type: ignore[call-arg, arg-type]
    return EqualTo("day", day.isoformat())  # type: ignore[call-arg, arg-type]


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
