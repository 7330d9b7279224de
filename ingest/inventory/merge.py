"""From sightings to intervals: who surely held an address, and who can have held it.

Everything known of a key (an address and its holder; a resource) is a row of moments
at which it was seen, be it now or as the lake has it. Between two of them it was
there, unless a complete listing in between did not show it, or it was seen to go, or
to change. So an interval is a run of moments; beyond its ends it is only possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from ingest.inventory.absences import Absences, Listings
from ingest.inventory.sighting import Sighting
from lake.tables import CONFIGURATIONS, IDENTITIES, Table, arrow_schema

ENDED = "ended_at"
TIMES = ("started_at", "ended_at", "earliest", "latest")
BOOKKEEPING = (
    "valid_from", "valid_until", "from_known", "until_known", "earliest", "latest",
    "last_seen", "day",
)  # fmt: skip
REFINED = ("instance", "az", "k8s_service", "owner")  # may come later than the rest
KEYS = {
    IDENTITIES.name: ("scope", "source", "holder", "address"),
    CONFIGURATIONS.name: ("scope", "resource_type", "resource_id"),
}


@dataclass(frozen=True, slots=True)
class Merged:
    """What a table holds after sightings.

    Attributes:
        rows: All rows given, merged, in the table's columns.
        changed: Whether anything is other than before.
        since: From when on something new is known; None: from the beginning.
        until: Until when; None: without an end.
    """

    rows: pa.Table
    changed: bool
    since: Any = None
    until: Any = None


def merge(
    table: Table,
    state: pa.Table,
    sightings: Sequence[Sighting],
    *,
    listed: Listings | None = None,
) -> Merged:
    """Merge sightings into what is known.

    Args:
        table: `identities` or `configurations`.
        state: Its rows as far as they may concern the sightings' scopes and times;
            rows of other scopes are handed through.
        sightings: In any order.
        listed: When each scope was last listed completely before, by what.
    """
    scopes = pa.array(sorted({s.scope for s in sightings}), pa.string())
    frame: Any = pl.from_arrow(state)
    concerned = pl.col("scope").is_in(scopes.to_pylist())
    before = frame.filter(concerned)
    seen = _seen(table, sightings)
    source = pl.concat([before, seen], how="diagonal_relaxed")
    moments = _moments(table, source, len(before))
    absences = Absences(table, sightings, listed or {})
    runs = _runs(moments, absences, source)
    after = _rows(table, source, runs)
    since, until, changed = _difference(before, after)
    rest = frame.filter(~concerned)
    whole = pl.concat([rest, after.select(rest.columns)], how="vertical_relaxed")
    return Merged(_as_arrow(table, whole), changed, since, until)


def _seen(table: Table, sightings: Sequence[Sighting]) -> Any:
    """Return the sightings' rows with scope and moment."""
    parts = [_schema_frame(table)]
    for sighting in sightings:
        rows = sighting.identities
        if table is CONFIGURATIONS:
            rows = sighting.configurations
        if rows.num_rows:
            frame: Any = pl.from_arrow(rows)
            parts.append(
                frame.with_columns(
                    pl.lit(sighting.scope).alias("scope"),
                    pl.lit(sighting.at).cast(pl.Datetime("us", "UTC")).alias("at"),
                )
            )
    return pl.concat(parts, how="diagonal_relaxed")


def _schema_frame(table: Table) -> Any:
    return pl.from_arrow(arrow_schema(table).empty_table())


def _moments(table: Table, source: Any, known: int) -> Any:
    """Return the moments at which each key was seen, sorted; a known row gives two.

    Columns:
        row: Into ``source``; key, attributes: codes; at, from, ended, earliest,
        latest: microseconds or null; is_known, listed, last: of a known row.
    """
    attributes = [c for c in source.columns if c in _attributes(table)]
    index = pl.int_range(pl.len(), dtype=pl.Int64)
    base = source.select(
        index.alias("row"),
        _code([pl.col(c) for c in KEYS[table.name]]).alias("key"),
        *(
            _micros(source, c)
            for c in ("at", *TIMES, "valid_from", "valid_until", "last_seen")
        ),
        pl.col("from_known"),
        pl.col("until_known"),
        pl.col("day").is_null().alias("listed"),
    )
    is_known = pl.col("row") < known
    old = base.filter(is_known).with_columns(
        pl.col("valid_from").alias("from"),
        pl.when(pl.col("until_known") == ENDED).then("valid_until").alias("ended"),
        pl.lit(value=True).alias("is_known"),
    )
    end = pl.max_horizontal("last_seen", "valid_from")
    first = old.with_columns(pl.col("valid_from").alias("at"), last=pl.lit(value=False))
    last = old.with_columns(end.alias("at"), last=pl.lit(value=True))
    started = pl.min_horizontal("started_at", "at")
    new = base.filter(~is_known).with_columns(
        started.alias("from"),
        pl.col("ended_at").alias("ended"),
        pl.when(pl.col("started_at").is_null())
        .then(pl.lit("observed"))
        .otherwise(pl.lit("started_at"))
        .alias("from_known"),
        pl.lit(value=False).alias("is_known"),
        pl.lit(value=False).alias("last"),
        pl.lit(value=True).alias("listed"),
    )
    new = _without_known(new, old, end)
    moments = pl.concat([first, last, new], how="diagonal_relaxed").sort(
        "key", "at", "is_known", "row", "last", maintain_order=True
    )
    code = _attributes_code(source, attributes, moments)
    return moments.with_columns(code.alias("attributes"))


