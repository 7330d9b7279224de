"""What the lake holds of objects: ledger rows, and records that are really there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import pyarrow as pa
from pyiceberg.table import Table as IcebergTable

from ingest.above import Above, is_one_of
from ingest.ahead import ahead
from ingest.known import COLUMNS, Known
from ingest.source import SourceObject
from ingest.verify.columns import DaySums
from lake.catalog import Lake
from lake.datafiles import EPOCH, open_parquet
from lake.listed import Manifests, Span
from lake.reading import plan_all
from lake.snapshots import head_id, retained_from
from lake.tables import HEADS, QUARANTINE, SILENCES, SOURCES, Table

ROW = (*COLUMNS, "key_time", "format", "fields", "lines", "headers", "flows",
       "silences", "quarantined", "whole_reason")  # fmt: skip
NAMED = ("source_object", "head")
GATHERED = 200_000  # rows of partial sums held before they are added up
READ_ROWS = 262_144

Window = tuple[datetime | None, datetime | None]


@dataclass(slots=True)
class Held:
    """What the lake holds of one object.

    Attributes:
        rows: Its rows of `sources`; there should be one.
        heads: By head, what records of it are there.
        silences: Rows of `silences`.
        quarantine: Rows of `quarantine`.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    heads: dict[str, DaySums] = field(default_factory=dict)
    silences: int = 0
    quarantine: int = 0

    @property
    def row(self) -> dict[str, Any] | None:
        """The row of `sources`; the first, if two heads have one."""
        return self.rows[0] if self.rows else None


class Holdings:
    """The lake as it is now; a later commit does not change it.

    Ledgers are loaded first: what they have yet to absorb of the heads is read from
    evidence.

    Args:
        lake: The open lake.
        workers: Data files read at once.

    Raises:
        FollowerStopped: A ledger cannot say what it has absorbed.
    """

    def __init__(self, lake: Lake, *, workers: int) -> None:
        ledgers = {ledger: lake.load(ledger) for ledger in (SILENCES, QUARANTINE)}
        self._known = Known(lake, ROW)
        self._workers = workers
        self._fields: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._above = {
            ledger.name: [
                Above.of(head, self._known.heads[head.name], stored, ledger, NAMED)
                for head in HEADS
            ]
            for ledger, stored in ledgers.items()
        }
        self._stored = self._known.heads | {t.name: s for t, s in ledgers.items()}
        self._stored[SOURCES.name] = self._known.sources
        self.retained = {name: retained_from(s) for name, s in self._stored.items()}
        self.begun = _newest_batch(self._known.sources)

    def snapshots(self) -> dict[str, int | None]:
        """Return the heads' snapshots, by name."""
        return {head.name: head_id(self._stored[head.name]) for head in HEADS}

    @property
    def stored_sources(self) -> IcebergTable:
        """The table `sources`."""
        return self._known.sources

    def sources(self, day: date | None, lot: Sequence[SourceObject]) -> dict[str, Held]:
        """Return, by identity, the rows of `sources` about objects of one day."""
        held: dict[str, Held] = {}
        for rows in self._known.rows(day, lot):
            for row in rows.to_pylist():
                row["fields"] = self._one_of(tuple(row["fields"] or ()))
                held.setdefault(row["source_object"], Held()).rows.append(row)
        return held

    def _one_of(self, fields: tuple[str, ...]) -> tuple[str, ...]:
        """Return the same fields, held once."""
        return self._fields.setdefault(fields, fields)

    def add_records(self, held: dict[str, Held], windows: Sequence[Window]) -> None:
        """Add what is really there of some objects, by one pass over each table.

        Args:
            held: The objects, by identity; one that is not known has no rows.
            windows: When their records start; UTC. Either end may be open.
        """
        wanted = pa.array(list(held), pa.string())
        if not windows or not held:
            return
        for head in HEADS:
            for name, *sums in self._sums(head, wanted, windows):
                held[name].heads[head.name] = DaySums(*(each or 0 for each in sums))
        for name, count in self._silences(wanted, windows):
            held[name].silences = count
        days = {
            row["ingested_at"].date()
            for each in held.values()
            for row in each.rows
            if row["ingested_at"] is not None
        }
        for name, count in self._quarantine(wanted, days):
            held[name].quarantine = count

    def _sums(
        self, head: Table, wanted: pa.Array, windows: Sequence[Window]
    ) -> Iterator[tuple[Any, ...]]:
        """Yield each object that the head has records of, and what they sum up to."""
        columns = ["source_object", "packets", "bytes"]
        parts = self._read(head, columns, windows)
        summed = _grouped((_filtered(part, wanted) for part in parts), columns[1:])
        return zip(*(summed[n].to_pylist() for n in summed.column_names), strict=True)

    def _silences(
        self, wanted: pa.Array, windows: Sequence[Window]
    ) -> Iterator[tuple[Any, ...]]:
        parts = self._read(SILENCES, list(NAMED), windows)
        return self._counted(SILENCES, parts, wanted)

    def _quarantine(
        self, wanted: pa.Array, days: Iterable[date]
    ) -> Iterator[tuple[Any, ...]]:
        stored, listed = self._stored[QUARANTINE.name], Manifests()
        of = stored.current_snapshot()
        files: set[str] = set()
        for day in days:
            number = (day - EPOCH.date()).days
            span = Span(number, number)
            files.update(f.path for f in listed.files(stored, of, None, span))
        parts = self._files(stored, sorted(files), list(NAMED))
        return self._counted(QUARANTINE, parts, wanted)

    def _counted(
        self, ledger: Table, parts: Iterator[pa.Table], wanted: pa.Array
    ) -> Iterator[tuple[Any, ...]]:
        def standing() -> Iterator[pa.Table]:
            for part in parts:
                for above in self._above[ledger.name]:
                    part = above.applied_to(part)
                yield _filtered(part, wanted)
            for above in self._above[ledger.name]:
                yield _filtered(above.rows, wanted)

        summed = _grouped(standing(), [])
        return zip(*(summed[n].to_pylist() for n in summed.column_names), strict=True)

    def _read(
        self, table: Table, columns: list[str], windows: Sequence[Window]
    ) -> Iterator[pa.Table]:
        stored = self._stored[table.name]
        return self._files(stored, plan_all(table, stored, windows).files, columns)

    def _files(
        self, stored: IcebergTable, files: Sequence[str], columns: list[str]
    ) -> Iterator[pa.Table]:
        """Yield the columns of some files, a few files read at once."""
        read = partial(_rows_of, stored, columns)
        with ThreadPoolExecutor(self._workers, thread_name_prefix="verify") as pool:
            for _, parts in ahead(pool, read, files, most=self._workers):
                yield from parts


