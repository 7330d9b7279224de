"""Repair: rebuilding a ledger whose mark is no ancestor of the head it follows."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import structlog
from pyiceberg.table import Table as IcebergTable

from lake import evidence
from lake.catalog import Lake
from lake.datafiles import DataFileWriter, open_parquet
from lake.errors import LakeError
from lake.follow import follow
from lake.rewrite import live_files
from lake.snapshots import ancestry, head_id, mark_property
from lake.store import Change, commit, refuse
from lake.tables import HEADS, SOURCES, TABLES, Table, arrow_schema

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair found.

    Attributes:
        kept: Rows that stay.
        recovered: Rows taken again from evidence.
        dropped: Rows of objects whose flows are no longer in the head: they will be
            read again.
        inferred: Objects known only by their flows.
    """

    kept: int
    recovered: int
    dropped: int
    inferred: int


def repair(lake: Lake, ledger: Table) -> Repaired:
    """Rebuild a ledger from itself, the retained evidence and the flows.

    `sources` is made to agree with the head tables, so repair it first. A row stays if
    its object's flows are still there (or it never had any); evidence of retained
    snapshots is taken again; an object of which only flows are left gets a row
    that says no more than they do.

    Raises:
        CommitConflict: The ledger moved on meanwhile; run it again.
    """
    stored = lake.load(ledger)
    heads = {head.name: lake.load(head) for head in HEADS}
    rows = stored.scan().to_arrow().cast(arrow_schema(ledger))
    recovered = _missing(rows, _all_evidence(heads, ledger))
    present = _present(lake, ledger, heads)
    together = pa.concat_tables([rows, recovered])
    kept = together.filter(_standing(together, ledger, present))
    inferred = _inferred(kept, ledger, present)
    _swap_all(lake, ledger, stored, pa.concat_tables([kept, inferred]), heads)
    for head in HEADS:
        follow(lake, ledger, head)
    report = Repaired(
        kept=kept.num_rows,
        recovered=recovered.num_rows,
        dropped=together.num_rows - kept.num_rows,
        inferred=inferred.num_rows,
    )
    log.info("repaired", table=ledger.name, kept=report.kept, dropped=report.dropped,
             recovered=report.recovered, inferred=report.inferred)  # fmt: skip
    return report


def _all_evidence(heads: dict[str, IcebergTable], ledger: Table) -> pa.Table:
    """Return the ledger's rows in the evidence that can still be read."""
    parts = [arrow_schema(ledger).empty_table()]
    for stored in heads.values():
        for snapshot in ancestry(stored):
            for named in evidence.of_snapshot(snapshot):
                if named.ledger == ledger.name:
                    parts.extend(_readable(stored, named))
    return pa.concat_tables(parts)


def _readable(stored: IcebergTable, named: evidence.EvidenceFile) -> Iterator[pa.Table]:
    try:
        rows = evidence.read(stored.io, named)
    except LakeError:
        return  # collected long ago: its rows are in the ledger already
    yield rows.cast(arrow_schema(TABLES[named.ledger]))


def _missing(rows: pa.Table, found: pa.Table) -> pa.Table:
    """Return the evidence rows of batches that the ledger has none of."""
    absorbed = pc.unique(rows["commit_id"])
    return found.filter(pc.invert(pc.is_in(found["commit_id"], value_set=absorbed)))


def _present(
    lake: Lake, ledger: Table, heads: dict[str, IcebergTable]
) -> dict[str, pa.Table]:
    """Return, by head, the objects that have flows there, with their times."""
    if ledger is SOURCES:
        return {name: _objects_in(stored) for name, stored in heads.items()}
    sources = lake.load(SOURCES).scan(selected_fields=("source_object", "head"))
    rows = sources.to_arrow()
    return {name: rows.filter(pc.equal(rows["head"], name)) for name in heads}


def _objects_in(stored: IcebergTable) -> pa.Table:
    """Group a head table's rows by object, a file at a time."""
    parts = [
        pa.schema(
            [
                ("source_object", pa.string()),
                ("start_time_min", pa.timestamp("us", tz="UTC")),
                ("start_time_max", pa.timestamp("us", tz="UTC")),
                ("start_time_count", pa.int64()),
            ]
        ).empty_table()
    ]
    for file in live_files(stored):
        with open_parquet(stored.io, file.file_path) as parquet:
            rows = parquet.read(columns=["source_object", "start_time"])
        grouped = rows.group_by("source_object").aggregate(
            [("start_time", "min"), ("start_time", "max"), ("start_time", "count")]
        )
        parts.append(grouped.select(parts[0].column_names))
    return (
        pa.concat_tables(parts)
        .group_by("source_object")
        .aggregate(
            [
                ("start_time_min", "min"),
                ("start_time_max", "max"),
                ("start_time_count", "sum"),
            ]
        )
    )


def _standing(
    rows: pa.Table, ledger: Table, present: dict[str, pa.Table]
) -> pa.Array | pa.ChunkedArray:
    """Return which rows still stand: their object is where they say that it is."""
    everywhere = pa.concat_tables(
        [found.select(["source_object"]) for found in present.values()]
    )["source_object"]
    there = pc.is_in(rows["source_object"], value_set=everywhere.combine_chunks())
    if ledger is not SOURCES:
        return there
    return pc.or_(there, pc.equal(pc.fill_null(rows["flows"], 0), 0))


def _inferred(kept: pa.Table, ledger: Table, present: dict[str, pa.Table]) -> pa.Table:
    """Return `sources` rows of objects that only their flows tell of."""
    parts = [arrow_schema(ledger).empty_table()]
    if ledger is SOURCES:
        known = kept["source_object"].combine_chunks()
        for head, found in present.items():
            unknown = pc.invert(pc.is_in(found["source_object"], value_set=known))
            left = found.filter(unknown)
            told = {
                "source_object": left["source_object"],
                "head": pa.repeat(head, left.num_rows),
                "flows": left["start_time_count_sum"],
                "lines": left["start_time_count_sum"],
                "first_start": left["start_time_min_min"],
                "last_start": left["start_time_max_max"],
            }
            parts.append(evidence.conform(pa.table(told), ledger))
    return pa.concat_tables(parts)


def _swap_all(
    lake: Lake,
    ledger: Table,
    stored: IcebergTable,
    rows: pa.Table,
    heads: dict[str, IcebergTable],
) -> None:
    change_id = uuid.uuid4().hex
    writer = DataFileWriter(ledger, stored, change_id)
    marks = {mark_property(name): head_id(head) for name, head in heads.items()}
    change = Change(
        op="repair",
        commit_id=change_id,
        begun=datetime.now(UTC),
        added=list(writer.write_by_day(rows)) if rows.num_rows else [],
        removed=live_files(stored),
        properties={k: str(v) for k, v in marks.items() if v is not None},
    )
    commit(lake, ledger, change, base=stored, check=refuse)
