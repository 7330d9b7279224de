"""Texts as codes: columns of small integers into one array of distinct texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

NONE = -1
DENSE = 16  # a table of so many places a row is faster than hashing


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of texts.

    Attributes:
        codes: Into ``words``, ``NONE`` where null; int32.
        words: Distinct texts.
    """

    codes: Any
    words: pa.Array

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: Any) -> Any:
        """Return the codes at some positions; position -1 gives ``NONE``."""
        if len(self.codes) == 0:
            return np.full(len(rows), NONE, np.int32)
        return kept(rows >= 0, np.take(self.codes, np.maximum(rows, 0)))

    def code_of(self, text: str) -> int:
        """Return a text's code, ``NONE`` if it is not among the words."""
        return int(pc.index(self.words, pa.scalar(text)).as_py())


def coded(column: Any) -> Coded:
    """Return a text column as codes; its dictionary is kept if it has one."""
    if isinstance(column, pa.ChunkedArray):
        if pa.types.is_dictionary(column.type) and column.num_chunks > 1:
            column = column.unify_dictionaries()
        column = _one(column)
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    codes = filled(column.indices, NONE).astype(np.int32, copy=False)
    return Coded(codes, column.dictionary)


def _one(column: pa.ChunkedArray) -> pa.Array:
    """Return a column's chunks as one array; a single one is not copied."""
    if column.num_chunks == 1:
        return column.chunk(0)
    joined = column.combine_chunks()
    if not isinstance(joined, pa.ChunkedArray):
        return joined
    return joined.chunk(0) if joined.num_chunks else pa.array([], joined.type)


def filled(column: Any, absent: int) -> Any:
    """Return a column of integers as an array, ``absent`` where null.

    Arrow's own ``fill_null`` takes ten times as long where nulls are scattered.
    """
    if isinstance(column, pa.ChunkedArray):
        column = _one(column)
    if column.null_count == 0:
        return np.asarray(column)
    validity, data = column.buffers()
    rows = slice(column.offset, column.offset + len(column))
    values = np.frombuffer(data, column.type.to_pandas_dtype())[rows]
    bits = np.frombuffer(validity, np.uint8)
    valid = np.unpackbits(bits, count=rows.stop, bitorder="little")[rows]
    return chosen(valid.view(bool), values, values.dtype.type(absent))


def chosen(mask: Any, values: Any, others: Any) -> Any:
    """Return integers where a mask says so, and others of the same type elsewhere.

    ``np.where`` takes five times as long where the mask is hard to foretell, which of
    rows sorted by address it mostly is.
    """
    return others ^ ((values ^ others) & -mask.view(np.int8))


def kept(mask: Any, codes: Any) -> Any:
    """Return codes where a mask says so, and ``NONE`` elsewhere."""
    return codes | (mask.view(np.int8) + np.int8(NONE))


def texts_equal(column: Any, text: str) -> Any:
    """Return which rows have a text in a column of texts; null is none."""
    return np.asarray(pc.fill_null(pc.equal(column, text), False), dtype=bool)


def texts_same(one: Any, other: Any) -> Any:
    """Return where two columns of texts say the same; null is the same as null."""
    both = pc.and_(pc.is_null(one), pc.is_null(other))
    return pc.or_(pc.fill_null(pc.equal(one, other), False), both)


def several(keys: Any, values: Any, size: int) -> Any:
    """Return which keys stand beside more than one value.

    Args:
        keys: Small non-negative integers.
        values: Codes beside them.
        size: How many keys there are.
    """
    first, _ = distinct(keys, values)
    return np.bincount(keys[first], minlength=size) > 1


def turns(group: Any, *parts: Any) -> Any:
    """Number what parts tell apart within each group from 0, in its order.

    Args:
        group: Integers.
        parts: More of them; rows are sorted by the group and by these.
    """
    fresh = np.ones(len(group), dtype=bool)
    fresh[1:] = group[1:] != group[:-1]
    other = fresh.copy()
    for part in parts:
        other[1:] |= part[1:] != part[:-1]
    turn = np.cumsum(other)
    return turn - np.maximum.accumulate(np.where(fresh, turn, 0))


def ranges(low: Any, high: Any) -> tuple[Any, Any]:
    """Return every position of some ranges, one range after the other.

    Args:
        low: Where each range begins.
        high: Before which position it ends.

    Returns:
        Of each position, which range it is of; the position.
    """
    count = high - low
    which = np.repeat(np.arange(len(count)), count)
    return which, np.arange(len(which)) + (high - np.cumsum(count))[which]


def nothing(rows: int) -> Coded:
    """Return a column of nulls."""
    return Coded(np.full(rows, NONE, np.int32), pa.array([], pa.string()))


def column_of(rows: pa.Table, name: str) -> Coded:
    """Return a column as codes, all null where the table lacks it."""
    if name not in rows.column_names:
        return nothing(rows.num_rows)
    return coded(rows[name])


def last_seen(keys: Any, values: Any, size: int) -> Any:
    """Return for each key some value that stands beside it, ``NONE`` without one.

    Args:
        keys: Small integers, ``NONE`` for none.
        values: Codes beside them; ``NONE`` tells nothing.
        size: How many keys there are.
    """
    found = np.full(size + 1, NONE, np.int32)
    if values.max(initial=NONE) < 0:
        return found[:size]
    if values.min() < 0:
        keys = chosen(values >= 0, keys, keys.dtype.type(size))
    found[keys] = values
    return found[:size]


def merged(*columns: Coded) -> tuple[pa.Array, list[Any]]:
    """Bring columns to one array of words; return it and each column's new codes."""
    words = pa.concat_arrays([c.words.cast(pa.string()) for c in columns])
    encoded = words.dictionary_encode()
    places = np.asarray(encoded.indices, np.int32)
    codes, first = [], 0
    for column in columns:
        own = np.append(places[first : first + len(column.words)], NONE)
        codes.append(np.take(own, column.codes))
        first += len(column.words)
    return encoded.dictionary, codes


def distinct(*parts: Any) -> tuple[Any, Any]:
    """Return the distinct tuples of some integer columns.

    Returns:
        Positions of one row of each, and for each row which of them it is.
    """
    joint = _joined(parts)
    span = int(joint.max(initial=-1)) + 1
    if span > DENSE * len(joint):
        joint = _numbered(joint)
        span = int(joint.max()) + 1
    rows = np.arange(len(joint), dtype=np.int32)
    table = np.empty(span, np.int32)  # read where it was written, and nowhere else
    table[joint[::-1]] = rows[::-1]
    first = np.flatnonzero(np.take(table, joint) == rows)
    table[joint[first]] = rows[: len(first)]
    return first, np.take(table, joint)


def _joined(parts: Sequence[Any]) -> Any:
    """Return the tuples of some columns as one number each; those of one value skip."""
    joint, width = np.zeros(len(parts[0]), np.int64), 0
    for part in parts if len(joint) else ():
        low = int(part.min())
        more = (int(part.max()) - low).bit_length()
        if more and width + more > 62:
            joint = _numbered(joint)
            width = int(joint.max()).bit_length()
        if more:
            joint <<= more
            joint |= part.astype(np.int64, copy=False) - low
            width += more
    return joint


def _numbered(joint: Any) -> Any:
    return np.asarray(pa.array(joint).dictionary_encode().indices, np.int64)
