"""One kind of object listed and watched without end, as messages."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from ingest.inventory.kubernetes.allow import cut_down
from ingest.inventory.kubernetes.api import Api, Gone, Line, Refused
from ingest.inventory.kubernetes.messages import (
    Alive,
    Begin,
    Event,
    Gap,
    Listed,
    Message,
    Page,
)
from ingest.inventory.kubernetes.recording import CHANGES
from lake.errors import SourceError, SourceUnavailable

log = structlog.get_logger()

Say = Callable[[Message], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient a watch is; seconds.

    Attributes:
        first_wait_s: Longest wait after a first failure; twice as long after each more.
        longest_wait_s: No wait is longer.
        steady_s: A stream that lasts as long was no failure, and has caught up.
        stream_s: A stream ends by itself after so long, and is begun again.
        flush_s: Changes are handed on after so long.
        heartbeat_s: And that nothing changed, after so long.
        tick_s: A wish to end it is heard within this.
        attempts: A first listing that fails so often is an error.
        refusals: After as many answers in a row that are errors, list again.
    """

    first_wait_s: float = 1.0
    longest_wait_s: float = 30.0
    steady_s: float = 5.0
    stream_s: int = 240
    flush_s: float = 5.0
    heartbeat_s: float = 30.0
    tick_s: float = 0.2
    attempts: int = 5
    refusals: int = 8

    def wait_s(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row; seconds.

        Half of it is at random, so that clients that failed together do not come back
        together; the other half keeps it from being none.
        """
        longest = min(
            self.longest_wait_s, self.first_wait_s * 2.0 ** min(failures - 1, 30)
        )
        return longest * random.uniform(0.5, 1)  # noqa: S311  # jitter is no secret


def read_list(api: Api, kind: str, say: Say) -> str:
    """List a kind once, and say so; return the version to watch it from.

    Raises:
        Gone: The API forgot the listing before its last page.
        SourceError: It could not be listed.
    """
    say(Begin(kind))
    version, at = "", datetime.now(UTC)
    for page in api.pages(kind):
        version, at = page.version, page.at
        documents = [cut_down(kind, i) for i in page.items if isinstance(i, dict)]
        say(Page(kind, documents))
    say(Listed(frozenset({kind}), at))
    return version


class Feed:
    """Lists a kind, watches it, and lists it again when it has to.

    Args:
        api: Where.
        kind: What.
        say: Takes each message, in order.
        stop: Ends it, also while it waits.
        pace: How patient it is.

    Attributes:
        listed: It has been listed once.
    """

    def __init__(
        self, api: Api, kind: str, say: Say, *, stop: threading.Event, pace: Pace
    ) -> None:
        self._api = api
        self._kind = kind
        self._say = say
        self._stop = stop
        self._pace = pace
        self._failures = 0
        self.listed = False

    def run(self) -> None:
        """List and watch until told to stop.

        Raises:
            SourceError: It may not be read, or could not be listed even once.
        """
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                version = read_list(self._api, self._kind, self._say)
            except (Gone, SourceError) as error:
                self._failed(error, began)
            else:
                self.listed = True
                self._follow(version)

    def _follow(self, version: str) -> None:
        """Watch from a version on until something may have been missed."""
        refused = 0
        while not self._stop.is_set() and refused < self._pace.refusals:
            began = time.monotonic()
            try:
                for line in self._watch(version):
                    caught_up = time.monotonic() - began >= self._pace.steady_s
                    version = self._told(line, caught_up=caught_up) or version
                    refused = 0
            except Gone as error:
                self._gap(str(error))
                self._rest(began)
                return
            except SourceError as error:
                refused += isinstance(error, Refused)
                self._failed(error, began)
            else:
                if time.monotonic() - began >= self._pace.stream_s * 0.9:
                    self._say(Alive(self._kind, datetime.now(UTC)))
                self._rest(began)
        self._gap(f"refused {refused} times")

    def _watch(self, version: str) -> Iterator[Line]:
        # Streams that end at different times do not all begin again at once.
        spread = self._pace.stream_s * random.uniform(1, 1.25)  # noqa: S311
        return self._api.watch(self._kind, version, timeout_s=round(spread))

    def _told(self, line: Line, *, caught_up: bool) -> str | None:
        """Say what a line tells; return the version that it brings the watch to.

        A stream begins with what happened while there was none, so at first a change
        proves nothing of now; a bookmark does, as it comes after all of that.
        """
        document, type_ = line.event.get("object"), line.event.get("type")
        if not isinstance(document, dict):
            return None
        if type_ in CHANGES:
            kept = cut_down(self._kind, document)
            proof = line.at if line.proven and caught_up else None
            self._say(Event(str(type_), self._kind, kept, line.at, proof))
        elif type_ == "BOOKMARK" and line.proven:
            self._say(Alive(self._kind, line.at))
        version = (document.get("metadata") or {}).get("resourceVersion")
        return str(version) if version else None

    def _gap(self, why: str) -> None:
        if not self._stop.is_set():
            log.warning("watch_gap", kind=self._kind, why=why)
            self._say(Gap(self._kind))

    def _failed(self, error: Exception, began: float) -> None:
        """Wait after a failure, or raise it if waiting cannot cure it."""
        if self._stop.is_set():
            return
        hopeless = isinstance(error, SourceError) and not error.retry
        lasting = self._failures + 1 >= self._pace.attempts
        # Any one of these alone may pass: a token is renewed, an API comes back.
        if hopeless + lasting + (not self.listed) > 1:
            if isinstance(error, Gone):
                raise SourceUnavailable(self._api.host, str(error)) from error
            raise error
        log.info("watch_retry", kind=self._kind, error=str(error))
        self._rest(began, at_least=getattr(error, "after_s", 0.0), failed=True)

    def _rest(
        self, began: float, *, at_least: float = 0.0, failed: bool = False
    ) -> None:
        """Wait before the next call, longer each time that one did not last."""
        if time.monotonic() - began >= self._pace.steady_s:
            self._failures = 0
            if not failed:
                return
        self._failures += 1
        self._stop.wait(max(at_least, self._pace.wait_s(self._failures)))
