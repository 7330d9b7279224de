"""Reading the lake: one pinned snapshot, and the files that a window needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pyiceberg.expressions import (
    AlwaysTrue,
    And,
    BooleanExpression,
    GreaterThanOrEqual,
    In,
    LessThan,
)
from pyiceberg.schema import Schema
from pyiceberg.table import Table as IcebergTable

from lake.datafiles import EPOCH
from lake.listed import Manifests, Span
from lake.snapshots import head_id
from lake.tables import Table

MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Plan:
    """What must be read of one table at one snapshot.

    Attributes:
        table: The table.
        snapshot: The snapshot id; None for an empty table.
        schema: The stored schema, whose field ids the files carry.
        files: Locations of the data files.
        rows: Rows in those files, before any filter.
        size: Bytes in those files.
        days: Of each file the day since 1970 that it lies in; None: in none.
    """

    table: Table
    snapshot: int | None
    schema: Schema
    files: tuple[str, ...]
    rows: int
    size: int
    days: tuple[int | None, ...] = ()


def plan(
    table: Table,
    stored: IcebergTable,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    snapshot: int | None = None,
    manifests: Manifests | None = None,
) -> Plan:
    """Choose the data files of ``[since, until)``; UTC, either end may be open.

    Args:
        table: The table.
        stored: As the catalog has it.
        since: The first moment.
        until: The moment after the last.
        snapshot: An older snapshot that is still retained; None: the newest.
        manifests: Keeps what they list from one plan to the next.

    Days are pruned by partition and files by the bounds of ``start_time``, or of
    ``hour``, for the hours that the window touches; a table by the day is pruned to
    its days, one without any time is read whole. Rows must still be filtered.

    Raises:
        LakeError: Rows were deleted by means that flowlake does not write.
    """
    return plan_all(
        table, stored, [(since, until)], snapshot=snapshot, manifests=manifests
    )


def plan_all(
    table: Table,
    stored: IcebergTable,
    windows: Sequence[tuple[datetime | None, datetime | None]],
    *,
    snapshot: int | None = None,
    manifests: Manifests | None = None,
) -> Plan:
    """Choose the data files of several windows, each file once; as `plan` does."""
    of = stored.snapshot_by_id(snapshot or head_id(stored) or -1)
    column = table.hour_column or ("start_time" if _has_time(table) else None)
    listed = manifests or Manifests()
    files = {
        file.path: file
        for since, until in windows
        for file in listed.files(stored, of, column, _span(table, since, until))
    }
    return Plan(
        table=table,
        snapshot=snapshot or head_id(stored),
        schema=stored.schema(),
        files=tuple(files),
        rows=sum(file.rows for file in files.values()),
        size=sum(file.size for file in files.values()),
        days=tuple(file.day for file in files.values()),
    )


def is_timed(table: Table) -> bool:
    """Whether the table's rows have a time that a window can choose by."""
    return table.is_daily or any(
        field.name in ("start_time", "hour") for field in table.fields
    )


def _has_time(table: Table) -> bool:
    return any(field.name == "start_time" for field in table.fields)


def _span(table: Table, since: datetime | None, until: datetime | None) -> Span:
    """Return what of a table a window reads."""
    if not is_timed(table):
        return Span()
    last = until and until - MOMENT
    days = _day(since), _day(last)
    if table.is_daily:
        return Span(*days)
    if table.hour_column == "hour":
        since = since and since.replace(minute=0, second=0, microsecond=0)
    by_day = days if table.hour_column else (None, None)  # of others nobody says so
    return Span(*by_day, _micros(since), _micros(last))


def _day(time: datetime | None) -> int | None:
    return None if time is None else (time - EPOCH).days


def _micros(time: datetime | None) -> int | None:
    return None if time is None else (time - EPOCH) // MOMENT


def window(
    since: datetime | None, until: datetime | None, *, column: str = "start_time"
) -> BooleanExpression:
    """Return the filter of rows that start in ``[since, until)``."""
    parts: list[BooleanExpression] = []
    if since is not None:
        parts.append(_at_least(column, since))
    if until is not None:
        parts.append(_before(column, until))
    return _all_of(parts)


def _all_of(parts: Sequence[BooleanExpression]) -> BooleanExpression:
    found: BooleanExpression = AlwaysTrue()
    for part in parts:
        found = And(found, part)
    return found


# PyIceberg's pydantic models hide their positional __init__ from mypy.
def _at_least(column: str, time: datetime) -> BooleanExpression:
    return GreaterThanOrEqual(column, time.isoformat())  # type: ignore[call-arg, arg-type]


def _before(column: str, time: datetime) -> BooleanExpression:
    return LessThan(column, time.isoformat())  # type: ignore[call-arg, arg-type]


def in_set(column: str, values: Sequence[str]) -> BooleanExpression:
    """Return the filter of rows whose column is one of the values."""
    return In(column, set(values))  # type: ignore[call-arg, arg-type]
