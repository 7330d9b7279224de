"""Layouts: which field stands where, as a header line or a log format says.

The number of fields names no layout and no field has a fixed place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import pyarrow as pa

from lake.schema import TGW_FIELDS, VPC_FIELDS, Field, FieldType
from lake.tables import DICTIONARY, FLOWS, TGW_FLOWS, Table

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_FORMAT = re.compile(r"\$\{([A-Za-z0-9_-]+)\}")

_BY_AWS: dict[str, dict[str, Field]] = {
    FLOWS.name: {f.aws: f for f in VPC_FIELDS if f.aws},
    TGW_FLOWS.name: {f.aws: f for f in TGW_FIELDS if f.aws},
}
_TGW_ONLY = set(_BY_AWS[TGW_FLOWS.name]) - set(_BY_AWS[FLOWS.name])
_KNOWN = set(_BY_AWS[TGW_FLOWS.name]) | set(_BY_AWS[FLOWS.name])

TYPES: dict[FieldType, pa.DataType] = {
    "string": DICTIONARY,
    "int": pa.int32(),
    "long": pa.int64(),
    "timestamp": pa.int64(),  # seconds, until they are normalised
}


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a layout.

    Attributes:
        aws: AWS's name.
        name: Our column; for a field unknown to us AWS's name again.
        type: How it is read; a field unknown to us is plain text.
        known: Whether it has a column of its own; the others go to ``extra``.
    """

    aws: str
    name: str
    type: pa.DataType
    known: bool


@dataclass(frozen=True, eq=False)
class Layout:
    """The fields of a text object, in order; one for all objects that have them.

    Attributes:
        delimiter: A space, or a comma in CSV.
        stamped: Each line begins with a time that CloudWatch put there.
    """

    head: Table
    columns: tuple[Column, ...]
    delimiter: str = " "
    stamped: bool = False

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """AWS's names, in order."""
        return tuple(column.aws for column in self.columns)

    @cached_property
    def extra_fields(self) -> tuple[str, ...]:
        """AWS's names of the fields that go to ``extra``."""
        return tuple(column.aws for column in self.columns if not column.known)

    @property
    def scannable(self) -> bool:
        """Whether the compiled scan can read it.

        Records without a start lie on no day, so a layout without it has none.
        """
        return self.delimiter == " " and "start" in self.fields


@lru_cache(maxsize=256)
def of_names(
    names: tuple[str, ...],
    *,
    delimiter: str = " ",
    stamped: bool = False,
    strict: bool = True,
) -> Layout | None:
    """Return the layout of AWS's field names in order, None if they are not that.

    Names may be spelt with ``-`` or ``_``. At least one must be known, and none may
    come twice; if ``strict``, each must look like one of AWS's.
    """
    aws = tuple(name.strip().replace("_", "-") for name in names)
    fits = not strict or all(_NAME.fullmatch(name) for name in aws)
    if not (fits and _KNOWN.intersection(aws)) or len(set(aws)) != len(aws):
        return None
    head = TGW_FLOWS if _TGW_ONLY.intersection(aws) else FLOWS
    return Layout(head, tuple(_column(n, head) for n in aws), delimiter, stamped)


def _column(aws: str, head: Table) -> Column:
    field = _BY_AWS[head.name].get(aws)
    if field is None:
        return Column(aws, f"extra:{aws}", pa.string(), known=False)
    return Column(aws, field.name, TYPES[field.type], known=True)


def looks_like_header(line: str) -> bool:
    """Whether every token could be a field's name and one of them is."""
    tokens = split_header(line)[0]
    aws = [token.replace("_", "-") for token in tokens]
    return all(_NAME.fullmatch(a) for a in aws) and bool(_KNOWN.intersection(aws))


def of_header(line: str) -> Layout | None:
    """Return the layout that a header line describes, None if it is no header."""
    names, delimiter = split_header(line)
    return of_names(tuple(names), delimiter=delimiter)


def split_header(line: str) -> tuple[list[str], str]:
    """Return the tokens of a header line and what stands between them."""
    line = line.strip("\r\n").rstrip(" ")
    if "," in line:
        return [token.strip().strip('"') for token in line.split(",")], ","
    return line.split(" "), " "


def of_format(log_format: str, *, stamped: bool = False) -> Layout | None:
    """Return the layout of a LogFormat as DescribeFlowLogs prints it.

    Args:
        log_format: ``${version} ${account-id} …``, or the bare names.
        stamped: Lines begin with a time that CloudWatch put there.
    """
    names: Sequence[str] = _FORMAT.findall(log_format) or log_format.split()
    return of_names(tuple(names), stamped=stamped)
