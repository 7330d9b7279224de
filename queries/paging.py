"""Pages by key: what comes at or after the last row, in SQL of closed names.

With ``ORDER BY bytes DESC NULLS LAST, key ASC NULLS LAST`` and a last row of 40 and
``'a'`` the next page begins among the rows where::

    (bytes <= $k0 OR bytes IS NULL)
    AND (bytes < $k0 OR bytes IS NULL OR (bytes = $k0 AND (key >= $k1 OR key IS NULL)))

The last row is among them, with all that are equal to it in the order's columns; the
page skips as many of those as were given already. So nothing is lost or given twice,
if rows that the order leaves equal are equal in every column: `total` sees to that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import takewhile
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa

Value = None | bool | int | float | str | datetime | date | list["Value"]
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class OrderColumn:
    """One column of an order.

    Attributes:
        name: Of the column; a plain lower-case word.
        descending: Whether the largest comes first.
        nulls_first: Where nulls stand.
        nullable: Whether there can be nulls; where not, files are pruned by it.

    Raises:
        ValueError: The name is no plain word, so it could not stand in SQL.
    """

    name: str
    descending: bool = False
    nulls_first: bool = False
    nullable: bool = True

    def __post_init__(self) -> None:
        """Refuse what could be more than a name."""
        if not _PLAIN.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no plain name of a column")


@dataclass(frozen=True, slots=True)
class Keyset:
    """Where a page begins.

    Attributes:
        predicate: SQL over the order's columns, true of the rows at or after it.
        parameters: A value for each ``$k…`` in it.
        skipped: How many of those rows, in order, the page before has given.
    """

    predicate: str
    parameters: Mapping[str, Value]
    skipped: int


@dataclass(frozen=True, slots=True)
class PageEnd:
    """Where a page ends.

    Attributes:
        after: The last row's values of the order's columns.
        skipped: How many rows with these values have been given, on this page and
            on those before it.
    """

    after: tuple[Value, ...]
    skipped: int


def order_of(columns: Iterable[tuple[str, str]]) -> tuple[OrderColumn, ...]:
    """Return a report's order, in which nulls come last either way.

    Args:
        columns: Names with ``asc`` or ``desc``, as `Report.order` has them.
    """
    return tuple(OrderColumn(name, descending=way == "desc") for name, way in columns)


def total(
    order: Sequence[OrderColumn], columns: Iterable[str]
) -> tuple[OrderColumn, ...]:
    """Return the order with all other columns behind it, so that no tie is left."""
    known = {column.name for column in order}
    return (*order, *(OrderColumn(name) for name in columns if name not in known))


def order_by(order: Sequence[OrderColumn]) -> str:
    """Return the order as SQL, for ``ORDER BY``."""
    return ", ".join(
        f"{c.name} {'DESC' if c.descending else 'ASC'} "
        f"NULLS {'FIRST' if c.nulls_first else 'LAST'}"
        for c in order
    )


def keyset(order: Sequence[OrderColumn], end: PageEnd) -> Keyset:
    """Return where the page begins that follows another.

    Args:
        order: The columns that the rows are ordered by.
        end: Where that page ends.
    """
    after = end.after
    predicate = f"{_at_or_after(order[0], after[0], 0)} AND {_from(order, after)}"
    parameters = {f"k{i}": v for i, v in enumerate(after) if v is not None}
    return Keyset(predicate, parameters, end.skipped)


def page_end(
    order: Sequence[OrderColumn], rows: pa.Table, *, before: PageEnd | None = None
) -> PageEnd:
    """Return where a page ends.

    Args:
        order: The columns that the rows are ordered by.
        rows: The page, one row or more.
        before: The end of the page before it; None: it is the first.
    """
    keys = (_key(order, rows, place) for place in reversed(range(rows.num_rows)))
    last = next(keys)
    given = 1 + sum(1 for _ in takewhile(lambda key: _same(key, last), keys))
    if before and _same(before.after, last):
        given += before.skipped
    return PageEnd(last, given)


def next_link(query: Iterable[tuple[str, str]], cursor: str) -> str:
    """Return the ``Link`` field of the next page, relative to the request.

    So it holds behind any proxy, and whatever ``Host`` says.

    Args:
        query: The parameters of the request, in order.
        cursor: Of the next page.
    """
    kept = [(name, text) for name, text in query if name != "cursor"]
    return f'<?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'


def _from(order: Sequence[OrderColumn], after: Sequence[Value], place: int = 0) -> str:
    """Return what is true of the rows at or after, by the columns from a place on."""
    column, value = order[place], after[place]
    if place == len(order) - 1:
        return _at_or_after(column, value, place)
    equal = f"{column.name} IS NULL" if value is None else f"{column.name} = $k{place}"
    rest = f"({equal} AND {_from(order, after, place + 1)})"
    later = _after(column, value, place)
    return f"({later} OR {rest})" if later else rest


def _after(column: OrderColumn, value: Value, place: int) -> str:
    """Return what is true of values that come later; empty: none do."""
    if value is None:
        return f"{column.name} IS NOT NULL" if column.nulls_first else ""
    return _compared(column, "<" if column.descending else ">", place)


def _at_or_after(column: OrderColumn, value: Value, place: int) -> str:
    if value is None:
        return "TRUE" if column.nulls_first else f"{column.name} IS NULL"
    return _compared(column, "<=" if column.descending else ">=", place)


def _compared(column: OrderColumn, operator: str, place: int) -> str:
    text = f"{column.name} {operator} $k{place}"
    if column.nullable and not column.nulls_first:
        return f"({text} OR {column.name} IS NULL)"
    return text


def _key(order: Sequence[OrderColumn], rows: pa.Table, place: int) -> tuple[Value, ...]:
    return tuple(rows[column.name][place].as_py() for column in order)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal to the engine, to which NaN equals itself."""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other or (one != one and other != other))
