"""Interfaces with several flow logs: which of their records show nothing new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from transform.codes import Coded, coded, column_of, distinct, merged, several
from transform.logged import FAR_FUTURE, FlowLog
from transform.records import BLUR, Records, numbers
from transform.twins import Windows, in_pieces, twins, windows_of


@dataclass(frozen=True, slots=True)
class _Writing:
    """Who wrote what: all flow logs in that time, the preferred first.

    Attributes:
        created: Since when each flow log is there; seconds since 1970, 0: not known.
        rank: Place of each record's flow log among these.
        spot: Observer and action of each record, as a code.
        spots: How many there are.
        spans: Places of flow logs, the spots of which they wrote, and from which second
            until before which.
    """

    created: Sequence[int]
    rank: Any
    spot: Any
    spots: int
    spans: tuple[Any, Any, Any, Any]

    def contested(self) -> Any:
        """Return positions of the records of spots with more than one flow log."""
        place, spot, _, _ = self.spans
        return np.flatnonzero(several(spot, place, self.spots)[self.spot])

    def span(self, place: int) -> tuple[Any, Any]:
        """Return from which second until before which a flow log wrote of each spot."""
        places, spot, first, last = self.spans
        those = np.flatnonzero(places == place)
        begin = np.full(self.spots, FAR_FUTURE, np.int64)
        end = np.zeros(self.spots, np.int64)
        begin[spot[those]], end[spot[those]] = first[those], last[those]
        return begin, end


def duplicates(
    records: Records, logs: Sequence[FlowLog], rejected: Any, seen: pa.Table
) -> Any:
    """Return which rows another flow log counts: one for each interface and action.

    The preferred log counts wherever it was writing of the interface and action; what
    lies before its first record there and after its last is left to the next one.

    Args:
        records: Of an hour and its neighbours.
        logs: Of the inventory, the preferred first.
        rejected: Which records are of rejected packets.
        seen: See `transform.facts.Facts.logs`.
    """
    writing = _writing(records, logs, rejected, seen)
    found = np.zeros(len(records), dtype=bool)
    rows = writing.contested()
    if len(rows) == 0:
        return found
    rank, spot = writing.rank[rows], writing.spot[rows]
    windows = _windows(records, writing.spot).take(rows)
    again = np.zeros(len(rows), dtype=bool)
    for place in np.unique(rank).tolist():
        first, last = writing.span(place)
        worse = (rank > place) & (last[spot] > 0) & ~again
        within = (windows.begin >= first[spot]) & (windows.begin < last[spot])
        edge = worse & ~within
        again |= worse & within
        for other in np.unique(rank[edge]).tolist():
            both = np.flatnonzero((rank == place) | (worse & (rank == other)))
            since = max(writing.created[place], writing.created[other])
            repeated = _told_again(windows.take(both), rank[both] == place, since)
            again[both] |= edge[both] & repeated
    found[rows] = again
    return found


def _writing(
    records: Records, logs: Sequence[FlowLog], rejected: Any, seen: pa.Table
) -> _Writing:
    log, theirs = column_of(records.rows, "flow_log_id"), coded(seen["flow_log_id"])
    known = {entry.id: (place, entry.created) for place, entry in enumerate(logs)}
    names = {*log.words.to_pylist(), *theirs.words.to_pylist()}
    unknown = len(logs), 0
    ranked = sorted(names, key=lambda name: (known.get(name, unknown)[0], name))
    observer, observers = column_of(records.rows, "observer"), coded(seen["observer"])
    _, (mine, their) = merged(observer, observers)
    actions = rejected, np.asarray(seen["rejected"])
    spots = distinct(
        np.concatenate([mine, their]), np.concatenate(actions).astype(np.int8)
    )[1]
    first = np.asarray(seen["first"]) + BLUR
    return _Writing(
        created=[*(known.get(name, unknown)[1] for name in ranked), 0],
        rank=_places(log, ranked),
        spot=spots[: len(mine)],
        spots=int(spots.max(initial=-1)) + 1,
        spans=(_places(theirs, ranked), spots[len(mine) :], first,
               np.asarray(seen["last"])),
    )  # fmt: skip


def _places(column: Coded, ranked: Sequence[str]) -> Any:
    """Return the place of each row's text among some; after all of them: null."""
    place_of = {name: place for place, name in enumerate(ranked)}
    places = [place_of[name] for name in column.words.to_pylist()]
    return np.array([*places, len(ranked)])[column.codes]


def _windows(records: Records, spot: Any) -> Windows:
    """Return records as windows of their tuples, apart by observer and action."""
    key = distinct(
        spot,
        *(column.codes for column in (records.src, records.dst)),
        *(numbers(records.rows, n) for n in ("srcport", "dstport", "protocol")),
    )[1]
    return windows_of(records, key)


def _told_again(windows: Windows, preferred: Any, since: int) -> Any:
    """Return which windows of a log show packets that a preferred log shows as well.

    At the ends of its writing each log may show the same packets a blur apart; but a
    log that replaced another goes on where that ended, and repeats nothing.

    Args:
        windows: Of the two logs.
        preferred: Which of these the preferred log wrote.
        since: When the younger of the logs was made; seconds since 1970.
    """
    recent = windows.end >= since
    theirs = windows.take(recent & preferred)
    mine = recent & ~preferred
    asked = windows.take(mine)
    found = np.zeros(len(windows), dtype=bool)
    found[mine] = twins(asked, theirs) | in_pieces(asked, theirs)
    return found
