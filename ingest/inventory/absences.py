"""When something was not there: complete listings without it, and deletions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.inventory.sighting import Sighting
from lake.tables import CONFIGURATIONS, Table
from transform.codes import Coded, coded

NEVER = np.iinfo(np.int64).min
EVER = np.iinfo(np.int64).max
IDENTITIES_LISTED = "identities"  # all of them
OF_A_KIND = ("pod", "node")  # identities of one kind alone

# (scope, what was listed) to the times of its first and its newest complete listing
Listings = Mapping[tuple[str, str], tuple[datetime, datetime]]


class Absences:
    """Complete listings and deletions, by scope.

    A key that a listing shows has a moment at its time: so the first listing after a
    moment and before the next one of its key did not show it.

    Args:
        table: `identities` or `configurations`.
        sightings: New ones.
        listed: The first and the newest complete listings before them.
        rows: What moments are of.
    """

    def __init__(
        self,
        table: Table,
        sightings: Sequence[Sighting],
        listed: Listings,
        rows: pa.Table,
    ) -> None:
        of_type = table is CONFIGURATIONS
        new: dict[tuple[str, str], set[int]] = {}
        for sighting in sightings:
            for item in sighting.lists:
                if _is_of_identities(item) != of_type:
                    new.setdefault((sighting.scope, item), set()).add(
                        micros(sighting.at)
                    )
        known = {
            key: (micros(first), micros(last))
            for key, (first, last) in listed.items()
            if _is_of_identities(key[1]) != of_type
        }
        self._scope = coded(rows["scope"])
        self._kind = coded(rows["resource_type" if of_type else "kind"])
        self._new = {key: np.array(sorted(at)) for key, at in new.items()}
        self._known = known
        self._all = {
            key: np.array(sorted({*new.get(key, ()), *known.get(key, ())[1:]}))
            for key in new.keys() | known.keys()
        }
        self._deletions = None if of_type else _Deletions(sightings, rows, self._scope)

    def after(self, row: Any, at: Any, *, new: bool = False) -> Any:
        """Return when each key was first found gone after a moment; ``EVER``: never.

        Args:
            row: Of each moment.
            at: When it was shown; microseconds.
            new: Heed the new listings alone.
        """
        found = np.full(len(at), EVER)
        for (_, times), mine in self._of(self._new if new else self._all, row):
            there = np.append(times, EVER)[np.searchsorted(times, at[mine], "right")]
            found[mine] = np.minimum(found[mine], there)
        if self._deletions is not None:
            found = np.minimum(found, self._deletions.after(row, at))
        return found

    def before(self, row: Any, at: Any, *, new: bool = False) -> Any:
        """Return when a listing last lacked each key before a moment; ``NEVER``."""
        found = np.full(len(at), NEVER)
        for (_, times), mine in self._of(self._new if new else self._all, row):
            there = np.append(NEVER, times)[np.searchsorted(times, at[mine], "left")]
            found[mine] = np.maximum(found[mine], there)
        return found

    def are_unknown(self, row: Any, since: Any, until: Any) -> Any:
        """Return between which moments there may have been listings no longer known.

        Args:
            row: Of each moment.
            since: Microseconds, exclusive.
            until: Microseconds, exclusive.
        """
        return self._overlaps_known(row, since, until) & (since < until)

    def are_among_known(self, row: Any, at: Any) -> Any:
        """Return which moments are between the first and the newest known listing."""
        return self._overlaps_known(row, at, at)

    def _overlaps_known(self, row: Any, since: Any, until: Any) -> Any:
        found = np.zeros(len(row), dtype=bool)
        for (_, (first, last)), mine in self._of(self._known, row):
            found[mine] |= (since[mine] < last) & (until[mine] > first)
        return found

    def _of(self, listings: Mapping[tuple[str, str], Any], row: Any) -> Any:
        """Yield listings, and which moments are of what they list."""
        scopes, kinds = self._scope.codes[row], self._kind.codes[row]
        for (scope, item), times in listings.items():
            mine = scopes == self._scope.code_of(scope)
            if item != IDENTITIES_LISTED:
                mine &= (kinds >= 0) & (kinds == self._kind.code_of(item))
            yield ((scope, item), times), np.flatnonzero(mine)


class _Deletions:
    """When holders were seen to go."""

    def __init__(
        self, sightings: Sequence[Sighting], rows: pa.Table, scope: Coded
    ) -> None:
        told = [(s.scope, h, micros(s.at)) for s in sightings for h in s.deleted]
        at = np.array([at for *_, at in told], np.int64)
        self._holder, self._scope = coded(rows["holder"]), scope
        self._times = np.unique(at)
        self._joint = np.sort(
            self._joined(
                _codes([scope for scope, *_ in told], scope),
                _codes([holder for _, holder, _ in told], self._holder),
                np.searchsorted(self._times, at),
            )
        )

    def after(self, row: Any, at: Any) -> Any:
        """Return when each moment's holder went, then or later; ``EVER``: never."""
        found = np.full(len(row), EVER)
        if len(self._joint) == 0:
            return found
        asked = self._joined(
            self._scope.codes[row], self._holder.codes[row],
            np.searchsorted(self._times, at, "left"),
        )  # fmt: skip
        place = np.searchsorted(self._joint, asked, "left")
        next_ = self._joint[np.minimum(place, len(self._joint) - 1)]
        width = len(self._times) + 1
        same = (place < len(self._joint)) & (next_ // width == asked // width)
        return np.where(same, self._times[np.where(same, next_ % width, 0)], EVER)

    def _joined(self, scope: Any, holder: Any, rank: Any) -> Any:
        whole = (scope.astype(np.int64) + 1) * (len(self._holder.words) + 1)
        return (whole + holder + 1) * (len(self._times) + 1) + rank


def _codes(texts: Sequence[str], of: Coded) -> Any:
    """Return the codes of texts; of one that is not there, the code of null."""
    found = pc.index_in(pa.array(texts, pa.string()), of.words.cast(pa.string()))
    return np.asarray(pc.fill_null(found, -1), np.int64)


def _is_of_identities(item: str) -> bool:
    return item == IDENTITIES_LISTED or item in OF_A_KIND


def micros(at: datetime) -> int:
    """Return a time as microseconds since 1970."""
    return int(at.timestamp()) * 1_000_000 + at.microsecond
