"""DuckDB over the files that PyIceberg plans.

One database in memory serves a process. Every question gets a session of its own, a
cursor whose views see exactly the files of its plans: one snapshot of each table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import chain
from types import TracebackType
from typing import Any

import duckdb
import pyarrow as pa
from pyiceberg.table import Table as IcebergTable

from lake.catalog import Lake
from lake.errors import LakeMissing, SnapshotGone
from lake.kept import Kept
from lake.listed import Manifests
from lake.reading import Plan, plan_all
from lake.settings import Settings
from lake.snapshots import head_id, retained_from
from lake.tables import TABLES, Table, arrow_schema, iceberg_schema
from queries.brought import Brought
from queries.database import Database, script
from queries.limits import UNLIMITED, Limits
from queries.scoped import ALL, limit
from queries.session import Session
from queries.values import Window
from queries.views import columns_of, engine_path, rows_within

PLANS_KEPT = 256
FACTS_KEPT = 1024
DAYS_KEPT = 4096
POLICIES_KEPT = INVENTORIES_KEPT = 1  # they are large
MADE_KEPT = 2
ORIENTED = "oriented"
OVER_FLOWS = (ORIENTED, "traffic")  # views of `flows`

# One statement, so that a session costs one round trip; see `columns_of`.
_SET_FILES = "SET VARIABLE {name}_files = $files"
_SET_SCHEMA = (
    "SET VARIABLE {name}_schema = map_from_entries(list_transform($columns, "
    "lambda c: {{k: c.id, v: {{name: c.name, type: c.type, default_value: NULL}}}}))"
)


@dataclass(frozen=True, slots=True)
class Pinned:
    """One table at one snapshot.

    Attributes:
        table: The table.
        stored: As the catalog had it; None where it does not exist yet.
        older: The id of a snapshot before the newest, if it is that.
    """

    table: Table
    stored: IcebergTable | None
    older: int | None = None

    @property
    def snapshot(self) -> int | None:
        """The snapshot id; None for a table without one."""
        return self.older or (head_id(self.stored) if self.stored else None)

    @property
    def retained_from(self) -> date:
        """The day before which its days have been dropped."""
        return retained_from(self.stored) if self.stored else date.min

    @property
    def metadata(self) -> str:
        """What names this state of the table, and so any plan made of it."""
        at = f"@{self.older}" if self.older else ""
        return f"{self.stored.metadata_location}{at}" if self.stored else ""


class Engine:
    """Answers SQL over the lake; a context manager, safe to share between threads.

    Args:
        settings: Where the lake is, and the limits of a question.

    Raises:
        LakeMissing: There is no lake.
        SettingsError: What users bring cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._plans: Kept[Plan] = Kept(PLANS_KEPT)
        self._manifests = Manifests()
        self.facts: Kept[Any] = Kept(FACTS_KEPT)  # of `queries.known`
        self.hours: Kept[Any] = Kept(DAYS_KEPT)  # of `queries.hours`
        self.policies: Kept[Any] = Kept(
            POLICIES_KEPT, large=True
        )  # of `queries.policies`
        self.inventories: Kept[Any] = Kept(INVENTORIES_KEPT, large=True)
        self.made: Kept[Any] = Kept(MADE_KEPT, large=True)
        with ExitStack() as opened:
            self.lake = opened.enter_context(Lake(settings))
            self._database = Database(settings)
            opened.callback(self._database.close)
            if not any(p.stored for p in self.pin(list(TABLES)).values()):
                raise LakeMissing(self.lake.where)
            self._opened = opened.pop_all()

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database and the catalog."""
        self._opened.close()

    @property
    def brought(self) -> Mapping[str, Brought]:
        """What users bring, by name."""
        return self._database.brought

    def pin(
        self, names: Sequence[str], snapshots: Mapping[str, int] | None = None
    ) -> dict[str, Pinned]:
        """Load tables as the catalog has them now, in the order given.

        Args:
            names: Of the tables.
            snapshots: Of some of them, the snapshot to read, not the newest.

        Raises:
            SnapshotGone: One of these has expired.
        """
        older = snapshots or {}
        found = {name: self._pin(TABLES[name], older.get(name)) for name in names}
        self._database.admit(p.stored for p in found.values() if p.stored)
        return found

    def plan(self, pinned: Pinned, *windows: Window | None) -> Plan:
        """Choose the files of a pinned table that windows need, each once; cached.

        Args:
            pinned: The table.
            windows: One or several; None, or none at all: all of it.
        """
        stored = pinned.stored
        if stored is None:
            return _nothing(pinned.table)
        chosen = windows or (None,)
        return self._plans.get(
            (pinned.metadata, chosen),
            lambda: _planned(pinned, stored, chosen, self._manifests),
        )

    @contextmanager
    def session(
        self,
        plans: Sequence[Plan],
        limits: Limits = UNLIMITED,
        *,
        window: Window | None = None,
        made: Mapping[str, pa.Table] | None = None,
        views: Iterable[str] = (),
    ) -> Iterator[Session]:
        """Open a cursor whose views are what these limits allow of the plans' tables.

        Args:
            plans: What is read of each table.
            limits: What may be seen.
            window: Rows of other times are not seen in tables that have one.
            made: More tables, by name; all of each is seen.
            views: Those ``OVER_FLOWS`` that are asked of, for `flows` is.
        """
        paths = [[engine_path(file) for file in item.files] for item in plans]
        with self._database.cursor(chain.from_iterable(paths)) as cursor:
            for item, files in zip(plans, paths, strict=True):
                _define(
                    cursor,
                    item,
                    files or [self._database.empty],
                    limits=limits,
                    window=window,
                )
            for view in views:
                cursor.execute(view_of(view))
            for name, rows in (made or {}).items():
                cursor.register(name, rows)  # a view of this cursor's alone
            yield Session(cursor, self.settings.query_timeout_s)

    def _pin(self, table: Table, older: int | None = None) -> Pinned:
        try:
            stored = self.lake.load(table)
        except LakeMissing:
            return Pinned(table, None)
        if older is not None and stored.snapshot_by_id(older) is None:
            raise SnapshotGone(table.name, older)
        return Pinned(table, stored, None if older == head_id(stored) else older)


def _define(
    cursor: duckdb.DuckDBPyConnection,
    item: Plan,
    files: Sequence[str],
    *,
    limits: Limits,
    window: Window | None,
) -> None:
    name = item.table.name
    columns = columns_of(item.schema)
    cursor.execute(_SET_FILES.format(name=name), {"files": files})
    cursor.execute(_SET_SCHEMA.format(name=name), {"columns": columns})
    within = rows_within(item.table, window) if window else []
    view, _, _ = view_of(name).partition(";")
    view += f" WHERE {' AND '.join(within)}" if within else ""
    if limits.is_unlimited:
        cursor.execute(view)
    else:
        cursor.execute(view.replace(f"VIEW {name} ", f"VIEW {ALL}_{name} "))
        limit(cursor, item.table, limits)


def _planned(
    pinned: Pinned,
    stored: IcebergTable,
    windows: Sequence[Window | None],
    manifests: Manifests,
) -> Plan:
    return plan_all(
        pinned.table,
        stored,
        [(w.since, w.until) if w else (None, None) for w in windows],
        snapshot=pinned.older,
        manifests=manifests,
    )


def _nothing(table: Table) -> Plan:
    return Plan(
        table=table,
        snapshot=None,
        schema=iceberg_schema(table),
        files=(),
        rows=0,
        size=0,
    )


@cache
def view_of(table: str) -> str:
    """Return the definition of a session's view."""
    return next(s for s in script("views.sql") if f"VIEW {table} " in s)


def empty_rows(table: Table) -> pa.Table:
    """Return a table's columns without rows, as its view has them."""
    rows = arrow_schema(table).empty_table()
    if table.is_head:
        return rows.append_column("day", pa.array([], pa.date32()))
    return rows
