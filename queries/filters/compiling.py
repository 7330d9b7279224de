"""A filter as a condition in SQL: text of ours alone, values bound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from queries.filters.tree import (
    AllOf,
    Comparison,
    FieldType,
    Filter,
    Not,
    Operator,
    negated,
)

_NULLS: Mapping[Operator, str] = {
    "IS NULL": "{field} IS NULL",
    "IS NOT NULL": "{field} IS NOT NULL",
}
_PLAIN: Mapping[Operator, str] = {
    "=": "{field} = {value}",
    "!=": "{field} IS DISTINCT FROM {value}",
    "<": "{field} < {value}",
    "<=": "{field} <= {value}",
    ">": "{field} > {value}",
    ">=": "{field} >= {value}",
    "IN": "{field} IN {value}",
    "LIKE": "{field} LIKE {value}",
    **_NULLS,
}
_SPECIAL: Mapping[FieldType, Mapping[Operator, str]] = {
    "address": {
        "=": "{field} IN address_spellings({value})",
        "IN": "{field} IN address_spellings({value})",
        "CIDR": "in_networks({field}, {value})",
        **_NULLS,
    },
    "strings": {
        "=": "list_contains({field}, {value})",
        "IN": "list_has_any({field}, {value})",
        **_NULLS,
    },
}


@dataclass(frozen=True, slots=True)
class Compiled:
    """A filter for DuckDB.

    Attributes:
        sql: A condition for WHERE: true of a row, or else false or null. Its macros are
            those of ``functions.sql``.
        parameters: What it binds: ``f0``, ``f1`` …
    """

    sql: str
    parameters: dict[str, Any]


def compiled(filter_: Filter) -> Compiled:
    """Return a filter's condition.

    No text of users is in it: names are those of the caller's list, values are bound.
    """
    parameters: dict[str, Any] = {}
    sql = _condition(filter_, parameters)
    return Compiled(sql, parameters)


def _condition(filter_: Filter, parameters: dict[str, Any]) -> str:
    if isinstance(filter_, Comparison):
        return _comparison(filter_, parameters)
    if isinstance(filter_, Not):
        return f"(({_condition(filter_.part, parameters)}) IS NOT TRUE)"
    joint = " AND " if isinstance(filter_, AllOf) else " OR "
    return f"({joint.join(_condition(part, parameters) for part in filter_.parts)})"


def _comparison(comparison: Comparison, parameters: dict[str, Any]) -> str:
    operator = comparison.operator
    condition = _SPECIAL.get(comparison.type, _PLAIN).get(operator)
    if condition is None:
        return _condition(Not(negated(comparison)), parameters)
    if operator == "LIKE" and "\\" in str(comparison.values[0]):
        # Without it, the engine finds a pattern's beginning by row group: 1 of 98 read.
        condition += " ESCAPE '\\'"
    name = comparison.field.replace('"', '""')
    value = ""
    if comparison.values:
        value = f"$f{len(parameters)}"
        parameters[value[1:]] = _bound(comparison)
    return condition.format(field=f'"{name}"', value=value)


def _bound(comparison: Comparison) -> Any:
    """Return one value, or a list where the condition takes one."""
    listed = comparison.operator in ("IN", "CIDR") or comparison.type == "address"
    return list(comparison.values) if listed else comparison.values[0]
