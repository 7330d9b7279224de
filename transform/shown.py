"""Which records' packets other records show: as such, in pieces, or of that time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from transform.codes import distinct, ranges
from transform.pieces import pieces_of
from transform.twins import Windows, near, twins


def shown(some: Windows, others: Windows) -> Any:
    """Return which windows' packets some others show.

    They do that have a twin; and, where windows are cut differently, those that add up
    to others, or others to them; and those of the time of others that are left then.
    """
    twin = twins(some, others)
    found = twin >= 0
    rest = np.flatnonzero(~found)
    if len(rest) == 0 or len(others) == 0:
        return found
    asked, left = _left(some, rest, others, twin)
    in_pieces, used = pieces_of(asked, left)
    whole, as_pieces = pieces_of(left, asked)
    told = in_pieces | as_pieces
    told |= near(asked, left.take(~(used | whole)), within=0)
    found[rest] = told
    return found


def _left(
    some: Windows, rows: Any, others: Windows, twin: Any
) -> tuple[Windows, Windows]:
    """Return windows without a twin, and what others are left for each recorder.

    Args:
        some: All windows.
        rows: Positions of those asked about.
        others: See `twins`.
        twin: What that returned for all.

    Returns:
        Those asked about and those left, of streams that recorders tell apart.
    """
    first, group = distinct(some.key, some.who)
    asked = np.unique(group[rows])
    order = np.argsort(others.key, kind="stable")
    low, high = (
        np.searchsorted(others.key[order], some.key[first[asked]], side)
        for side in ("left", "right")
    )
    which, place = ranges(low, high)
    whose, theirs = asked[which], order[place]
    paired = twin >= 0
    taken = group[paired].astype(np.int64) * len(others) + twin[paired]
    left = ~np.isin(whose.astype(np.int64) * len(others) + theirs, taken)
    return (
        replace(some.take(rows), key=group[rows]),
        replace(others.take(theirs[left]), key=whose[left]),
    )
