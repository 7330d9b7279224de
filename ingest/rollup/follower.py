"""The followers: hours of `flows` that were touched, added up again and exchanged.

A roll-up's mark, the last snapshot of `flows` that it has absorbed, moves in the same
commit as its rows. Hours are recomputed whole, from one snapshot, so that doing it
twice changes nothing, and of two followers at once one has to begin again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import structlog
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable

from ingest.rollup.coverage import Coverage, listings
from ingest.rollup.daily import roll_up_days
from ingest.rollup.joined import HOURLY, join_days
from ingest.rollup.part import Part
from ingest.rollup.sums import SILENT, Sums
from ingest.rollup.touched import (
    Touched,
    first_hour,
    hours_by_file,
    touched,
)
from ingest.silent import hours_of_silences
from lake.catalog import Lake
from lake.datafiles import EPOCH, HOUR, DataFileWriter
from lake.errors import CommitConflict, FollowerStopped
from lake.follow import follow_all
from lake.rewrite import live_files
from lake.rows import batches
from lake.shape import conform
from lake.snapshots import HIDDEN, head_id, mark_property
from lake.store import Change, commit, refuse
from lake.tables import (
    CONFIGURATIONS,
    COVERAGE_HOURLY,
    EDGES_DAILY,
    FLOWS,
    REJECTIONS_HOURLY,
    ROLLUPS,
    SILENCES,
    Table,
)
from transform.rollup import COLUMNS

log = structlog.get_logger()

Progress = Callable[[int, int], None]


def roll_up(
    lake: Lake,
    *,
    progress: Progress = lambda done, wanted: None,
    anew: Sequence[Table] = (),
) -> int:
    """Let every roll-up absorb `flows`; return the hours that were added up.

    Args:
        lake: The open lake.
        progress: Called with (hours done, hours to do).
        anew: Roll-ups to be made anew from all that `flows` holds.

    Raises:
        FollowerStopped: A mark is no ancestor of the head; the other roll-ups have
            absorbed it.
        LakeError: The lake cannot be read or written; nothing is lost.
    """
    done = 0
    left = set(anew)
    stopped: FollowerStopped | None = None
    with Sums(lake.settings) as sums:
        while True:
            work, stopped = _plan(lake, left)
            if not work.rollups:
                break
            done += _absorb(lake, work, sums, progress)
            left -= {rollup.table for rollup in work.rollups if rollup.is_done}
        try:
            roll_up_days(lake, sums, anew=EDGES_DAILY in anew)
        except FollowerStopped as error:
            stopped = stopped or error
    if done:
        join_days(lake, now=datetime.now(UTC))
    if stopped is not None:
        raise stopped
    return done


def stopped(lake: Lake) -> list[Table]:
    """Return the roll-ups whose mark is no ancestor of the head of `flows`."""
    found: list[Table] = []
    stored = {table: lake.load(table) for table in ROLLUPS}
    flows = lake.load(FLOWS)
    for table, each in stored.items():
        try:
            touched(table, each, flows)
        except FollowerStopped:
            found.append(table)
    return found


@dataclass(slots=True)
class _Work:
    """One pass over `flows` at one snapshot, for all roll-ups that are behind."""

    flows: IcebergTable
    silences: IcebergTable
    files: dict[int, list[DataFile]]
    rollups: list[Part]
    change_id: str
    begun: datetime

    @property
    def hours(self) -> list[int]:
        """What any of them adds up again."""
        return sorted(set[int]().union(*(rollup.hours for rollup in self.rollups)))


def _plan(lake: Lake, anew: set[Table]) -> tuple[_Work, FollowerStopped | None]:
    """Find out which roll-ups are behind, and what that means for each."""
    # Marks before the head: they can then only be older.
    stored = {table: lake.load(table) for table in HOURLY}
    flows = lake.load(FLOWS)
    stopped: FollowerStopped | None = None
    todo: dict[Table, Touched] = {}
    for table, found in stored.items():
        try:
            what = touched(table, found, flows, silences=table is COVERAGE_HOURLY)
        except FollowerStopped as error:
            what, stopped = None, error if table not in anew else stopped
        if table in anew:
            what = Touched(everything=True)
        if what is not None and head_id(flows) is not None:
            todo[table] = what
    if todo:  # after the head: `silences` then holds all that it brought
        follow_all(lake)
    work = _Work(
        flows=flows,
        silences=lake.load(SILENCES),
        files=_files(flows, todo),
        rollups=[],
        change_id=uuid.uuid4().hex,
        begun=datetime.now(UTC),
    )
    for table, what in todo.items():
        work.rollups.append(_rollup(work, table, stored[table], what))
    return work, stopped


def _files(
    flows: IcebergTable, todo: dict[Table, Touched]
) -> dict[int, list[DataFile]]:
    """Return the files of `flows` by hour, at least of the hours to be added up."""
    hours = set[int]().union(*(what.hours for what in todo.values()))
    if any(what.everything for what in todo.values()):
        return hours_by_file(FLOWS, flows)
    if not hours:
        return {}
    since, until = EPOCH + min(hours) * HOUR, EPOCH + (max(hours) + 1) * HOUR
    return hours_by_file(FLOWS, flows, live_files(flows, since=since, until=until))


def _rollup(work: _Work, table: Table, stored: IcebergTable, what: Touched) -> Part:
    old = hours_by_file(table, stored) if what.everything or what.hours else {}
    hours = set(what.hours)
    bounds = [work.flows, stored]
    if what.everything:
        hours = {*work.files, *old}
    if table is COVERAGE_HOURLY:
        bounds.append(work.silences)
        if what.everything:
            hours |= hours_of_silences(work.silences)
    first = first_hour(bounds)
    return Part(
        table=table,
        stored=stored,
        writer=DataFileWriter(table, stored, f"{work.change_id}-{table.name}"),
        hours=frozenset(hour for hour in hours if hour >= first),
        first=first,
        old=old,
    )


def _absorb(lake: Lake, work: _Work, sums: Sums, progress: Progress) -> int:
    """Add up the hours, each read once for all roll-ups, and commit each roll-up."""
    for rollup in work.rollups:
        if rollup.table is COVERAGE_HOURLY:
            rollup.coverage = Coverage(
                sums, rollup.stored, rollup.old, first=rollup.first,
                listed=listings(lake.load(CONFIGURATIONS)),
            )  # fmt: skip
    hours = work.hours
    for number, hour in enumerate(hours):
        _add_up(work, sums, hour)
        progress(number + 1, len(hours))
    for rollup in work.rollups:
        if rollup.coverage is not None:
            _cover(rollup, rollup.coverage)
        removed = rollup.replaced()
        change = Change(
            op="follow",
            commit_id=f"{work.change_id}-{rollup.table.name}",
            begun=work.begun,
            added=[*rollup.added, *rollup.kept_of(removed)],
            removed=removed,
            properties={
                mark_property(FLOWS.name): str(head_id(work.flows)),
                **_hidden(lake, rollup.table),
            },
        )
        try:
            commit(lake, rollup.table, change, base=rollup.stored, check=refuse)
        except CommitConflict:
            log.info("follower_raced", table=rollup.table.name, head=FLOWS.name)
        else:
            rollup.is_done = True
    log.debug("rolled_up", hours=len(hours))
    return len(hours)


def _hidden(lake: Lake, table: Table) -> dict[str, str]:
    kept = lake.settings.rollup_addresses
    return {HIDDEN: kept} if table is REJECTIONS_HOURLY and kept != "full" else {}


def _add_up(work: _Work, sums: Sums, hour: int) -> None:
    wanting = [rollup for rollup in work.rollups if hour in rollup.hours]
    begins = EPOCH + hour * HOUR
    silent = SILENT.empty_table()
    if any(rollup.table is COVERAGE_HOURLY for rollup in wanting):
        silent = _silent(work.silences, begins)
    files = work.files.get(hour, [])
    sums.add(batches(FLOWS, work.flows, files, COLUMNS), silent)
    for rollup in wanting:
        runs = sums.of_hour(rollup.table, begins)
        if rollup.coverage is None:
            rollup.write(runs)
            continue
        for rows in list(runs):
            rollup.coverage.add(rows)


def _cover(rollup: Part, coverage: Coverage) -> None:
    """Write the hours of coverage, those too that change by what was added up."""
    rollup.hours = frozenset(coverage.hours(rollup.hours))
    for hour in sorted(rollup.hours):
        rows = coverage.of_hour(hour)
        rollup.write(iter([rows] if rows.num_rows else []))


def _silent(stored: IcebergTable, begins: datetime) -> pa.Table:
    """Return the silences that begin in an hour."""
    parts = [SILENT.empty_table()]
    files = live_files(stored, since=begins, until=begins + HOUR)
    for rows in batches(SILENCES, stored, files, SILENT.names):
        start = rows["start_time"]
        within = pc.and_(pc.greater_equal(start, begins), pc.less(start, begins + HOUR))
        parts.append(conform(rows.filter(within), SILENT))
    return pa.concat_tables(parts)
