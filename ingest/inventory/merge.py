"""From sightings to intervals: who surely held an address, and who can have held it.

What is known of a key (an address and its holder; a resource), be it in the lake or
seen now, is moments (`moments`), which are joined to runs (`runs`). A run is a row.
In whatever order sightings come, no row claims more than all of them together would;
in the order of their times it claims the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.inventory.absences import EVER, NEVER, Absences, Listings
from ingest.inventory.changes import changes
from ingest.inventory.moments import ENDED, OBSERVED, STARTED, Source, moments_of
from ingest.inventory.runs import Runs, runs_of
from ingest.inventory.sighting import Sighting
from ingest.reopened import Span
from lake.tables import IDENTITIES, Table, arrow_schema
from transform.codes import texts_same

DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Merged:
    """What a table holds after sightings.

    Attributes:
        rows: All rows given, merged, in the table's columns.
        changed: Whether anything is other than before.
        concerns: From when until when answers may be other than before, None as an end
            is without one; None: at no time.
    """

    rows: pa.Table
    changed: bool
    concerns: Span | None = None


def merge(
    table: Table,
    state: pa.Table,
    sightings: Sequence[Sighting],
    *,
    listed: Listings | None = None,
    explained: pa.Table | None = None,
) -> Merged:
    """Merge sightings into what is known.

    Args:
        table: `identities` or `configurations`.
        state: Its rows as far as they may concern the sightings' scopes and times;
            rows of other scopes are handed through.
        sightings: In any order.
        listed: Between when each scope was listed completely before, by what.
        explained: The state's rows with what is known of them now.
    """
    explained = state if explained is None else explained
    mine = pc.or_(_concerned(table, state, sightings), _differ(state, explained))
    before, rest = state.filter(mine), state.filter(pc.invert(mine))
    source = moments_of(table, explained.filter(mine), sightings)
    absences = Absences(table, sightings, listed or {}, source.rows)
    after = _rows(table, source, runs_of(source, absences))
    changed, concerns = changes(table, before, after)
    rest = rest.select(after.column_names).cast(after.schema)
    return Merged(pa.concat_tables([rest, after]), changed, concerns)


def _concerned(table: Table, state: pa.Table, sightings: Sequence[Sighting]) -> Any:
    """Return which rows sightings may touch: of whole scopes, or of what they name."""
    of_identities = table is IDENTITIES
    listed, named, scopes = set(), set(), {s.scope for s in sightings}
    for sighting in sightings:
        if sighting.lists:
            listed.add(sighting.scope)
        elif of_identities:
            named |= {*sighting.deleted, *sighting.identities["holder"].to_pylist()}
        else:
            named |= set(sighting.configurations["resource_id"].to_pylist())
    column = state["holder" if of_identities else "resource_id"]
    found = pc.and_(_is_in(column, named), _is_in(state["scope"], scopes))
    return pc.or_(found, _is_in(state["scope"], listed))


def _differ(state: pa.Table, explained: pa.Table) -> Any:
    """Return which rows say of a text what they did not say."""
    found = pa.chunked_array([np.zeros(state.num_rows, dtype=bool)])
    for name in state.column_names if explained is not state else ():
        one, other = state[name], explained[name]
        if one is not other and pa.types.is_string(one.type):
            found = pc.or_(found, pc.invert(texts_same(one, other)))
    return found


def _is_in(column: Any, texts: set[str]) -> Any:
    return pc.is_in(column, pa.array(sorted(texts), pa.string()))


def _rows(table: Table, source: Source, runs: Runs) -> pa.Table:
    """Return the runs as rows of the table."""
    moment, row = runs.place, source.moments.row[runs.place]
    columns = {name: source.rows[name].take(pa.array(row))
               for name in source.rows.column_names}  # fmt: skip
    for name, told in source.completed.items():
        columns[name] = source.rows[name].take(pa.array(told[moment]))
    surely = runs.begin < EVER
    until = np.where(surely & (runs.ended | runs.is_over), runs.end, NEVER)
    # What is told of a time is merged with the rows of that day and of later ones.
    latest = np.where(runs.latest < EVER, runs.latest, NEVER)
    last = np.maximum.reduce([until, runs.shown, latest])
    columns |= {
        "valid_from": _times(np.where(surely, runs.begin, NEVER)),
        "valid_until": _times(until),
        "from_known": _texts([None, OBSERVED, STARTED], surely * (2 - runs.observed)),
        "until_known": _texts([None, OBSERVED, ENDED],
                              (until > NEVER) * (1 + runs.ended)),
        "earliest": _times(runs.earliest),
        "latest": _times(latest),
        "last_seen": _times(runs.shown),
        "day": pa.array((last // DAY_US).astype(np.int32), pa.date32(),
                        mask=~runs.is_over),
    }  # fmt: skip
    schema = pa.schema([f.with_nullable(True) for f in arrow_schema(table)])
    return pa.table([columns[f.name] for f in schema], schema=schema)


def _times(micros: Any) -> pa.Array:
    return pa.array(micros, pa.timestamp("us", tz="UTC"), mask=micros == NEVER)


def _texts(texts: list[str | None], which: Any) -> pa.Array:
    return pa.array(texts, pa.string()).take(pa.array(which))
