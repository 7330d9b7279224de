"""The fields that a filter may name: their types, and what can be asked of each."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from lake.schema import Field
from queries.filters.tree import FieldType, Operator
from queries.spelling import PROTOCOLS

# Other names of fields, in filters alone: what people of other tools type.
ALIASES: Mapping[str, str] = {
    "src_ip": "src_address",
    "dst_ip": "dst_address",
    "src_port": "srcport",
    "dst_port": "dstport",
}

_NULLS: tuple[Operator, ...] = ("IS NULL", "IS NOT NULL")
_EQUAL: tuple[Operator, ...] = ("=", "!=")
_LISTED: tuple[Operator, ...] = ("IN", "NOT IN")
_ORDERED: tuple[Operator, ...] = (*_EQUAL, "<", "<=", ">", ">=", *_LISTED, *_NULLS)

OPERATORS: Mapping[FieldType, tuple[Operator, ...]] = {
    "string": (*_ORDERED[:-2], "LIKE", "NOT LIKE", *_NULLS),
    "int": _ORDERED,
    "long": _ORDERED,
    "double": _ORDERED,
    "bool": (*_EQUAL, *_NULLS),
    "date": _ORDERED,
    "timestamp": _ORDERED,
    "strings": (*_EQUAL, *_LISTED, *_NULLS),
    "address": (*_EQUAL, *_LISTED, "CIDR", "NOT CIDR", *_NULLS),
    "port": _ORDERED,
    "protocol": (*_EQUAL, *_LISTED, *_NULLS),
}

# What stands for a value without quotes and is no number.
WORDS: Mapping[FieldType, tuple[str, ...]] = {
    "bool": ("true", "false"),
    "protocol": tuple(PROTOCOLS),
}

_PORTS = ("srcport", "dstport", "service_port")


def types_of(fields: Iterable[Field]) -> dict[str, FieldType]:
    """Return what a filter over a table's columns may name, in their order.

    Columns of maps are left out.
    """
    return {
        field.name: _type_of(field, field.type)
        for field in fields
        if field.type != "map"
    }


def resolved(name: str, fields: Mapping[str, FieldType]) -> str | None:
    """Return the field that a name or its alias stands for; None: there is none."""
    if name in fields:
        return name
    other = ALIASES.get(name)
    return other if other in fields else None


def no_such_field(name: str, fields: Mapping[str, FieldType]) -> str:
    """Say which fields there are, the nearest first."""
    known = [*fields, *(a for a in ALIASES if resolved(a, fields))]
    near = difflib.get_close_matches(name.lower(), known, n=3)
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"no field is called {name}.{meant} There are {', '.join(fields)}"


def _type_of(field: Field, stored: FieldType) -> FieldType:
    if field.name.endswith(("address", "srcaddr", "dstaddr")):
        return "address"
    if field.name in _PORTS:
        return "port"
    return "protocol" if field.name == "protocol" else stored
