"""Which ledger rows stand: in each head, of each object the read that is in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from lake.history import History
from lake.shape import conform
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
        history: What its snapshots did to them.
        objects: ``source_object``, ``flows``, ``first_start``, ``last_start`` of each.
        retained_from: The day before which its days have been dropped.
    """

    history: History
    objects: pa.Table
    retained_from: date


def key_columns(ledger: Table) -> tuple[str, ...]:
    """Return the columns that decide whether a row stands."""
    common = ("source_object", "head", "commit_id", "day")
    more = ("flows", "ingested_at", "last_start") if ledger is SOURCES else ()
    return (*common, *more)


def reads(rows: pa.Table) -> pa.Array:
    """Name the read that each row is of: its object and its batch."""
    return _names(rows, "source_object", "commit_id")


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

    A row stands if its head's snapshots do not deny it, and its object's flows are in
    that head, may have been dropped with their days, or never were. Of several reads
    in one head the newest stands; an object in both heads has a row of each.

    Args:
        rows: The ledger's `key_columns`.
        found: The same of evidence that the ledger has not absorbed, or may not have.
        heads: What the heads themselves say.
    """
    histories = [facts.history for facts in heads.values()]
    for history in histories:
        found = found.filter(pc.invert(history.doubts(found)))
    both = _not_denied(pa.concat_tables([rows, found]), histories)
    newest = _newest(both.filter(_has_its_flows(both, heads)), histories)
    standing = reads(newest)
    known = _places(newest)
    parts = [arrow_schema(SOURCES).empty_table()]
    for name, facts in heads.items():
        told = facts.objects
        told = told.append_column("head", pa.repeat(name, told.num_rows))
        told = told.filter(pc.invert(pc.is_in(_places(told), value_set=known)))
        days = [key_day(each) for each in told["source_object"].to_pylist()]
        told = told.append_column("day", pa.array(days, pa.date32()))
        told = told.append_column("lines", told["flows"])
        parts.append(conform(told, arrow_schema(SOURCES)))
    return Verdict(
        gone=_without(reads(rows), standing),
        wanted=_within(_without(reads(found), reads(rows)), standing),
        inferred=pa.concat_tables(parts),
    )


def standing_others(
    rows: pa.Table,
    found: pa.Table,
    sources: pa.Table,
    histories: Sequence[History],
    *,
    sources_dropped: bool,
) -> Verdict:
    """Judge rows of another ledger: they stand if `sources` knows of their read.

    Args:
        rows: The ledger's `key_columns`.
        found: The same of evidence that the ledger has not absorbed, or may not have.
        sources: Objects, heads and batches of `sources`; of an inferred object no
            batch.
        histories: What the heads' snapshots did to the objects.
        sources_dropped: `sources` has lost days to retention, so what it does not
            know proves nothing: every row stands that the heads do not deny.
    """
    inferred = _places(sources.filter(pc.is_null(sources["commit_id"])))
    standing = _not_denied(rows, histories)
    if not sources_dropped:
        known = pc.or_(
            pc.is_in(reads(standing), value_set=reads(sources)),
            pc.is_in(_places(standing), value_set=inferred),
        )
        standing = standing.filter(known)
    new = _without(reads(_not_denied(found, histories)), reads(rows))
    return Verdict(
        gone=_without(reads(rows), reads(standing)),
        wanted=_within(new, reads(sources)),
        inferred=arrow_schema(SOURCES).empty_table(),
    )


def _not_denied(rows: pa.Table, histories: Sequence[History]) -> pa.Table:
    for history in histories:
        rows = rows.filter(pc.invert(history.denies(rows)))
    return rows


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


def _newest(rows: pa.Table, histories: Sequence[History]) -> pa.Table:
    """Return the newest read of each object in each head.

    By the head's history, and what came before that by time; one of unknown time is
    the oldest.
    """
    order = pa.repeat(pa.scalar(-1, pa.int32()), rows.num_rows)
    for history in histories:
        order = pc.max_element_wise(order, history.places(rows))
    rows = rows.append_column("order", order)
    names = ("source_object", "head", "order", "ingested_at")
    keys = [(name, "ascending", "at_start") for name in names]
    ordered = rows.take(pc.sort_indices(rows, sort_keys=keys))
    if ordered.num_rows < 2:
        return ordered
    places = _places(ordered)
    is_last = pc.not_equal(places.slice(0, len(places) - 1), places.slice(1))
    return ordered.filter(pa.concat_arrays([is_last, pa.array([True])]))


def _places(rows: pa.Table) -> pa.Array:
    """Name the object and the head that each row is of."""
    return _names(rows, "source_object", "head")


def _names(rows: pa.Table, *columns: str) -> pa.Array:
    parts = [pc.fill_null(rows[name].cast(pa.string()), "") for name in columns]
    return _flat(pc.binary_join_element_wise(*parts, SEPARATOR))


def _without(some: pa.Array, others: pa.Array) -> pa.Array:
    return some.filter(pc.invert(pc.is_in(some, value_set=others))).unique()


def _within(some: pa.Array, others: pa.Array) -> pa.Array:
    return some.filter(pc.is_in(some, value_set=others)).unique()


def _flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        return pa.concat_arrays(column.chunks) if column.num_chunks else NO_PAIRS
    return column
