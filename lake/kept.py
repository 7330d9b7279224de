"""Values that stay true while their key does, the most recently used of them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Some values by key; safe to share between threads.

    Args:
        most: How many are kept.
        large: Values are so large that no two may be made at once.
    """

    def __init__(self, most: int, *, large: bool = False) -> None:
        self._most = most
        self._making: AbstractContextManager[object] = (
            threading.RLock() if large else nullcontext()
        )
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of a key, made if it is not at hand.

        Two who ask at once may both make it, if it is not large: what is equal may be
        made twice.
        """
        found = self._find(key)
        if found:
            return found[0]
        with self._making:
            found = self._find(key)
            return found[0] if found else self.put(key, make())

    def peek(self, key: Hashable) -> T | None:
        """Return the value of a key; None: it is not at hand."""
        found = self._find(key)
        return found[0] if found else None

    def put(self, key: Hashable, value: T) -> T:
        """Keep a value; return it."""
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return value

    def _find(self, key: Hashable) -> tuple[T] | None:
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return (self._values[key],)
