"""Runs of time: what two observers show of a stream, added up where nothing is near.

Windows are cut as each flow log cuts them; the packets are the same. Where packets and
bytes of both add up to the same, all are shown, however alike single windows look.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from transform.codes import distinct
from transform.presence import EVER, joint
from transform.records import BLUR
from transform.twins import Windows

AMOUNTS = ("packets", "bytes")
LONGEST = 600 + BLUR  # of a window that may have begun before, the longest and the blur


def runs(some: Windows, others: Windows) -> tuple[Any, Any]:
    """Number the runs of time of both sides of each key.

    More than a minute lies between two runs, in which neither has a window: whatever
    clocks differ, no packet is in one run here and in another there.

    Returns:
        Of each window, and of each of the others.
    """
    key, begin, end = (
        np.concatenate([getattr(side, name) for side in (some, others)])
        for name in ("key", "begin", "end")
    )
    order = np.lexsort((begin, key))
    reach = np.maximum.accumulate(joint(key[order], end[order] + BLUR))
    fresh = joint(key[order[1:]], begin[order[1:]]) > reach[:-1]
    run = np.zeros(len(order), np.int64)
    run[order[1:]] = np.cumsum(fresh)
    return run[: len(some)], run[len(some) :]


def conserved(some: Windows, others: Windows) -> tuple[Any, Any]:
    """Return which windows of both sides are of the same packets, whatever their cuts.

    Counted from the beginning of a run, and from its end, where both sides begin or end
    at about the same time: all up to the last place where as many packets and bytes
    had passed on both sides, which is of about the same time too.

    Args:
        some: Of one recorder each; the key is the run.
        others: Of the same runs.
    """
    size = _size(some, others)
    silent = _unknown(some, size) | _unknown(others, size)
    found = np.zeros(len(some), dtype=bool), np.zeros(len(others), dtype=bool)
    for back in (False, True):
        mine, theirs = (_count(side, back=back) for side in (some, others))
        at_once = np.abs(_first(mine, size) - _first(theirs, size)) <= BLUR
        until = _even(mine, theirs, at_once & ~silent)
        for told, count, last in zip(found, (mine, theirs), until, strict=True):
            told[count.order] |= np.arange(len(count.order)) <= last[count.run]
    return found


def missing(
    some: Windows, others: Windows, shown: Any, *, at_hand: tuple[int, int]
) -> Any:
    """Return which windows not shown are just what others lack of their run.

    Args:
        some: Of one recorder each; the key is the run.
        others: Of the same runs.
        shown: Which of some others show.
        at_hand: From when until before when all records that begin are at hand;
            seconds. Of runs that may go on beyond nothing is told.
    """
    size = _size(some, others)
    whole = np.ones(size, dtype=bool)
    for side in (some, others):
        beyond = (side.begin < at_hand[0] + LONGEST) | (side.end >= at_hand[1] - BLUR)
        whole &= ~(_unknown(side, size) | _having(side, beyond, size))
    for name in AMOUNTS:
        lacking = np.zeros(size, np.int64)
        np.add.at(lacking, some.key[shown], getattr(some, name)[shown])
        np.subtract.at(lacking, others.key, getattr(others, name))
        whole &= lacking == 0
    return ~shown & whole[some.key]


@dataclass(frozen=True, slots=True)
class _Count:
    """What one side shows, counted from one end of each run; run by run, in order.

    Attributes:
        order: Positions of the windows.
        run: Of each.
        since: When its packets began to pass; seconds, backwards from the end.
        until: When all of them had.
        passed: Packets, and bytes, of the run up to then.
    """

    order: Any
    run: Any
    since: Any
    until: Any
    passed: tuple[Any, ...]


def _count(side: Windows, *, back: bool) -> _Count:
    """Count the packets and bytes of each run of one side from its begin or end."""
    since, until = (-side.end, -side.begin) if back else (side.begin, side.end)
    order = np.lexsort((until, side.key))
    run = side.key[order]
    first = np.searchsorted(run, run)
    sums = (np.append(0, np.cumsum(getattr(side, n)[order])) for n in AMOUNTS)
    passed = tuple(sum_[1:] - sum_[first] for sum_ in sums)
    return _Count(order, run, since[order], until[order], passed)


def _first(count: _Count, size: int) -> Any:
    """Return when each run's packets began to pass."""
    first = np.full(size, EVER)
    np.minimum.at(first, count.run, count.since)
    return first


def _even(mine: _Count, theirs: _Count, open_: Any) -> Any:
    """Return by run the last places up to which the same has passed on both sides.

    Args:
        mine: Of one side.
        theirs: Of the other side.
        open_: Which runs are asked about.

    Returns:
        Places in both; -1: none.
    """
    pairs = zip((mine.run, *mine.passed), (theirs.run, *theirs.passed), strict=True)
    both = distinct(*(np.concatenate(pair) for pair in pairs))[1]
    place = np.full(len(both) + 1, -1, np.int64)
    place[both[len(mine.run) :]] = np.arange(len(theirs.run))
    like = place[both[: len(mine.run)]]
    a = np.flatnonzero((like >= 0) & open_[mine.run])
    b = like[a]
    at_end = _ends(mine.run)[a] & _ends(theirs.run)[b]
    within = np.where(at_end, BLUR, BLUR // 2)
    even = np.abs(mine.until[a] - theirs.until[b]) <= within
    until = np.full((2, len(open_)), -1, np.int64)
    until[0][mine.run[a[even]]] = a[even]
    until[1][mine.run[a[even]]] = b[even]
    return until


def _ends(run: Any) -> Any:
    """Return which windows are the last of their run."""
    return np.diff(run, append=-1) != 0


def _unknown(side: Windows, size: int) -> Any:
    """Return which runs have a window that does not say how much passed."""
    return _having(side, (side.packets < 0) | (side.bytes < 0), size)


def _having(side: Windows, which: Any, size: int) -> Any:
    """Return which runs have some of the windows."""
    found = np.zeros(size, dtype=bool)
    found[side.key[which]] = True
    return found


def _size(some: Windows, others: Windows) -> int:
    return int(max(some.key.max(initial=-1), others.key.max(initial=-1))) + 1
