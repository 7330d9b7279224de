"""What records teach of addresses: an interface's own, while it reported itself.

Only what an interface shows as its own counts: ``srcaddr`` of egress and ``dstaddr``
of ingress, never a packet address that differs from it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from transform.attribute import Side
from transform.codes import NONE, distinct, merged
from transform.places import NOWHERE
from transform.presence import Presence
from transform.records import EGRESS, INGRESS, UNKNOWN, Records

SEVERAL_CLAIM = -2


def learn(sides: tuple[Side, Side], records: Records, vpc: Any) -> tuple[Any, Any]:
    """Say for each row and side which interface of the rows has the address.

    Args:
        sides: Source and destination, their own rows known.
        records: All rows at hand.
        vpc: Of each row, the VPC that it was recorded in.

    Returns:
        For source and destination, codes of the interface column; ``NONE`` where
        nobody reported the address within the row's time, ``SEVERAL_CLAIM`` where more
        than one did.
    """
    _, (src, dst) = merged(records.src, records.dst)
    shown = (
        sides[0].own & (records.shown_src == records.src.codes),
        sides[1].own & (records.shown_dst == records.dst.codes),
    )
    claims = [np.flatnonzero(mask) for mask in shown]
    rows = np.concatenate(claims)
    address = np.concatenate([src[claims[0]], dst[claims[1]]])
    homes = [np.where(s.home >= 0, s.home, s.vpc)[s.which] for s in sides]
    size = len(records)
    joined = distinct(
        np.concatenate([vpc[rows], homes[0], homes[1]]),
        np.concatenate([address, src, dst]),
    )[1]
    key, asked = joined[: len(rows)], (
        joined[len(rows) : len(rows) + size], joined[len(rows) + size :],
    )  # fmt: skip
    interface = records.interface.codes[rows]
    span = int(joined.max()) + 1 if len(joined) else 0
    first = np.full(span, NONE, np.int64)
    first[key] = interface
    several = np.zeros(span, dtype=bool)
    several[key[first[key] != interface]] = True
    there = Presence(key, records.begin[rows], records.end[rows])
    found = []
    for question, side in zip(asked, sides, strict=True):
        near = there.near(question, records.begin, records.end, before=0)
        who = np.where(several[question], SEVERAL_CLAIM, first[question])
        elsewhere = (side.home == NOWHERE) & (side.vpc < 0)
        answer = np.where(near & ~side.own & ~elsewhere[side.which], who, NONE)
        found.append(answer.astype(np.int64))
    return found[0], found[1]


def learn_directions(records: Records) -> Any:
    """Complete the direction: the one address in all of an interface's records is its.

    Each record shows the interface's own address on one side. Where two records or
    more have just one address in common, by kind of address, that is it.
    """
    direction = records.direction
    interface = records.interface.codes
    rows = np.flatnonzero((direction == UNKNOWN) & (interface >= 0))
    if len(rows) == 0:
        return direction
    _, (src, dst) = merged(records.src, records.dst)
    ends = src[rows], dst[rows]
    is_v4 = records.addresses[0].is_v4[np.maximum(records.src.codes[rows], 0)]
    spot = distinct(interface[rows], is_v4.astype(np.int8))[1]
    total = np.bincount(spot)
    pairs = np.concatenate([spot, spot]), np.concatenate(ends)
    first, which = distinct(*pairs)
    times = np.bincount(which)
    own_spot, own_address = pairs[0][first], pairs[1][first]
    always = times == total[own_spot]
    count = np.bincount(own_spot[always], minlength=len(total))
    address = np.full(len(total), NONE, np.int64)
    address[own_spot[always]] = own_address[always]
    sure = (count == 1)[spot]
    found = direction.copy()
    found[rows[sure & (address[spot] == ends[0])]] = EGRESS
    found[rows[sure & (address[spot] == ends[1])]] = INGRESS
    return found
