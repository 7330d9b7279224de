"""What came after hours were settled and no open row tells of: silences, and losses.

A follower of `flows` that marks `flows` itself: its mark is the last snapshot of which
settling has heeded what it brought. It waits until the hours of the silences are old
enough, as settling does with records: most then reopen nothing that is not due. What
waits is noted beside the mark.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot

from ingest.due import HourFiles, beside
from ingest.silent import silences_near, silent_hours
from lake.catalog import Lake
from lake.errors import CommitConflict
from lake.follow import follow
from lake.snapshots import (
    COMMIT_ID,
    HEEDED,
    OP,
    above,
    ancestry,
    head_id,
    heeded_mark,
    hours_touched,
    summary,
)
from lake.store import Check, set_properties
from lake.tables import FLOWS, SILENCES

ARRIVING = ("ingest", "replace")
UNHEARD = "flowlake.unheard"  # a property of `flows`: what waits, see `_Left`


@dataclass(frozen=True, slots=True)
class Unheard:
    """Hours to be settled again, and what may be marked after that.

    Attributes:
        hours: Settled before something came that they depend on.
        mark: The snapshot up to which all is heeded then, but what is left.
        left: What is still to be heeded.
        is_news: Whether a mark there spares later runs to look at it again.
    """

    hours: tuple[int, ...]
    mark: int | None
    left: _Left
    is_news: bool

    def absorb(self, lake: Lake) -> None:
        """Mark it as done, on `flows`."""
        if self.mark is not None:
            _set_mark(lake, self.mark, self.left)


@dataclass(frozen=True, slots=True)
class _Left:
    """What was brought up to the mark and is still to be heeded.

    Attributes:
        hours: The last sequence number by which something came for each hour.
        before: Whatever was settled before that number may lack anything.
    """

    hours: Mapping[int, int] = field(default_factory=dict)
    before: int = 0


@dataclass(frozen=True, slots=True)
class _Brought:
    """What one snapshot changed that open rows do not tell.

    Attributes:
        number: Its sequence number.
        hours: Of the silences that came, and of what a replace took out; None: lost.
        batch: The commit id that its silences carry; None: it took something out, and
            what that was is gone.
    """

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
    before, brought = _history(flows)
    settled = {
        hour: files
        for hour, files in hours.items()
        if hour <= newest and not files.open and hour not in due
    }
    again = {hour for hour, files in settled.items() if files.oldest < before}
    near = _by_hour(brought, newest=newest)
    asked = {
        hour: [each for each in near[hour] if each.number >= settled[hour].oldest]
        for hour in near.keys() & settled.keys() - again
    }
    if any(asked.values()):
        follow(lake, SILENCES)  # after the head: it then holds all that this brought
    again |= {h for h, later in asked.items() if later and _is_other(lake, h, later)}
    left = _last_of_hours(brought)
    young = {hour: number for hour, number in left.items() if hour >= newest}
    return Unheard(
        hours=tuple(sorted(again)),
        mark=head_id(flows),
        left=_Left(young),
        is_news=before > 0 or len(young) < len(left),
    )


def heed_later(lake: Lake) -> None:
    """Move the mark to the head, and note what is still to be heeded.

    So that no history has to be kept for it: what is dropped is to be gone.
    """
    flows = lake.load(FLOWS)
    before, brought = _history(flows)
    head = head_id(flows)
    if head is not None and head != heeded_mark(flows):
        _set_mark(lake, head, _Left(_last_of_hours(brought), before))


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
    """Return since when all that came is known of, and what came that is not heeded.

    What was settled before that sequence number may lack anything.
    """
    left = _left(flows)
    known_from, snapshots = left.before, above(flows, heeded_mark(flows))
    if snapshots is None:
        snapshots = ancestry(flows)[::-1]
        known_from = int(snapshots[0].sequence_number or 0) if snapshots else 0
    brought = [_Brought(n, frozenset({h}), None) for h, n in left.hours.items()]
    brought += [_brought(flows, snapshot) for snapshot in snapshots]
    lost = [each.number + 1 for each in brought if each.hours is None]
    return max(known_from, *lost, 0), brought


def _brought(flows: IcebergTable, snapshot: Snapshot) -> _Brought:
    number = int(snapshot.sequence_number or 0)
    op = summary(snapshot, OP)
    if op not in ARRIVING:
        return _Brought(number, frozenset(), None)
    silent = silent_hours(flows, snapshot)
    taken = hours_touched([snapshot]) if op == "replace" else set[int]()
    lost = silent is None or taken is None
    return _Brought(
        number=number,
        hours=None if lost else frozenset((silent or set()) | (taken or set())),
        batch=None if op == "replace" else summary(snapshot, COMMIT_ID),
    )


def _left(flows: IcebergTable) -> _Left:
    told = json.loads(flows.properties.get(UNHEARD) or "{}")
    hours = {int(hour): number for hour, number in told.get("hours", {}).items()}
    return _Left(hours, told.get("before", 0))


def _set_mark(lake: Lake, mark: int, left: _Left) -> None:
    properties = {HEEDED: str(mark), UNHEARD: json.dumps(asdict(left))}
    set_properties(lake, FLOWS, properties)


def _by_hour(brought: Sequence[_Brought], *, newest: int) -> dict[int, list[_Brought]]:
    """Return what each hour depends on, as far as that is old enough."""
    found: dict[int, list[_Brought]] = {}
    for each in brought:
        for hour in beside(h for h in each.hours or () if h <= newest):
            found.setdefault(hour, []).append(each)
    return found


def _last_of_hours(brought: Sequence[_Brought]) -> dict[int, int]:
    """Return by which sequence number something last came for each hour."""
    found: dict[int, int] = {}
    for each in brought:
        for hour in each.hours or ():
            found[hour] = max(found.get(hour, 0), each.number)
    return found


def _is_other(lake: Lake, hour: int, later: Sequence[_Brought]) -> bool:
    """Whether an hour hears otherwise than it did before something came later."""
    batches = [each.batch for each in later if each.batch is not None]
    if len(batches) < len(later):
        return True
    return silences_near(lake, hour) != silences_near(lake, hour, without=batches)
