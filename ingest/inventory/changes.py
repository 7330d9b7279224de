"""What of the past is known otherwise after a merge: the hours that it reopens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.inventory.absences import EVER, NEVER
from ingest.inventory.moments import KEYS, attributes_of, text_codes, times
from ingest.reopened import Span
from lake.datafiles import EPOCH
from lake.tables import CONFIGURATIONS, IDENTITIES, Table
from transform.codes import distinct
from transform.inventory import OF_ITS_TIME

# Documents that explain addresses and logs of any time, whenever they were in force.
TIMELESS = (
    "vpc", "subnet", "vpc_peering_connection", "transit_gateway_attachment",
    "flow_log",
)  # fmt: skip


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
    before, after = (np.flatnonzero(pairs & side) for side in (~is_new, is_new))
    before = before[np.argsort(what[before], kind="stable")]
    after = after[np.argsort(what[after], kind="stable")]
    return _hull(
        (ends[2][~pairs], ends[3][~pairs]),
        *(_between(end[before], end[after]) for end in ends),
    )


def _between(one: Any, other: Any, which: Any = True) -> tuple[Any, Any]:
    """Return from when until when times differ, where they do."""
    differ = which & (one != other)
    return np.minimum(one, other)[differ], np.maximum(one, other)[differ]


def _hull(*spans: tuple[Any, Any]) -> tuple[int, int]:
    """Return the earliest begin and the latest end; without any the first is later."""
    begins, ends = (np.concatenate(side) for side in zip(*spans, strict=True))
    return int(begins.min(initial=EVER)), int(ends.max(initial=NEVER))


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

    def of_holders(side: Any) -> tuple[Any, Any, Any, Any]:
        """Return the least and greatest code, the begin and the end of each holder."""
        found = []
        for reduce, values, start in (
            (np.minimum, what, EVER), (np.maximum, what, NEVER),
            (np.minimum, ends[2][mine], EVER), (np.maximum, ends[3][mine], NEVER),
        ):  # fmt: skip
            column = np.full(size, start)
            reduce.at(column, holder[side], values[side].astype(np.int64))
            found.append(column)
        return found[0], found[1], found[2], found[3]

    low, high, begin, end = of_holders(~new)
    low_now, high_now, begin_now, end_now = of_holders(new)
    known = (high > NEVER) & (high_now > NEVER)
    other = known & ((low != low_now) | (high != high_now))
    whole = np.minimum(begin, begin_now)[other], np.maximum(end, end_now)[other]
    return _hull(
        whole, _between(begin, begin_now, known), _between(end, end_now, known)
    )


def _timeless(rows: pa.Table, is_new: Any) -> bool:
    """Whether a document that is used for any time has come, gone or changed."""
    some = np.asarray(pc.is_in(rows["resource_type"], pa.array(TIMELESS)), dtype=bool)
    document = distinct(text_codes(rows, "resource_type"), text_codes(rows, "document"))
    old, new = (set(document[1][some & side].tolist()) for side in (~is_new, is_new))
    return old != new
