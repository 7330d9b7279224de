"""What a filter says: comparisons of fields with values, joined.

Every part is true or false of a row, never unknown: a field without a value equals
nothing, is in no list, and is less than nothing. So ``!=``, ``NOT IN``, ``NOT LIKE``
and ``NOT CIDR`` are true of it, as ``NOT`` is of whatever is not true.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, TypeAlias

FieldType: TypeAlias = Literal[
    "string", "int", "long", "double", "bool", "date", "timestamp",
    "strings", "address", "port", "protocol",
]  # fmt: skip
Operator: TypeAlias = Literal[
    "=", "!=", "<", "<=", ">", ">=",
    "IN", "NOT IN", "LIKE", "NOT LIKE", "CIDR", "NOT CIDR", "IS NULL", "IS NOT NULL",
]  # fmt: skip
Value: TypeAlias = str | int | float | bool | date | datetime

# Each is true of exactly the rows that its opposite is not true of. `<` and `>=` are
# no such pair: neither is true of a field without a value.
OPPOSITES: Mapping[Operator, Operator] = {
    "=": "!=",
    "!=": "=",
    "IN": "NOT IN",
    "NOT IN": "IN",
    "LIKE": "NOT LIKE",
    "NOT LIKE": "LIKE",
    "CIDR": "NOT CIDR",
    "NOT CIDR": "CIDR",
    "IS NULL": "IS NOT NULL",
    "IS NOT NULL": "IS NULL",
}
_OF_ONE: Mapping[Operator, Operator] = {"IN": "=", "NOT IN": "!="}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One field compared.

    Attributes:
        field: Its name in the caller's list.
        type: Its type in the caller's list.
        values: Of its type: one, several for a list, none for ``IS NULL``. Networks and
            addresses are text as Python spells them, times are UTC; in a pattern, what
            stands for itself has a backslash before it.
    """

    field: str
    type: FieldType
    operator: Operator
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """True where ``part`` is not."""

    part: Filter


@dataclass(frozen=True, slots=True)
class AllOf:
    """True where every part is; none of them is an ``AllOf``."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True where a part is; none of them is an ``AnyOf``."""

    parts: tuple[Filter, ...]


Filter: TypeAlias = Comparison | Not | AllOf | AnyOf


def compared(
    field: str, type_: FieldType, operator: Operator, values: Sequence[Value]
) -> Comparison:
    """Return a comparison, its values in order, each once; a list of one is no list."""
    distinct = tuple(sorted(set(values)))
    if len(distinct) == 1:
        operator = _OF_ONE.get(operator, operator)
    return Comparison(field, type_, operator, distinct)


def negated(part: Filter) -> Filter:
    """Return what is true where ``part`` is not, without a ``Not`` if that can be."""
    if isinstance(part, Not):
        return part.part
    if isinstance(part, Comparison) and part.operator in OPPOSITES:
        opposite = OPPOSITES[part.operator]
        return Comparison(part.field, part.type, opposite, part.values)
    return Not(part)


def all_of(parts: Sequence[Filter]) -> Filter:
    """Return what is true where all of one or more parts are."""
    flat: list[Filter] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, AllOf) else (part,))
    return flat[0] if len(flat) == 1 else AllOf(tuple(flat))


def any_of(parts: Sequence[Filter]) -> Filter:
    """Return what is true where any of one or more parts is."""
    flat: list[Filter] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, AnyOf) else (part,))
    return flat[0] if len(flat) == 1 else AnyOf(tuple(flat))


def comparisons_of(filter_: Filter) -> Iterator[Comparison]:
    """Give every comparison of a filter, from left to right."""
    if isinstance(filter_, Comparison):
        yield filter_
    elif isinstance(filter_, Not):
        yield from comparisons_of(filter_.part)
    else:
        for part in filter_.parts:
            yield from comparisons_of(part)


def fields_of(filter_: Filter) -> frozenset[str]:
    """Return the names of the fields that a filter compares."""
    return frozenset(comparison.field for comparison in comparisons_of(filter_))
