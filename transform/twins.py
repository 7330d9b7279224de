"""The same packets in records of two observers, or of two flow logs of one.

Their clocks and windows differ: a record may start up to a minute after its first
packet, and of a long conversation the next window's record is no farther away. What
tells them apart are packets and bytes, and where these are the same, their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from transform.codes import distinct
from transform.presence import EVER, KEY_SHIFT, Presence, joint, seconds_of
from transform.records import BLUR, Records, numbers


@dataclass(frozen=True, slots=True)
class Windows:
    """Records as windows of streams; int64 arrays of one length.

    Attributes:
        key: The stream; small integers.
        who: Who recorded it, and on which way: each one's windows come in order.
        begin, end: As logged, seconds since 1970, both inclusive.
        packets, bytes: As logged; -1 where null.
    """

    key: Any
    who: Any
    begin: Any
    end: Any
    packets: Any
    bytes: Any

    def __len__(self) -> int:
        return len(self.key)

    def take(self, rows: Any) -> Windows:
        """Return some of the windows."""
        return Windows(
            self.key[rows],
            self.who[rows],
            self.begin[rows],
            self.end[rows],
            self.packets[rows],
            self.bytes[rows],
        )


def windows_of(records: Records, key: Any, who: Any) -> Windows:
    """Return records as windows of the streams that a key tells apart."""
    amounts = (numbers(records.rows, name) for name in ("packets", "bytes"))
    return Windows(key, who, records.begin + BLUR, records.end - 1, *amounts)


def near(some: Windows, others: Windows, *, within: int) -> Any:
    """Return which windows lie near one of others of their key, so many seconds."""
    there = Presence(others.key, others.begin, others.end)
    return there.near(some.key, some.begin, some.end, before=within)


def time_apart(some: Windows, others: Windows) -> Any:
    """Return how many seconds after or before windows the nearest of others begins.

    Returns:
        ``EVER`` where there is none of their key.
    """
    begins = np.sort(joint(others.key, others.begin))
    if len(begins) == 0:
        return np.full(len(some), EVER)
    place = np.searchsorted(begins, joint(some.key, some.begin))
    found = np.full(len(some), EVER)
    for candidate in (place - 1, place):
        other = begins[np.clip(candidate, 0, len(begins) - 1)]
        same = other >> KEY_SHIFT == some.key
        apart = np.abs(seconds_of(other) - some.begin)
        found = np.where(same, np.minimum(found, apart), found)
    return found


def twins(some: Windows, others: Windows) -> Any:
    """Return which of others shows the same packets as each window.

    As many packets and bytes, at most a minute apart; half of that where several
    windows of a minute are so, as the next one is then no farther, unless both sides
    have as many.
    Each recorder's windows pair with the others in order, as many as can, and of these
    the nearest.

    Args:
        some: Of any recorders, each on its own.
        others: One sequence, whoever recorded them.

    Returns:
        Positions among the others, -1 where there is none.
    """
    found = np.full(len(some), -1, np.int64)
    if len(some) == 0 or len(others) == 0:
        return found
    mine, theirs = _alike(some, others)
    order = np.lexsort((some.begin, some.who, mine))
    there = np.lexsort((others.begin, theirs))
    key, who, begins = mine[order], some.who[order], others.begin[there]
    fresh = (np.diff(key, prepend=-1) != 0) | (np.diff(who, prepend=-2) != 0)
    first = np.flatnonzero(fresh)
    last = np.append(first[1:], len(order))
    low, high = (
        np.searchsorted(theirs[there], key[first], s) for s in ("left", "right")
    )
    spans = first, last, low, high
    several = (last - first > 1) & (high - low > 1)
    several &= _dense(some.begin[order], first, last) | _dense(begins, low, high)
    several &= ~_in_step(some.begin[order], begins, *spans)
    within = np.where(several, BLUR // 2, BLUR)
    a, b = _in_order(some.begin[order], first, last, begins, low, high, within)
    group = np.cumsum(fresh) - 1
    a = _moved_on(a, some.begin[order], last[group[a]], begins[b], group[a])
    b = _moved_on(b, begins, high[group[a]], some.begin[order][a], group[a])
    found[order[a]] = there[b]
    return found


def _alike(some: Windows, others: Windows) -> tuple[Any, Any]:
    """Number both by stream, packets and bytes."""
    names = ("key", "packets", "bytes")
    pairs = ((getattr(some, n), getattr(others, n)) for n in names)
    both = distinct(*(np.concatenate(pair) for pair in pairs))[1]
    return both[: len(some)], both[len(some) :]


def _in_step(mine: Any, theirs: Any, first: Any, last: Any, low: Any, high: Any) -> Any:
    """Return which groups have as many on both sides, each with its like a blur away.

    Args:
        mine: Times of all groups; seconds.
        theirs: Times of all groups; seconds.
        first: Where each group begins among mine.
        last: Before which place it ends there.
        low: Where each group begins among theirs.
        high: Before which place it ends there.
    """
    place = np.arange(len(mine)) + np.repeat(low - first, last - first)
    like = theirs[np.clip(place, 0, len(theirs) - 1)]
    apart = np.maximum.reduceat(np.abs(like - mine), first)
    return (last - first == high - low) & (apart <= BLUR)


def _dense(times: Any, first: Any, last: Any) -> Any:
    """Return which groups of sorted times have two that one time may be a blur from."""
    close = np.append(0, np.cumsum(np.diff(times, append=EVER) < 2 * BLUR))
    return close[np.maximum(last - 1, first)] > close[first]


def _in_order(
    mine: Any, first: Any, last: Any, theirs: Any, low: Any, high: Any, within: Any
) -> tuple[Any, Any]:
    """Pair two sorted sequences of times of each of many groups, the earliest first.

    Args:
        mine: Times of all groups; seconds.
        first: Where each group begins among mine.
        last: Before which place it ends there.
        theirs: Times of all groups; seconds.
        low: Where each group begins among theirs.
        high: Before which place it ends there.
        within: How far apart the times of a group's pairs may be; seconds.

    Returns:
        Positions among mine and among theirs, in the order of mine.
    """
    pairs: list[tuple[Any, Any]] = []
    i, j = first, low
    while True:
        left = (i < last) & (j < high)
        i, j, last, high, within = (n[left] for n in (i, j, last, high, within))
        if len(i) == 0:
            break
        apart = theirs[j] - mine[i]
        pair = np.abs(apart) <= within
        pairs.append((i[pair], j[pair]))
        i, j = i + (pair | (apart > 0)), j + (pair | (apart < 0))
    found = [np.concatenate([p[n] for p in pairs] or [first[:0]]) for n in (0, 1)]
    order = np.argsort(found[0], kind="stable")
    return found[0][order], found[1][order]


def _moved_on(places: Any, begins: Any, ends: Any, wanted: Any, group: Any) -> Any:
    """Move paired windows on to nearer ones, where those before the next are free.

    Args:
        places: Of the paired windows, ascending.
        begins: Of all windows, sorted within each group; seconds.
        ends: Before which place each pair's group ends.
        wanted: When the other one of each pair begins.
        group: Of each pair.
    """
    best = places.copy()
    same = np.append(group[1:] == group[:-1], False)
    going = np.arange(len(best))
    while len(going):
        following = best[np.minimum(going + 1, len(best) - 1)]
        until = np.where(same[going], following, ends[going])
        going = going[best[going] + 1 < until]
        onward = best[going] + 1
        apart, before = (
            np.abs(begins[p] - wanted[going]) for p in (onward, best[going])
        )
        moved = going[apart < before]
        best[moved] += 1
        freed = moved[moved > 0] - 1
        going = np.union1d(moved, freed[same[freed]])
    return best
