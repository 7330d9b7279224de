"""Values as JSON and CSV have them, at any depth, column by column.

Times become ISO 8601 text with ``Z``: every time of a lake is UTC. What is infinite
or no number becomes null.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from lake.errors import QueryError

INFINITE = {64: 2**63 - 1, 32: 2**31 - 1}  # how DuckDB stores an infinite time or day
_NO_FRACTION = r"[.]0+Z$"


def plain_rows(rows: pa.Table, *, numbers: bool = True) -> pa.Table:
    """Return the rows with plain values; names and order as they were.

    Args:
        rows: Of any types that `queries.types.portable` lets through.
        numbers: Make NaN and infinite numbers null too, as JSON needs.

    Raises:
        QueryError: A time lies outside the years 1 to 9999.
    """

    def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
        if not _changes(column.type, numbers=numbers):
            return column
        chunks = [_plain(chunk, numbers=numbers) for chunk in column.chunks]
        return pa.chunked_array(chunks or [_plain(_empty(column), numbers=numbers)])

    return pa.Table.from_arrays([plain(c) for c in rows.columns], rows.column_names)


def _empty(column: pa.ChunkedArray) -> pa.Array:
    return pa.array([], column.type)


def _changes(type_: pa.DataType, *, numbers: bool) -> bool:
    """Whether a type holds, at any depth, what must be rewritten."""
    if pa.types.is_timestamp(type_) or pa.types.is_date(type_):
        return True
    if pa.types.is_floating(type_):
        return numbers
    children = [type_.field(i).type for i in range(type_.num_fields)]
    return any(_changes(child, numbers=numbers) for child in children)


def _plain(array: pa.Array, *, numbers: bool) -> pa.Array:
    type_ = array.type
    if not _changes(type_, numbers=numbers):
        return array
    if pa.types.is_timestamp(type_):
        return _iso(array)
    if pa.types.is_date(type_):
        return pc.cast(_writable(_finite(array, 32)), pa.string())
    if pa.types.is_floating(type_):
        return pc.if_else(pc.is_finite(array), array, None)
    return _rebuilt(array, lambda child: _plain(child, numbers=numbers))


def _rebuilt(array: pa.Array, change: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Return a nested array with its children changed; nulls stay where they were."""
    type_ = array.type
    if pa.types.is_struct(type_):
        children = [change(array.field(i)) for i in range(type_.num_fields)]
        fields = [
            pa.field(type_.field(i).name, child.type)
            for i, child in enumerate(children)
        ]
        return pa.StructArray.from_arrays(
            children, fields=fields, mask=pc.is_null(array)
        )
    if pa.types.is_map(type_):
        entries = change(
            pa.StructArray.from_arrays([array.keys, array.items], ["k", "v"])
        )
        keys, items = entries.field(0), entries.field(1)
        return _with_child(array, pa.map_(keys.type, items.type), entries)
    child = change(array.values)
    if pa.types.is_fixed_size_list(type_):
        return _with_child(array, pa.list_(child.type, type_.list_size), child)
    kind = pa.large_list if pa.types.is_large_list(type_) else pa.list_
    return _with_child(array, kind(child.type), child)


def _with_child(array: pa.Array, type_: pa.DataType, child: pa.Array) -> pa.Array:
    """Return the array over another child: its own validity, offsets and slice."""
    own = array.buffers()[: 1 if pa.types.is_fixed_size_list(type_) else 2]
    return pa.Array.from_buffers(
        type_, len(array), own, offset=array.offset, children=[child]
    )


def _iso(times: pa.Array) -> pa.Array:
    """Write times; a fraction only where there is one, as flow logs do."""
    times = _writable(_finite(times, 64))
    times = pc.cast(times, pa.timestamp(times.type.unit, "UTC"))
    seconds = pc.floor_temporal(times, unit="second")
    if pc.all(pc.equal(seconds, times), min_count=0).as_py():
        times = pc.cast(seconds, pa.timestamp("s", "UTC"))
        return pc.strftime(times, "%Y-%m-%dT%H:%M:%SZ")
    text = pc.strftime(times, "%Y-%m-%dT%H:%M:%SZ")
    return pc.replace_substring_regex(text, _NO_FRACTION, "Z")


def _finite(times: pa.Array, bits: int) -> pa.Array:
    number = times.view(pa.int64() if bits == 64 else pa.int32())
    limit = INFINITE[bits]
    infinite = pc.or_(pc.equal(number, limit), pc.equal(number, -limit))
    return pc.if_else(infinite, pa.scalar(None, times.type), times)


def _writable(times: pa.Array) -> pa.Array:
    """Refuse years that ISO 8601 has no four digits for; Arrow would write others."""
    if pa.types.is_timestamp(times.type) and times.type.unit == "ns":
        return times  # 1677 to 2262: nothing else fits
    first, last = (
        pa.scalar(day).cast(pa.timestamp("s")).cast(times.type)
        for day in (date.min, date.max)
    )
    inside = pc.and_(pc.greater_equal(times, first), pc.less_equal(times, last))
    if pc.all(inside, min_count=0).as_py():
        return times
    raise QueryError(
        "a time before the year 1 or after 9999 cannot be written as text: leave it "
        "out, or ask for --format parquet"
    )