def _rows_of(stored: IcebergTable, columns: list[str], path: str) -> list[pa.Table]:
    """Read some columns of a file; objects are few, so that names are small."""
    with open_parquet(stored.io, path, dictionaries=["source_object"]) as file:
        there = [name for name in columns if name in file.schema_arrow.names]
        return [
            _with_all(pa.Table.from_batches([batch]), columns)
            for batch in file.iter_batches(batch_size=READ_ROWS, columns=there)
        ]


def _with_all(rows: pa.Table, columns: list[str]) -> pa.Table:
    """Add columns that are wholly null, which a file leaves out."""
    for name in columns:
        if name not in rows.column_names:
            kind = pa.string() if name in NAMED else pa.int64()
            rows = rows.append_column(name, pa.nulls(rows.num_rows, kind))
    return rows.select(columns)


def _filtered(rows: pa.Table, wanted: pa.Array) -> pa.Table:
    return rows.filter(is_one_of(rows, wanted))


def _grouped(parts: Iterable[pa.Table], sums: list[str]) -> pa.Table:
    """Return for each object its rows, and the sums of some columns."""
    gathered: list[pa.Table] = []
    rows = 0
    names = ["source_object", "rows", *sums]
    for part in parts:
        if not part.num_rows:
            continue
        one = pa.repeat(pa.scalar(1, pa.int64()), part.num_rows)
        summed = _added_up(part.append_column("rows", one), sums)
        gathered.append(summed.rename_columns(names))
        rows += summed.num_rows
        if rows > GATHERED:
            joined = _added_up(pa.concat_tables(gathered), sums)
            gathered, rows = [joined.rename_columns(names)], joined.num_rows
    if not gathered:
        return pa.table({name: [] for name in names})
    return _added_up(pa.concat_tables(gathered), sums)


def _added_up(rows: pa.Table, sums: list[str]) -> pa.Table:
    """Return one row an object: its name, its rows, the sums."""
    columns = ["rows", *sums]
    kinds = [("source_object", pa.string()), *((name, pa.int64()) for name in columns)]
    rows = rows.select([name for name, _ in kinds]).cast(pa.schema(kinds))
    grouped = rows.group_by("source_object", use_threads=False)
    made = grouped.aggregate([(name, "sum") for name in columns])
    return made.select(["source_object", *(f"{name}_sum" for name in columns)])


def _newest_batch(sources: IcebergTable) -> datetime | None:
    """Return when the newest batch was begun, by the bounds of `sources`' files."""
    of = sources.current_snapshot()
    times = [
        file.last
        for file in Manifests().files(sources, of, "ingested_at", Span())
        if file.last is not None
    ]
    return EPOCH + timedelta(microseconds=max(times)) if times else None
