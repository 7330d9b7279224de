"""Packets on their way: which records of hops count, and what ended at one."""

from __future__ import annotations

from typing import Any

import numpy as np

from transform.pairing import Pairs
from transform.presence import Presence
from transform.records import BLUR, EGRESS
from transform.twins import twins, unlikeness
from transform.view import View


def passed(view: View, pairs: Pairs, stopped: Any) -> Any:
    """Return which records of passing packets count as accepted.

    What was let through counts at the hop nearest to the destination if neither end is
    logged.
    """
    src, dst = (view.place(is_src=is_src) for is_src in (True, False))
    seen_at_end = pairs.left_at_once | pairs.arrived_at_once
    for end in (src, dst):
        seen_at_end |= view.logged.at(end, view.begin, rejects=False)
    let_through = view.passing & ~view.rejected & ~stopped
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
        found[asked] = ~_shown_by(view, asked, np.flatnonzero(found))
    return found


def _turns(stream: Any, rank: Any, observer: Any) -> Any:
    """Number the hops of each stream from 0; rows are sorted by all three."""
    fresh = np.diff(stream, prepend=-1) != 0
    other = fresh | (np.diff(rank, prepend=-1) != 0)
    other |= np.diff(observer, prepend=-2) != 0
    hop = np.cumsum(other)
    return hop - np.maximum.accumulate(np.where(fresh, hop, 0))


def _shown_by(view: View, rows: Any, others: Any) -> Any:
    """Return which records' packets some others show: as much, or at the same time."""
    asked, there = view.windows.take(rows), view.windows.take(others)
    meanwhile = Presence(there.key, there.begin, there.end)
    found = meanwhile.near(asked.key, asked.begin, asked.end, before=0)
    return found | twins(asked, there)


def stopped_on_the_way(view: View) -> Any:
    """Return which rows' packets were rejected at an interface that they passed.

    One that rejects some lets others pass: what tells is which of its records is the
    most like.
    """
    streams, spot = view.streams, view.spot
    stops = view.passing & view.rejected
    if not stops.any():
        return stops
    there = Presence(streams.tuple_[stops], view.begin[stops], view.end[stops])
    near = there.near(streams.tuple_, view.begin, view.end, before=BLUR)
    passes = view.passing & ~view.rejected & np.isin(spot, spot[stops])
    asked = view.windows.take(near)
    found = np.zeros(len(near), dtype=bool)
    found[near] = unlikeness(asked, view.windows.take(stops)) < unlikeness(
        asked, view.windows.take(passes)
    )
    return found
