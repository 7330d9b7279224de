"""Which packets were recorded a second time, at the other end or beyond it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from transform.codes import distinct
from transform.presence import Presence
from transform.records import BLUR, EGRESS
from transform.view import View

PAIRED_WITHIN = 660  # seconds: the longest aggregation interval and the blur


class Pairs:
    """What was seen elsewhere of each row's packets; arrays of bool, one a row."""

    def __init__(self, view: View) -> None:
        self._view = view

    @cached_property
    def arrived(self) -> Any:
        """There is a record at the destination's own interface, soon or late."""
        return _arrived(self._view, before=PAIRED_WITHIN)

    @cached_property
    def arrived_at_once(self) -> Any:
        """There is a record at the destination's own interface, of the same time."""
        return _arrived(self._view, before=BLUR)

    @cached_property
    def left(self) -> Any:
        """There is a record at the source's own interface."""
        return _left(self._view)

    @cached_property
    def continued(self) -> Any:
        """The packets were seen to arrive under a load balancer's other tuple."""
        return _continued(self._view)

    def behind_unlogged(self, rows: Any) -> Any:
        """Some rows' packets went on from a load balancer to an unlogged target."""
        return _behind_unlogged(self._view, rows)


def _arrived(view: View, *, before: int) -> Any:
    """Return which rows have a record at the destination's own interface."""
    streams = view.streams
    there = Presence(
        streams.key[view.at_dst], view.begin[view.at_dst], view.end[view.at_dst]
    )
    found = there.near(streams.key, view.begin, view.end, before=before)
    # Where the destination's VPC is not known, the tuple alone must do.
    lost = np.flatnonzero(~found & (streams.zone < 0))
    if len(lost):
        anywhere = Presence(
            streams.tuple_[view.at_dst], view.begin[view.at_dst], view.end[view.at_dst]
        )
        found[lost] = anywhere.near(
            streams.tuple_[lost], view.begin[lost], view.end[lost], before=BLUR
        )
    return found | _arrived_unseen(view, before=before)


def _arrived_unseen(view: View, *, before: int) -> Any:
    """Return which rows have a record at the destination that hides its pod.

    Without packet addresses an end shows its interface's own address on its side:
    where one of two records lacks them, interfaces and ports must do.
    """
    attributed, streams = view.attributed, view.streams
    blind = attributed.is_blind
    if not blind.any():
        return blind
    src, dst = attributed.src.eni, attributed.dst.eni
    key = distinct(src, dst, streams.srcport, streams.dstport, streams.protocol)[1]
    known = (src >= 0) & (dst >= 0)
    found = np.zeros(len(blind), dtype=bool)
    for asked, ends in ((blind, known), (~blind, known & blind)):
        some = view.at_dst & ends
        there = Presence(key[some], view.begin[some], view.end[some])
        near = there.near(key, view.begin, view.end, before=before)
        found |= asked & known & near
    return found


def _left(view: View) -> Any:
    """Return which rows have a record at the source's own interface."""
    streams = view.streams
    there = Presence(
        streams.tuple_[view.at_src], view.begin[view.at_src], view.end[view.at_src]
    )
    return there.near(streams.tuple_, view.begin, view.end, before=PAIRED_WITHIN)


def _continued(view: View) -> Any:
    """Return which rows were seen to arrive under a load balancer's other tuple.

    One that preserves the client's address changes only the server's: the client's
    address and port tell the stream.
    """
    attributed = view.attributed
    found = np.zeros(len(view.begin), dtype=bool)
    to = attributed.dst.forwards >= 0
    if to.any():
        found |= to & _same_end(view, view.at_dst & ~to, is_src=True)
    back = view.at_dst & (attributed.src.forwards >= 0)
    if back.any():
        found |= _same_end(view, back, is_src=False)
    return found


def _same_end(view: View, others: Any, *, is_src: bool) -> Any:
    """Return which rows share an end's address, port and protocol with one of some."""
    streams = view.streams
    end = (streams.src, streams.srcport) if is_src else (streams.dst, streams.dstport)
    key = distinct(*end, streams.protocol)[1]
    there = Presence(key[others], view.begin[others], view.end[others])
    return there.near(key, view.begin, view.end, before=PAIRED_WITHIN)


def _behind_unlogged(view: View, rows: Any) -> Any:
    """Return which rows went on from a load balancer to a target that is not logged."""
    attributed = view.attributed
    through = view.passing & (attributed.direction == EGRESS) & ~view.rejected
    to = rows & (attributed.dst.forwards >= 0)
    if not (through.any() and to.any()):
        return np.zeros(len(rows), dtype=bool)
    return to & _same_end(view, through, is_src=True)