def _attributes_code(source: Any, attributes: list[str], moments: Any) -> Any:
    """Return one integer for each distinct set of attributes.

    What a cluster had not told yet is no other attribute than what it told then: a
    pod may be seen before its node is.
    """
    kept = [c for c in source.columns if c in (*attributes, "source")]
    rows = source.select(kept)[moments["row"].to_numpy()]
    rows = rows.with_columns(moments["key"])
    if "source" in kept:
        of_cluster = pl.col("source") == "kubernetes"
        rows = rows.with_columns(
            pl.when(of_cluster)
            .then(pl.col(c).backward_fill().over("key"))
            .otherwise(pl.col(c))
            .alias(c)
            for c in REFINED
        )
    code = _code([_text(rows, c) for c in attributes])
    return rows.select(code.alias("code"))["code"]


def _attributes(table: Table) -> list[str]:
    outside = {*KEYS[table.name], *BOOKKEEPING}
    return [f.name for f in table.fields if f.name not in outside]


def _text(source: Any, column: str) -> Any:
    if isinstance(source.schema[column], pl.List):
        return pl.col(column).list.join(",")
    return pl.col(column).cast(pl.String)


def _code(columns: list[Any]) -> Any:
    """Return one small integer for each distinct tuple of texts."""
    filled = [c.fill_null("\x01") for c in columns]
    return pl.concat_str(filled, separator="\x00").rank("dense").cast(pl.Int64)


def _micros(source: Any, column: str) -> Any:
    if column not in source.columns:
        return pl.lit(None, pl.Int64).alias(column)
    return pl.col(column).cast(pl.Datetime("us", "UTC")).cast(pl.Int64).alias(column)


def _without_known(new: Any, old: Any, end: Any) -> Any:
    """Leave out moments inside what is known of the same key: they say nothing more."""
    spans = old.select("key", "valid_from", end.alias("until"), "row")
    inside = (
        new.select("row", "key", "at")
        .join(spans, on="key", suffix="_known")
        .filter(pl.col("at").is_between(pl.col("valid_from"), pl.col("until")))
    )
    return new.join(inside.select("row").unique(), on="row", how="anti")


def _runs(moments: Any, absences: Absences, source: Any) -> Any:
    """Cut the moments into runs and return one row a run."""
    key = moments["key"].to_numpy()
    at = moments["at"].to_numpy()
    row = moments["row"].to_numpy()
    gone = np.minimum(absences.after(source, row, at), _known_gone(moments))
    count = len(key)
    same_key = np.zeros(count, dtype=bool)
    same_key[1:] = key[1:] == key[:-1]
    breaks = ~same_key
    if count > 1:
        breaks[1:] |= _breaks(moments, at, gone)
    run = np.cumsum(breaks) - 1
    before = np.where(same_key, np.roll(at, 1), np.iinfo(np.int64).min)
    following = np.full(count, np.iinfo(np.int64).max)
    following[:-1] = np.where(same_key[1:], at[1:], following[:-1])
    told = moments.with_columns(
        run=run,
        absent_before=absences.before(source, row, at),
        before=before,
        gone=gone,
        following=following,
    )
    return _summed(told)


def _breaks(moments: Any, at: Any, gone: Any) -> Any:
    """Return which moments do not continue the one before, given their key is one."""
    attributes = moments["attributes"].to_numpy()
    row = moments["row"].to_numpy()
    is_known = moments["is_known"].to_numpy()
    same_row = (row[1:] == row[:-1]) & is_known[1:]
    started = _filled(moments["started_at"], low=True)
    ended = _filled(moments["ended"], low=False)
    earliest = _filled(moments["earliest"], low=True)
    away = gone[:-1] < at[1:]
    away |= is_known[1:] & (at[:-1] < earliest[1:])
    away |= is_known[1:] & is_known[:-1]
    away |= started[1:] > ended[:-1]  # it ended, and began again
    return (attributes[1:] != attributes[:-1]) | (away & ~same_row)


