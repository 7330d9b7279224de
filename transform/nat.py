"""NAT gateways: what comes to their public side, and what goes there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from transform import outcome as o
from transform.codes import distinct
from transform.presence import EVER, Presence, joint
from transform.public import is_nat
from transform.records import BLUR, EGRESS
from transform.twins import twins
from transform.view import View

IDLE = 660  # a NAT gateway forgets after 350 s (AWS VPC guide); and the blur


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
    return view.public[1] & is_nat(view.attributed, view.attributed.dst)


def inside_of(view: View, ends: Any) -> Any:
    """Return conversations as they are known inside of the NAT gateways they pass.

    A gateway's interface records both sides of what comes back to a public address of
    ours, by one clock: its windows of the same server with as many packets and bytes
    are of one conversation. It gives a port to one after the other, so that the nearest
    of its windows tells.

    Args:
        view: All rows.
        ends: Of each row, its conversation by interfaces and ports; small integers.

    Returns:
        Of each row, the one inside; its own where none is known.
    """
    out, in_ = _both_sides(view)
    order = np.argsort(joint(ends[out], view.begin[out]), kind="stable")
    out, in_ = out[order], in_[order]
    found = ends.copy()
    rows = np.flatnonzero(np.isin(ends, ends[out]))
    if len(rows) == 0:
        return found
    place = np.searchsorted(
        joint(ends[out], view.begin[out]), joint(ends[rows], view.begin[rows])
    )
    apart, told = [], []
    for beside in (place - 1, place):
        there = np.clip(beside, 0, len(out) - 1)
        away = np.abs(view.begin[out[there]] - view.begin[rows])
        apart.append(np.where(ends[out[there]] == ends[rows], away, EVER))
        told.append(ends[in_[there]])
    found[rows] = np.where(apart[0] <= apart[1], *told)
    return found


def _both_sides(view: View) -> tuple[Any, Any]:
    """Return rows of public sides, and of each its like of the private side."""
    attributed, streams = view.attributed, view.streams
    outside = view.role == o.NAT_PUBLIC
    inside = attributed.is_nat & (view.role == o.TRANSIT)
    sides = (
        (view.public[0], attributed.src.eni, streams.srcport),
        (view.public[1], attributed.dst.eni, streams.dstport),
    )
    pairs = []
    for public, server, port in sides:
        key = distinct(view.observer, server, port, streams.protocol)[1]
        windows = replace(view.windows, key=key)
        out, in_ = np.flatnonzero(outside & public), np.flatnonzero(inside & public)
        twin = twins(windows.take(out), windows.take(in_))
        pairs.append((out[twin >= 0], in_[twin[twin >= 0]]))
    return np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs])
