"""AWS Config's record of the past, made sightings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import pyarrow as pa

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
    held until the one, no longer at the other.

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
                configurations=self._documents(now, scope),
                deleted=tuple(item.id for item in now if item.document is None),
            )

    def _joined_with(self, beside: Listing) -> Context:
        """Return the context that the last state of every resource makes."""
        last = {(item.list, item.id): item for item in self._items if item.document}
        known: Listing = {}
        for item in last.values():
            if item.document and item.list != "NetworkInterfaces":
                known.setdefault(item.list, []).append(item.document)
        whole = joined({**beside, **known}, report=self._report)
        return context_of(whole, owner_tag=self._owner_tag, report=self._report)

    def _documents(self, now: Sequence[Item], scope: Scope) -> pa.Table:
        shown: Listing = {}
        for item in now:
            if item.document is not None:
                shown.setdefault(item.list, []).append(item.document)
        documents = configurations(
            shown,
            account=scope.account or None,
            region=scope.region or None,
            tag_keys=tag_keys(self._owner_tag),
            report=self._report,
        )
        return in_scope(documents, scope, CONFIGURED)

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
        ended, until = _ended(held, places, captured)
        gone = held.take(pa.array(ended))
        gone = _with(gone, ended_at=at.take(pa.array(ended)), latest=times.take(until))
        now = held.append_column("at", at)
        rows = pa.concat_tables([now, gone.append_column("at", times.take(until))])
        return rows.sort_by("at").combine_chunks()


def _ended(held: pa.Table, places: Any, captured: Sequence[Item]) -> tuple[Any, Any]:
    """Return the rows that their interface's next capture lacks, and which that is."""
    ids = [item.id for item in captured]
    follows = np.full(len(ids) + 1, -1, np.int64)
    for place, (one, other) in enumerate(pairwise(ids)):
        if one == other:
            follows[place] = place + 1
    codes = np.asarray(held["address"].combine_chunks().dictionary_encode().indices)
    width = int(codes.max(initial=0)) + 1
    later = follows[places]
    still = np.isin(later * width + codes, places * width + codes)
    ended = np.flatnonzero((later >= 0) & ~still)
    return ended, pa.array(later[ended])


def _with(table: pa.Table, **columns: Any) -> pa.Table:
    for name, column in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table
