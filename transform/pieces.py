"""Packets that one record shows whole and others in pieces."""

from __future__ import annotations

from typing import Any

import numpy as np

from transform.codes import ranges
from transform.presence import EVER, joint
from transform.records import BLUR
from transform.twins import Windows

BESIDE = 3  # so many pieces at either end of a blurred window may be a neighbour's


def pieces_of(wholes: Windows, others: Windows) -> tuple[Any, Any]:
    """Return where others show windows' packets in several pieces, all of them.

    The pieces follow each other, begin within the window or a minute beside it, and
    add up to its packets and to its bytes; of several ways, as a steady stream has,
    the one that is nearest to its begin and its end.

    Returns:
        Which windows are shown in pieces; which others are such a piece.
    """
    order = np.lexsort((others.begin, others.key))
    begins = joint(others.key[order], others.begin[order])
    sums = [np.append(0, np.cumsum(n[order])) for n in (others.packets, others.bytes)]
    low = np.searchsorted(begins, joint(wholes.key, wholes.begin - BLUR), "left")
    high = np.searchsorted(begins, joint(wholes.key, wholes.end + BLUR), "right")
    first, last = low.copy(), low.copy()
    best = np.full(len(wholes), EVER)
    for less in range(BESIDE):
        for fewer in range(BESIDE):
            begin, end = low + less, high - fewer
            some = np.flatnonzero(end - begin > 1)
            for wanted, sum_ in zip((wholes.packets, wholes.bytes), sums, strict=True):
                some = some[sum_[end[some]] - sum_[begin[some]] == wanted[some]]
            early = others.begin[order[begin[some]]] - wholes.begin[some]
            late = others.end[order[end[some] - 1]] - wholes.end[some]
            apart = np.abs(early) + np.abs(late)
            some, apart = some[apart < best[some]], apart[apart < best[some]]
            best[some], first[some], last[some] = apart, begin[some], end[some]
    found = last > first
    steps = np.zeros(len(others) + 1, np.int64)
    np.add.at(steps, first[found], 1)
    np.add.at(steps, last[found], -1)
    pieces = np.zeros(len(others), dtype=bool)
    pieces[order] = np.cumsum(steps[:-1]) > 0
    return found, pieces


def nested(wholes: Windows, others: Windows) -> tuple[Any, Any]:
    """Return what windows show beyond all that others show of their time.

    Only where every other of that time lies within the window: those that reach out of
    it are cut differently, and nothing can be told.

    Returns:
        Of each window, how many packets more; -1: none lies in it, or not told. Of each
        other, the window that it lies in; -1: none such.
    """
    order = np.lexsort((others.begin, others.key))
    key, begin = others.key[order], others.begin[order]
    ends = np.maximum.accumulate(joint(key, others.end[order])) if len(order) else key
    low = np.searchsorted(ends, joint(wholes.key, wholes.begin), "left")
    high = np.searchsorted(joint(key, begin), joint(wholes.key, wholes.end), "right")
    some = np.flatnonzero(high > low)
    low, high = low[some], high[some]
    sums = np.append(0, np.cumsum(others.packets[order]))
    excess = wholes.packets[some] - (sums[high] - sums[low])
    inside = (begin[low] >= wholes.begin[some]) & (excess >= 0)
    inside &= ends[high - 1] <= joint(wholes.key, wholes.end)[some]
    more = np.full(len(wholes), -1, np.int64)
    more[some[inside]] = excess[inside]
    lies_in = np.full(len(order), -1, np.int64)
    which, place = ranges(low[inside], high[inside])
    lies_in[order[place]] = some[inside][which]
    return more, lies_in
