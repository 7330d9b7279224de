"""A filter written out again: one text for all that read the same."""

from __future__ import annotations

import json
from datetime import date, datetime

from queries.filters.literals import quoted
from queries.filters.tree import AnyOf, Comparison, Filter, Not, Operator, Value
from queries.spelling import iso


def canonical(filter_: Filter) -> str:
    """Return the text of a filter that was parsed, for ETags and cursors.

    It is parsed to the same filter again.
    """
    if isinstance(filter_, Comparison):
        return _comparison(filter_)
    if isinstance(filter_, Not):
        within = canonical(filter_.part)
        alone = isinstance(filter_.part, Comparison)
        return f"NOT {within}" if alone else f"NOT ({within})"
    if isinstance(filter_, AnyOf):
        return " OR ".join(canonical(part) for part in filter_.parts)
    return " AND ".join(_inside_and(part) for part in filter_.parts)


def _inside_and(part: Filter) -> str:
    return f"({canonical(part)})" if isinstance(part, AnyOf) else canonical(part)


def _comparison(comparison: Comparison) -> str:
    operator = comparison.operator
    written = [_value(value, operator) for value in comparison.values]
    listed = operator in ("IN", "NOT IN") or len(written) > 1
    values = f"({', '.join(written)})" if listed else "".join(written)
    return f"{comparison.field} {operator} {values}".rstrip()


def _value(value: Value, operator: Operator) -> str:
    if isinstance(value, str):
        return quoted(value, operator)
    if isinstance(value, datetime):
        return quoted(iso(value))
    if isinstance(value, date):
        return quoted(value.isoformat())
    return json.dumps(value)
