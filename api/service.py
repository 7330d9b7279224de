"""What the routes share: one engine, opened when the lake is there."""

from __future__ import annotations

import threading

from lake.settings import Settings
from queries.engine import Engine


class Service:
    """Holds the engine of one process; safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._engine: Engine | None = None

    def engine(self) -> Engine:
        """Return the engine, opening it if that has not yet been possible.

        Raises:
            LakeError: There is no lake yet, or its catalog cannot be reached.
        """
        with self._lock:
            if self._engine is None:
                self._engine = Engine(self._settings)
            return self._engine

    def close(self) -> None:
        """Close the engine, if it was opened."""
        with self._lock:
            if self._engine is not None:
                self._engine.close()
                self._engine = None
