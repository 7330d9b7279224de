"""What came after hours were settled and no open row tells of: silences, and losses.

A follower of `flows` that marks `flows` itself: its mark is the last snapshot of which
settling has heeded all that it brought. It waits until the hours of the silences are
old enough, as settling does with records: most then reopen nothing that is not due.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot

from ingest.due import HourFiles, beside
from ingest.silent import reporting, silent_hours
from lake.catalog import Lake
from lake.errors import CommitConflict
from lake.follow import follow
from lake.snapshots import (
    COMMIT_ID,
    HEEDED,
    OP,
    above,
    ancestry,
    heeded_mark,
    hours_touched,
    summary,
)
from lake.store import Check, set_properties
from lake.tables import FLOWS, SILENCES

ARRIVING = ("ingest", "replace")


@dataclass(frozen=True, slots=True)
class Unheard:
    """Hours to be settled again, and what may be marked after that.

    Attributes:
        hours: Settled before something came that they depend on.
        mark: The snapshot up to which all is heeded then; None: there is none.
        is_news: Whether a mark there spares later runs to look at silences again.
    """

    hours: tuple[int, ...]
    mark: int | None
    is_news: bool

    def absorb(self, lake: Lake) -> None:
        """Mark it as done, on `flows`."""
        if self.mark is not None:
            set_properties(lake, FLOWS, {HEEDED: str(self.mark)}, op="settle")


@dataclass(frozen=True, slots=True)
class _Brought:
    """What one snapshot changed that open rows do not tell.

    Attributes:
        number: Its sequence number.
        hours: Of the silences that came, and of what a replace took out; None: lost.
        batch: The commit id that its silences carry; None: it took something out, and
            what that was is gone.
    """

    id: int
    number: int
    hours: frozenset[int] | None
    batch: str | None


def unheard(
    lake: Lake,
    flows: IcebergTable,
    hours: Mapping[int, HourFiles],
    *,
    newest: int,
    due: Container[int],
) -> Unheard:
    """Find the hours that were settled before silences came that they would have heard.

    Args:
        lake: The open lake.
        flows: As loaded.
        hours: Of ``flows``.
        newest: The newest hour that is old enough to be settled.
        due: Hours that will be settled anyway.
    """
    known_from, brought = _history(flows)
    settled = {
        hour: files
        for hour, files in hours.items()
        if hour <= newest and not files.open and hour not in due
    }
    again = {hour for hour, files in settled.items() if files.oldest < known_from}
    near = _by_hour(brought, newest=newest)
    asked = {
        hour: [each for each in near[hour] if each.number >= settled[hour].oldest]
        for hour in near.keys() & settled.keys() - again
    }
    if any(asked.values()):
        follow(lake, SILENCES)  # after the head: it then holds all that this brought
    again |= {h for h, later in asked.items() if later and _is_other(lake, h, later)}
    heeded = list(_heeded(brought, newest=newest))
    return Unheard(
        hours=tuple(sorted(again)),
        mark=heeded[-1].id if heeded else None,
        is_news=any(each.hours != frozenset() for each in heeded),
    )


def nothing_came_near(hour: int) -> Check:
    """Return a check that nothing came meanwhile on which settling an hour depends.

    What comes for the hour itself stays beside it, open, and tells of itself.
    """
    others = {hour - 1, hour + 1}

    def check(found: IcebergTable, since: Sequence[Snapshot]) -> None:
        for snapshot in since:
            if summary(snapshot, OP) in ARRIVING:
                rows, silent = hours_touched([snapshot]), silent_hours(found, snapshot)
                if rows is None or silent is None or rows & others or (
                    silent & {hour, *others}
                ):  # fmt: skip
                    raise CommitConflict("records or silences came near it meanwhile")

    return check


def _history(flows: IcebergTable) -> tuple[int, list[_Brought]]:
    """Return what came above the mark, and since when all that came is known of.

    What was settled before that sequence number may lack anything.
    """
    snapshots = above(flows, heeded_mark(flows))
    known_from = 0
    if snapshots is None:
        snapshots = ancestry(flows)[::-1]
        known_from = int(snapshots[0].sequence_number or 0) if snapshots else 0
    brought = [_brought(flows, snapshot) for snapshot in snapshots]
    lost = [each.number + 1 for each in brought if each.hours is None]
    return max(known_from, *lost, 0), brought


def _brought(flows: IcebergTable, snapshot: Snapshot) -> _Brought:
    number = int(snapshot.sequence_number or 0)
    op = summary(snapshot, OP)
    if op not in ARRIVING:
        return _Brought(snapshot.snapshot_id, number, frozenset(), None)
    silent = silent_hours(flows, snapshot)
    taken = hours_touched([snapshot]) if op == "replace" else set[int]()
    lost = silent is None or taken is None
    return _Brought(
        id=snapshot.snapshot_id,
        number=number,
        hours=None if lost else frozenset((silent or set()) | (taken or set())),
        batch=None if op == "replace" else summary(snapshot, COMMIT_ID),
    )


def _by_hour(brought: Sequence[_Brought], *, newest: int) -> dict[int, list[_Brought]]:
    """Return what each hour depends on, as far as that is old enough."""
    found: dict[int, list[_Brought]] = {}
    for each in brought:
        for hour in beside(h for h in each.hours or () if h <= newest):
            found.setdefault(hour, []).append(each)
    return found


def _heeded(brought: Sequence[_Brought], *, newest: int) -> Iterator[_Brought]:
    """Yield the first of what was brought: all that is old enough, to all it concerns.

    What concerns a younger hour too is looked at again when that is old.
    """
    for each in brought:
        if max(beside(each.hours or ()), default=newest) > newest:
            return
        yield each


def _is_other(lake: Lake, hour: int, later: Sequence[_Brought]) -> bool:
    """Whether an hour hears otherwise than it did before something came later."""
    batches = [each.batch for each in later if each.batch is not None]
    if len(batches) < len(later):
        return True
    return reporting(lake, hour) != reporting(lake, hour, without=batches)
