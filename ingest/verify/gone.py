"""What the lake has read and the listing no longer shows."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.table import Table as IcebergTable

from ingest.keys import folder_days
from ingest.listing import Selection, is_log, source_object
from ingest.source import SourceObject

COLUMNS = ("source_object", "location", "etag", "size", "ingested_at")


class Seen:
    """The identities that were listed, by a hash of 8 bytes each.

    Two names with one hash, by chance, can only hide that an object is gone.
    """

    def __init__(self) -> None:
        self._hashes = array("q")
        self._sorted: np.ndarray[Any, np.dtype[np.int64]] | None = None

    def note(self, page: list[SourceObject]) -> list[SourceObject]:
        """Note a page of the listing; return it."""
        self._hashes.extend(hash(source.identity) for source in page)
        return page

    def missing(self, identities: pa.ChunkedArray) -> pa.Array:
        """Return the mask of identities that were not listed; all has been."""
        if self._sorted is None:
            self._sorted = np.sort(np.array(self._hashes, np.int64))
        hashes = np.fromiter(map(hash, identities.to_pylist()), np.int64)
        if not len(self._sorted):
            return pa.repeat(True, len(hashes))
        places = np.searchsorted(self._sorted, hashes)
        found = self._sorted[np.minimum(places, len(self._sorted) - 1)]
        return pa.array(found != hashes)


def gone(
    sources: IcebergTable, seen: Seen, places: Sequence[str], selection: Selection
) -> Iterator[SourceObject]:
    """Yield objects of `sources` that a listing of the places would have shown.

    Args:
        sources: As loaded before the listing.
        seen: What was listed.
        places: Sources that were listed to their end. A prefix that ends within a
            name is taken to cover nothing: a key of that name is listed alone.
        selection: Which objects were wanted.
    """
    roots = [_root(place) for place in places]
    if not roots:
        return
    with sources.scan(selected_fields=COLUMNS).to_arrow_batch_reader() as reader:
        for batch in reader:
            rows = pa.Table.from_batches([batch])
            for place, root in roots:
                here = pc.starts_with(rows["location"], pattern=root)
                here = pc.or_(here, pc.equal(rows["location"], place))
                there = rows.filter(pc.fill_null(here, False))
                there = there.filter(seen.missing(there["source_object"]))
                yield from _covered(there, place, selection)


def _covered(
    rows: pa.Table, place: str, selection: Selection
) -> Iterator[SourceObject]:
    """Yield those of rows that are selected, not only lie in the place."""
    _, _, prefix = place.removeprefix("s3://").partition("/")
    local = not place.startswith("s3://")
    days = None if local else selection.folders(prefix)
    for row in rows.to_pylist():
        source = source_object(
            row["location"],
            etag=row["etag"] or "",
            size=row["size"] or 0,
            modified=row["ingested_at"] or datetime.min.replace(tzinfo=UTC),
            local=local,
        )
        dated = folder_days(source.location)
        if days and dated and not dated.overlap(days):
            continue
        if selection.wants(source) and is_log(source.location):
            yield source


def _root(place: str) -> tuple[str, str]:
    """Return a place as locations spell it, and what those below it begin with."""
    if place.startswith("s3://"):
        whole = place if "/" in place.removeprefix("s3://") else f"{place}/"
    else:
        whole = str(Path(place).absolute())
    return whole, whole if whole.endswith("/") else f"{whole}/"
