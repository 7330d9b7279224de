"""One interface in the listings of several accounts: one holder, not several.

Whoever owns a VPC sees the interfaces that others have in it; and an account whose
Region was not told at first is two scopes. What each of them knows of when an interface
had an address is true, so of one interface it is put together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transform.codes import coded, distinct, several, texts_same

Interval = tuple[Any, Any]  # begins and ends, seconds


def put_together(
    rows: pa.Table, which: Any, certain: Interval, possible: Interval
) -> tuple[Any, Interval, Interval]:
    """Return one row for what several scopes saw at once of an interface's address.

    Args:
        rows: Identities.
        which: Those of interfaces that surely had an address at some time.
        certain: When each surely had it.
        possible: When it can have had it.

    Returns:
        Which rows are told by others, and the intervals of those that stay.
    """
    told = np.zeros(rows.num_rows, dtype=bool)
    eni, scope = coded(rows["eni"]), coded(rows["scope"])
    mine = np.flatnonzero(which & (eni.codes >= 0))
    shared = several(eni.codes[mine], scope.codes[mine], len(eni.words))
    mine = mine[shared[eni.codes[mine]]]
    if len(mine) == 0:
        return told, certain, possible
    key = distinct(eni.codes[mine], coded(rows["address"]).codes[mine])[1]
    order = np.lexsort((certain[0][mine], key))
    mine, key = mine[order], key[order]
    begin, end = certain[0][mine], certain[1][mine]
    run = _runs(key, begin, end)
    size = run[-1] + 1
    starts = np.searchsorted(run, np.arange(size))
    ends = np.maximum.reduceat(end, starts)
    first = np.maximum.reduceat(possible[0][mine], starts)
    last = np.minimum.reduceat(possible[1][mine], starts)
    follows = key[starts][1:] == key[starts][:-1]
    # It had it once more, or still: from then on the earlier row is told by the later.
    first[1:] = np.where(follows, np.maximum(first[1:], ends[:-1]), first[1:])
    last[:-1] = np.where(follows, np.minimum(last[:-1], begin[starts][1:]), last[:-1])
    kept = _of_owners(rows.take(pa.array(mine)), run, starts)
    told[mine] = True
    told[mine[kept]] = False
    certain, possible = (tuple(e.copy() for e in pair) for pair in (certain, possible))
    certain[0][mine[kept]], certain[1][mine[kept]] = begin[starts], ends
    possible[0][mine[kept]] = np.minimum(first, begin[starts])
    possible[1][mine[kept]] = np.maximum(last, ends)
    return told, certain, possible


def _runs(key: Any, begin: Any, end: Any) -> Any:
    """Return numbers of intervals of one key that overlap; they are in order."""
    low = end.min()
    width = int(end.max() - low) + 1
    reach = np.maximum.accumulate(key.astype(np.int64) * width + (end - low))
    before = reach[:-1] - key[1:].astype(np.int64) * width + low
    apart = (key[1:] != key[:-1]) | (begin[1:] > before)
    return np.concatenate([[0], np.cumsum(apart)])


def _of_owners(rows: pa.Table, run: Any, starts: Any) -> Any:
    """Return a row of each run: of the account whose interface it is, if there is one.

    Its listing knows the interface's tags and instance.
    """
    scope, account = (rows[name].cast(pa.string()) for name in ("scope", "account"))
    scope = pc.replace_substring_regex(scope, "^aws:([^:]*):.*$", r"\1")
    own = np.asarray(texts_same(scope, account), dtype=bool)
    found = starts.copy()
    places = np.flatnonzero(own)[::-1]
    found[run[places]] = places
    return found