def _known_gone(moments: Any) -> Any:
    """Return when a known row of each moment's key is known to have been over.

    The key may have been seen between the row's end and then, and not later.
    """
    over = pl.col("is_known") & ~pl.col("listed")
    known = (
        pl.when(over)
        .then(pl.coalesce("latest", "at"))
        .when(pl.col("is_known"))
        .then(pl.lit(np.iinfo(np.int64).max))
    )
    carried = moments.select(
        pl.col("at"), known.forward_fill().over("key").alias("gone")
    )
    later = pl.when(pl.col("gone") >= pl.col("at")).then("gone").alias("gone")
    return _filled(carried.select(later)["gone"], low=False)


def _filled(column: Any, *, low: bool) -> Any:
    bounds = np.iinfo(np.int64)
    return column.fill_null(bounds.min if low else bounds.max).to_numpy()


def _summed(told: Any) -> Any:
    """Return each run's ends."""
    low, high = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    first = pl.col("from").arg_min()
    runs = told.group_by("run", maintain_order=True).agg(
        pl.col("row").last(),
        pl.col("from").min(),
        pl.col("from_known").get(first),
        pl.max_horizontal(pl.col("earliest").max(), pl.col("absent_before").first(),
                          pl.col("before").first()).alias("earliest"),
        pl.col("at").max().alias("last_seen"),
        pl.col("ended").drop_nulls().last().alias("ended"),
        pl.col("latest").min(),
        pl.col("gone").last(),
        pl.col("following").last(),
    )  # fmt: skip
    over = pl.min_horizontal("gone", "following")
    is_over = over < high
    earliest = pl.when(pl.col("earliest") > low).then(pl.col("earliest"))
    runs = runs.with_columns(earliest.alias("earliest"))
    until = (
        pl.when(pl.col("ended").is_not_null())
        .then(pl.col("ended"))
        .when(is_over)
        .then(pl.col("last_seen"))
    )
    known = (
        pl.when(pl.col("ended").is_not_null())
        .then(pl.lit(ENDED))
        .when(is_over)
        .then(pl.lit("observed"))
    )
    latest = pl.coalesce("latest", pl.when(over < high).then(over))
    return runs.select(
        "row",
        pl.max_horizontal("from", "earliest").alias("valid_from"),
        until.alias("valid_until"),
        "from_known",
        known.alias("until_known"),
        "earliest",
        latest.alias("latest"),
        "last_seen",
        is_over.alias("over"),
    )


def _rows(table: Table, source: Any, runs: Any) -> Any:
    """Return the runs as rows of the table."""
    kept = [c for c in source.columns if c not in (*BOOKKEEPING, "at", *TIMES)]
    taken = source.select(kept)[runs["row"].to_numpy()]
    times = ("valid_from", "valid_until", "earliest", "latest", "last_seen")
    ends = runs.with_columns(
        *(pl.col(c).cast(pl.Datetime("us")).dt.replace_time_zone("UTC") for c in times)
    )
    day = pl.when(pl.col("over")).then(
        pl.coalesce("valid_until", "last_seen").dt.date()
    )
    ends = ends.with_columns(day.alias("day")).drop("row", "over")
    return pl.concat([taken, ends], how="horizontal").select(
        [f.name for f in table.fields]
    )


def _difference(before: Any, after: Any) -> tuple[Any, Any, bool]:
    """Return from when until when something other is known than before."""
    columns = [c for c in after.columns if c != "last_seen"]
    old, new = (_coded(f, columns) for f in (before, after))
    known = old.select("code", "last_seen")
    kept = new.join(known, on="code", suffix="_before")
    longer = kept.filter(pl.col("last_seen") > pl.col("last_seen_before"))
    fresh = new.join(known, on="code", how="anti")
    lost = old.join(new.select("code"), on="code", how="anti")
    if not (len(longer) or len(fresh) or len(lost)):
        return None, None, False
    begins, ends = [], []
    if len(longer):
        begins.append(longer["last_seen_before"].min())
        ends.append(longer["last_seen"].max())
    for some in (fresh, lost):
        if len(some):
            open_start = some["earliest"].null_count() > 0
            begins.append(None if open_start else some["earliest"].min())
            over = some.select(
                pl.when(pl.col("valid_until").is_null() | pl.col("latest").is_null())
                .then(pl.col("last_seen"))
                .otherwise(pl.max_horizontal("valid_until", "latest"))
                .max()
            )
            ends.append(over.item())
    since = None if None in begins else min(begins)
    return since, max(ends), True


def _coded(frame: Any, columns: list[str]) -> Any:
    texts = [_text(frame, c) for c in columns]
    code = pl.concat_str([t.fill_null("\x01") for t in texts], separator="\x00")
    return frame.with_columns(code.alias("code"))


def _as_arrow(table: Table, frame: Any) -> pa.Table:
    schema = pa.schema([f.with_nullable(True) for f in arrow_schema(table)])
    rows = frame.select(schema.names).to_arrow()
    return pa.table([rows[f.name].cast(f.type) for f in schema], schema=schema)
