"""Ending a long run between two steps when a signal asks for it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

Answer = TypeVar("Answer")
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class _Interrupted(BaseException):
    """Breaks off a wait; no Exception, lest a library take it for a failed call."""


class Stop:
    """Whether the run has been asked to end.

    Attributes:
        asked: It has; what is in hand is finished first.
    """

    def __init__(self) -> None:
        self.asked = False
        self._waiting = False

    def ask(self) -> None:
        """Ask the run to end; a wait of the main thread ends at once."""
        self.asked = True
        if self._waiting:
            self._waiting = False
            raise _Interrupted

    def waiting(self, call: Callable[[], Answer], *, otherwise: Answer) -> Answer:
        """Make a call that a signal may break off.

        Args:
            call: Waits for something that is no loss if it is never heard of.
            otherwise: The answer if it was broken off, or if it is no longer wanted.
        """
        try:
            self._waiting = True
            try:
                return otherwise if self.asked else call()
            finally:
                self._waiting = False
        except _Interrupted:
            return otherwise


@contextmanager
def on_signals(stop: Stop) -> Iterator[None]:
    """Let SIGTERM and SIGINT ask for the end; a second one acts as it ever did."""
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def asked(number: int, frame: FrameType | None) -> None:
        restore()
        stop.ask()

    for number in SIGNALS:
        signal.signal(number, asked)
    try:
        yield
    finally:
        restore()
