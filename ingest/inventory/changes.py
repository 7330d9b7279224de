"""What of the past is known otherwise after a merge: the hours that it reopens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.inventory.absences import EVER, NEVER
from ingest.inventory.moments import KEYS, attributes_of, text_codes, times
from lake.tables import CONFIGURATIONS, IDENTITIES, Table
from transform.codes import distinct
from transform.inventory import OF_ITS_TIME

# Documents that explain addresses and logs of any time, whenever they were in force.
TIMELESS = (
    "vpc", "subnet", "vpc_peering_connection", "transit_gateway_attachment",
    "flow_log",
)  # fmt: skip
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Span = tuple[datetime | None, datetime | None]


def changes(
    table: Table, before: pa.Table, after: pa.Table
) -> tuple[bool, Span | None]:
    """Return whether rows are other than before, and when answers may be.

    An answer depends on when something surely was so, and when it can have been: so a
    row concerns the times by which either became longer or shorter, and all of its
    times if it is new or no longer there.

    Args:
        table: `identities` or `configurations`.
        before: Rows of some scopes.
        after: The same after a merge.

    Returns:
        Whether any row is, be it only that it was seen again; from when until when,
        None as an end is without one; None for both: at no time.
    """
    same = before.select(after.column_names).cast(after.schema)
    rows = pa.concat_tables([same, after])
    is_new = np.arange(rows.num_rows) >= before.num_rows
    names = (*KEYS[table.name], *attributes_of(table))
    what = distinct(*(text_codes(rows, name) for name in names))[1]
    left = _unpaired(rows, is_new, what)
    if not left.any():
        return False, None
    if table is CONFIGURATIONS and _timeless(rows.filter(pa.array(left)), is_new[left]):
        return True, (None, None)
    ends = _ends(rows)
    since, until = _concerned(what[left], is_new[left], [end[left] for end in ends])
    if table is IDENTITIES:
        lent = _lent(rows, is_new, left, ends)
        since, until = min(since, lent[0]), max(until, lent[1])
    if since > until:
        return True, None
    return True, (
        None if since == NEVER else EPOCH + timedelta(microseconds=since),
        None if until == EVER else EPOCH + timedelta(microseconds=until),
    )


def _unpaired(rows: pa.Table, is_new: Any, what: Any) -> Any:
    """Return which rows are not the same before and after."""
    kept = [text_codes(rows, n) for n in ("from_known", "until_known")]
    kept += [
        distinct(times(rows[n], -1))[1]
        for n in ("valid_from", "valid_until", "earliest", "latest", "last_seen")
    ]
    whole = distinct(what, *kept)[1]
    count = np.zeros(int(whole.max(initial=-1)) + 1, np.int64)
    np.add.at(count, whole, np.where(is_new, 1, -1))
    return count[whole] != 0


def _ends(rows: pa.Table) -> list[Any]:
    """Return each row's (surely begin, surely end, possible begin, possible end)."""
    begin = times(rows["valid_from"], NEVER)
    end = times(pc.coalesce(rows["valid_until"], rows["last_seen"]), NEVER)
    earliest, latest = times(rows["earliest"], NEVER), times(rows["latest"], EVER)
    never = begin == NEVER  # surely at no time: an empty interval at one of its ends
    begin = np.where(never, latest, begin)
    end = np.where(never, latest, np.maximum(end, begin))
    return [begin, end, earliest, latest]


def _concerned(what: Any, is_new: Any, ends: list[Any]) -> tuple[int, int]:
    """Return the earliest and the latest time that rows concern; microseconds.

    Without any the first is the greater. Of one row before and one after only the times
    between their ends; else all.
    """
    size = int(what.max()) + 1
    old, new = (np.bincount(what[side], minlength=size) for side in (~is_new, is_new))
    pairs = ((old == 1) & (new == 1))[what]
    since, until = EVER, NEVER
    if not pairs.all():
        since, until = int(ends[2][~pairs].min()), int(ends[3][~pairs].max())
    if pairs.any():
        before, after = (np.flatnonzero(pairs & side) for side in (~is_new, is_new))
        before = before[np.argsort(what[before], kind="stable")]
        after = after[np.argsort(what[after], kind="stable")]
        for end in ends:
            one, other = end[before], end[after]
            differ = one != other
            if differ.any():
                since = min(since, int(np.minimum(one, other)[differ].min()))
                until = max(until, int(np.maximum(one, other)[differ].max()))
    return since, until


def _lent(rows: pa.Table, is_new: Any, left: Any, ends: list[Any]) -> tuple[int, int]:
    """Return the time concerned by what interfaces lend all that they record.

    That is as long as they are known at all, if what they were has become more than
    one thing, or one; else the time by which that has become longer.
    """
    holder = distinct(*(text_codes(rows, n) for n in ("scope", "source", "holder")))[1]
    mine = np.isin(holder, holder[left])
    holder, new = np.unique(holder[mine], return_inverse=True)[1], is_new[mine]
    what = distinct(*(text_codes(rows, n)[mine] for n in OF_ITS_TIME))[1]
    size = int(holder.max()) + 1
    spans = []
    for side in (~new, new):
        least, most = np.full((3, size), EVER), np.full((3, size), NEVER)
        for place, values in enumerate((what, ends[2][mine], ends[3][mine])):
            np.minimum.at(least[place], holder[side], values[side])
            np.maximum.at(most[place], holder[side], values[side])
        spans.append((least[0], most[0], least[1], most[2]))
    old, now = spans
    known = (old[1] > NEVER) & (now[1] > NEVER)
    other = known & ((old[0] != now[0]) | (old[1] != now[1]))
    begins = np.minimum(old[2], now[2])[other]
    ends_ = np.maximum(old[3], now[3])[other]
    longer = known & (old[2] != now[2])
    later = known & (old[3] != now[3])
    sinces = [
        begins,
        np.minimum(old[2], now[2])[longer],
        np.minimum(old[3], now[3])[later],
    ]
    untils = [
        ends_,
        np.maximum(old[2], now[2])[longer],
        np.maximum(old[3], now[3])[later],
    ]
    return (
        int(np.concatenate(sinces).min(initial=EVER)),
        int(np.concatenate(untils).max(initial=NEVER)),
    )


def _timeless(rows: pa.Table, is_new: Any) -> bool:
    """Whether a document that is used for any time has come, gone or changed."""
    some = np.asarray(pc.is_in(rows["resource_type"], pa.array(TIMELESS)), dtype=bool)
    document = distinct(text_codes(rows, "resource_type"), text_codes(rows, "document"))
    old, new = (set(document[1][some & side].tolist()) for side in (~is_new, is_new))
    return old != new
