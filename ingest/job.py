"""The main job: list, plan, load, follow a queue; safe to run twice at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from ingest.consume import Consumer
from ingest.known import Known
from ingest.listing import Selection, list_sources
from ingest.load import Loader
from ingest.plan import Plan, make_plan, plan_in_parts
from ingest.rollup.follower import roll_up
from ingest.s3 import client
from ingest.settling import Settler
from ingest.source import SourceObject
from ingest.sqs import open_queue
from ingest.stop import Stop
from ingest.summary import Summary
from ingest.work import Progress
from ingest.writes import lake_writes
from lake.catalog import Lake
from lake.errors import LakeMissing, SourceError
from lake.settings import Settings
from lake.signals.run import go_on
from lake.signals.traces import each, span
from lake.snapshots import head_id
from lake.tables import FLOWS

if TYPE_CHECKING:
    from ingest.decode.decoder import Decoder

log = structlog.get_logger()

DEFAULT_SLACK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Request:
    """What one run is asked to do.

    Attributes:
        sources: `s3://…`, directories, files.
        queue: URL of a queue of S3 events to follow after the sources.
        until_empty: Follow it only until it has nothing more.
        since: Objects by key time from here less ``slack``; UTC.
        until: Objects by key time before here plus ``slack``; UTC.
        slack: How far a key's time may lie from its records' times.
        days: Only the prefixes of the last days; None: all.
        shard: (i, n): only the i-th of n parts, by identity.
        replace: Read rewritten objects again in place of what they were.
        log_format: Fields of headerless text.
        settle: Settle the hours that are due, and attribute anew what the inventory
            has reopened.
        roll_up: Let the roll-ups follow at the end.
    """

    sources: tuple[str, ...] = ()
    queue: str | None = None
    until_empty: bool = False
    since: datetime | None = None
    until: datetime | None = None
    slack: timedelta = DEFAULT_SLACK
    days: int | None = None
    shard: tuple[int, int] | None = None
    replace: bool = False
    log_format: str | None = None
    settle: bool = True
    roll_up: bool = True


class Ingest:
    """One run of the job.

    Args:
        lake: The open lake; its tables are made if they are missing.
        request: What to do.
        progress: Called with (objects, bytes) as they are done.
        on_plan: Called with each plan.
        stop: Asks for an early end: the batch in hand is committed, no other begun.
    """

    def __init__(
        self,
        lake: Lake,
        request: Request,
        *,
        progress: Progress = lambda objects, size: None,
        on_plan: Callable[[Plan], None] = lambda plan: None,
        stop: Stop | None = None,
    ) -> None:
        self._lake = lake
        self._request = request
        self._on_plan = on_plan
        self._stop = stop or Stop()
        self._loader = Loader(
            lake,
            decoder=lambda formats: decoder_for(lake.settings, request, formats),
            replace=request.replace,
            progress=progress,
        )
        self._settler = Settler(lake, self._loader.inventories)

    @property
    def summary(self) -> Summary:
        """What has been done so far."""
        return self._loader.summary

    def plans(self) -> Iterator[tuple[Known, Plan]]:
        """List the sources and sort out what is new, part by part.

        Raises:
            FollowerStopped: `sources` cannot say what it has absorbed.
        """
        pages = listed(
            self._request, self._lake.settings, self.summary, stop=self._stop
        )
        return plan_in_parts(lambda: Known(self._lake), pages)

    def run(self) -> Summary:
        """Do everything; on return flows and ledgers agree.

        Raises:
            LakeError: The lake cannot be read or written; nothing is lost.
        """
        began = time.monotonic()
        try:
            self._lake.ensure_all()
            self._loader.follow()  # what a run that was killed has left behind
            self._attribute()
            self._load_listed()
            if self._request.queue is not None:
                self._follow(self._request.queue)
            self._settle()
            self.summary.snapshot = head_id(self._lake.load(FLOWS))
        finally:
            self._loader.close()
            self.summary.elapsed_s = round(time.monotonic() - began, 3)
        return self.summary

    def _attribute(self) -> None:
        """Attribute anew what the inventory has reopened."""
        if self._request.settle:
            with span("attribute"):
                self._settler.attribute(now=datetime.now(UTC))

    def _settle(self) -> None:
        """Settle the hours that are due; then ledgers and roll-ups follow."""
        if self._request.settle:
            with span("settle"):
                settled = self._settler.settle_due(now=datetime.now(UTC))
            if settled.added:
                self._loader.follow()
        if self._request.roll_up and self._lake.settings.rollups:
            with lake_writes(), span("roll_up"):
                roll_up(self._lake)

    def _between(self) -> None:
        """Do what another run would do meanwhile: a queue is followed for weeks."""
        self._attribute()
        self._settle()
        self.summary.tell()
        go_on()

    def _load_listed(self) -> None:
        with decoding_made_ready():
            for known, plan in each("plan", self.plans()):
                self._on_plan(plan)
                self._loader.load(known, plan, ended=lambda: self._stop.asked)
                del known, plan  # before the next part is listed

    def _follow(self, url: str) -> None:
        """Follow a queue; one that cannot be read is a failure beside others."""
        request = self._request
        try:
            Consumer(
                self._lake,
                self._loader,
                open_queue(self._lake.settings, url),
                selection=Selection.with_slack(
                    now=datetime.now(UTC),
                    since=request.since,
                    until=request.until,
                    slack=request.slack,
                    shard=request.shard,
                ),
                until_empty=request.until_empty,
                stop=self._stop,
                on_plan=self._on_plan,
                between=self._between,
            ).run()
        except SourceError as error:
            log.error("queue_failed", location=url, error=str(error))  # noqa: TRY400  # the message says what to do, a trace would not
            self.summary.fail(error)


def dry_run(request: Request, settings: Settings) -> tuple[Plan, Summary]:
    """Plan a run and do nothing, not even make a lake: without one all is new.

    Raises:
        LakeError: There is a lake and it cannot be read.
    """
    summary = Summary()
    pages = listed(request, settings, summary)
    try:
        with Lake(settings) as lake:
            known = Known(lake)
    except LakeMissing:
        return make_plan(None, pages), summary
    return make_plan(known, pages), summary


def listed(
    request: Request,
    settings: Settings,
    summary: Summary,
    *,
    stop: Stop | None = None,
) -> Iterator[list[SourceObject]]:
    """List each source; one that cannot be listed does not stop the others.

    Args:
        request: Names the sources.
        settings: How to reach them.
        summary: Counts those that cannot be listed.
        stop: Ends the listing early.
    """
    for place in request.sources:
        try:
            for page in list_sources(
                [place],
                client_factory=lambda: client(settings),
                since=request.since,
                until=request.until,
                slack=request.slack,
                days=request.days,
                now=datetime.now(UTC),
                shard=request.shard,
            ):
                if stop is not None and stop.asked:
                    return
                yield page
        except SourceError as error:
            log.warning("source_failed", location=error.location, error=str(error))
            summary.fail(error)


@contextmanager
def decoding_made_ready() -> Iterator[None]:
    """Load the compiled decoder while there is listing and fetching to be done.

    It takes half a second; whoever decodes before that waits for it.
    """

    def make_ready() -> None:
        from ingest.decode.scan import make_ready as load

        load()

    thread = threading.Thread(target=make_ready, name="decoder")
    thread.start()
    try:
        yield
    finally:
        thread.join()


def decoder_for(
    settings: Settings, request: Request, formats: Mapping[str, str]
) -> Decoder:
    """Return a decoder with the settings' limits and the request's window."""
    # Importing the compiler takes half a second; see `decoding_made_ready`.
    from ingest.decode.decoder import Decoder, Limits

    return Decoder(
        formats={} if request.log_format else formats,
        log_format=request.log_format or settings.log_format,
        limits=Limits(
            max_object_bytes=settings.max_object_bytes,
            max_line_bytes=settings.max_line_bytes,
            max_quarantine_rows=settings.max_quarantine_rows,
        ),
        now=datetime.now(UTC),
        since=request.since,
        until=request.until,
    )
