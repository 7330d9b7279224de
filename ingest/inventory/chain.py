"""The moments of a key in order, and what parts them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ingest.inventory.absences import EVER, NEVER, Absences
from ingest.inventory.moments import FIRST, GONE, LAST, Moments, Source
from transform.codes import ranges


class Chain:
    """Moments in order, each with the one before it.

    Rows that surely were so at no time stand apart: they may have been before or after
    whatever else is known.

    Attributes:
        places: Of each moment, its place among the source's.
        same: Whether each is of the key of the one before it.
        inside: The known row that a moment and the one before it lie within, or -1.
        own: Whether that row's attributes are theirs.
        known: Whether each is of a row of the lake. Its bounds tell of all listings
            before; of looks only the newest and the first are known.
        doubtful: Whether some row of its key stands apart.
        gone: When each was first found gone after it was shown.
        apart: The moments of the rows that stand apart.
    """

    def __init__(self, source: Source, absences: Absences) -> None:
        every = source.moments
        apart = (every.row < source.known) & (every.side == GONE)
        self.places = np.flatnonzero(~apart)
        self.apart = every.take(np.flatnonzero(apart))
        self.moments = m = every.take(self.places)
        self.absences = absences
        self.known = m.row < source.known
        # A listing may have shown what of such a key has been forgotten.
        self.doubtful = np.isin(m.key, self.apart.key)
        size = len(m)
        self.same = np.zeros(size, dtype=bool)
        self.same[1:] = m.key[1:] == m.key[:-1]
        self.inside = _inside(m)
        own = np.zeros(size, dtype=bool)
        own[1:] = m.attributes[1:] == m.attributes[:-1]
        attributes_of = np.full(source.rows.num_rows + 1, -1)
        attributes_of[m.row] = m.attributes
        own &= (self.inside >= 0) & (attributes_of[self.inside] == m.attributes)
        self.own = own
        self.gone = self.gone_after(self.known | np.append(own[1:], [False]), m.shown)

    def gone_after(self, known: Any, shown: Any, places: Any = slice(None)) -> Any:
        """Return when moments were first found gone after they were shown."""
        row = self.moments.row[places]
        return np.where(
            known | self.doubtful[places],
            self.absences.after(row, shown, new=True),
            self.absences.after(row, shown),
        )

    def breaks(self) -> tuple[Any, Any]:
        """Return which moments do not continue the one before them.

        Returns:
            Those that do not, and with them those that may not: something may have
            been in between, and be forgotten.
        """
        broken = np.ones(len(self.moments), dtype=bool)
        broken[1:] = ~self.same[1:] | self._parted()
        broken |= self._bounds_inside(broken, self.moments.earliest, "left")
        broken |= self._bounds_inside(broken, self.moments.latest, "right")
        return broken, broken | self._doubted(broken)

    def _parted(self) -> Any:
        """Return which moments but the first something parts from the one before."""
        m, one, other = self.moments, slice(None, -1), slice(1, None)
        is_gone = m.side[other] == GONE
        by = np.where(is_gone, np.minimum(m.at, m.shown)[other], m.at[other])
        parted = m.attributes[other] != m.attributes[one]
        # Looks within a row of other attributes were not the only ones there.
        parted |= ~self.own[other] & (self.inside[other] >= 0)
        parted |= self.gone[one] < by
        return parted | (m.ended[one] & ~is_gone & (m.begin[other] > m.at[one]))

    def _doubted(self, broken: Any) -> Any:
        """Return which moments may not continue the one before them.

        The lake's rows are apart for a reason, unless it was what had not been told
        yet. Between a look and what was known before or after it, more was known then.
        """
        m = self.moments
        known = self.known & np.append(False, self.known[:-1])
        found = np.zeros(len(m), dtype=bool)
        found[1:] = known[1:] & (m.row[1:] != m.row[:-1]) & (m.told[1:] == m.told[:-1])
        late = np.flatnonzero(~broken & ~known & ~self.own & (m.side != GONE))
        found[late] |= self.others_between(late, m.at[late - 1])
        found[late] |= self.absences.are_unknown(
            m.row[late], m.shown[late - 1], m.at[late]
        )
        return found

    def _bounds_inside(self, broken: Any, times: Any, side: str) -> Any:
        """Return which moments lie beyond what another of their run tells of an end.

        What one moment tells holds for all that were joined to it: none of them was
        before its ``earliest`` (left) or after its ``latest`` (right).
        """
        size = len(self.moments)
        run = np.cumsum(broken) - 1
        begins = np.append(np.flatnonzero(broken), size)
        told = np.flatnonzero((times > NEVER) & (times < EVER))
        first, end = begins[run[told]], begins[run[told] + 1]
        place = _searched(self.moments.at, times[told], first, end, side)
        inner = (place > first) & (place < end)
        inner &= (place <= told) if side == "left" else (place > told)
        found = np.zeros(size, dtype=bool)
        found[place[inner]] = True
        return found

    def others_between(self, places: Any, since: Any) -> Any:
        """Return whether a known row of other attributes can have been in between.

        What is told after all that is known of a key is not doubted because of how
        long the others were possible: of those nothing has been forgotten.

        Args:
            places: Moments.
            since: Time before each; microseconds.
        """
        m = self.moments
        found = self._overlaps(self.apart, self.apart.earliest, self.apart.latest,
                               places, since)  # fmt: skip
        final = np.flatnonzero(self.known & (m.side != FIRST))
        if len(final) and len(places):
            newest = np.full(int(m.key.max()) + 1, NEVER)
            np.maximum.at(newest, m.key[final], m.at[final])
            late = m.at[places] < newest[m.key[places]]
            low, high = self._possible(final)
            found |= late & self._overlaps(m.take(final), low, high, places, since)
        return found

    def _overlaps(
        self, rows: Moments, low: Any, high: Any, places: Any, since: Any
    ) -> Any:
        """Return where one of some rows has other attributes and may be in between."""
        m, found = self.moments, np.zeros(len(places), dtype=bool)
        begin, end = (
            np.searchsorted(rows.key, m.key[places], side) for side in ("left", "right")
        )
        asked, row = ranges(begin, end)
        other = rows.attributes[row] != m.attributes[places[asked]]
        other &= (low[row] < m.at[places[asked]]) & (high[row] > since[asked])
        found[asked[other]] = True
        return found

    def _possible(self, final: Any) -> tuple[Any, Any]:
        """Return between when known rows can have been so, as far as it was learnt."""
        m = self.moments
        first = np.flatnonzero(m.side == FIRST)
        of_row = np.full(int(m.row.max()) + 1, NEVER)
        of_row[m.row[first]] = m.earliest[first]
        earliest = np.maximum(m.earliest[final], of_row[m.row[final]])
        low = np.where(earliest > NEVER, earliest, m.begin[final])
        open_ = (m.latest[final] == EVER) | m.ended[final]
        return low, np.where(open_, m.at[final], m.latest[final])


def _searched(times: Any, asked: Any, begin: Any, end: Any, side: str) -> Any:
    """Return where times come among those from a place to another, which ascend."""
    low, high = begin.copy(), end.copy()
    while (left := low < high).any():
        middle = np.where(left, (low + high) // 2, 0)
        there = times[middle]
        before = left & ((there < asked) if side == "left" else (there <= asked))
        low = np.where(before, middle + 1, low)
        high = np.where(left & ~before, middle, high)
    return low


def _inside(m: Moments) -> Any:
    """Return the known row that each moment and the one before it lie within, or -1."""
    size = len(m)
    found = np.full(size, -1)
    if size < 2:
        return found
    places = np.arange(size)
    end_of = np.full(int(m.row.max()) + 1, -1)
    final = m.side == LAST
    end_of[m.row[final]] = places[final]
    begun = np.maximum.accumulate(np.where(m.side == FIRST, places, -1))[:-1]
    row = m.row[np.maximum(begun, 0)]
    within = (begun >= 0) & (end_of[row] >= places[1:])
    found[1:] = np.where(within, row, -1)
    return found
