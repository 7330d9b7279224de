"""NAT gateways: what comes to their public side, and what goes there."""

from __future__ import annotations

from typing import Any

from transform import outcome as o
from transform.identify import Identified
from transform.presence import Presence
from transform.records import BLUR, EGRESS
from transform.view import View

IDLE = 660  # a NAT gateway forgets after 350 s (AWS VPC guide); and the blur
NAT = "nat"  # what its interface does with packets


def at_nat(view: View) -> tuple[Any, Any]:
    """Return what came to NAT gateways unasked for, and what was an answer."""
    attributed, streams = view.attributed, view.streams
    public = view.role == o.NAT_PUBLIC
    inward = public & (attributed.direction != EGRESS)
    outward = public & (attributed.direction == EGRESS)
    there = Presence(streams.tuple_[outward], view.begin[outward], view.end[outward])
    asked = there.near(streams.reverse, view.begin, view.end, before=IDLE, after=BLUR)
    return inward & ~asked, inward & asked


def behind_nat(view: View) -> Any:
    """Return which rows go to the public address of a NAT gateway of ours."""
    return view.public[1] & is_nat(view, view.attributed.dst)


def is_nat(view: View, side: Identified) -> Any:
    """Return which rows' address of a side is a NAT gateway's."""
    return side.forwards == view.attributed.words["forwards"].code(NAT)
