"""Whether something was there near a time, for many keys at once."""

from __future__ import annotations

from typing import Any

import numpy as np

NEVER, EVER = 0, (1 << 33) - 1  # seconds since 1970, to the year 2242
KEY_SHIFT = 33


class Presence:
    """Whether something was there near a time: intervals of many keys.

    Args:
        key: Of each; small non-negative integers.
        begin: Seconds since 1970.
        end: Seconds since 1970.
    """

    def __init__(self, key: Any, begin: Any, end: Any) -> None:
        order = np.lexsort((begin, key))
        self._begins = joint(key[order], begin[order])
        ends = joint(key[order], end[order])
        self._reach = np.maximum.accumulate(ends) if len(ends) else ends

    def near(
        self, key: Any, begin: Any, end: Any, *, before: int, after: int | None = None
    ) -> Any:
        """Return for which intervals another of their key is near.

        Args:
            key: Of each; -1 is near nothing.
            begin: Seconds.
            end: Seconds, inclusive, as those of the others.
            before: How many seconds earlier the other may have ended.
            after: How many seconds later it may begin; None: as many.
        """
        later = before if after is None else after
        return self.reaches(key, end + later, begin - before)

    def reaches(self, key: Any, begun: Any, ended: Any) -> Any:
        """Return where some interval of a key begins by ``begun``, ends no earlier.

        Args:
            key: Of each question; -1 has no interval.
            begun: Seconds; the interval begins then or before.
            ended: Seconds; the interval ends then or after.
        """
        if len(self._begins) == 0:
            return np.zeros(len(key), dtype=bool)
        place = np.searchsorted(self._begins, joint(key, begun), "right") - 1
        reach = self._reach[np.maximum(place, 0)]
        return (key >= 0) & (place >= 0) & (reach >= joint(key, ended))


def joint(key: Any, seconds: Any) -> Any:
    """Return keys and times as one integer that sorts as both."""
    clipped = np.clip(seconds, NEVER, EVER)
    return (np.asarray(key, np.int64) << KEY_SHIFT) | clipped


def seconds_of(joined: Any) -> Any:
    """Return the times of what `joint` made."""
    return joined & EVER
