"""The data files of a snapshot, with the bounds that a window chooses them by.

A manifest never changes, so what it lists is kept: PyIceberg reads each of them again
whenever it plans, 1.5 ms a manifest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFile, ManifestContent, ManifestFile
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.types import DateType, TimestamptzType

from lake.errors import LakeError
from lake.kept import Kept

MOST_LISTS = 64  # of manifests, one a snapshot
MOST = 4096  # manifests; 5,000 files of one take 1.5 MB


@dataclass(frozen=True, slots=True)
class Span:
    """What is read: days since 1970 and microseconds since 1970, each end included.

    An end that is None is open.
    """

    first_day: int | None = None
    last_day: int | None = None
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """One live data file.

    Attributes:
        day: Its partition, days since 1970; None: without one.
        first: The lowest time of its rows, microseconds since 1970; None: not known.
        last: The highest.
    """

    path: str
    rows: int
    size: int
    day: int | None
    first: int | None
    last: int | None

    def touches(self, span: Span) -> bool:
        """Whether it may hold rows of the span."""
        return _meets(self.first, self.last, span.first, span.last) and (
            self.day is None
            or _meets(self.day, self.day, span.first_day, span.last_day)
        )


class Manifests:
    """What snapshots and manifests list; safe to share between threads."""

    def __init__(self) -> None:
        self._lists: Kept[tuple[ManifestFile, ...]] = Kept(MOST_LISTS)
        self._files: Kept[tuple[Listed, ...]] = Kept(MOST)

    def files(
        self,
        stored: IcebergTable,
        snapshot: Snapshot | None,
        column: str | None,
        span: Span,
    ) -> Iterator[Listed]:
        """Give the data files that may hold rows of a span.

        Args:
            stored: The table, as loaded.
            snapshot: Of it; None: it has none, and no files.
            column: The column of times that files have bounds of, if there is one.
            span: What is read.

        Raises:
            LakeError: Rows were deleted by means that flowlake does not write.
        """
        if snapshot is None:
            return
        field = stored.schema().find_field(column).field_id if column else None
        manifests = self._lists.get(
            snapshot.manifest_list, lambda: tuple(snapshot.manifests(stored.io))
        )
        for manifest in manifests:
            if manifest.content != ManifestContent.DATA:
                raise LakeError(
                    f"{'.'.join(stored.name())}: another writer has deleted single "
                    "rows: rewrite its files there, then read it here"
                )
            if not _may_touch(manifest, span):
                continue
            for listed in self._files.get(
                (manifest.manifest_path, column),
                partial(_files_of, stored, manifest, field),
            ):
                if listed.touches(span):
                    yield listed


def _files_of(
    stored: IcebergTable, manifest: ManifestFile, field: int | None
) -> tuple[Listed, ...]:
    entries = manifest.fetch_manifest_entry(stored.io, discard_deleted=True)
    return tuple(_of_file(entry.data_file, field) for entry in entries)


def _of_file(file: DataFile, field: int | None) -> Listed:
    return Listed(
        path=file.file_path,
        rows=file.record_count,
        size=file.file_size_in_bytes,
        day=file.partition[0],
        first=_time(file.lower_bounds, field),
        last=_time(file.upper_bounds, field),
    )


def _may_touch(manifest: ManifestFile, span: Span) -> bool:
    """Whether any of its partitions may; those without a day always may."""
    (days,) = manifest.partitions or (None,)
    if days is None or days.contains_null:
        return True
    return _meets(
        _day(days.lower_bound), _day(days.upper_bound), span.first_day, span.last_day
    )


def _meets(
    low: int | None, high: int | None, first: int | None, last: int | None
) -> bool:
    """Whether ``[low, high]`` and ``[first, last]`` may have something in common."""
    return (high is None or first is None or high >= first) and (
        low is None or last is None or low <= last
    )


def _time(bounds: Mapping[int, bytes] | None, field: int | None) -> int | None:
    bound = None if bounds is None or field is None else bounds.get(field)
    value: Any = None if bound is None else from_bytes(TimestamptzType(), bound)
    return None if value is None else int(value)


def _day(bound: bytes | None) -> int | None:
    value: Any = None if bound is None else from_bytes(DateType(), bound)
    return None if value is None else int(value)
