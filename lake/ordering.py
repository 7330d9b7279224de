"""The order of rows in a data file, and dictionaries cut to what they need."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.tables import Table

HOUR_US = 3_600_000_000
FIRST_ROWS = 4096  # most columns of few texts use all of them here


def sort_rows(rows: pa.Table, by: tuple[str, ...]) -> pa.Table:
    """Sort by up to two text columns, nulls last, ties in arrival order."""
    if rows.num_rows < 2 or not by:
        return rows
    rows = rows.unify_dictionaries().combine_chunks()
    return _taken(rows, _order(rows, by))


def by_hour(rows: pa.Table, table: Table) -> Iterator[pa.Table]:
    """Cut a head table's rows by hour, each cut sorted as its data file wants it.

    One sort and one copy for all hours: cutting first and sorting each cut would copy
    every row twice, and copying is a quarter of what writing costs.
    """
    if rows.num_rows == 0:
        return
    rows = rows.unify_dictionaries().combine_chunks()
    hours = np.asarray(rows["start_time"].cast(pa.int64())) // HOUR_US
    order = _order(rows, table.sort, major=hours)
    rows = _taken(rows, order.astype(np.int32))
    hours = hours[order]
    starts = np.flatnonzero(np.diff(hours, prepend=hours[0] - 1))
    for start, end in itertools.pairwise([*starts.tolist(), len(hours)]):
        yield rows.slice(start, end - start)


def hours_in(rows: pa.Table) -> set[int]:
    """Return the hours since 1970 in which rows begin; none where no row says when."""
    if "start_time" not in rows.column_names:
        return set()
    times = pc.drop_null(rows["start_time"]).cast(pa.int64())
    return set(pc.unique(pc.divide(times, HOUR_US)).to_pylist())


def _taken(rows: pa.Table, order: Any) -> pa.Table:
    """Return the rows in an order; a column of one text alone stays as it is."""
    places = pa.array(order)
    return once_each(
        rows,
        lambda column: (
            column
            if _is_constant(column)
            else pc.take(column, places, boundscheck=False)
        ),
    )


def once_each(
    rows: pa.Table, change: Callable[[pa.ChunkedArray], pa.ChunkedArray]
) -> pa.Table:
    """Change every column of a table; columns of the same memory are changed once.

    An address that was logged as the packet's is in three columns and in memory once.
    """
    known: dict[Any, pa.ChunkedArray] = {}
    columns = []
    for column in rows.columns:
        memory = _memory(column)
        if memory not in known:
            known[memory] = change(column)
        columns.append(known[memory])
    return pa.table(columns, schema=rows.schema)


def _memory(column: pa.ChunkedArray) -> Any:
    """Return what two columns of texts have in common that are of the same memory."""
    if not pa.types.is_dictionary(column.type):
        return object()  # nothing
    return tuple(
        (array.offset, len(array), None if buffer is None else buffer.address)
        for chunk in column.chunks
        for array in (chunk, chunk.dictionary)
        for buffer in array.buffers()
    )


def _is_constant(column: pa.ChunkedArray) -> bool:
    if not pa.types.is_dictionary(column.type) or column.num_chunks != 1:
        return False
    return len(column.chunk(0).dictionary) == 1 and column.null_count == 0


def _order(rows: pa.Table, by: tuple[str, ...], *, major: Any = None) -> Any:
    """Return the sorting permutation; ranks of distinct values stand for texts.

    Packed into one integer where they fit: 24 ms in place of 190 by text for
    250,000 rows.
    """
    keys = _all_ranks([rows[name] for name in by if name in rows.column_names])
    if major is not None:
        keys.insert(0, major - major.min())
    widths = [int(key.max()).bit_length() for key in keys]
    if sum(widths) > 64:
        return np.lexsort(keys[::-1])
    packed = np.zeros(rows.num_rows, dtype=np.uint64)
    for key, width in zip(keys, widths, strict=True):
        packed = (packed << np.uint64(width)) | key.astype(np.uint64)
    return _stable_order(packed, sum(widths))


def _stable_order(keys: Any, width: int) -> Any:
    """Sort keys with their row numbers in the low bits, where there is room.

    Plain values sort with vector instructions, 3 ms in place of 24 for 250,000 rows.
    """
    bits = len(keys).bit_length()
    if width + bits > 64:
        return np.argsort(keys, kind="stable")
    numbered = (keys << np.uint64(bits)) | np.arange(len(keys), dtype=np.uint64)
    numbered.sort()
    return (numbered & np.uint64((1 << bits) - 1)).astype(np.int64)


def _all_ranks(columns: list[pa.ChunkedArray]) -> list[Any]:
    """Rank each column's texts, nulls last; one dictionary is ranked once."""
    found: list[Any] = []
    known: pa.Array | None = None
    ranks: Any = None
    for array in map(_one_dictionary, columns):
        if known is None or not array.dictionary.equals(known):
            known = array.dictionary
            ranks = np.append(
                np.asarray(pc.rank(known, tiebreaker="dense"), dtype=np.int64),
                len(known) + 1,
            )
        found.append(ranks[np.asarray(pc.fill_null(array.indices, len(known)))])
    return found


def _one_dictionary(column: pa.ChunkedArray) -> pa.DictionaryArray:
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    if column.num_chunks == 1:
        return column.chunk(0)
    combined = column.unify_dictionaries().combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined


def trim_dictionary(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Drop dictionary values that no row uses: a cut of a batch has the batch's.

    Left in, every hour's file would hold the addresses of all hours, those of days
    that are dropped later too.
    """
    if not pa.types.is_dictionary(column.type) or len(column) == 0:
        return column
    array = _one_dictionary(column)
    used = _used(array.indices, len(array.dictionary))
    if used.all():
        return pa.chunked_array([array])
    renumbered = pa.array(np.cumsum(used, dtype=np.int32) - np.int32(1))
    trimmed = pa.DictionaryArray.from_arrays(
        renumbered.take(array.indices),
        array.dictionary.filter(pa.array(used)),
        safe=False,
    )
    return pa.chunked_array([trimmed])


def _used(codes: pa.Array, size: int) -> Any:
    """Return which of a dictionary's values some row uses."""
    for rows in (codes.slice(0, FIRST_ROWS), codes):
        used = np.bincount(np.asarray(pc.drop_null(rows)), minlength=size) > 0
        if used.all():
            break
    return used
