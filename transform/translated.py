"""Packets between public addresses of ours: each end shows the other one by these.

What goes to an Elastic IP is recorded at its interface with the private address, and
with the sender's public one: its own, its ports as they were, or that of a NAT gateway,
which chose another port.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from transform import outcome as o
from transform.codes import distinct
from transform.nat import at_nat, behind_nat, inside_of
from transform.public import is_nat
from transform.records import BLUR
from transform.view import View

Seen = Callable[[Any, Any, int | None], Any]


class Translated:
    """What became of rows that go to a public address of ours.

    Args:
        view: All rows.
        seen: Says of each row whether some rows that share a key with it show its
            packets: called with keys, which rows, and how many seconds may lie between
            them; None: as far as can be told.
    """

    def __init__(self, view: View, seen: Seen) -> None:
        self._view = view
        self._seen = seen

    def arrived(self, *, before: int | None) -> Any:
        """Return which rows have a record where they ended.

        Args:
            before: How many seconds may lie between them; None: as far as can be told.
                Where a NAT gateway's own records do not tell whose it is, the server's
                end must do.
        """
        view, seen = self._view, self._seen
        shown, asked = view.public
        if not asked.any():
            return asked
        attributed, streams = view.attributed, view.streams
        src = attributed.src.eni
        found = (src >= 0) & seen(self._inside, self._landed | at_nat(view)[0], before)
        from_nat = self._landed & is_nat(attributed, attributed.src)
        from_nat &= self._is_unknown | (before is not None)
        found |= seen(self._server, from_nat, BLUR)
        back = distinct(src, streams.srcport, streams.protocol)[1]
        open_ = self._is_unknown & behind_nat(view) & (src >= 0)
        found |= open_ & seen(back, view.at_dst & shown, None)
        return asked & found

    def left_unseen(self) -> Any:
        """Return which rows took a way that is not known.

        It is if their interface has a public address of its own, or a NAT gateway sent
        the like on. Else another's gateway may have given them an address that nobody
        knows: that they did not arrive cannot be told.
        """
        view = self._view
        asked = view.public[1] & ~view.with_public
        if not asked.any():
            return asked
        sent_on = view.public[1] & (view.role == o.NAT_PUBLIC)
        return asked & ~self._seen(self._server, sent_on, BLUR)

    @cached_property
    def _landed(self) -> Any:
        """Records where what a public address sent ended."""
        view = self._view
        landed = view.public[0] & view.attributed.own_dst
        return landed & (view.role != o.NAT_PUBLIC)

    @cached_property
    def _ends(self) -> Any:
        """The conversation by interfaces and ports."""
        attributed, streams = self._view.attributed, self._view.streams
        ports = streams.srcport, streams.dstport
        src, dst = attributed.src.eni, attributed.dst.eni
        return distinct(src, dst, *ports, streams.protocol)[1]

    @cached_property
    def _inside(self) -> Any:
        """The conversation as it is inside of a NAT gateway that it passes."""
        return inside_of(self._view, self._ends)

    @property
    def _is_unknown(self) -> Any:
        """No gateway passes it, or what it is inside is not told."""
        return self._inside == self._ends

    @cached_property
    def _server(self) -> Any:
        """The server's end."""
        streams = self._view.streams
        eni = self._view.attributed.dst.eni
        return distinct(eni, streams.dstport, streams.protocol)[1]
