"""Interfaces with several flow logs: which of their records show nothing new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from transform.codes import Coded, coded, column_of, distinct, merged, turns
from transform.logged import FAR_FUTURE, FlowLog
from transform.pieces import nested, pieces_of
from transform.records import BLUR, Records, numbers
from transform.twins import Windows, near, twins, windows_of


@dataclass(frozen=True, slots=True)
class _Better:
    """When the flow logs that are preferred to one wrote; by spot and log.

    Attributes:
        begin, end: Of their writing, as one where it overlaps; the end exclusive.
        since: When the younger of the log and the other was made: a log that replaced
            another goes on where that ended, and repeats nothing.
    """

    begin: Any
    end: Any
    since: Any

    def hold(self, windows: Windows) -> tuple[Any, Any, Any]:
        """Return which windows' middles lie in the writing; which all lie; which may.

        What may is told by its like of other logs: of those there at its end, whose
        writing it touches but for a blur.

        Args:
            windows: Whose observer's spot is ``who``.
        """
        middle = (windows.begin + windows.end) // 2
        mostly, within, open_ = np.zeros((3, len(windows)), dtype=bool)
        for begins, ends, since in zip(
            self.begin.T, self.end.T, self.since.T, strict=True
        ):
            begin, end = begins[windows.who], ends[windows.who]
            mostly |= (middle >= begin) & (middle < end)
            within |= (windows.begin >= begin) & (windows.end < end)
            touches = (windows.end >= begin - BLUR) & (windows.begin < end + BLUR)
            open_ |= touches & (windows.end >= since[windows.who])
        return mostly, within, open_


@dataclass(frozen=True, slots=True)
class _Writing:
    """Who wrote what and when, spot by spot: an observer and an action.

    Attributes:
        spot: Of each record, as a code.
        turn: Of each record, which of its spot's flow logs wrote it; 0: the preferred.
        first, last: By spot and turn, from which second until before which it wrote.
        created: By spot and turn, since when it is there; 0: not known.
    """

    spot: Any
    turn: Any
    first: Any
    last: Any
    created: Any

    def better(self, turn: int) -> _Better:
        """Return when the logs before a turn wrote."""
        order = np.argsort(self.first[:, :turn], axis=1, kind="stable")
        begin, end, made = (
            np.take_along_axis(a[:, :turn], order, axis=1)
            for a in (self.first, self.last, self.created)
        )
        until = np.maximum.accumulate(end, axis=1)
        for n in range(1, turn):
            joins = begin[:, n] <= until[:, n - 1]
            begin[:, n] = np.where(joins, begin[:, n - 1], begin[:, n])
            end[:, n] = np.where(joins, until[:, n], end[:, n])
        for n in range(turn - 1, 0, -1):
            joins = begin[:, n] == begin[:, n - 1]
            end[:, n - 1] = np.where(joins, end[:, n], end[:, n - 1])
        since = np.maximum(made, self.created[:, turn, None])
        return _Better(begin, end, since)


def duplicates(
    records: Records,
    logs: Sequence[FlowLog],
    rejected: Any,
    seen: pa.Table,
    *,
    skipped: Any,
) -> Any:
    """Return which rows another flow log counts: one for each interface and action.

    The preferred log counts wherever it was writing of the interface and action; what
    lies before its first record there and after its last is left to the next one, and
    so is what only that one shows of a time of which AWS skipped records.

    Args:
        records: Of an hour and its neighbours.
        logs: Of the inventory, the preferred first.
        rejected: Which records are of rejected packets.
        seen: See `transform.facts.Facts.logs`.
        skipped: Which rows are of a time when AWS skipped some of their interface.
    """
    writing = _writing(records, logs, rejected, seen)
    found = np.zeros(len(records), dtype=bool)
    turns = writing.first.shape[1]
    rows = np.flatnonzero(writing.last[writing.spot, 1] > 0) if turns > 1 else found[:0]
    if len(rows) == 0:
        return found
    spot, turn = writing.spot[rows], writing.turn[rows]
    windows = _windows(records, writing.spot).take(rows)
    again = np.zeros(len(rows), dtype=bool)
    for worse in range(1, turns):
        some = (turn <= worse) & ~again & (writing.last[spot, worse] > 0)
        some = np.flatnonzero(some)
        preferred, gaps = turn[some] < worse, skipped[rows[some]]
        better = writing.better(worse)
        again[some] = _again(windows.take(some), preferred, better, gaps)
    found[rows] = again
    return found


def _again(windows: Windows, preferred: Any, better: _Better, gaps: Any) -> Any:
    """Return which windows of a flow log and better ones others show as well.

    At the ends of the better logs' writing both may show the same packets a blur
    apart, one whole and one in pieces; and the log may show packets of a time when the
    better ones had not begun, or were gone, together with some of theirs.

    Args:
        windows: Of the log, and those of the better ones that count.
        preferred: Which of these the better logs wrote.
        better: When these wrote of each one's spot.
        gaps: Which windows are of a time of which some log may lack records.
    """
    mostly_within, within, open_ = better.hold(windows)
    reaches_out = ~within | gaps
    found = ~preferred & mostly_within & ~(reaches_out & open_)
    theirs, mine = (np.flatnonzero(which & open_) for which in (preferred, ~preferred))
    if not reaches_out[mine].any():
        return found
    asked, known = windows.take(mine), windows.take(theirs)
    more, lies_in = nested(asked, known)
    in_pieces, used = pieces_of(asked, known)
    goes_on = reaches_out[mine] & (more > 0) & ~in_pieces
    found[theirs] = (lies_in >= 0) & np.append(goes_on, False)[lies_in]
    told = in_pieces | (more == 0) | pieces_of(known, asked)[1]
    told |= nested(known, asked)[1] >= 0
    found[mine] |= (told | (reaches_out & mostly_within & ~gaps)[mine]) & ~goes_on
    settled = told | ~reaches_out[mine]
    free = (lies_in < 0) & ~used & ~_of_the_time_of(asked.take(settled), known)
    rest = ~settled & ~goes_on
    found[mine[rest]] |= twins(asked.take(rest), known.take(free)) >= 0
    return found


def _of_the_time_of(some: Windows, others: Windows) -> Any:
    """Return of which others the middle lies in one of some windows of their key."""
    middle = (others.begin + others.end) // 2
    return near(replace(others, begin=middle, end=middle), some, within=0)


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
    spots = distinct(
        np.concatenate([mine, their]),
        np.concatenate([rejected, np.asarray(seen["rejected"])]).astype(np.int8),
    )[1]
    ranks = np.concatenate([_places(log, ranked), _places(theirs, ranked)])
    turn = _turns(spots, ranks)
    here, there = slice(len(records)), slice(len(records), None)
    shape = int(spots.max(initial=-1)) + 1, int(turn.max(initial=-1)) + 1
    first, last = np.full(shape, FAR_FUTURE, np.int64), np.zeros(shape, np.int64)
    created = np.zeros(shape, np.int64)
    first[spots[there], turn[there]] = np.asarray(seen["first"]) + BLUR
    last[spots[there], turn[there]] = np.asarray(seen["last"])
    made = np.array([*(known.get(name, unknown)[1] for name in ranked), 0])
    created[spots, turn] = made[ranks]
    return _Writing(spots[here], turn[here], first, last, created)


def _places(column: Coded, ranked: Sequence[str]) -> Any:
    """Return the place of each row's text among some; after all of them: null."""
    place_of = {name: place for place, name in enumerate(ranked)}
    places = [place_of[name] for name in column.words.to_pylist()]
    return np.array([*places, len(ranked)])[column.codes]


def _turns(spot: Any, rank: Any) -> Any:
    """Number the flow logs of each spot from 0, the preferred first."""
    first, which = distinct(spot, rank)
    order = np.lexsort((rank[first], spot[first]))
    turn = np.empty(len(order), np.int64)
    turn[order] = turns(spot[first][order], rank[first][order])
    return turn[which]


def _windows(records: Records, spot: Any) -> Windows:
    """Return records as windows of their tuples, apart by observer and action."""
    key = distinct(
        spot,
        *(column.codes for column in (records.src, records.dst)),
        *(numbers(records.rows, n) for n in ("srcport", "dstport", "protocol")),
    )[1]
    return windows_of(records, key, spot)
