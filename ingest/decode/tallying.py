"""From typed rows to what the lake stores, and every line accounted for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.source import Decoded, Tally
from lake.tables import SILENCES, Table, arrow_schema
from transform.normalise import flow_columns, seconds_to_time, silent_rows

TEXT_KEPT = 1000
CONTROL = "[\x00-\x1f\x7f]"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Reading:
    """An object while it is read.

    Attributes:
        tally: Its counts so far.
        max_rows: Quarantine rows kept of it.
        rejects: Quarantine rows not yet handed on.
        kept: Quarantine rows kept so far.
    """

    tally: Tally
    max_rows: int
    rejects: list[pa.Table] = field(default_factory=list)
    kept: int = 0

    def reject(
        self,
        lines: Sequence[int | None],
        reason: str,
        detail: str,
        texts: Sequence[str],
    ) -> None:
        """Count lines that do not fit, and keep some of them."""
        self.tally.quarantined += len(lines)
        room = max(0, self.max_rows - self.kept)
        kept = min(room, len(lines))
        if kept == 0:
            return
        self.kept += kept
        source = self.tally.source
        cleaned = pc.utf8_slice_codeunits(
            pc.replace_substring_regex(
                pa.array(texts[:kept], pa.string()), pattern=CONTROL, replacement=""
            ),
            0,
            TEXT_KEPT,
        )
        self.rejects.append(
            pa.table(
                {
                    "source_object": pa.repeat(source.identity, kept),
                    "flow_log_id": _constant(source.flow_log_id, kept),
                    "line": pa.array(lines[:kept], pa.int64()),
                    "reason": pa.repeat(reason, kept),
                    "detail": pa.repeat(detail, kept),
                    "text": cleaned,
                }
            )
        )

    def take_rejects(self) -> list[pa.Table]:
        """Hand on the quarantine rows."""
        taken, self.rejects = self.rejects, []
        return taken


@dataclass(frozen=True, slots=True)
class Found:
    """Good records of one or several objects, in their order.

    Attributes:
        table: Typed columns by our names, all rows good.
        lines: Rows of each object.
        readings: The objects.
    """

    table: pa.Table
    lines: Any
    readings: Sequence[Reading]


@dataclass(frozen=True, slots=True)
class Window:
    """The window that a run asked for; flows outside it are kept and counted."""

    since: datetime | None = None
    until: datetime | None = None


def finish(found: Found, head: Table, window: Window) -> Decoded:
    """Turn good records into rows of the lake, and count them object by object."""
    table, owner = found.table, np.repeat(np.arange(len(found.lines)), found.lines)
    silences = None
    silent = silent_rows(table)
    if silent is not None:
        silences = _silences(table.filter(pa.array(silent)), owner[silent], found)
        _count(found, owner[silent], "silences")
        table, owner = table.filter(pa.array(~silent)), owner[~silent]
    _count(found, owner, "flows")
    if table.num_rows:
        _spans(found, owner, table, window)
    columns = flow_columns(table, head) if table.num_rows else {}
    columns["source_object"] = _by_object(
        owner, [r.tally.source.identity for r in found.readings]
    )
    flow_logs = [r.tally.source.flow_log_id for r in found.readings]
    if any(flow_logs):
        columns["flow_log_id"] = _by_object(owner, flow_logs)
    rejects = [rows for reading in found.readings for rows in reading.take_rejects()]
    return Decoded(
        head=head,
        flows=pa.table(columns),
        silences=silences,
        quarantine=pa.concat_tables(rejects) if rejects else None,
    )


def _count(found: Found, owner: Any, what: str) -> None:
    counts = np.bincount(owner, minlength=len(found.readings)).tolist()
    for reading, count in zip(found.readings, counts, strict=True):
        tally = reading.tally
        setattr(tally, what, getattr(tally, what) + count)
        tally.lines += count


def _spans(found: Found, owner: Any, table: pa.Table, window: Window) -> None:
    """Keep the first and last times of each object, and its rows outside a window."""
    start = np.asarray(table["start_time"])
    edges = np.flatnonzero(np.diff(owner, prepend=-1))
    firsts = np.minimum.reduceat(start, edges).tolist()
    lasts = np.maximum.reduceat(start, edges).tolist()
    ends: list[int | None] = [None] * len(edges)
    if "end_time" in table.column_names:
        end = np.asarray(pc.fill_null(table["end_time"], 0))
        ends = [value or None for value in np.maximum.reduceat(end, edges).tolist()]
    outside = _outside(start, window)
    missed = np.bincount(owner[outside], minlength=len(found.readings)).tolist()
    for position, first, last, end_at in zip(
        owner[edges].tolist(), firsts, lasts, ends, strict=True
    ):
        tally = found.readings[position].tally
        tally.first_start = _least(tally.first_start, _at(first))
        tally.last_start = _most(tally.last_start, _at(last))
        if end_at is not None:
            tally.last_end = _most(tally.last_end, _at(end_at))
        tally.outside_window += missed[position]


def _outside(start: Any, window: Window) -> Any:
    outside = np.zeros(len(start), dtype=bool)
    if window.since is not None:
        outside |= start < window.since.timestamp()
    if window.until is not None:
        outside |= start >= window.until.timestamp()
    return outside


def _silences(rows: pa.Table, owner: Any, found: Found) -> pa.Table:
    columns: dict[str, Any] = {
        "source_object": _by_object(
            owner, [r.tally.source.identity for r in found.readings]
        ),
        "flow_log_id": _by_object(
            owner, [r.tally.source.flow_log_id for r in found.readings]
        ),
    }
    for name in ("start_time", "end_time"):
        columns[name] = (
            seconds_to_time(rows[name])
            if name in rows.column_names
            else pa.nulls(rows.num_rows, pa.timestamp("us", tz="UTC"))
        )
    wanted = {f.name for f in SILENCES.fields} - set(columns)
    for name in wanted & set(rows.column_names):
        columns[name] = rows[name]
    observers = [
        rows[name].cast(pa.string())
        for name in ("interface_id", "resource_id", "tgw_attachment_id")
        if name in rows.column_names
    ]
    if observers:
        columns["observer"] = pc.coalesce(*observers)
    schema = arrow_schema(SILENCES)
    return pa.table({k: v.cast(schema.field(k).type) for k, v in columns.items()})


def _by_object(owner: Any, values: Sequence[str | None]) -> Any:
    """Return a text column that holds for each row its object's value."""
    dictionary = pa.array(values, pa.string())
    codes = pa.array(owner.astype(np.int32))
    if dictionary.null_count == 0 and len(set(values)) == len(values):
        made = pa.DictionaryArray.from_arrays(codes, dictionary)
    else:
        made = dictionary.take(codes).dictionary_encode()
    return pa.chunked_array([made])


def _constant(value: str | None, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, pa.string()), count)


def _at(seconds: int) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def _least(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else min(one, other)


def _most(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)
