"""From a plan to the lake: batch by batch, each committed and followed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import structlog

from ingest.batch import Batch
from ingest.enriching import Inventories
from ingest.fetch import Fetcher
from ingest.known import Known
from ingest.networks import read_networks
from ingest.objects import Objects
from ingest.plan import Plan, make_plan
from ingest.s3 import client
from ingest.source import SourceObject, Tally
from ingest.summary import Summary
from ingest.work import Progress, work
from ingest.writes import lake_writes
from lake.catalog import Lake
from lake.errors import BatchExpired, CommitConflict
from lake.expire import expire
from lake.follow import follow_all
from lake.signals.traces import span
from lake.tables import TABLES

if TYPE_CHECKING:
    from ingest.decode.decoder import Decoder

log = structlog.get_logger()


def _never() -> bool:
    return False


class Loader:
    """Loads planned objects, from a listing or from a queue.

    Args:
        lake: The open lake.
        decoder: Makes the decoder of a batch, given the formats of known flow logs:
            what is in the future depends on when.
        replace: Read rewritten objects again in place of what they were.
        progress: Called with (objects, bytes) as they are done.
    """

    def __init__(
        self,
        lake: Lake,
        *,
        decoder: Callable[[Mapping[str, str]], Decoder],
        replace: bool,
        progress: Progress,
    ) -> None:
        settings = lake.settings
        self._lake = lake
        self._decoder = decoder
        self._replace = replace
        self._progress = progress
        self._fetcher = Fetcher(
            lambda: client(settings),
            retries=settings.s3_retries,
            connections=settings.fetchers,
        )
        self.inventories = Inventories(lake, read_networks(settings.networks))
        self.summary = Summary()

    def close(self) -> None:
        """End the threads."""
        self._fetcher.close()

    def load(
        self, known: Known, plan: Plan, *, ended: Callable[[], bool] = _never
    ) -> set[str]:
        """Commit what a plan holds; after each batch the ledgers agree with the heads.

        Whatever happens, the summary counts what has been committed.

        Args:
            known: What the plan was made with.
            plan: What there is to do.
            ended: Asked before each batch whether to leave the rest.

        Returns:
            The identities of the objects that are not in the lake as planned.

        Raises:
            LakeError: The lake cannot be read or written; nothing is lost.
        """
        self.summary.skipped += plan.skipped
        self.summary.copies += plan.copies
        self.summary.rewritten += len(plan.rewritten)
        self.summary.differing += plan.differing
        if plan.differing:
            log.warning("copies_differ", count=plan.differing,
                        do="look at them: -vv names each")  # fmt: skip
        unread = self._load(known, plan.new, op="ingest", ended=ended)
        again = self._again(plan)
        return unread | self._load(None, again, op="replace", ended=ended)

    def _again(self, plan: Plan) -> Objects:
        """Return the objects to be read in place of what the lake has of them."""
        return Objects(chain(plan.doubled, plan.rewritten if self._replace else ()))

    def follow(self) -> None:
        """Bring the ledgers up to the heads, and drop old snapshots.

        Raises:
            LakeError: The lake cannot be read or written.
        """
        with lake_writes(), span("follow"):
            follow_all(self._lake)
            for table in TABLES.values():
                expire(self._lake, table, keep=self._lake.settings.snapshots_kept)

    def _load(
        self,
        known: Known | None,
        sources: Objects,
        *,
        op: str,
        ended: Callable[[], bool],
    ) -> set[str]:
        """Commit objects in batches; return the identities that are still to come.

        Each batch but the first of a fresh plan is planned again: it is committed on
        a later base, and what another run committed in between lies below that.
        """
        settings = self._lake.settings
        unread: set[str] = set()
        for wanted in sources.newest_first(
            max_bytes=settings.batch_bytes, max_objects=settings.batch_objects
        ):
            if ended():
                unread |= _identities(wanted)
                continue
            if known is None:
                known = Known(self._lake)
                wanted = self._still_wanted(known, wanted, op=op)
            with span("batch", op=op, objects=len(wanted)):
                unread |= self._load_batch(known, wanted, op=op)
            known = None
            self.follow()
        return unread

    def _load_batch(
        self, known: Known, wanted: list[SourceObject], *, op: str
    ) -> set[str]:
        """Commit one batch, planning it again whenever another run was faster.

        Returns:
            The identities that could not be read.
        """
        began = time.monotonic()
        while wanted:
            enrich = self.inventories.newest()
            batch = Batch(self._lake, known.heads, op, enrich=enrich)
            worked = work(
                wanted,
                batch,
                fetcher=self._fetcher,
                decoder=self._decoder(enrich.formats),
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
                left = _without(wanted, batch.committed)
                wanted = self._still_wanted(known, left, op=op)
            else:
                self.summary.fail(*worked.failures)
                _tell(batch, failed=len(worked.failures), began=began)
                left = _without(wanted, batch.committed)
                return _identities(left)
            finally:
                self.summary.count(batch.committed)
        return set()

    def _still_wanted(
        self, known: Known, wanted: list[SourceObject], *, op: str
    ) -> list[SourceObject]:
        plan = make_plan(known, [wanted])
        self.summary.skipped += plan.skipped
        if op == "ingest":  # another run has read what they were
            self.summary.rewritten += len(plan.rewritten)
        return list(self._again(plan) if op == "replace" else plan.new)


def _identities(sources: list[SourceObject]) -> set[str]:
    return {source.identity for source in sources}


def _without(sources: list[SourceObject], done: Sequence[Tally]) -> list[SourceObject]:
    identities = {tally.source.identity for tally in done}
    return [source for source in sources if source.identity not in identities]


def _tell(batch: Batch, *, failed: int, began: float) -> None:
    log.info(
        "batch_committed",
        commit_id=batch.commit_id,
        op=batch.op,
        objects=len(batch.tallies),
        failed=failed,
        flows=sum(tally.flows for tally in batch.tallies),
        quarantined=sum(tally.quarantined for tally in batch.tallies),
        elapsed_s=round(time.monotonic() - began, 3),
    )
