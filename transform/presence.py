"""Whether something was there near a time, for many keys at once."""

from __future__ import annotations

from typing import Any

import numpy as np

_SHIFT = 33


class Presence:
    """Whether something was there near a time: intervals of many keys.

    Args:
        key: Of each; small non-negative integers.
        begin: Seconds since 1970.
        end: Seconds since 1970, inclusive.
    """

    def __init__(self, key: Any, begin: Any, end: Any) -> None:
        order = np.lexsort((begin, key))
        self._begins = _joint(key[order], begin[order])
        ends = _joint(key[order], end[order])
        self._reach = np.maximum.accumulate(ends) if len(ends) else ends

    def near(
        self, key: Any, begin: Any, end: Any, *, before: int, after: int | None = None
    ) -> Any:
        """Return for which intervals another of their key is near.

        Args:
            key: Of each; -1 is near nothing.
            begin: Seconds.
            end: Seconds, inclusive.
            before: How many seconds earlier the other may have ended.
            after: How many seconds later it may begin; None: as many.
        """
        if len(self._begins) == 0:
            return np.zeros(len(key), dtype=bool)
        later = before if after is None else after
        place = np.searchsorted(self._begins, _joint(key, end + later), "right") - 1
        reach = self._reach[np.maximum(place, 0)]
        return (key >= 0) & (place >= 0) & (reach >= _joint(key, begin - before))


def _joint(key: Any, seconds: Any) -> Any:
    return (np.asarray(key, np.int64) << _SHIFT) | np.maximum(seconds, 0)
