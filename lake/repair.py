"""Repair: making a ledger what an undisturbed follower would have made it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc
import structlog
from pyiceberg.table import Table as IcebergTable

from lake import evidence
from lake.catalog import Lake
from lake.datafiles import DataFileWriter, open_parquet
from lake.errors import LakeError
from lake.follow import PART_ROWS, bounded, follow
from lake.history import History, readable
from lake.rewrite import filtered, holding, live_files
from lake.snapshots import head_id, mark_property, retained_from
from lake.standing import (
    HeadFacts,
    Verdict,
    key_columns,
    objects_of,
    reads,
    standing_others,
    standing_sources,
)
from lake.store import Change, commit, refuse
from lake.tables import HEADS, SOURCES, Table, arrow_schema

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair found.

    Attributes:
        kept: Rows that stay.
        recovered: Reads of objects taken again from evidence.
        dropped: Rows of reads that are not in their head: their flows are gone (the
            objects will be read again), or a newer read has taken their place, in
            this head or in the other.
        inferred: Objects known only by their flows.
    """

    kept: int
    recovered: int
    dropped: int
    inferred: int


def repair(lake: Lake, ledger: Table) -> Repaired:
    """Make a ledger what an undisturbed follower would have made it.

    It follows as far as it can; on a lake in good order that is all. What cannot be
    followed is made up for, head by head: rows go that a snapshot above the mark took
    out, or whose objects will be read again; evidence above the mark is taken where
    it can be read and no later snapshot took it out (if the mark is lost, of all
    snapshots that are kept); and an object of which only flows are left gets a row of
    `sources` that says no more than they do. The other ledgers are compared with
    `sources`.

    Raises:
        CommitConflict: The ledger moved on meanwhile; run it again.
        LakeError: `sources` cannot follow: repair it first.
    """
    _follow_as_far_as_possible(lake, ledger)
    stored = lake.load(ledger)  # before the heads: its rows can then only be older
    heads = {head.name: lake.load(head) for head in HEADS}
    if ledger is not SOURCES:
        follow(lake, SOURCES)  # after the heads: it knows each read that they name
    histories = {n: History.above(stored, n, head) for n, head in heads.items()}
    columns = key_columns(ledger)
    rows = stored.scan(selected_fields=columns).to_arrow().select(columns)
    rows = rows.cast(_keys_schema(ledger))
    waiting = [w for name, head in heads.items()
               for w in _waiting(ledger, stored, head, histories[name])]  # fmt: skip
    keys = [each.select(columns) for w in waiting for each in w.rows(ledger)]
    found = pa.concat_tables([_keys_schema(ledger).empty_table(), *keys])
    verdict = _judge(lake, ledger, rows, found, heads, histories)
    marks = {mark_property(n): str(head_id(h) or "") for n, h in heads.items()}
    if not verdict.is_good or any(stored.properties.get(k, "") != v
                                  for k, v in marks.items()):  # fmt: skip
        _make_it_so(lake, ledger, stored, verdict, waiting, marks)
    dropped = pc.is_in(reads(rows), value_set=verdict.gone).true_count
    report = Repaired(
        kept=rows.num_rows - dropped,
        recovered=len(verdict.wanted),
        dropped=dropped,
        inferred=verdict.inferred.num_rows,
    )
    log.info("repaired", table=ledger.name, kept=report.kept, dropped=report.dropped,
             recovered=report.recovered, inferred=report.inferred)  # fmt: skip
    return report


def _follow_as_far_as_possible(lake: Lake, ledger: Table) -> None:
    try:
        follow(lake, ledger)
    except LakeError as error:
        log.warning("follower_stuck", table=ledger.name, error=str(error)[:200])


