"""Settling and attributing again: hours whose records have come, or may be wrong.

An hour is settled once it is old enough; again, together with its neighbours, when
late records or silences came; and again when the inventory knows more of its time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import pyarrow as pa
import structlog
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot

from ingest.due import due, hours_of, newest_old, with_neighbours
from ingest.enriching import Inventories
from ingest.hour import HourRows
from ingest.reopened import attributed_mark, reopened
from ingest.silent import silences_near
from ingest.unheard import nothing_came_near, unheard
from lake.catalog import Lake
from lake.compact import compact, within, worth_merging
from lake.datafiles import EPOCH, HOUR
from lake.errors import CommitConflict
from lake.follow import follow
from lake.rewrite import ATTEMPTS, Rewritten, exchange, hours_property
from lake.tables import FLOWS, SILENCES

log = structlog.get_logger()

Progress = Callable[[int, int], None]


class Settler:
    """Settles and attributes the hours of a lake.

    Args:
        lake: The open lake.
        inventories: Its inventory.
        progress: Called with (hours done, hours to do).
    """

    def __init__(
        self,
        lake: Lake,
        inventories: Inventories,
        *,
        progress: Progress = lambda done, wanted: None,
    ) -> None:
        self._lake = lake
        self._inventories = inventories
        self._progress = progress
        self._lateness = timedelta(minutes=lake.settings.lateness_minutes)
        self._left_alone = 0

    def settle_due(self, *, now: datetime) -> Rewritten:
        """Settle the hours that are old enough; return what was rewritten.

        Raises:
            LakeError: The lake cannot be read or written; nothing is lost.
        """
        stored = self._lake.load(FLOWS)
        hours, newest = hours_of(stored), self._newest_old(now)
        wanted = due(hours, newest=newest)
        more = unheard(self._lake, stored, hours, newest=newest, due=wanted)
        self._left_alone = 0
        done = self._each([*more.hours, *wanted], op="settle")
        if not self._left_alone and (done.added or (hours and more.is_news)):
            more.absorb(self._lake)
        return done

    def settle(
        self, *, since: datetime | None, until: datetime | None, now: datetime
    ) -> Rewritten:
        """Settle again whatever lies in ``[since, until)`` and is old enough."""
        hours, newest = hours_of(self._lake.load(FLOWS)), self._newest_old(now)
        wanted = [h for h in hours if h <= newest and within(h, since, until)]
        return self._each(with_neighbours(hours, wanted, newest=newest), op="settle")

    def attribute(self, *, now: datetime, everything: bool = False) -> Rewritten:
        """Attribute again the hours of which the inventory knows more than before.

        Args:
            now: The present; UTC.
            everything: All hours, whatever is known.
        """
        stored = self._lake.load(FLOWS)
        hours, newest = hours_of(stored), self._newest_old(now)
        change = reopened(self._lake, stored)
        self._left_alone = 0
        wanted = list(hours) if everything else change.hours(hours)
        old = [h for h in wanted if h <= newest]
        young = [h for h in wanted if h > newest]
        done = self._each(with_neighbours(hours, old, newest=newest), op="attribute")
        done += self._each(young, op="attribute", only_enrich=True)
        if not self._left_alone:  # else the next run does them
            change.absorb(self._lake)
        return done

    def compact(
        self, *, since: datetime | None, until: datetime | None, now: datetime
    ) -> Rewritten:
        """Make one file of each hour, attributed and settled in the same pass.

        Of hours that are too young to be settled small files are only merged: nothing
        is said to be unmatched that may be on its way.

        Args:
            since: Only hours from here on; UTC. What the inventory reopens is
                attributed all the same.
            until: Only hours before this; UTC.
            now: The present; UTC.
        """
        done = self.attribute(now=now)
        hours, newest = hours_of(self._lake.load(FLOWS)), self._newest_old(now)
        many = worth_merging(self._lake, FLOWS)
        old = [h for h in hours if h <= newest and within(h, since, until)]
        wanted = [h for h in old if hours[h].open or h in many]
        done += self._each(with_neighbours(hours, wanted, newest=newest), op="settle")
        young = EPOCH + (newest + 1) * HOUR
        first = young if since is None else max(since, young)
        return done + compact(self._lake, FLOWS, since=first, until=until)

    def _newest_old(self, now: datetime) -> int:
        return newest_old(now=now, lateness=self._lateness)

    def _each(
        self, wanted: Sequence[int], *, op: str, only_enrich: bool = False
    ) -> Rewritten:
        done = Rewritten()
        for number, hour in enumerate(wanted):
            done += self._hour(hour, op=op, only_enrich=only_enrich)
            self._progress(number + 1, len(wanted))
        return done

    def _hour(self, hour: int, *, op: str, only_enrich: bool) -> Rewritten:
        """Rewrite one hour, planned again whenever another rewrite was faster."""
        for _ in range(ATTEMPTS):
            try:
                return self._rewrite(hour, op=op, only_enrich=only_enrich)
            except CommitConflict as error:
                log.info("hour_planned_again", hour=hour, why=str(error))
        log.warning("hour_left_alone", hour=hour)
        self._left_alone += 1
        return Rewritten()

    def _rewrite(self, hour: int, *, op: str, only_enrich: bool) -> Rewritten:
        stored = self._lake.load(FLOWS)
        follow(self._lake, SILENCES)  # after the head: it has heard what that brought
        mark = attributed_mark(stored)
        enricher = self._inventories.newest()
        hours = hours_of(stored)
        if hour not in hours:
            return Rewritten()

        nothing_came = nothing_came_near(hour)

        def still_holds(found: IcebergTable, since: Sequence[Snapshot]) -> None:
            if attributed_mark(found) != mark:
                raise CommitConflict("the inventory was absorbed meanwhile")
            if not only_enrich:
                nothing_came(found, since)

        beside = [f for h in (hour - 1, hour + 1) if h in hours for f in hours[h].files]
        rows = HourRows(stored, hours[hour].files, () if only_enrich else beside)

        def runs(loaded: IcebergTable) -> Iterator[pa.Table]:
            del loaded
            if only_enrich:
                return map(enricher, rows.batches())
            return rows.settled(enricher.attributor, silences_near(self._lake, hour))

        return exchange(
            self._lake,
            FLOWS,
            hours[hour].files,
            runs,
            op=op,
            summary=hours_property([hour]),
            check=still_holds,
            planned=stored,
        )
