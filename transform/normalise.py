"""Normalising: typed columns of a flow log to rows of the lake.

Pure Arrow to Arrow. What does not fit is not dropped but pointed at: the caller
has the lines.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.tables import DICTIONARY, TGW_FLOWS, Table

# The lake's first possible day. Flow logs began in 2015; AWS's documented examples
# carry times of December 2014.
EARLIEST = datetime(2014, 1, 1, tzinfo=UTC)
MILLISECONDS = 100_000_000_000  # seconds beyond this are of the year 5138
IN_MILLISECONDS = "13 digits are milliseconds, flow logs are in seconds"

SILENT = pa.array(["NODATA", "SKIPDATA"])
RANGES: dict[str, tuple[int, int | None]] = {
    "srcport": (0, 65_535),
    "dstport": (0, 65_535),
    "protocol": (0, 255),
    "packets": (0, None),
    "bytes": (0, None),
}
ALLOWED = {
    "log_status": ("OK", "NODATA", "SKIPDATA"),
    "action": ("ACCEPT", "REJECT"),
}
ADDRESSES = ("srcaddr", "dstaddr", "pkt_srcaddr", "pkt_dstaddr")
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"^{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}$"


@dataclass(frozen=True, slots=True)
class Problem:
    """Rows that do not fit.

    Attributes:
        rows: A boolean mask.
        reason: The quarantine reason.
        detail: What is wrong and what to do about it.
    """

    rows: Any
    reason: str
    detail: str


def problems(table: pa.Table, *, now: datetime) -> Iterator[Problem]:
    """Find the rows that do not fit, each check in a few vectorised passes.

    Args:
        table: Columns by our names; ``start_time`` and ``end_time`` in seconds; text
            as dictionaries.
        now: The present; UTC.
    """
    names = table.column_names
    for name, allowed in ALLOWED.items():
        if name in names:
            yield from _not_among(table[name], name, allowed)
    for name, (low, high) in RANGES.items():
        if name in names:
            yield from _out_of_range(table[name], name, low, high)
    for name in ADDRESSES:
        if name in names:
            yield from _bad_addresses(table[name], name)
    yield from _bad_times(table, now)


def silent_rows(table: pa.Table) -> Any:
    """Return the mask of NODATA and SKIPDATA records, None if there are none."""
    if "log_status" not in table.column_names:
        return None
    mask = _of_values(table["log_status"], lambda v: pc.is_in(v, value_set=SILENT))
    return mask if mask.any() else None


def _not_among(column: Any, name: str, allowed: Sequence[str]) -> Iterator[Problem]:
    words = pa.array(allowed)
    bad = _of_values(column, lambda v: pc.invert(pc.is_in(v, value_set=words)))
    if bad.any():
        yield Problem(bad, f"bad_{name}", f"{name} is none of {', '.join(allowed)}")


def _out_of_range(
    column: Any, name: str, low: int, high: int | None
) -> Iterator[Problem]:
    bounds = pc.min_max(column)
    least, most = bounds["min"].as_py(), bounds["max"].as_py()
    if least is None or (least >= low and (high is None or most <= high)):
        return
    bad = pc.less(column, low)
    if high is not None:
        bad = pc.or_(bad, pc.greater(column, high))
    detail = f"{name} is outside {low}..{'' if high is None else high}"
    yield Problem(_mask(bad), "bad_integer", detail)


def _bad_addresses(column: Any, name: str) -> Iterator[Problem]:
    bad = _of_values(column, _not_addresses)
    if bad.any():
        yield Problem(bad, "bad_address", f"{name} is no IPv4 or IPv6 address")


def _not_addresses(values: pa.Array) -> pa.Array:
    """Return which of the distinct texts are no addresses: IPv4 by pattern."""
    is_v4 = pc.match_substring_regex(values, pattern=_IPV4)
    bad = np.zeros(len(values), dtype=bool)
    for position in np.flatnonzero(~np.asarray(is_v4, dtype=bool)):
        bad[position] = not _is_ipv6(values[int(position)].as_py())
    return pa.array(bad)


def _is_ipv6(text: str | None) -> bool:
    try:
        ipaddress.IPv6Address(text or "")
    except ValueError:
        return False
    return "%" not in (text or "")


def _bad_times(table: pa.Table, now: datetime) -> Iterator[Problem]:
    rows = table.num_rows
    silent = silent_rows(table)
    heard = np.ones(rows, dtype=bool) if silent is None else ~silent
    if "start_time" not in table.column_names:
        missing = heard
    elif table["start_time"].null_count:
        missing = heard & np.asarray(pc.is_null(table["start_time"]), dtype=bool)
    else:
        missing = None
    if missing is not None and missing.any():
        yield Problem(
            missing,
            "no_start_time",
            "a record without a start lies on no day: add ${start} to the log format",
        )
    for name in ("start_time", "end_time"):
        if name in table.column_names:
            yield from _impossible(table[name], name.removesuffix("_time"), now)


def time_range(now: datetime) -> tuple[int, int]:
    """Return the first and last second that a record may start or end at."""
    return int(EARLIEST.timestamp()), int((now + timedelta(days=1)).timestamp())


def _impossible(column: Any, name: str, now: datetime) -> Iterator[Problem]:
    low, high = time_range(now)
    bounds = pc.min_max(column)
    least, most = bounds["min"].as_py(), bounds["max"].as_py()
    if least is None or (least >= low and most <= high):
        return
    detail = f"{name} is before {EARLIEST:%Y} or more than a day ahead"
    long = _mask(pc.greater_equal(column, MILLISECONDS))
    if long.any():
        yield Problem(long, "bad_time", f"{detail}; {IN_MILLISECONDS}")
    bad = _mask(pc.or_(pc.less(column, low), pc.greater(column, high))) & ~long
    if bad.any():
        yield Problem(bad, "bad_time", detail)


def _of_values(column: Any, test: Any) -> Any:
    """Apply a test to the distinct values of a text column; null rows are False."""
    masks = []
    for chunk in column.chunks:
        verdict = np.append(np.asarray(test(chunk.dictionary), dtype=bool), False)
        if not verdict.any():
            masks.append(np.zeros(len(chunk), dtype=bool))
            continue
        last = len(chunk.dictionary)
        codes = pc.fill_null(chunk.indices, last) if chunk.null_count else chunk.indices
        masks.append(verdict[np.asarray(codes)])
    return np.concatenate(masks) if masks else np.zeros(0, dtype=bool)


def _mask(found: Any) -> Any:
    return np.asarray(pc.fill_null(found, False), dtype=bool)


def flow_columns(table: pa.Table, head: Table) -> dict[str, Any]:
    """Return the columns of good flow rows as the lake has them.

    Args:
        table: As for `problems`, all rows good.
        head: Which table they are for.

    Returns:
        The logged columns with UTC times, ``extra``, the packet addresses and the
        observer; wholly null columns are left out.
    """
    columns: dict[str, Any] = {}
    for name in table.column_names:
        column = table[name]
        if name.startswith("extra:") or column.null_count == table.num_rows:
            continue
        if name in ("start_time", "end_time"):
            column = seconds_to_time(column)
        columns[name] = column
    if extra := extra_column(table):
        columns["extra"] = extra
    for side in ("src", "dst"):
        address = _first(columns, f"pkt_{side}addr", f"{side}addr")
        if address is not None:
            columns[f"{side}_address"] = address
    seen_by = ("tgw_attachment_id",) if head is TGW_FLOWS else (
        "interface_id", "resource_id",
    )  # fmt: skip
    observer = _first(columns, *seen_by)
    if observer is not None:
        columns["observer"] = observer
    return columns


def seconds_to_time(column: Any) -> Any:
    """Return Unix seconds as UTC timestamps in microseconds."""
    return column.cast(pa.timestamp("s", tz="UTC")).cast(pa.timestamp("us", tz="UTC"))


def _first(columns: dict[str, Any], *names: str) -> Any:
    """Return the first column that is there, its nulls filled from the next ones."""
    there = [columns[name] for name in names if name in columns]
    if not there:
        return None
    if there[0].null_count == 0 or len(there) == 1:
        return there[0]
    texts = [column.cast(pa.string()) for column in there]
    return pc.coalesce(*texts).cast(DICTIONARY)


def extra_column(table: pa.Table) -> Any:
    """Gather the fields unknown to us in one map column; None if there are none.

    A field that a record does not have (``-``) is left out of its map.
    """
    names = [name for name in table.column_names if name.startswith("extra:")]
    if not names or table.num_rows == 0:
        return None
    rows = table.num_rows
    values = pa.concat_arrays(
        [table[name].cast(pa.string()).combine_chunks() for name in names]
    )
    by_row = np.arange(rows * len(names)).reshape(len(names), rows).T.ravel()
    values = values.take(pa.array(by_row))
    keys = pa.array([name.removeprefix("extra:") for name in names]).take(
        pa.array(np.tile(np.arange(len(names)), rows))
    )
    there = np.asarray(pc.is_valid(values), dtype=bool)
    if not there.any():
        return None
    counts = there.reshape(rows, len(names)).sum(axis=1)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    kept = pa.array(there)
    made = pa.MapArray.from_arrays(
        pa.array(offsets), keys.filter(kept), values.filter(kept)
    )
    return pa.chunked_array([made])
