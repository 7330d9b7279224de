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
    LessThanOrEqual,
)
from pyiceberg.schema import Schema
from pyiceberg.table import Table as IcebergTable

from lake.snapshots import head_id
from lake.tables import Table


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
    """

    table: Table
    snapshot: int | None
    schema: Schema
    files: tuple[str, ...]
    rows: int
    size: int


def plan(
    table: Table,
    stored: IcebergTable,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    snapshot: int | None = None,
) -> Plan:
    """Choose the data files of ``[since, until)``; UTC, either end may be open.

    Args:
        table: The table.
        stored: As the catalog has it.
        since: The first moment.
        until: The moment after the last.
        snapshot: An older snapshot that is still retained; None: the newest.

    Days are pruned by partition and files by the bounds of ``start_time``, or of
    ``hour``, for the hours that the window touches; a table by the day is pruned to
    its days, one without any time is read whole. Rows must still be filtered.
    """
    row_filter = _rows_within(table, since, until)
    scan = stored.scan(row_filter=row_filter, snapshot_id=snapshot)
    tasks = list(scan.plan_files())
    return Plan(
        table=table,
        snapshot=snapshot or head_id(stored),
        schema=stored.schema(),
        files=tuple(task.file.file_path for task in tasks),
        rows=sum(task.file.record_count for task in tasks),
        size=sum(task.file.file_size_in_bytes for task in tasks),
    )


def is_timed(table: Table) -> bool:
    """Whether the table's rows have a time that a window can choose by."""
    return table.is_daily or any(
        field.name in ("start_time", "hour") for field in table.fields
    )


def _rows_within(
    table: Table, since: datetime | None, until: datetime | None
) -> BooleanExpression:
    if not is_timed(table):
        return AlwaysTrue()
    if table.is_daily:
        return _days(since, until)
    if table.hour_column != "hour":
        return window(since, until)
    begins = since and since.replace(minute=0, second=0, microsecond=0)
    # Its days too: by them whole manifests are left unread.
    return And(_days(since, until), window(begins, until, column="hour"))


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


def _days(since: datetime | None, until: datetime | None) -> BooleanExpression:
    """Return the filter of rows whose day the window touches."""
    parts: list[BooleanExpression] = []
    if since is not None:
        first = since.date().isoformat()
        parts.append(GreaterThanOrEqual("day", first))  # type: ignore[call-arg, arg-type]
    if until is not None:
        last = (until - timedelta(microseconds=1)).date().isoformat()
        parts.append(LessThanOrEqual("day", last))  # type: ignore[call-arg, arg-type]
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
