"""Documents as columns, and the few ways in which columns are joined here."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

TEXT = pa.string()


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep Python's cycle collector away from documents, which have no cycles.

    It walks all of them again and again while they are made: a third of the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def as_column(documents: Sequence[Any], type_: pa.DataType) -> tuple[Any, int]:
    """Return documents as one column of structs, and how many values did not fit.

    Fields that the type does not name are left out, those that a document lacks are
    null, and so is a value of another type than its field's.
    """
    try:
        return pa.array(documents, type_), 0
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        misfits: list[Any] = []
        fitted = [fit(document, type_, misfits) for document in documents]
        return pa.array(fitted, type_), len(misfits)


def fit(value: Any, type_: pa.DataType, misfits: list[Any]) -> Any:
    """Return a value cut to a type; what does not fit is None and is noted."""
    if value is None:
        return None
    if pa.types.is_struct(type_) and isinstance(value, dict):
        return {f.name: fit(value.get(f.name), f.type, misfits) for f in type_}
    if pa.types.is_list(type_) and isinstance(value, list):
        return [fit(item, type_.value_type, misfits) for item in value]
    if pa.types.is_boolean(type_) and isinstance(value, bool):
        return value
    if pa.types.is_string(type_) and isinstance(value, str | datetime):
        return value if isinstance(value, str) else value.isoformat()
    misfits.append(value)
    return None


def fields_of(structs: Any, *names: str) -> Any:
    """Return a field of structs, of structs in structs by several names."""
    for name in names:
        structs = pc.struct_field(structs, name)
    return structs


def items_of(lists: Any) -> tuple[Any, Any]:
    """Return the items of lists, one after another, and the list that each is of."""
    return pc.list_flatten(lists), np.asarray(pc.list_parent_indices(lists), np.int64)


def look_up(keys: Any, table: Mapping[str, str | None]) -> Any:
    """Return what a table says of each key, null where it says nothing."""
    known = pa.array(list(table.keys()), TEXT)
    values = pa.array(list(table.values()), TEXT)
    return values.take(pc.index_in(keys, value_set=known, skip_nulls=True))


def spread(count: int, parents: Any, values: Any) -> Any:
    """Return for each of ``count`` parents the first of its values, null without."""
    places = np.full(count, -1, np.int64)
    places[parents[::-1]] = np.arange(len(parents) - 1, -1, -1)
    return values.take(pa.array(places, mask=places < 0))


def first_of(*columns: Any) -> Any:
    """Return the first value that is not null, row by row."""
    return pc.coalesce(*columns)


def where(mask: Any, column: Any) -> Any:
    """Return a column where a mask holds, null elsewhere."""
    return pc.if_else(pc.fill_null(mask, False), column, pa.scalar(None, column.type))


def is_any(column: Any, words: Iterable[str]) -> Any:
    """Return where a column is one of some words; false where it is null."""
    return pc.fill_null(pc.is_in(column, value_set=pa.array(list(words), TEXT)), False)


def told(column: Any) -> Any:
    """Return a column of texts with empty ones null."""
    return where(pc.not_equal(column, ""), column)


def every(word: str, count: int) -> Any:
    """Return a column of one text."""
    return pa.repeat(pa.scalar(word, TEXT), count)
