"""A cluster listed once, or listed and then watched."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from ingest.inventory.kubernetes.api import Api, Gone
from ingest.inventory.kubernetes.feed import Feed, Pace, read_list
from ingest.inventory.kubernetes.fold import BATCH, Fold
from ingest.inventory.kubernetes.messages import Gap, Listed, Message
from ingest.inventory.kubernetes.recording import Recorder
from ingest.inventory.sighting import DEFAULT_CLUSTER, Sighting
from lake.errors import SourceDenied, SourceError, SourceUnavailable

log = structlog.get_logger()

_JOIN_S = 2.0
_WAITING = 100  # messages; a page of a listing is one, and 500 objects
_HELPFUL = ("ReplicaSet", "Job")  # owners are walked by them where they may be read
_CONTEXT = ("Node", "Service")


def collect(
    api: Api,
    cluster: str | None = None,
    *,
    owner_label: str | None = None,
    pace: Pace | None = None,
) -> Sighting:
    """List a cluster once.

    Nodes, services, ReplicaSets and Jobs that may not be read are left out, with a
    warning each.

    Args:
        api: The cluster's API.
        cluster: Its name; else what its nodes tell, else the configuration.
        owner_label: The label that names owners.
        pace: How often a listing is tried.

    Raises:
        SourceDenied: Pods may not be listed.
        SourceUnavailable: The API kept failing.
        UsageError: The nodes tell several names.
    """
    fold, pace = Fold(owner_label=owner_label), pace or Pace()
    for kind in (*_HELPFUL, *_CONTEXT, "Pod"):
        try:
            _list_patiently(api, kind, fold.take_in, pace)
        except SourceDenied as error:
            if kind == "Pod":
                raise _denied(error) from error
            log.warning("kubernetes_denied", kind=kind, why=error.detail)
    return fold.sighting(_name(cluster, fold, api), is_guessed=not cluster)


def watch(
    api: Api,
    cluster: str | None,
    on_sighting: Callable[[Sighting], None],
    *,
    record: Path | None = None,
    stop: threading.Event | None = None,
    owner_label: str | None = None,
    pace: Pace | None = None,
) -> None:
    """List a cluster and watch it until told to stop.

    The first sighting holds all, each later one what changed since; one with a span of
    watching but no rows says that nothing did. Broken connections are taken up where
    they broke off. Where the API no longer knows what was missed, the span ends, all is
    listed again and another begins.

    Args:
        api: The cluster's API; it is closed when this ends.
        cluster: Its name; else what its nodes tell, else the configuration.
        on_sighting: Takes each sighting; the watch waits for it.
        record: A file to which everything is appended, as ``recording`` writes it.
        stop: Ends the watch, within about a second.
        owner_label: The label that names owners.
        pace: How patient it is.

    Raises:
        SourceDenied: Pods may not be listed or watched.
        SourceUnavailable: The first listing of pods kept failing.
        UsageError: The nodes tell several names.
        OSError: The recording cannot be written.
    """
    with ExitStack() as stack:
        watching = _Watching(api, cluster, on_sighting, owner_label, pace or Pace())
        if record is not None:
            out = stack.enter_context(record.open("a", encoding="utf-8"))
            watching.recorder = Recorder(out)
        watching.run(stop or threading.Event())


@dataclass(frozen=True, slots=True)
class _Ended:
    """A kind's feed ended before it was told to."""

    kind: str
    error: Exception


