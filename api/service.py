"""What the routes share: one engine, opened when the lake is there, and the guards."""

from __future__ import annotations

import threading

from api.cursors import Cursors
from api.requested import Requested
from api.throttles import Throttle
from api.turns import Turns
from lake.settings import Settings
from queries.engine import Engine


class Service:
    """Holds the engine of one process; safe to share between threads.

    Attributes:
        cursors: Where the next page begins.
        throttle: How often one caller may ask.
        turns: How many are answered at once.
        settings: Where the lake is, and the limits of a question.
        requested: Counts what is asked.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self.requested = Requested()
        self.cursors = Cursors.of(settings)
        self.throttle = Throttle(settings.rate_per_minute, settings.rate_burst)
        self.turns = Turns(
            settings.max_concurrent, settings.max_queued, settings.max_wait_s
        )

    def engine(self) -> Engine:
        """Return the engine, opening it if that has not yet been possible.

        Raises:
            LakeError: There is no lake yet, or its catalog cannot be reached.
        """
        with self._lock:
            if self._engine is None:
                self._engine = Engine(self.settings)
            return self._engine

    def close(self) -> None:
        """Close the engine, if it was opened."""
        with self._lock:
            if self._engine is not None:
                self._engine.close()
                self._engine = None
