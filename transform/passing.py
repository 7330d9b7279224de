"""Packets on their way: which records of hops count, and what ended at one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from transform import outcome as o
from transform.codes import turns
from transform.pairing import Pairs
from transform.pieces import pieces_of
from transform.records import BLUR, EGRESS
from transform.shown import shown
from transform.twins import Windows, near, time_apart, twins
from transform.view import View


@dataclass(frozen=True, slots=True)
class Stops:
    """What interfaces on the way made of packets; arrays of bool, one a row.

    Attributes:
        stopped: The row's packets were all rejected at an interface that they passed.
        parted: Some were, and the others let go: that interface's records tell them.
        resumed: The row is of packets let go of which no source's record tells alone.
    """

    stopped: Any
    parted: Any
    resumed: Any


def passed(view: View, pairs: Pairs, stops: Stops) -> list[tuple[Any, int]]:
    """Decide what hops let through: which records count, and with which verdict.

    It counts at the hop nearest to the destination if neither end shows it: accepted if
    the destination is not logged, else as what a source sent there.

    Returns:
        Masks and verdicts; ``NULL`` where the destination's record is missing.
    """
    let_through = view.passing & ~view.rejected & ~stops.stopped & ~stops.parted
    if not let_through.any():
        return []
    src, dst = (view.place(is_src=is_src) for is_src in (True, False))
    shown_at_src = view.logged.at(src, view.begin, rejects=False) & ~view.skipped_src
    shown_at_src |= pairs.left_at_once
    open_ = let_through & ~(shown_at_src & ~stops.resumed) & ~pairs.arrived_at_once
    accepts, rejects = (
        view.logged.at(dst, view.begin, rejects=rejects) for rejects in (False, True)
    )
    # What a load balancer took in, records of what it let out tell.
    missing = open_ & accepts & (view.attributed.dst.forwards < 0) & ~pairs.continued
    return [
        (_nearest_hop(view, open_ & ~accepts), o.ACCEPTED),
        (_nearest_hop(view, missing & ~rejects), o.UNCONFIRMED),
        (_nearest_hop(view, missing & rejects & ~pairs.told), o.NULL),
    ]


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
    turn = turns(streams.tuple_[some], rank[some], view.observer[some])
    found = np.zeros(len(rows), dtype=bool)
    for number in range(int(turn.max(initial=-1)) + 1):
        asked = some[turn == number]
        found[asked] = ~shown(view.windows.take(asked), view.windows.take(found))
    return found


def stops_on_the_way(view: View) -> Stops:
    """Find what interfaces on the way rejected.

    One that rejects some lets others pass: what tells is which of its records, in their
    order, shows the same packets; or whether several together do.
    """
    size = len(view)
    stopped, parted = np.zeros(size, dtype=bool), np.zeros(size, dtype=bool)
    stops = view.passing & view.rejected
    for spots in _stopping(view, stops):
        here = spots & view.passing
        close = near(view.windows, view.windows.take(here & stops), within=BLUR)
        for asked in (view.at_src, view.passing & ~view.rejected & ~here):
            rows = np.flatnonzero(asked & close)
            in_part, wholly = _stopped_at(view, rows, np.flatnonzero(here))
            stopped[rows[wholly]] = True
            parted[rows[in_part]] = True
    return Stops(stopped, parted, _resumed(view, parted))


def _stopping(view: View, stops: Any) -> list[Any]:
    """Return the rows of hops that rejected something, of each stream one at a time."""
    spot, first = np.unique(view.spot[stops], return_index=True)
    stream = view.streams.tuple_[np.flatnonzero(stops)[first]]
    order = np.argsort(stream, kind="stable")
    spot = spot[order]
    turn = turns(stream[order], spot)
    those = [spot[turn == number] for number in range(int(turn.max(initial=-1)) + 1)]
    return [np.isin(view.spot, some) for some in those]


def _stopped_at(view: View, rows: Any, there: Any) -> tuple[Any, Any]:
    """Return which rows' packets a hop rejected in part, and which wholly.

    Args:
        view: All rows.
        rows: Positions of those asked about.
        there: Positions of the hop's own.
    """
    asked, hop = view.windows.take(rows), view.windows.take(there)
    rejected = view.rejected[there]
    twin = twins(asked, hop)
    wholly = (twin >= 0) & np.append(rejected, False)[twin]
    rest = np.flatnonzero(twin < 0)
    left = ~np.isin(np.arange(len(there)), twin)
    open_, others = asked.take(rest), hop.take(left)
    in_pieces = pieces_of(open_, others)[0]
    stops, passes = others.take(rejected[left]), others.take(~rejected[left])
    mixed = in_pieces & near(open_, stops, within=BLUR)
    mixed &= near(open_, passes, within=BLUR)
    in_part = np.zeros(len(rows), dtype=bool)
    in_part[rest[mixed]] = True
    wholly[rest] = ~mixed & _rather(open_, stops, passes)
    return in_part, wholly


def _rather(some: Windows, stops: Windows, passes: Windows) -> Any:
    """Return which windows' packets are rather those rejected than those let go."""
    of_stops, of_passes = (pieces_of(those, some)[1] for those in (stops, passes))
    at_stops, at_passes = (near(some, those, within=0) for those in (stops, passes))
    nearer = time_apart(some, stops) < time_apart(some, passes)
    nearer = np.where(at_stops == at_passes, nearer, at_stops)
    return of_stops | (~of_passes & nearer & near(some, stops, within=BLUR))


def _resumed(view: View, parted: Any) -> Any:
    """Return which rows are of packets that went on when others were rejected."""
    found = np.zeros(len(view), dtype=bool)
    if not parted.any():
        return found
    asked = near(view.windows, view.windows.take(parted), within=BLUR)
    rows = np.flatnonzero(asked & view.passing & ~view.rejected & ~parted)
    sources = view.windows.take(view.at_src & ~parted)
    found[rows] = twins(view.windows.take(rows), sources) < 0
    return found
