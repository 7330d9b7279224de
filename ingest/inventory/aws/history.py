"""AWS Config's record of the past, made sightings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.inventory.aws.assemble import Scope, in_scope, ordered, tag_keys
from ingest.inventory.aws.context import Context, context_of
from ingest.inventory.aws.documents import configurations
from ingest.inventory.aws.identities import identities_of
from ingest.inventory.aws.interfaces import interfaces_of
from ingest.inventory.aws.items import Item, Items
from ingest.inventory.aws.joined import joined
from ingest.inventory.aws.listing import Listing
from ingest.inventory.aws.report import Report
from ingest.inventory.aws.times import TIMESTAMP
from ingest.inventory.sighting import CONFIGURED, SIGHTED, Sighting


def history(
    items: Items,
    beside: Mapping[Scope, Listing],
    *,
    owner_tag: str | None,
    report: Report,
) -> Iterator[Sighting]:
    """Yield what each item shows: one resource, so that absence says nothing.

    An address that its interface's next item lacks is told there to have ended: surely
    held until the one, no longer at the other. One that the item before lacked began
    in between. So is the document of a resource that was deleted.

    Args:
        items: Of all files.
        beside: What else is known of each scope.
        owner_tag: The tag that names an owner.
        report: Gets what is odd.

    Yields:
        One sighting a scope and time of capture, by time; ``lists`` is empty.
    """
    by_scope: dict[Scope, list[Item]] = {}
    for _, item in sorted(items.found.items(), key=lambda pair: pair[0]):
        by_scope.setdefault(item.scope, []).append(item)
    sightings = [
        sighting
        for scope, some in by_scope.items()
        for sighting in _Past(some, beside.get(scope, {}), owner_tag, report).of(scope)
    ]
    yield from sorted(sightings, key=lambda sighting: (sighting.at, sighting.scope))


class _Past:
    """The past of one scope.

    Args:
        items: Its items, by list, id and time.
        beside: What else is known of it.
        owner_tag: The tag that names an owner.
        report: Gets what is odd.
    """

    def __init__(
        self,
        items: Sequence[Item],
        beside: Listing,
        owner_tag: str | None,
        report: Report,
    ) -> None:
        self._items = items
        self._owner_tag = owner_tag
        self._report = report
        self._context = self._joined_with(beside)

    def of(self, scope: Scope) -> Iterator[Sighting]:
        """Yield what was captured at each time."""
        rows = self._rows()
        times = np.asarray(rows["at"].cast(pa.int64()))
        before: dict[tuple[str, str], Item] = {}
        in_order = sorted(self._items, key=lambda item: item.at)
        for at, group in groupby(in_order, key=lambda item: item.at):
            now = list(group)
            moment = pa.scalar(at, TIMESTAMP).cast(pa.int64()).as_py()
            begin, end = np.searchsorted(times, [moment, moment + 1])
            mine = rows.slice(int(begin), int(end - begin))
            yield Sighting(
                scope=scope.name,
                at=at,
                identities=in_scope(ordered(mine), scope, SIGHTED),
                configurations=self._documents(now, before, scope),
                deleted=tuple(item.id for item in now if item.document is None),
            )
            before.update(((item.list, item.id), item) for item in now)

    def _joined_with(self, beside: Listing) -> Context:
        """Return the context that the last state of every resource makes."""
        last = {(item.list, item.id): item for item in self._items if item.document}
        known: Listing = {}
        for item in last.values():
            if item.document and item.list != "NetworkInterfaces":
                known.setdefault(item.list, []).append(item.document)
        whole = joined({**beside, **known}, report=self._report)
        return context_of(whole, owner_tag=self._owner_tag, report=self._report)

    def _documents(
        self, now: Sequence[Item], before: Mapping[tuple[str, str], Item], scope: Scope
    ) -> pa.Table:
        """Return documents as they are now, and those deleted as they were before."""
        gone = [before.get((i.list, i.id)) for i in now if i.document is None]
        last = [item for item in gone if item is not None]
        past = self._configurations(last, scope)
        ended = {item.id: item.at for item in last}
        known = [ended.get(id_) for id_ in past["resource_id"].to_pylist()]
        past = _with(
            past,
            ended_at=pa.array(known, TIMESTAMP),
            latest=pa.array([now[0].at] * len(known), TIMESTAMP),
        )
        shown = self._configurations([i for i in now if i.document], scope)
        documents = pa.concat_tables([shown, past.cast(shown.schema)])
        return in_scope(documents, scope, CONFIGURED)

    def _configurations(self, items: Sequence[Item], scope: Scope) -> pa.Table:
        shown: Listing = {}
        for item in items:
            if item.document is not None:
                shown.setdefault(item.list, []).append(item.document)
        return configurations(
            shown,
            account=scope.account or None,
            region=scope.region or None,
            tag_keys=tag_keys(self._owner_tag),
            report=self._report,
        )

    def _rows(self) -> pa.Table:
        """Return what interfaces held at each capture, and what they held no longer."""
        captured = [
            item
            for item in self._items
            if item.list == "NetworkInterfaces" and item.document is not None
        ]
        interfaces = interfaces_of(
            [item.document for item in captured if item.document is not None],
            self._context,
            owner_tag=self._owner_tag,
            report=self._report,
        )
        held, places = identities_of(interfaces, self._report)
        times = pa.array([item.at for item in captured], TIMESTAMP)
        at = times.take(pa.array(places))
        change = _Change(held, places, captured)
        gone, until = change.ended()
        come, since = change.begun()
        began = np.full(held.num_rows, -1)
        began[come] = since
        earlier = pa.array(began, mask=began < 0)
        now = _with(
            held,
            started_at=pc.coalesce(
                held["started_at"],
                pc.if_else(began >= 0, at, pa.scalar(None, TIMESTAMP)),
            ),
            earliest=pc.coalesce(held["earliest"], times.take(earlier)),
        )
        past = _with(
            held.take(pa.array(gone)),
            ended_at=at.take(pa.array(gone)),
            latest=times.take(pa.array(until)),
        )
        now = now.append_column("at", at)
        past = past.append_column("at", times.take(pa.array(until)))
        return pa.concat_tables([now, past]).sort_by("at").combine_chunks()


class _Change:
    """What became of addresses from one capture of an interface to its next.

    Args:
        held: Rows of identities.
        places: The capture of each.
        captured: All captures, by interface and time.
    """

    def __init__(self, held: pa.Table, places: Any, captured: Sequence[Item]) -> None:
        self._places = places
        follows = np.full(len(captured) + 1, -1, np.int64)
        precedes = follows.copy()
        for place, (one, other) in enumerate(pairwise(item.id for item in captured)):
            if one == other:
                follows[place], precedes[place + 1] = place + 1, place
        self._next, self._last = follows[places], precedes[places]
        addresses = held["address"].combine_chunks().dictionary_encode()
        self._codes = np.asarray(addresses.indices, np.int64)
        self._width = int(self._codes.max(initial=0)) + 1

    def ended(self) -> tuple[Any, Any]:
        """Return the rows that the next capture lacks, and which that is."""
        rows = np.flatnonzero((self._next >= 0) & ~self._held_at(self._next))
        return rows, self._next[rows]

    def begun(self) -> tuple[Any, Any]:
        """Return the rows that the capture before lacked, and which that was."""
        rows = np.flatnonzero((self._last >= 0) & ~self._held_at(self._last))
        return rows, self._last[rows]

    def _held_at(self, captures: Any) -> Any:
        held = self._places * self._width + self._codes
        return np.isin(captures * self._width + self._codes, held)


def _with(table: pa.Table, **columns: Any) -> pa.Table:
    for name, column in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table
