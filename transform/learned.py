"""What records teach of addresses: an interface's own, while it reported itself.

Only what an interface shows as its own counts: ``srcaddr`` of egress and ``dstaddr``
of ingress, never a packet address that differs from it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from transform.attribute import Side
from transform.codes import NONE, Coded, coded, column_of, distinct, merged
from transform.observers import Observers
from transform.places import NOWHERE
from transform.presence import Presence
from transform.records import EGRESS, INGRESS, UNKNOWN, Records
from transform.words import Words

SEVERAL_CLAIM = -2


def learn(
    sides: tuple[Side, Side],
    records: Records,
    claims: pa.Table,
    observer: Observers,
    vpcs: Words,
) -> tuple[Any, Any]:
    """Say for each row and side which interface showed the address as its own.

    Args:
        sides: Source and destination, their own rows known.
        records: The rows.
        claims: See `transform.facts.Facts`.
        observer: The interfaces, those of the claims among them.
        vpcs: The run's VPC words.

    Returns:
        For source and destination, places in ``observer.names``; ``NONE`` where
        nobody showed the address within the row's time, ``SEVERAL_CLAIM`` where more
        than one did.
    """
    address = coded(claims["address"])
    _, (src, dst, claimed) = merged(records.src, records.dst, address)
    homes = [np.where(s.home >= 0, s.home, s.vpc)[s.which] for s in sides]
    rows, size = len(claimed), len(records)
    joined = distinct(
        np.concatenate([vpcs.of(coded(claims["vpc"])), homes[0], homes[1]]),
        np.concatenate([claimed, src, dst]),
    )[1]
    key, asked = joined[:rows], (joined[rows : rows + size], joined[rows + size :])
    number = {name: place for place, name in enumerate(observer.names)}
    names = coded(claims["interface"])
    codes = [number.get(name, NONE) for name in names.words.to_pylist()]
    interface = np.array([*codes, NONE], np.int64)[names.codes]
    first = np.full(int(joined.max(initial=-1)) + 1, NONE, np.int64)
    first[key] = interface
    several = np.zeros(len(first), dtype=bool)
    several[key[first[key] != interface]] = True
    begin, end = np.asarray(claims["begin"]), np.asarray(claims["end"])
    there = Presence(key, begin, end)
    found = []
    for question, side in zip(asked, sides, strict=True):
        near = there.near(question, records.begin, records.end, before=0)
        who = np.where(several[question], SEVERAL_CLAIM, first[question])
        elsewhere = (side.home == NOWHERE) & (side.vpc < 0)
        found.append(np.where(near & ~side.own & ~elsewhere[side.which], who, NONE))
    return found[0], found[1]


def learn_directions(records: Records, shown: pa.Table) -> Any:
    """Complete the direction: the one address in all of an interface's records is its.

    Each record shows the interface's own address on one side. Where its records have
    just one address in common, by kind of address, that is it.

    Args:
        records: The rows.
        shown: See `transform.facts.Facts`.
    """
    direction = records.direction
    rows = np.flatnonzero((direction == UNKNOWN) & (records.interface.codes >= 0))
    if len(rows) == 0 or shown.num_rows == 0:
        return direction
    interface, address = coded(shown["interface"]), coded(shown["address"])
    src, dst = (column_of(records.rows, name) for name in ("srcaddr", "dstaddr"))
    _, (theirs, mine) = merged(interface, records.interface)
    _, (own, left, right) = merged(address, src, dst)
    is_v4 = np.asarray(shown["is_v4"], dtype=np.int8)
    kind = _kinds(src)[rows]
    spot = distinct(
        np.concatenate([theirs, mine[rows]]), np.concatenate([is_v4, kind])
    )[1]
    known, asked = spot[: len(own)], spot[len(own) :]
    records_of = np.asarray(shown["records"], np.int64)
    total = np.bincount(known, weights=records_of).astype(np.int64) // 2
    total = np.pad(total, (0, int(spot.max()) + 1 - len(total)))
    always = np.flatnonzero(records_of == total[known])
    count = np.bincount(known[always], minlength=len(total))
    found = np.full(len(total), NONE, np.int64)
    found[known[always]] = own[always]
    sure = (count == 1)[asked]
    result = direction.copy()
    result[rows[sure & (found[asked] == left[rows])]] = EGRESS
    result[rows[sure & (found[asked] == right[rows])]] = INGRESS
    return result


def _kinds(column: Coded) -> Any:
    """Return 1 for rows with an IPv4 address, else 0."""
    kinds = [int(":" not in (text or "")) for text in column.words.to_pylist()]
    return np.array([*kinds, 1], np.int8)[column.codes]