class _Watching:
    """One watch: a feed in a thread for each kind, and their messages folded."""

    def __init__(
        self,
        api: Api,
        cluster: str | None,
        on_sighting: Callable[[Sighting], None],
        owner_label: str | None,
        pace: Pace,
    ) -> None:
        self.recorder: Recorder | None = None
        self._api = api
        self._cluster = cluster
        self._is_guessed = not cluster
        self._on_sighting = on_sighting
        self._pace = pace
        self._fold = Fold(owner_label=owner_label)
        self._inbox: queue.Queue[Message | _Ended] = queue.Queue(_WAITING)
        self._ended = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self._awaited = {*_HELPFUL, *_CONTEXT}  # pods are listed after them
        self._handed_on = time.monotonic()
        self._span_end: datetime | None = None
        self._begun = False  # all kinds have been listed
        self._refused = False  # a sighting was not taken

    def run(self, stop: threading.Event) -> None:
        """List, watch and hand on until told to stop."""
        try:
            for kind in (*_HELPFUL, *_CONTEXT):
                self._begin(kind)
            while not stop.is_set():
                with suppress(queue.Empty):
                    self._take(self._inbox.get(timeout=self._pace.tick_s))
                if self._is_due():
                    self._hand_on()
        finally:
            self._end()

    def _begin(self, kind: str) -> None:
        thread = threading.Thread(
            target=self._feed, args=(kind,), name=f"watch-{kind}", daemon=True
        )
        self._threads[kind] = thread
        thread.start()

    def _feed(self, kind: str) -> None:
        feed = Feed(self._api, kind, self._say, stop=self._ended, pace=self._pace)
        try:
            if kind in _HELPFUL:
                read_list(self._api, kind, self._say)
            else:
                feed.run()
        except Exception as error:
            self._say(_Ended(kind, error))

    def _say(self, message: Message | _Ended) -> None:
        """Put a message in the inbox; while it is full, the API has to wait."""
        while not self._ended.is_set():
            with suppress(queue.Full):
                self._inbox.put(message, timeout=self._pace.tick_s)
                return

    def _take(self, message: Message | _Ended) -> None:
        if isinstance(message, _Ended):
            self._lost(message)
            return
        self._fold.take_in(message)
        if self.recorder is not None:
            if isinstance(message, Listed):
                self.recorder.cluster = _name(self._cluster, self._fold, self._api)
            self.recorder.write(message)
        if isinstance(message, Listed):
            self._known(message.kinds)

    def _lost(self, ended: _Ended) -> None:
        """Go on without a kind that may not be read; pods nothing can replace."""
        error = ended.error
        if ended.kind == "Pod" or not isinstance(error, SourceError | Gone):
            raise _denied(error) if isinstance(error, SourceDenied) else error
        log.warning("kubernetes_not_watched", kind=ended.kind, why=str(error))
        self._take(Gap(ended.kind))
        self._known(frozenset({ended.kind}))

    def _known(self, kinds: frozenset[str]) -> None:
        self._awaited -= kinds
        self._begun |= "Pod" in kinds
        if not self._awaited and "Pod" not in self._threads:
            self._begin("Pod")

    def _is_due(self) -> bool:
        if not self._begun:
            return False
        waited = time.monotonic() - self._handed_on
        if self._fold.pending:
            return self._fold.pending >= BATCH or waited >= self._pace.flush_s
        span = self._fold.spans.current
        moved = span is not None and span[1] != self._span_end
        return moved and waited >= self._pace.heartbeat_s

    def _hand_on(self) -> None:
        if self._cluster is None:  # once known, it stays
            self._cluster = _name(None, self._fold, self._api)
        span = self._fold.spans.current
        if self.recorder is not None:
            self.recorder.flush()
        self._refused = True
        self._on_sighting(
            self._fold.sighting(self._cluster, is_guessed=self._is_guessed)
        )
        self._refused = False
        self._handed_on = time.monotonic()
        self._span_end = span[1] if span else None

    def _end(self) -> None:
        """End the threads, and hand on what they had said."""
        self._ended.set()
        self._api.close()
        deadline = time.monotonic() + _JOIN_S
        for thread in self._threads.values():
            thread.join(max(0.0, deadline - time.monotonic()))
        with suppress(queue.Empty):
            while True:
                message = self._inbox.get_nowait()
                if not isinstance(message, _Ended):
                    self._take(message)
        spans = self._fold.spans
        if self.recorder is not None:
            for kind in sorted(spans.listed):
                self.recorder.write(Gap(kind, spans.until(kind)))
            self.recorder.flush()
        if self._begun and not self._refused:
            self._hand_on()


def _list_patiently(
    api: Api, kind: str, say: Callable[[Message], None], pace: Pace
) -> None:
    for attempt in range(1, pace.attempts + 1):
        try:
            read_list(api, kind, say)
        except (Gone, SourceUnavailable) as error:
            if attempt == pace.attempts:
                raise SourceUnavailable(api.host, str(error)) from error
            log.info("kubernetes_retry", kind=kind, attempt=attempt, error=str(error))
            time.sleep(pace.wait_s(attempt))
        else:
            return


def _name(cluster: str | None, fold: Fold, api: Api) -> str:
    return cluster or fold.cluster or api.name or DEFAULT_CLUSTER


def _denied(error: SourceDenied) -> SourceDenied:
    return SourceDenied(
        error.location,
        f"{error.detail}. Allow get, list and watch on pods, nodes and services in all "
        "namespaces: a ClusterRole and its binding.",
    )
