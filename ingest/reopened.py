"""Which hours an inventory's changes reopen: a follower of what inventory commits.

Its mark is a property of `flows`: the last snapshots of `identities` and
`configurations` by which the hours that they concern have been attributed.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot

from ingest.inferred import changed
from lake.catalog import Lake
from lake.datafiles import EPOCH, HOUR
from lake.snapshots import above, head_id, mark_of, mark_property, summary
from lake.store import Change, commit
from lake.tables import FLOWS, IDENTITIES, INVENTORY

log = structlog.get_logger()

CHANGED_FROM = "flowlake.changed-from"
CHANGED_UNTIL = "flowlake.changed-until"
Span = tuple[datetime | None, datetime | None]


@dataclass(frozen=True, slots=True)
class Reopened:
    """What the inventory's commits above the mark concern.

    Attributes:
        spans: Times of which something new is known; None is an open end.
        marks: The snapshots to be marked, by table.
        is_new: Whether there is anything to mark.
    """

    spans: tuple[Span, ...]
    marks: dict[str, int]
    is_new: bool

    def hours(self, hours: Iterable[int]) -> list[int]:
        """Return the hours that the spans touch, their neighbours too."""
        return [
            hour for hour in hours
            if any(_touches(EPOCH + hour * HOUR, span) for span in self.spans)
        ]  # fmt: skip

    def absorb(self, lake: Lake) -> None:
        """Mark it as done, on `flows`."""
        if not self.is_new:
            return
        properties = {mark_property(t): str(s) for t, s in self.marks.items()}
        change = Change(
            op="attribute",
            commit_id=uuid.uuid4().hex,
            begun=datetime.now(UTC),
            properties=properties,
        )
        commit(lake, FLOWS, change, base=lake.load(FLOWS), check=_nothing_more)


def reopened(lake: Lake, stored: IcebergTable) -> Reopened:
    """Gather what inventory commits above the mark of ``stored`` (`flows`) concern."""
    spans: list[Span] = []
    marks: dict[str, int] = {}
    is_new = False
    for table in INVENTORY:
        found = lake.load(table)
        head = head_id(found)
        if head is None:
            continue
        marks[table.name] = head
        mark = mark_of(stored, table.name)
        newer = above(found, mark)
        is_new |= mark != head
        if newer is None:  # its history is gone: anything may have changed
            spans.append((None, None))
        else:
            spans.extend(span for s in newer if (span := _span(s)) is not None)
            if table is IDENTITIES and mark is not None and newer:
                spans.extend(filter(None, [changed(found, mark)]))
    return Reopened(tuple(spans), marks, is_new)


def attributed_mark(stored: IcebergTable) -> tuple[int | None, ...]:
    """Return the marks of the inventory's tables on `flows`."""
    return tuple(mark_of(stored, table.name) for table in INVENTORY)


def _span(snapshot: Snapshot) -> Span | None:
    """Return the time that an inventory's commit concerns; None: none at all."""
    since, until = summary(snapshot, CHANGED_FROM), summary(snapshot, CHANGED_UNTIL)
    if since is None and until is None:
        return None
    return _time(since), _time(until)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


def _touches(begins: datetime, span: Span) -> bool:
    """Whether an hour's decisions can depend on a span: its neighbours' rows count."""
    since, until = span
    return (since is None or begins + 2 * HOUR >= since) and (
        until is None or begins - HOUR <= until
    )


def _nothing_more(table: IcebergTable, since: object) -> None:
    """Refuse nothing: a mark holds whatever was committed beside it."""
    del table, since
