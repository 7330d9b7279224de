"""The main job: list, plan, work, commit, follow; safe to run twice at once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from ingest.batch import Batch
from ingest.decode.decoder import Decoder, Limits
from ingest.fetch import Fetcher
from ingest.known import Known
from ingest.listing import list_sources
from ingest.plan import Plan, batches, make_plan
from ingest.s3 import client
from ingest.source import SourceObject, Tally
from ingest.work import Progress, work
from lake.catalog import Lake
from lake.errors import BatchExpired, CommitConflict, SourceError
from lake.expire import expire
from lake.follow import follow_all
from lake.settings import Settings
from lake.snapshots import head_id
from lake.tables import FLOWS, TABLES

log = structlog.get_logger()

DEFAULT_SLACK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Request:
    """What one run is asked to do.

    Attributes:
        sources: `s3://…`, directories, files.
        since: Objects by key time from here less ``slack``; UTC.
        until: Objects by key time before here plus ``slack``; UTC.
        slack: How far a key's time may lie from its records' times.
        days: Only the prefixes of the last days; None: all.
        shard: (i, n): only the i-th of n parts, by identity.
        replace: Read rewritten objects again in place of what they were.
        log_format: Fields of headerless text.
    """

    sources: tuple[str, ...]
    since: datetime | None = None
    until: datetime | None = None
    slack: timedelta = DEFAULT_SLACK
    days: int | None = None
    shard: tuple[int, int] | None = None
    replace: bool = False
    log_format: str | None = None


@dataclass(slots=True)
class Summary:
    """What a run did; the first ten are the JSON line that scripts read."""

    objects: int = 0
    skipped: int = 0
    failed: int = 0
    lines: int = 0
    headers: int = 0
    flows: int = 0
    silences: int = 0
    quarantined: int = 0
    snapshot: int | None = None
    elapsed_s: float = 0.0
    whole: int = 0
    copies: int = 0
    rewritten: int = 0
    outside_window: int = 0
    failures: list[SourceError] = field(default_factory=list)

    def count(self, tallies: Sequence[Tally]) -> None:
        """Add the objects of a committed batch."""
        self.objects += len(tallies)
        self.whole += sum(t.whole_reason is not None for t in tallies)
        for name in ("lines", "headers", "flows", "silences", "quarantined",
                     "outside_window"):  # fmt: skip
            total = getattr(self, name) + sum(getattr(t, name) for t in tallies)
            setattr(self, name, total)

    @property
    def exit_code(self) -> int:
        """0 done; 1 done but something failed or was quarantined whole; 3 nothing."""
        if not (self.failed or self.whole):
            return 0
        return 1 if self.objects or self.skipped else 3


class Ingest:
    """One run of the job.

    Args:
        lake: The open lake; its tables are made if they are missing.
        request: What to do.
        progress: Called with (objects, bytes) as they are done.
    """

    def __init__(
        self,
        lake: Lake,
        request: Request,
        *,
        progress: Progress = lambda objects, size: None,
        on_plan: Callable[[Plan], None] = lambda plan: None,
    ) -> None:
        self._lake = lake
        self._request = request
        self._progress = progress
        self._on_plan = on_plan
        settings = lake.settings
        self._fetcher = Fetcher(
            lambda: client(settings),
            retries=settings.s3_retries,
            connections=settings.fetchers,
        )
        self._decoder = decoder_for(settings, request)
        self.summary = Summary()

    def plan(self) -> tuple[Known, Plan]:
        """List the sources and sort out what is new.

        Raises:
            FollowerStopped: `sources` cannot say what it has absorbed.
        """
        known = Known(self._lake)
        plan = make_plan(known, self._pages())
        return known, plan

    def run(self) -> Summary:
        """Do everything; on return flows and ledgers agree.

        Raises:
            LakeError: The lake cannot be read or written; nothing is lost.
        """
        began = time.monotonic()
        self._lake.ensure_all()
        follow_all(self._lake)  # what a run that was killed has left behind
        known, plan = self.plan()
        self._on_plan(plan)
        self.summary.skipped = plan.skipped
        self.summary.copies = plan.copies
        self.summary.rewritten = len(plan.rewritten)
        try:
            self._ingest(known, plan.new, op="ingest")
            if self._request.replace:
                for source in plan.rewritten:
                    self._ingest(known, [source], op="replace")
        finally:
            self._fetcher.close()
        follow_all(self._lake)
        self._expire()
        self.summary.failed = len(self.summary.failures)
        self.summary.snapshot = head_id(self._lake.load(FLOWS))
        self.summary.elapsed_s = round(time.monotonic() - began, 3)
        return self.summary

    def _pages(self) -> Iterator[list[SourceObject]]:
        """List each source; one that cannot be listed does not stop the others."""
        request, settings = self._request, self._lake.settings
        for place in request.sources:
            try:
                yield from list_sources(
                    [place],
                    client_factory=lambda: client(settings),
                    since=request.since,
                    until=request.until,
                    slack=request.slack,
                    days=request.days,
                    now=datetime.now(UTC),
                    shard=request.shard,
                )
            except SourceError as error:
                log.warning("source_failed", location=error.location, error=str(error))
                self.summary.failures.append(error)

    def _ingest(self, known: Known, sources: list[SourceObject], *, op: str) -> None:
        settings = self._lake.settings
        first = known
        for wanted in batches(
            sources, max_bytes=settings.batch_bytes, max_objects=settings.batch_objects
        ):
            # A later batch is committed on a later base than it was planned on, and
            # what another run committed in between lies below that base.
            if known is not first:
                wanted = self._still_wanted(known, wanted, op=op)
            known = self._ingest_batch(known, wanted, op=op)
            follow_all(self._lake)
            self._expire()

    def _ingest_batch(
        self, known: Known, wanted: list[SourceObject], *, op: str
    ) -> Known:
        """Commit one batch, planning it again whenever another run was faster."""
        while wanted:
            batch = Batch(self._lake, known.heads, op)
            worked = work(
                wanted,
                batch,
                fetcher=self._fetcher,
                decoder=self._decoder,
                workers=self._lake.settings.workers or os.cpu_count() or 1,
                progress=self._progress,
            )
            try:
                if op == "replace":
                    batch.withdraw(known)
                batch.commit()
            except (CommitConflict, BatchExpired) as error:
                log.info("batch_planned_again", commit_id=batch.commit_id,
                         why=str(error))  # fmt: skip
                known = Known(self._lake)
                wanted = self._still_wanted(known, wanted, op=op)
                continue
            self.summary.count(batch.tallies)
            self.summary.failures.extend(worked.failures)
            return Known(self._lake)
        return known

    def _still_wanted(
        self, known: Known, wanted: list[SourceObject], *, op: str
    ) -> list[SourceObject]:
        plan = make_plan(known, [wanted])
        self.summary.skipped += plan.skipped
        return plan.rewritten if op == "replace" else plan.new

    def _expire(self) -> None:
        for table in TABLES.values():
            expire(self._lake, table, keep=self._lake.settings.snapshots_kept)


def decoder_for(settings: Settings, request: Request) -> Decoder:
    """Return a decoder with the settings' limits and the request's window."""
    return Decoder(
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
