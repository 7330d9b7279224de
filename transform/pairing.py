"""Which packets were recorded a second time, at the other end or beyond it."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from transform.codes import distinct
from transform.records import BLUR, EGRESS, UNKNOWN
from transform.shown import shown, shown_or_missing
from transform.translated import Translated
from transform.twins import Windows, near
from transform.view import View


class Pairs:
    """What was seen elsewhere of each row's packets; arrays of bool, one a row."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._translated = Translated(view, partial(_shown, view))

    @cached_property
    def arrived(self) -> Any:
        """There is a record at the destination's own interface, of about the time."""
        view = self._view
        near_by = _near(view, view.streams.key, view.at_dst, before=BLUR)
        found = _arrived(view, before=BLUR, by_stream=near_by)
        return found | self._translated.arrived(before=BLUR)

    @cached_property
    def arrived_at_once(self) -> Any:
        """There is a record at the destination's own interface, of the same time."""
        found = _arrived(self._view, before=None, by_stream=self._at_dst[0])
        return found | self._translated.arrived(before=None)

    @cached_property
    def told(self) -> Any:
        """A destination that logs all has a record, of just these where some lack."""
        some_lack = self._view.skipped_dst | self._missing
        return self.arrived & ~(some_lack & ~self.arrived_at_once)

    @cached_property
    def left_at_once(self) -> Any:
        """There is a record at the source's own interface, of the same time."""
        view = self._view
        return _shown(view, view.streams.tuple_, view.at_src, before=None)

    @cached_property
    def continued(self) -> Any:
        """The packets were seen to arrive under a load balancer's other tuple."""
        return _continued(self._view)

    def left_unseen(self) -> Any:
        """By which way some rows' packets left is not known."""
        return self._translated.left_unseen()

    @cached_property
    def _at_dst(self) -> tuple[Any, Any]:
        """The destination's own interface shows the packets; it surely lacks them."""
        view = self._view
        found, lacking = view.at_dst.copy(), np.zeros(len(view), dtype=bool)
        asked, windows, some = _asked(view, view.streams.key, view.at_dst)
        found[asked], lacking[asked] = shown_or_missing(
            windows, some, at_hand=view.at_hand
        )
        return found, lacking

    @cached_property
    def _missing(self) -> Any:
        """The destination's own interface surely lacks just these packets."""
        view = self._view
        otherwise = (view.streams.zone < 0) | _arrived_unseen(view, before=BLUR)
        otherwise |= view.attributed.direction == UNKNOWN
        return self._at_dst[1] & ~otherwise

    def behind_unlogged(self, rows: Any) -> Any:
        """Some rows' packets went on from a load balancer to an unlogged target."""
        return _behind_unlogged(self._view, rows)


def _near(view: View, key: Any, some: Any, *, before: int) -> Any:
    """Return which rows share a key with one of some rows so many seconds near."""
    windows = replace(view.windows, key=key)
    return near(windows, windows.take(some), within=before)


def _shown(view: View, key: Any, some: Any, before: int | None) -> Any:
    """Return which rows' packets some rows of their key show.

    Args:
        view: All rows.
        key: Of each row.
        some: Which rows.
        before: How many seconds may lie between them; None: as far as can be told,
            which is asked only of those sent and on their way.
    """
    if before is not None:
        return _near(view, key, some, before=before)
    found = some.copy()
    asked, windows, others = _asked(view, key, some)
    found[asked] = shown(windows, others)
    return found


def _asked(view: View, key: Any, some: Any) -> tuple[Any, Windows, Windows]:
    """Return which rows were sent or on their way, and some rows that may show them.

    Args:
        view: All rows.
        key: Of each row.
        some: Which rows may.

    Returns:
        Positions; those rows as windows, and the others.
    """
    windows = replace(view.windows, key=key)
    asked = np.flatnonzero((view.at_src | view.passing) & (key >= 0) & ~some)
    return asked, windows.take(asked), windows.take(some)


def _arrived(view: View, *, before: int | None, by_stream: Any) -> Any:
    """Return which rows have a record at the destination's own interface.

    Args:
        view: All rows.
        before: See `_shown`.
        by_stream: Which have one that shows both addresses.
    """
    streams, found = view.streams, by_stream
    # Where the destination's VPC is not known, the tuple alone must do.
    open_ = ~found & (streams.zone < 0)
    if open_.any():
        near_by = _near(view, streams.tuple_, view.at_dst, before=BLUR)
        found = found | (open_ & near_by)
    return found | _arrived_unseen(view, before=before)


def _arrived_unseen(view: View, *, before: int | None) -> Any:
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
        found |= asked & known & _shown(view, key, view.at_dst & ends, before=before)
    return found


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
    return _near(view, key, others, before=BLUR)


def _behind_unlogged(view: View, rows: Any) -> Any:
    """Return which rows went on from a load balancer to a target that is not logged."""
    attributed = view.attributed
    through = view.passing & (attributed.direction == EGRESS) & ~view.rejected
    target = view.place(is_src=False)
    through &= ~view.logged.at(target, view.begin, rejects=False)
    to = rows & (attributed.dst.forwards >= 0)
    if not (through.any() and to.any()):
        return np.zeros(len(rows), dtype=bool)
    return to & _same_end(view, through, is_src=True)
