"""Who held what, and when: intervals of many keys, asked in columns.

Each interval is known twice: when the holder surely had the key, and when it can have
had it at all. An answer is given only where nobody else can be meant; whatever is not
proved is said to be so.

Every question costs a few binary searches, however long a key's history is: of the
intervals that overlap a window the number is (those that begin before its end) less
(those that end before its begin), and if it is one, the same difference of sums over
their numbers says which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from transform.codes import distinct
from transform.presence import Presence, joint

# What is known of a window, from the least to the most.
NOBODY, NOT_COVERED, AMBIGUOUS, EXACT = 0, 1, 2, 3
TOLD_AFTER = 60  # seconds in which a watch hears of who has a key


@dataclass(frozen=True, slots=True)
class Found:
    """Answers, one a question.

    Attributes:
        who: Row of the interval's holder, -1 where nobody is named; int64.
        status: ``EXACT``, ``AMBIGUOUS``, ``NOT_COVERED`` or ``NOBODY``; int8.
    """

    who: Any
    status: Any


class Spans:
    """When watching was unbroken, by watcher: spans that do not overlap.

    Args:
        watcher: Who watched; small non-negative integers.
        begin: Seconds since 1970.
        end: Seconds since 1970, exclusive.
    """

    def __init__(self, watcher: Any, begin: Any, end: Any) -> None:
        self._watched = Presence(watcher, begin, end)

    def cover(self, watcher: Any, begin: Any, end: Any) -> Any:
        """Return which windows ``[begin, end)`` lie within one span of a watcher."""
        return self._watched.reaches(watcher, begin, end)


class Timeline:
    """The intervals of many keys.

    Args:
        key: Of each interval; small non-negative integers.
        certain: Begin and end, seconds since 1970, of when the holder surely had it;
            an empty interval claims nothing.
        possible: Begin and end of when it can have had it.
        watcher: Who would have seen others hold it (see `Spans`); -1: nobody.
        spans: When the watchers watched.
        whose: Code of each one's holder; -1: of a holder without other intervals.
            None: of all.
    """

    def __init__(
        self,
        key: Any,
        certain: tuple[Any, Any],
        possible: tuple[Any, Any],
        *,
        watcher: Any,
        spans: Spans,
        whose: Any | None = None,
    ) -> None:
        self._certain = certain
        self._latest = possible[1]
        self._watcher = watcher
        self._spans = spans
        claims = np.flatnonzero(certain[0] < certain[1])
        self._certainly = Overlaps(key[claims], certain[0][claims],
                                    certain[1][claims], claims)  # fmt: skip
        every = np.arange(len(key))
        self._possibly = Overlaps(key, *possible, every)
        self._holders = None if whose is None else _holders(key, possible, whose)

    def at(self, key: Any, begin: Any, end: Any) -> Found:
        """Say who had each key throughout its window ``[begin, end)``, seconds.

        A window is answered if one holder surely had the key all of it and no other
        surely had it at any moment; or if only one can have had it at any moment,
        from the window's begin surely and to its end possibly, and somebody watched
        all of the window and on until a next holder would have been told of. A key of
        -1 is held by nobody. Several intervals of one holder are no rivals: where there
        are no others it is not covered.
        """
        who = np.full(len(key), -1)
        status = np.zeros(len(key), np.int8)
        known = np.flatnonzero(key >= 0)
        if len(known) == 0 or len(self._watcher) == 0:
            return Found(who, status)
        key, begin, end = key[known], begin[known], end[known]
        sure, claimants = self._certainly.find(key, begin, end)
        able, candidates = self._possibly.find(key, begin, end)
        covers = claimants == 1
        covers &= self._certain[0][sure] <= begin
        covers &= self._certain[1][sure] >= end
        alone = candidates == 1
        watched = alone & ~covers
        watched &= (self._certain[0][able] <= begin) & (end <= self._latest[able])
        if watched.any():
            some = np.flatnonzero(watched)
            watched[some] = self._spans.cover(
                self._watcher[able[some]], begin[some], end[some] + TOLD_AFTER
            )
        exact = covers | watched
        who[known] = np.where(exact, np.where(covers, sure, able), -1)
        several = (candidates > 1) | (claimants > 1)
        if self._holders is not None:
            some = np.flatnonzero(several & ~exact)
            several[some] = ~self._holders.are_one(key[some], begin[some], end[some],
                                                   candidates[some])  # fmt: skip
        status[known] = np.select(
            [exact, several, candidates > 0], [EXACT, AMBIGUOUS, NOT_COVERED], NOBODY
        )
        return Found(who, status)


class Overlaps:
    """How many intervals of a key overlap a window, and which if it is one."""

    def __init__(self, key: Any, begin: Any, end: Any, number: Any) -> None:
        self._begins, self._begun = _summed(joint(key, begin), number)
        self._ends, self._ended = _summed(joint(key, end), number)

    def find(self, key: Any, begin: Any, end: Any) -> tuple[Any, Any]:
        """Return the one that overlaps (0 if it is not one) and how many do."""
        total, count = self.sums(key, begin, end)
        return np.where(count == 1, total, 0), count

    def sums(self, key: Any, begin: Any, end: Any) -> tuple[Any, Any]:
        """Return the sum of the numbers of those that overlap, and how many do."""
        begun = np.searchsorted(self._begins, joint(key, end), "left")
        ended = np.searchsorted(self._ends, joint(key, begin), "right")
        # Intervals of smaller keys have begun and ended: they cancel out.
        return self._begun[begun] - self._ended[ended], begun - ended


class _Holders:
    """Whether all intervals that overlap a window are of one holder."""

    def __init__(self, key: Any, possible: tuple[Any, Any], holder: Any) -> None:
        self._sums = Overlaps(key, *possible, holder)
        self._squares = Overlaps(key, *possible, holder**2)

    def are_one(self, key: Any, begin: Any, end: Any, count: Any) -> Any:
        """Return it for windows that so many intervals overlap."""
        total, known = self._sums.sums(key, begin, end)
        squares, _ = self._squares.sums(key, begin, end)
        # Numbers are equal if the square of their mean is the mean of their squares.
        return (known == count) & (squares * count == total**2)


def _holders(key: Any, possible: tuple[Any, Any], whose: Any) -> _Holders | None:
    """Return the holders of the keys that some holder has several intervals of."""
    some = np.flatnonzero(whose >= 0)
    pair = distinct(key[some], whose[some])[1]
    again = some[np.bincount(pair)[pair] > 1] if len(some) else some
    if len(again) == 0:
        return None
    concerned = np.zeros(int(key.max()) + 1, dtype=bool)
    concerned[key[again]] = True
    rows = np.flatnonzero(concerned[key])
    holder = np.where(whose[rows] >= 0, whose[rows], int(whose.max()) + 1 + rows)
    holder = distinct(holder)[1].astype(np.int64)
    return _Holders(key[rows], (possible[0][rows], possible[1][rows]), holder)


def _summed(joint: Any, number: Any) -> tuple[Any, Any]:
    """Sort, and sum up the numbers before each place."""
    order = np.argsort(joint, kind="stable")
    sums = np.zeros(len(joint) + 1, np.int64)
    np.cumsum(number[order], out=sums[1:])
    return joint[order], sums
