"""Packets on their way: which records of hops count, and what ended at one."""

from __future__ import annotations

from typing import Any

import numpy as np

from transform.pairing import Pairs
from transform.records import BLUR, EGRESS
from transform.twins import near, twins, unlikeness
from transform.view import View


def passed(view: View, pairs: Pairs, stopped: Any) -> Any:
    """Return which records of passing packets count as accepted.

    What was let through counts at the hop nearest to the destination if neither end is
    logged.
    """
    let_through = view.passing & ~view.rejected & ~stopped
    if not let_through.any():
        return let_through
    src, dst = (view.place(is_src=is_src) for is_src in (True, False))
    seen_at_end = pairs.left_at_once | pairs.arrived_at_once
    for end in (src, dst):
        seen_at_end |= view.logged.at(end, view.begin, rejects=False)
    return _nearest_hop(view, let_through & ~seen_at_end)


def _nearest_hop(view: View, rows: Any) -> Any:
    """Return which of some records no hop nearer to the destination shows as well.

    Nearer is who is in its VPC, then who lets the packets go; then the first by name.
    """
    attributed, streams = view.attributed, view.streams
    near_end = (attributed.vpc == attributed.dst.home) & (attributed.dst.home >= 0)
    rank = near_end * 2 + (attributed.direction == EGRESS)
    some = np.flatnonzero(rows)
    order = np.lexsort((view.observer[some], -rank[some], streams.tuple_[some]))
    some = some[order]
    turn = _turns(streams.tuple_[some], rank[some], view.observer[some])
    found = np.zeros(len(rows), dtype=bool)
    for number in range(int(turn.max(initial=-1)) + 1):
        asked = some[turn == number]
        mine, nearer = view.windows.take(asked), view.windows.take(found)
        found[asked] = ~(near(mine, nearer, within=0) | twins(mine, nearer))
    return found


def _turns(stream: Any, rank: Any, observer: Any) -> Any:
    """Number the hops of each stream from 0; rows are sorted by all three."""
    fresh = np.diff(stream, prepend=-1) != 0
    other = fresh | (np.diff(rank, prepend=-1) != 0)
    other |= np.diff(observer, prepend=-2) != 0
    hop = np.cumsum(other)
    return hop - np.maximum.accumulate(np.where(fresh, hop, 0))


def stopped_on_the_way(view: View) -> Any:
    """Return which rows' packets were rejected at an interface that they passed.

    One that rejects some lets others pass: what tells is which of its records is the
    most like.
    """
    windows, spot = view.windows, view.spot
    stops = view.passing & view.rejected
    if not stops.any():
        return stops
    passes = view.passing & ~view.rejected & np.isin(spot, spot[stops])
    found = near(windows, windows.take(stops), within=BLUR)
    asked = windows.take(found)
    found[found] = unlikeness(asked, windows.take(stops)) < unlikeness(
        asked, windows.take(passes)
    )
    return found
