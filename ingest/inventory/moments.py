"""Everything known of a key, as moments at which it was seen.

A look is one moment. A row of the lake is two: when it was first and when it was last
surely so; what happened between them in the meantime may still part them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.inventory.absences import EVER, NEVER, micros
from ingest.inventory.sighting import Sighting
from lake.tables import CONFIGURATIONS, IDENTITIES, Table, arrow_schema
from transform.codes import coded, distinct, texts_equal

ENDED, STARTED, OBSERVED = "ended_at", "started_at", "observed"
BOOKKEEPING = (
    "valid_from", "valid_until", "from_known", "until_known", "earliest", "latest",
    "last_seen", "day",
)  # fmt: skip
REFINED = ("instance", "az", "k8s_service", "owner")  # may come later than the rest
LASTING = "az"  # never another one: what one source does not tell, another has told
KEYS = {
    IDENTITIES.name: ("scope", "source", "holder", "address"),
    CONFIGURATIONS.name: ("scope", "resource_type", "resource_id"),
}
# Sides, in the order of moments at one time: a known row's last or only moment; no
# moment at which it was there, but by when it had gone; a look; a row's first moment.
LAST, GONE, FRESH, FIRST = range(4)
TIME = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments by key and time; every attribute is an array, times are microseconds.

    Attributes:
        key: Whose.
        row: Of the rows that they are from.
        at: When it was surely so; of ``GONE``, by when it was no longer.
        side: ``FIRST``, ``FRESH``, ``LAST`` or ``GONE``.
        attributes: Code of what was shown, completed by what was shown later.
        told: Code of what was shown.
        begin: Since when it is said to have been so.
        is_seen: Whether it was seen then; else that is only said.
        observed: Whether ``begin`` is when it was seen; else that is only said.
        ended: Whether it is said to have ended then.
        earliest: It cannot have begun before; ``NEVER``: anything goes.
        latest: It cannot have lasted longer; ``EVER``: anything goes.
        is_told: Whether ``latest`` is what a source says of it.
        shown: When a listing or a watch showed this.
        is_over: Whether it is known to be listed no longer.
    """

    key: Any
    row: Any
    at: Any
    side: Any
    attributes: Any
    told: Any
    begin: Any
    is_seen: Any
    observed: Any
    ended: Any
    earliest: Any
    latest: Any
    is_told: Any
    shown: Any
    is_over: Any

    def __len__(self) -> int:
        return len(self.key)

    def take(self, places: Any) -> Moments:
        """Return those at some places, in that order."""
        return Moments(*(getattr(self, f.name)[places] for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Source:
    """The rows that moments are of: those of the lake, then those of the sightings.

    Attributes:
        rows: In the table's columns without what merging keeps.
        known: How many are of the lake.
        moments: In order of key and time.
        completed: For each column that may come later than the rest, the row whose
            value holds at each moment.
    """

    rows: pa.Table
    known: int
    moments: Moments
    completed: dict[str, Any]


def moments_of(table: Table, before: pa.Table, seen: Sequence[Sighting]) -> Source:
    """Return the moments of rows of the lake and of sightings."""
    kept = [f for f in arrow_schema(table) if f.name not in BOOKKEEPING]
    looks = [(s, rows) for s in seen if (rows := _rows(table, s)).num_rows]
    shown = []
    for sighting, rows in looks:
        scope = pa.repeat(sighting.scope, rows.num_rows)
        shown.append(
            pa.table([scope if f.name == "scope" else rows[f.name] for f in kept],
                     names=[f.name for f in kept])
        )  # fmt: skip
    schema = pa.schema([f.with_nullable(True) for f in kept])
    known = before.select(schema.names).cast(schema)
    fresh_rows = [pa.concat_tables(shown).cast(schema)] if shown else []
    whole = pa.concat_tables([known, *fresh_rows])
    key = distinct(*(coded(whole[n]).codes for n in KEYS[table.name]))[1]
    fresh = _of_looks(table, looks, before.num_rows)
    found = _joined(_of_known(before), fresh, key)
    order = np.lexsort((found.row, found.side, found.at, found.key))
    found = found.take(order)
    told = distinct(*(text_codes(whole, name) for name in attributes_of(table)))[1]
    attributes, completed = _completed(table, whole, found, told)
    moments = replace(found, attributes=attributes, told=told[found.row])
    return Source(whole, before.num_rows, moments, completed)


def _rows(table: Table, sighting: Sighting) -> pa.Table:
    return sighting.configurations if table is CONFIGURATIONS else sighting.identities


def _joined(known: dict[str, Any], fresh: dict[str, Any], key: Any) -> Moments:
    both = {name: np.concatenate([known[name], fresh[name]]) for name in fresh}
    none = np.zeros(len(both["row"]), np.int32)
    return Moments(key=key[both["row"]], attributes=none, told=none, **both)


def _of_known(before: pa.Table) -> dict[str, Any]:
    """Return the moments of rows of the lake."""
    size = before.num_rows
    begin = times(before["valid_from"], NEVER)
    shown = times(before["last_seen"], NEVER)
    until = times(before["valid_until"], NEVER)
    latest = times(before["latest"], EVER)
    gone = begin == NEVER
    last = np.maximum(np.where(until == NEVER, shown, until), begin)
    ended = texts_equal(before["until_known"], ENDED)
    observed = texts_equal(before["from_known"], OBSERVED)
    is_over = np.asarray(pc.is_valid(before["day"]), dtype=bool)
    two = ~gone & (begin < last)
    row = np.arange(size)
    common = {
        "row": row,
        "begin": begin,
        "ended": ended & ~gone,
        "latest": latest,
        "is_told": ended | gone,
        "shown": shown,
        "observed": observed,
        "is_over": is_over,
    }
    final = common | {
        "at": np.where(gone, latest, last),
        "side": np.where(gone, GONE, LAST),
        "is_seen": ~gone,
        "earliest": np.where(two, NEVER, times(before["earliest"], NEVER)),
    }
    first = {name: column[two] for name, column in common.items()} | {
        "at": begin[two],
        "side": np.full(int(two.sum()), FIRST),
        "is_seen": observed[two],
        "ended": np.zeros(int(two.sum()), bool),
        "is_over": np.zeros(int(two.sum()), bool),
        "latest": np.full(int(two.sum()), EVER),
        "earliest": times(before["earliest"], NEVER)[two],
        "shown": begin[two],
    }
    return {name: np.concatenate([first[name], final[name]]) for name in final}


def _of_looks(
    table: Table, looks: Sequence[tuple[Sighting, pa.Table]], known: int
) -> dict[str, Any]:
    """Return the moments of sightings' rows."""

    def column(name: str, absent: int) -> Any:
        parts = [chunk for _, rows in looks for chunk in rows[name].chunks]
        return times(pa.chunked_array(parts, TIME), absent)

    shown = np.concatenate(
        [np.zeros(0, np.int64), *(np.full(r.num_rows, micros(s.at)) for s, r in looks)]
    )
    started, ended = column("started_at", NEVER), column("ended_at", NEVER)
    latest, earliest = column("latest", EVER), column("earliest", NEVER)
    has_ended, has_begun = ended > NEVER, started > NEVER
    parted = ~has_ended & (latest < EVER)  # gone; nobody tells until when it was there
    gone = parted & ~has_begun
    at = np.select(
        [gone, parted, has_ended],
        [latest, np.minimum(started, latest), np.minimum(ended, shown)],
        shown,
    )
    if table is IDENTITIES:  # what ended was over when that was told
        latest = np.where(has_ended & (latest == EVER), shown, latest)
    latest = np.maximum(latest, at)
    begin = np.where(has_begun, np.minimum(started, at), at)
    earliest = np.minimum(earliest, at)
    return {
        "row": known + np.arange(len(at)),
        "at": at,
        "side": np.where(gone, GONE, FRESH),
        "begin": np.maximum(begin, earliest),
        "is_seen": ~gone,
        "observed": ~has_begun,
        "is_over": parted,
        "ended": has_ended,
        "earliest": earliest,
        "latest": latest,
        "is_told": (has_ended | parted) & (latest < EVER),
        "shown": shown,
    }


def times(column: Any, absent: int) -> Any:
    """Return a column of times as microseconds since 1970."""
    micros_ = column.cast(TIME).cast(pa.int64())
    return np.asarray(pc.fill_null(micros_, absent), np.int64)


def attributes_of(table: Table) -> list[str]:
    """Return the columns that a key's rows may differ in."""
    outside = {*KEYS[table.name], *BOOKKEEPING}
    return [f.name for f in table.fields if f.name not in outside]


def text_codes(rows: pa.Table, name: str) -> Any:
    """Return one integer for each distinct value of a column; null is one, too."""
    column = rows[name]
    if pa.types.is_list(column.type):
        column = pc.binary_join(column, ",")
    elif not pa.types.is_string(column.type):
        column = column.cast(pa.string())
    return coded(column).codes


def _completed(
    table: Table, rows: pa.Table, found: Moments, told: Any
) -> tuple[Any, dict[str, Any]]:
    """Return the attributes' codes of moments, each completed by what came later.

    What a cluster had not told yet is no other attribute than what it told then: a
    pod may be seen before its node is. A zone is known whenever it was told.
    """
    if table is not IDENTITIES:
        return told[found.row], {}
    of_cluster = texts_equal(rows["source"], "kubernetes")[found.row]
    others = [n for n in attributes_of(table) if n not in REFINED]
    codes = [distinct(*(text_codes(rows, name) for name in others))[1][found.row]]
    completed = {}
    for name in REFINED:
        values = text_codes(rows, name)[found.row]
        places = _next_told(found.key, values, of_cluster)
        if name == LASTING:
            places = _ever_told(found.key, values)
        codes.append(values[places])
        completed[name] = found.row[places]
    return distinct(*codes)[1], completed


def _ever_told(key: Any, codes: Any) -> Any:
    """Return for each moment without a value where its key has one, the next first."""
    later, earlier = following(key, codes >= 0), preceding(key, codes >= 0)
    there = np.where(later >= 0, later, earlier)
    return np.where(there >= 0, there, np.arange(len(codes)))


def _next_told(key: Any, codes: Any, which: Any) -> Any:
    """Return for some moments without a value where their key next has one."""
    there = following(key, codes >= 0)
    return np.where(which & (there >= 0), there, np.arange(len(codes)))


def following(key: Any, which: Any) -> Any:
    """Return the first of some places of the same key, here or after; -1 without one.

    Args:
        key: Of each place, equal ones beside each other.
        which: The places that are looked for.
    """
    size = len(key)
    places = np.where(which, np.arange(size), size)
    there = np.minimum.accumulate(places[::-1])[::-1]
    near = np.minimum(there, max(size - 1, 0))
    return np.where((there < size) & (key[near] == key), near, -1)


def preceding(key: Any, which: Any) -> Any:
    """Return the last of some places of the same key, here or before; -1: none."""
    there = following(key[::-1], which[::-1])[::-1]
    return np.where(there >= 0, len(key) - 1 - there, -1)
