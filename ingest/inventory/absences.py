"""When something was not there: complete listings without it, and deletions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from ingest.inventory.sighting import Sighting
from lake.tables import CONFIGURATIONS, Table

NEVER = np.iinfo(np.int64).min
EVER = np.iinfo(np.int64).max
IDENTITIES_LISTED = "identities"  # all of them
OF_A_KIND = ("pod", "node")  # identities of one kind alone

# (scope, what was listed) to the time of the newest complete listing
Listings = Mapping[tuple[str, str], datetime]


class Absences:
    """Complete listings and deletions, by scope.

    Args:
        table: `identities` or `configurations`.
        sightings: New ones.
        listed: The newest complete listings before them.
    """

    def __init__(
        self, table: Table, sightings: Sequence[Sighting], listed: Listings
    ) -> None:
        self._of_type = table is CONFIGURATIONS
        listings: dict[tuple[str, str], set[int]] = {}
        for (scope, item), at in listed.items():
            if _is_of_identities(item) != self._of_type:
                listings.setdefault((scope, item), set()).add(micros(at))
        deletions: dict[tuple[str, str], list[int]] = {}
        for sighting in sightings:
            moment = micros(sighting.at)
            for item in sighting.lists:
                if _is_of_identities(item) != self._of_type:
                    listings.setdefault((sighting.scope, item), set()).add(moment)
            for holder in () if self._of_type else sighting.deleted:
                deletions.setdefault((sighting.scope, holder), []).append(moment)
        self._listings = {k: np.array(sorted(v)) for k, v in listings.items()}
        self._deletions = {k: min(v) for k, v in deletions.items()}

    def after(self, source: Any, row: Any, at: Any) -> Any:
        """Return when each key was first found gone after a moment; ``EVER``: never.

        Args:
            source: The rows that the moments are of.
            row: Of each moment.
            at: Microseconds.
        """
        found = np.full(len(at), EVER)
        for listings, mine in self._listed(source, row):
            place = np.searchsorted(listings, at[mine], "right")
            found[mine] = np.append(listings, EVER)[place]
        if self._deletions:
            gone = self._gone(source, row)
            found = np.where(gone >= at, np.minimum(found, gone), found)
        return found

    def before(self, source: Any, row: Any, at: Any) -> Any:
        """Return when a listing last lacked each key before a moment; ``NEVER``."""
        found = np.full(len(at), NEVER)
        for listings, mine in self._listed(source, row):
            place = np.searchsorted(listings, at[mine], "left") - 1
            found[mine] = np.where(place >= 0, listings[np.maximum(place, 0)], NEVER)
        return found

    def _listed(self, source: Any, row: Any) -> Any:
        """Yield listings, and which moments are of what they list."""
        scope = source["scope"].to_numpy()[row]
        kind = source["resource_type" if self._of_type else "kind"].to_numpy()[row]
        for (name, listed), listings in self._listings.items():
            mine = scope == name
            if listed != IDENTITIES_LISTED:
                mine &= kind == listed
            yield listings, np.flatnonzero(mine)

    def _gone(self, source: Any, row: Any) -> Any:
        """Return when each moment's holder was seen to go; ``NEVER``: it was not."""
        told = pl.DataFrame(
            {
                "scope": [scope for scope, _ in self._deletions],
                "holder": [holder for _, holder in self._deletions],
                "gone": list(self._deletions.values()),
            }
        )
        holders = source.select("scope", "holder").join(
            told, on=["scope", "holder"], how="left", maintain_order="left"
        )
        return holders["gone"].fill_null(NEVER).to_numpy()[row]


def _is_of_identities(item: str) -> bool:
    return item == IDENTITIES_LISTED or item in OF_A_KIND


def micros(at: datetime) -> int:
    """Return a time as microseconds since 1970."""
    return int(at.timestamp()) * 1_000_000 + at.microsecond
