"""Which records' packets other records show: as such, in pieces, or of that time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from transform.codes import distinct, ranges
from transform.pieces import pieces_of
from transform.runs import conserved, missing, runs
from transform.twins import Windows, near, twins


def shown(some: Windows, others: Windows) -> Any:
    """Return which windows' packets some others show.

    They do that have a twin; where some of a stream have none, those are asked that lie
    near each other: all are shown that add up to the same as the others; and of the
    rest those with a twin, those that add up to others, or others to them, and those of
    the time of others that are left then.
    """
    found = twins(some, others) >= 0
    rows, mine, theirs = _open(some, others, found)
    found[rows] = _told(mine, theirs)
    return found


def shown_or_missing(
    some: Windows, others: Windows, *, at_hand: tuple[int, int]
) -> tuple[Any, Any]:
    """Return which windows' packets some others show, and which they surely lack.

    What is not shown is lacking if it is as many packets and bytes as the others of
    about the time are short of; else it may be in those, and nothing is told.

    Args:
        some: See `shown`.
        others: See `shown`.
        at_hand: See `missing`.
    """
    found = twins(some, others) >= 0
    rows, mine, theirs = _open(some, others, found)
    found[rows] = told = _told(mine, theirs)
    lacking = np.zeros(len(some), dtype=bool)
    lacking[rows] = missing(mine, theirs, told, at_hand=at_hand)
    return found, lacking


def _told(some: Windows, others: Windows) -> Any:
    """Return which windows' packets others of their run show; the key is the run."""
    if len(some) == 0:
        return np.zeros(0, dtype=bool)
    found, known = conserved(some, others)
    rest = np.flatnonzero(~found)
    asked, left = some.take(rest), others.take(~known)
    twin = twins(asked, left)
    found[rest] = twin >= 0
    free = np.ones(len(left), dtype=bool)
    free[twin[twin >= 0]] = False
    rest, asked, left = rest[twin < 0], asked.take(twin < 0), left.take(free)
    in_pieces, used = pieces_of(asked, left)
    whole, as_pieces = pieces_of(left, asked)
    told = in_pieces | as_pieces
    told |= near(asked, left.take(~(used | whole)), within=0)
    found[rest] = told
    return found


def _open(some: Windows, others: Windows, found: Any) -> tuple[Any, Windows, Windows]:
    """Return the windows of streams of which some have no twin, and their others.

    Args:
        some: All windows.
        others: See `twins`.
        found: Which of some have a twin.

    Returns:
        Positions among all; those windows, and the others as often as there are
        recorders of their stream; the key is the run.
    """
    there = np.zeros(1 + max(n.key.max(initial=-1) for n in (some, others)), dtype=bool)
    there[others.key] = True
    if not (there[some.key] & ~found).any():
        nobody = np.flatnonzero(found[:0])
        return nobody, some.take(nobody), others.take(nobody)
    first, group = distinct(some.key, some.who)
    open_ = np.zeros(len(first), dtype=bool)
    open_[group[~found]] = True
    open_ &= there[some.key[first]]
    asked, rows = np.flatnonzero(open_), np.flatnonzero(open_[group])
    order = np.argsort(others.key, kind="stable")
    low, high = (
        np.searchsorted(others.key[order], some.key[first[asked]], side)
        for side in ("left", "right")
    )
    which, place = ranges(low, high)
    mine = replace(some.take(rows), key=group[rows])
    theirs = replace(others.take(order[place]), key=asked[which])
    run, their = runs(mine, theirs)
    return rows, replace(mine, key=run), replace(theirs, key=their)