def _keys_schema(ledger: Table) -> pa.Schema:
    names = key_columns(ledger)
    return pa.schema([arrow_schema(ledger).field(name) for name in names])


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Evidence that the ledger has yet to absorb, or may have.

    Attributes:
        since: Rows of earlier days are not taken: they may have been dropped.
    """

    stored: IcebergTable
    file: evidence.EvidenceFile
    since: date

    def rows(self, ledger: Table) -> Iterator[pa.Table]:
        for part in evidence.stream(self.stored.io, self.file, ledger, rows=PART_ROWS):
            old = pc.less(part["day"], pa.scalar(self.since))
            yield part.filter(pc.invert(pc.fill_null(old, False)))


def _waiting(
    ledger: Table, stored: IcebergTable, head: IcebergTable, history: History
) -> Iterator[_Waiting]:
    since = date.min if history.is_followed else retained_from(stored)
    for snapshot in history.snapshots:
        for named in evidence.of_snapshot(snapshot):
            if named.ledger == ledger.name and readable(head.io, named) is not None:
                yield _Waiting(head, named, since)


def _judge(
    lake: Lake,
    ledger: Table,
    rows: pa.Table,
    found: pa.Table,
    heads: dict[str, IcebergTable],
    histories: dict[str, History],
) -> Verdict:
    if ledger is SOURCES:
        facts = {
            name: HeadFacts(histories[name], _objects_in(head), retained_from(head))
            for name, head in heads.items()
        }
        return standing_sources(rows, found, facts)
    known = lake.load(SOURCES)
    columns = ("source_object", "head", "commit_id")
    sources = known.scan(selected_fields=columns).to_arrow().select(columns)
    return standing_others(
        rows,
        found,
        sources,
        [*histories.values()],
        sources_dropped=retained_from(known) > date.min,
    )


_OBJECTS = pa.schema(
    [
        arrow_schema(SOURCES).field(name)
        for name in ("source_object", "first_start", "last_start", "flows")
    ]
)


def _objects_in(stored: IcebergTable) -> pa.Table:
    """Group a head table's rows by object, a file at a time."""
    found = _OBJECTS.empty_table()
    for file in live_files(stored):
        with open_parquet(stored.io, file.file_path) as parquet:
            rows = parquet.read(columns=["source_object", "start_time"])
        times, objects = rows["start_time"], rows["source_object"].cast(pa.string())
        ones = pa.repeat(pa.scalar(1, pa.int64()), rows.num_rows)
        each = pa.table([objects, times, times, ones], names=_OBJECTS.names)
        found = _grouped(pa.concat_tables([found, _grouped(each)]))
    return found


def _grouped(rows: pa.Table) -> pa.Table:
    how = [("first_start", "min"), ("last_start", "max"), ("flows", "sum")]
    grouped = rows.group_by("source_object").aggregate(how)
    columns = [grouped["source_object"], *(grouped[f"{n}_{f}"] for n, f in how)]
    return pa.table(
        [
            column.cast(field.type)
            for column, field in zip(columns, _OBJECTS, strict=True)
        ],
        schema=_OBJECTS,
    )


def _make_it_so(
    lake: Lake,
    ledger: Table,
    stored: IcebergTable,
    verdict: Verdict,
    waiting: list[_Waiting],
    marks: dict[str, str],
) -> None:
    change_id, begun = uuid.uuid4().hex, datetime.now(UTC)
    writer = DataFileWriter(ledger, stored, change_id)

    def kept(rows: pa.Table) -> pa.Table:
        return rows.filter(pc.invert(pc.is_in(reads(rows), value_set=verdict.gone)))

    removed = holding(stored, live_files(stored), objects_of(verdict.gone))
    added = filtered(ledger, stored, removed, kept, writer)
    for part in bounded(_wanted(ledger, verdict, waiting)):
        added.extend(writer.write_by_day(part))
    change = Change(
        op="repair",
        commit_id=change_id,
        begun=begun,
        added=added,
        removed=removed,
        properties=marks,
    )
    commit(lake, ledger, change, base=stored, check=refuse)


def _wanted(
    ledger: Table, verdict: Verdict, waiting: list[_Waiting]
) -> Iterator[pa.Table]:
    for each in waiting:
        for rows in each.rows(ledger):
            yield rows.filter(pc.is_in(reads(rows), value_set=verdict.wanted))
    if verdict.inferred.num_rows:
        yield verdict.inferred
