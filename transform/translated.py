"""Packets between public addresses of ours: each end shows the other one by these.

What goes to an Elastic IP is recorded at its interface with the private address, and
with the sender's public one: its own, its ports as they were, or that of a NAT gateway,
which chose another port.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transform import outcome as o
from transform.codes import distinct
from transform.nat import at_nat, behind_nat, inside_of, is_nat
from transform.records import BLUR
from transform.view import View

Seen = Callable[[Any, Any, int | None], Any]


def arrived_by_translation(view: View, seen: Seen, *, before: int | None) -> Any:
    """Return which rows to a public address of ours have a record where they ended.

    Args:
        view: All rows.
        seen: Says of each row whether some rows that share a key with it show its
            packets: called with keys, which rows, and seconds as below.
        before: How many seconds may lie between them; None: as far as can be told.
            Where a NAT gateway's own records do not tell whose it is, the server's end
            must do.
    """
    shown, asked = view.public
    if not asked.any():
        return asked
    attributed, streams = view.attributed, view.streams
    src, dst = attributed.src.eni, attributed.dst.eni
    ports = streams.srcport, streams.dstport
    landed = shown & attributed.own_dst & (view.role != o.NAT_PUBLIC)
    ends = distinct(src, dst, *ports, streams.protocol)[1]
    inside = inside_of(view, ends)
    found = (src >= 0) & seen(inside, landed | at_nat(view)[0], before)
    unknown = inside == ends  # no gateway passes it, or what it is inside is not told
    from_nat = landed & is_nat(view, attributed.src)
    server = distinct(dst, ports[1], streams.protocol)[1]
    found |= seen(server, from_nat & (unknown | (before is not None)), BLUR)
    back = distinct(src, ports[0], streams.protocol)[1]
    open_ = unknown & behind_nat(view) & (src >= 0)
    found |= open_ & seen(back, view.at_dst & shown, None)
    return asked & found


def left_unseen(view: View, seen: Seen) -> Any:
    """Return which rows to a public address of ours took a way that is not known.

    It is if their interface has a public address of its own, or a NAT gateway sent the
    like on. Else another's gateway may have given them an address that nobody knows:
    that they did not arrive cannot be told.
    """
    asked = view.public[1] & ~view.with_public
    if not asked.any():
        return asked
    attributed, streams = view.attributed, view.streams
    server = distinct(attributed.dst.eni, streams.dstport, streams.protocol)[1]
    sent_on = view.public[1] & (view.role == o.NAT_PUBLIC)
    return asked & ~seen(server, sent_on, BLUR)
