"""Which ledger rows stand: of each object the newest read whose flows are there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from lake.evidence import conform
from lake.tables import SOURCES, Table, arrow_schema

SEPARATOR = "\x1f"  # in no identity and no commit id
_STEM = re.compile(
    r"[0-9]{12}_vpcflowlogs_[a-z0-9-]+_fl-[0-9a-z]+"
    r"_(?P<day>[0-9]{8})T[0-9]{4}Z_[0-9A-Za-z]+"
)
NO_PAIRS = pa.array([], pa.string())


@dataclass(frozen=True, slots=True)
class Verdict:
    """What has to change in a ledger; reads are named as `reads` names them.

    Attributes:
        gone: Reads whose rows have to go.
        wanted: Reads whose rows are to be taken from evidence.
        inferred: Rows of `sources` for objects that only their flows tell of.
    """

    gone: pa.Array
    wanted: pa.Array
    inferred: pa.Table

    @property
    def is_good(self) -> bool:
        """Whether nothing has to change."""
        return not (len(self.gone) or len(self.wanted) or self.inferred.num_rows)


@dataclass(frozen=True, slots=True)
class HeadFacts:
    """What a head table says of its objects.

    Attributes:
        objects: ``source_object``, ``flows``, ``first_start``, ``last_start`` of each.
        retained_from: The day before which its days have been dropped.
    """

    objects: pa.Table
    retained_from: date


def key_columns(ledger: Table) -> tuple[str, ...]:
    """Return the columns that decide whether a row stands."""
    common = ("source_object", "commit_id", "day")
    more = ("head", "flows", "ingested_at", "last_start") if ledger is SOURCES else ()
    return (*common, *more)


def reads(rows: pa.Table) -> pa.Array:
    """Name the read that each row is of: its object and its batch."""
    parts = [
        pc.fill_null(rows[name].cast(pa.string()), "")
        for name in ("source_object", "commit_id")
    ]
    return _flat(pc.binary_join_element_wise(*parts, SEPARATOR))


def objects_of(named: pa.Array) -> list[str]:
    """Return the objects of reads, each once."""
    return sorted({name.partition(SEPARATOR)[0] for name in named.to_pylist()})


def key_day(identity: str) -> date | None:
    """Return the day in an AWS-shaped identity, by which `sources` is searched."""
    match = _STEM.fullmatch(identity)
    if match is None:
        return None
    try:
        return datetime.strptime(match["day"], "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None


def standing_sources(
    rows: pa.Table, found: pa.Table, heads: Mapping[str, HeadFacts]
) -> Verdict:
    """Judge rows of `sources`, and what evidence there is besides.

    A row stands if its object's flows are in its head, may have been dropped with
    their days, or never were; of several the newest.

    Args:
        rows: The ledger's `key_columns`.
        found: The same of evidence that the ledger has not absorbed, or may not have.
        heads: What the flows themselves say.
    """
    both = pa.concat_tables([rows, found])
    newest = _newest(both.filter(_has_its_flows(both, heads)))
    standing = reads(newest)
    parts = [arrow_schema(SOURCES).empty_table()]
    known = _flat(newest["source_object"])
    for name, facts in heads.items():
        unknown = pc.invert(pc.is_in(facts.objects["source_object"], value_set=known))
        told = facts.objects.filter(unknown)
        days = [key_day(each) for each in told["source_object"].to_pylist()]
        told = told.append_column("day", pa.array(days, pa.date32()))
        told = told.append_column("head", pa.repeat(name, told.num_rows))
        told = told.append_column("lines", told["flows"])
        parts.append(conform(told, SOURCES))
    return Verdict(
        gone=_without(reads(rows), standing),
        wanted=_within(_without(reads(found), reads(rows)), standing),
        inferred=pa.concat_tables(parts),
    )


def standing_others(
    rows: pa.Table, found: pa.Table, sources: pa.Table, *, sources_dropped: bool
) -> Verdict:
    """Judge rows of another ledger: they stand if `sources` knows of their read.

    Args:
        rows: The ledger's `key_columns`.
        found: The same of evidence that the ledger has not absorbed, or may not have.
        sources: Objects and batches of `sources`; of an inferred object no batch.
        sources_dropped: `sources` has lost days to retention, so what it does not
            know proves nothing: every row stands.
    """
    inferred = _flat(sources.filter(pc.is_null(sources["commit_id"]))["source_object"])
    stands = pc.or_(
        pc.is_in(reads(rows), value_set=reads(sources)),
        pc.is_in(_flat(rows["source_object"]), value_set=inferred),
    )
    lost = reads(rows).filter(pc.invert(stands)).unique()
    return Verdict(
        gone=NO_PAIRS if sources_dropped else lost,
        wanted=_within(_without(reads(found), reads(rows)), reads(sources)),
        inferred=arrow_schema(SOURCES).empty_table(),
    )


def _has_its_flows(
    rows: pa.Table, heads: Mapping[str, HeadFacts]
) -> pa.Array | pa.ChunkedArray:
    stands = pc.equal(pc.fill_null(rows["flows"], 0), 0)
    last_day = rows["last_start"].cast(pa.date32())
    for name, facts in heads.items():
        objects = _flat(facts.objects["source_object"])
        there = pc.is_in(rows["source_object"], value_set=objects)
        dropped = pc.fill_null(pc.less(last_day, pa.scalar(facts.retained_from)), False)
        mine = pc.fill_null(pc.equal(rows["head"], name), False)
        stands = pc.or_(stands, pc.and_(mine, pc.or_(there, dropped)))
    return stands


def _newest(rows: pa.Table) -> pa.Table:
    """Return the newest read of each object; one of unknown time is the oldest."""
    keys = [
        (name, "ascending", "at_start") for name in ("source_object", "ingested_at")
    ]
    order = pc.sort_indices(rows, sort_keys=keys)
    ordered = rows.take(order)
    if ordered.num_rows < 2:
        return ordered
    names = _flat(ordered["source_object"])
    is_last = pc.not_equal(names.slice(0, len(names) - 1), names.slice(1))
    return ordered.filter(pa.concat_arrays([is_last, pa.array([True])]))


def _without(some: pa.Array, others: pa.Array) -> pa.Array:
    return some.filter(pc.invert(pc.is_in(some, value_set=others))).unique()


def _within(some: pa.Array, others: pa.Array) -> pa.Array:
    return some.filter(pc.is_in(some, value_set=others)).unique()


def _flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        return pa.concat_arrays(column.chunks) if column.num_chunks else NO_PAIRS
    return column
