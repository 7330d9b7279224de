"""Ends a query from outside, as when nobody waits for its answer any more."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Stop:
    """Ends one query, be it called before that has begun; for any thread.

    Attributes:
        is_called: Whether it was.
    """

    def __init__(self) -> None:
        self.is_called = False
        self._lock = threading.Lock()
        self._end: Callable[[], None] | None = None

    def __call__(self) -> None:
        """End the query."""
        with self._lock:
            self.is_called = True
            if self._end is not None:
                self._end()

    def ends(self, end: Callable[[], None]) -> None:
        """Say how the query is ended; it may be too late, and done now."""
        with self._lock:
            self._end = end
            if self.is_called:
                end()
