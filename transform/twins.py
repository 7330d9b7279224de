"""The same packets in records of two observers, or of two flow logs of one.

Their clocks and windows differ: a record may start up to a minute after its first
packet, and of a long conversation the next window's record is no farther away. What
tells them apart are packets and bytes, and which of several is the nearest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from transform.codes import distinct
from transform.presence import Presence, joint
from transform.records import BLUR, Records, numbers

FAR = 1 << 40  # seconds: nothing is so far away


@dataclass(frozen=True, slots=True)
class Windows:
    """Records as windows of streams; int64 arrays of one length.

    Attributes:
        key: The stream; small non-negative integers.
        begin, end: As logged, seconds since 1970, both inclusive.
        packets, bytes: As logged; -1 where null.
    """

    key: Any
    begin: Any
    end: Any
    packets: Any
    bytes: Any

    def __len__(self) -> int:
        return len(self.key)

    def take(self, rows: Any) -> Windows:
        """Return some of the windows."""
        return Windows(
            self.key[rows],
            self.begin[rows],
            self.end[rows],
            self.packets[rows],
            self.bytes[rows],
        )


def windows_of(records: Records, key: Any) -> Windows:
    """Return records as windows of the streams that a key tells apart."""
    amounts = (numbers(records.rows, name) for name in ("packets", "bytes"))
    return Windows(key, records.begin + BLUR, records.end - 1, *amounts)


def twins(some: Windows, others: Windows) -> Any:
    """Return which windows have a twin among others: as much, and near.

    Each is a twin of one at most: of the nearest, if that has none nearer.
    """
    mine, theirs = _alike(some, others)
    there, apart = _nearest(mine, some.begin, theirs, others.begin)
    back, _ = _nearest(theirs, others.begin, mine, some.begin)
    found = (there >= 0) & (apart <= BLUR)
    return found & (np.append(back, -1)[there] == np.arange(len(some)))


def shown_by(some: Windows, others: Windows) -> Any:
    """Return which windows' packets some others show: of that time, or as much near."""
    mine, theirs = _alike(some, others)
    _, apart = _nearest(mine, some.begin, theirs, others.begin)
    return near(some, others, within=0) | (apart <= BLUR)


def near(some: Windows, others: Windows, *, within: int) -> Any:
    """Return which windows lie near one of others of their key, so many seconds."""
    there = Presence(others.key, others.begin, others.end)
    return there.near(some.key, some.begin, some.end, before=within)


def in_pieces(some: Windows, others: Windows) -> Any:
    """Return which windows' packets others show in several pieces, all of them."""
    order = np.lexsort((others.begin, others.key))
    begins = joint(others.key[order], others.begin[order])
    first = np.searchsorted(begins, joint(some.key, some.begin - BLUR), "left")
    last = np.searchsorted(begins, joint(some.key, some.end + BLUR), "right")
    found = last - first > 1
    for mine, theirs in ((some.packets, others.packets), (some.bytes, others.bytes)):
        sums = np.append(0, np.cumsum(theirs[order]))
        found &= sums[last] - sums[first] == mine
    return found


def unlikeness(some: Windows, others: Windows) -> Any:
    """Return how little windows are like the most alike of others of their stream.

    Returns:
        The seconds between them, many more where they show not as much; ``2 * FAR``
        where there is none.
    """
    mine, theirs = _alike(some, others)
    _, equal = _nearest(mine, some.begin, theirs, others.begin)
    _, any_ = _nearest(some.key, some.begin, others.key, others.begin)
    return np.where(equal <= BLUR, equal, FAR + any_)


def _alike(some: Windows, others: Windows) -> tuple[Any, Any]:
    """Number both by stream, packets and bytes."""
    names = ("key", "packets", "bytes")
    pairs = ((getattr(some, n), getattr(others, n)) for n in names)
    both = distinct(*(np.concatenate(pair) for pair in pairs))[1]
    return both[: len(some)], both[len(some) :]


def _nearest(key: Any, begin: Any, among: Any, begins: Any) -> tuple[Any, Any]:
    """Return for each which of others of its key begins nearest, and how far away.

    Returns:
        Positions, -1 where there is none, and seconds, ``FAR`` there. Of two equally
        near it is the earlier.
    """
    if len(among) == 0:
        return np.full(len(key), -1), np.full(len(key), FAR)
    order = np.lexsort((begins, among))
    place = np.searchsorted(joint(among[order], begins[order]), joint(key, begin))
    found, apart = np.full(len(key), -1), np.full(len(key), FAR)
    for candidate in (place - 1, place):
        inside = (candidate >= 0) & (candidate < len(order))
        other = order[np.clip(candidate, 0, len(order) - 1)]
        away = np.abs(begins[other] - begin)
        closer = inside & (among[other] == key) & (away < apart)
        found[closer], apart[closer] = other[closer], away[closer]
    return found, apart
