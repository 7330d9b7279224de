"""DuckDB over the files that PyIceberg plans.

One database in memory serves a process. Every question gets a session of its own, a
cursor whose views see exactly the files of its plans: one snapshot of each table.
"""

from __future__ import annotations

import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlparse

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.table import Table as IcebergTable

from lake.catalog import Lake
from lake.errors import LakeError, LakeMissing, QueryError, QueryTimeout
from lake.reading import Plan, plan
from lake.settings import Settings
from lake.snapshots import head_id
from lake.tables import TABLES, Table, arrow_schema, iceberg_schema
from queries.remote import files_for
from queries.values import Window
from queries.views import columns_of, engine_path

PLANS_KEPT = 256
HERE = Path(__file__).parent

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
    """

    table: Table
    stored: IcebergTable | None

    @property
    def snapshot(self) -> int | None:
        """The snapshot id; None for a table without one."""
        return head_id(self.stored) if self.stored else None

    @property
    def metadata(self) -> str:
        """What names this state of the table, and so any plan made of it."""
        return self.stored.metadata_location if self.stored else ""


class Engine:
    """Answers SQL over the lake; a context manager, safe to share between threads.

    Args:
        settings: Where the lake is, and the limits of a question.

    Raises:
        LakeMissing: There is no lake.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._plans: OrderedDict[tuple[str, Window | None], Plan] = OrderedDict()
        self._lock = threading.Lock()
        self._schemes: set[str] = set()
        with ExitStack() as opened:
            self.lake = opened.enter_context(Lake(settings))
            self._scratch = opened.enter_context(_scratch_folder())
            self._database = _open_database(settings, self._scratch)
            opened.callback(self._database.close)
            self._empty = f"{self._scratch}/empty.parquet"
            pq.write_table(pa.table({"nothing": pa.array([], pa.int8())}), self._empty)
            opened.callback(self._close_schemes)
            self._confine()
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

    def pin(self, names: Sequence[str]) -> dict[str, Pinned]:
        """Load tables as the catalog has them now, in the order given."""
        return {name: self._pin(TABLES[name]) for name in names}

    def plan(self, pinned: Pinned, window: Window | None = None) -> Plan:
        """Choose the files of a pinned table that a window needs; cached."""
        if pinned.stored is None:
            return _nothing(pinned.table)
        key = (pinned.metadata, window)
        with self._lock:
            if key in self._plans:
                self._plans.move_to_end(key)
                return self._plans[key]
        made = _planned(pinned.table, pinned.stored, window)
        with self._lock:
            self._plans[key] = made
            while len(self._plans) > PLANS_KEPT:
                self._plans.popitem(last=False)
        return made

    @contextmanager
    def session(self, plans: Sequence[Plan]) -> Iterator[Session]:
        """Open a cursor whose views are the plans' tables."""
        cursor = self._database.cursor()
        try:
            for item in plans:
                _define(cursor, item, empty=self._empty)
            yield Session(cursor, self.settings.query_timeout_s)
        finally:
            cursor.close()

    def _pin(self, table: Table) -> Pinned:
        try:
            return Pinned(table, self.lake.load(table))
        except LakeMissing:
            return Pinned(table, None)

    def _confine(self) -> None:
        """Let the database read where the tables lie, and nowhere else."""
        found = [p.stored for p in self.pin(list(TABLES)).values() if p.stored]
        if not found:
            raise LakeMissing(self.lake.where)
        for stored in found:
            self._open_scheme(stored)
        folders = [f"{engine_path(s.location().rstrip('/'))}/" for s in found]
        for sql in script("functions.sql"):
            self._database.execute(sql)
        self._database.execute(
            "SET allowed_directories = $folders",
            {"folders": [*folders, f"{self._scratch}/"]},
        )
        self._database.execute("SET enable_external_access = false")
        self._database.execute("SET lock_configuration = true")

    def _close_schemes(self) -> None:
        for scheme in self._schemes:
            self._database.unregister_filesystem(scheme)

    def _open_scheme(self, stored: IcebergTable) -> None:
        scheme = urlparse(stored.location()).scheme
        if scheme not in ("", "file") and scheme not in self._schemes:
            self._database.register_filesystem(files_for(stored, scheme))
            self._schemes.add(scheme)


class Session:
    """One question's cursor.

    Args:
        cursor: With its views defined.
        timeout_s: Limit of one query, seconds.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection, timeout_s: float) -> None:
        self.cursor = cursor
        self._timeout_s = timeout_s

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Run one query and return all of its rows.

        Raises:
            QueryError: DuckDB refuses it; its own message, one line.
            QueryTimeout: It took longer than the limit.
        """
        with self._limits():
            return self._relation(sql, parameters).to_arrow_table()

    @contextmanager
    def stream(
        self, sql: str, parameters: Mapping[str, Any] | None = None
    ) -> Iterator[pa.RecordBatchReader]:
        """Run one query and give its rows batch by batch; as `query` otherwise."""
        with self._limits():
            yield self._relation(sql, parameters).to_arrow_reader(10_000)

    def _relation(self, sql: str, parameters: Mapping[str, Any] | None) -> Any:
        found = self.cursor.sql(sql, params=dict(parameters) if parameters else None)
        if found is None:
            raise QueryError("the statement has no rows to give")
        return found

    @contextmanager
    def _limits(self) -> Iterator[None]:
        timer = threading.Timer(self._timeout_s, self.cursor.interrupt)
        timer.start()
        try:
            yield
        except duckdb.InterruptException:
            raise QueryTimeout(
                f"stopped after {self._timeout_s:g} s: ask for a shorter window, or "
                "raise FLOWLAKE_QUERY_TIMEOUT_S"
            ) from None
        except duckdb.IOException as error:
            raise LakeError(f"could not read the lake: {one_line(error)}") from error
        except duckdb.Error as error:
            raise QueryError(one_line(error)) from error
        finally:
            timer.cancel()


def one_line(error: Exception) -> str:
    """Return a message of DuckDB without the query that it repeats."""
    text = str(error).split("\n\n", 1)[0]
    return " ".join(text.split())


def _scratch_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="flowlake-")


def _open_database(settings: Settings, scratch: str) -> duckdb.DuckDBPyConnection:
    database = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{settings.query_memory_bytes}B",
            "temp_directory": scratch,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "python_enable_replacements": "false",
        },
    )
    database.execute("SET GLOBAL TimeZone = 'UTC'")
    if settings.workers:
        database.execute("SET threads = $workers", {"workers": settings.workers})
    return database


def _define(cursor: duckdb.DuckDBPyConnection, item: Plan, *, empty: str) -> None:
    name = item.table.name
    files = [engine_path(location) for location in item.files] or [empty]
    columns = columns_of(item.schema)
    cursor.execute(_SET_FILES.format(name=name), {"files": files})
    cursor.execute(_SET_SCHEMA.format(name=name), {"columns": columns})
    cursor.execute(_view(name))


def _planned(table: Table, stored: IcebergTable, window: Window | None) -> Plan:
    if window is None:
        return plan(table, stored)
    return plan(table, stored, since=window.since, until=window.until)


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
def script(name: str) -> list[str]:
    """Return the statements of a file of definitions beside this module."""
    text = (HERE / name).read_text(encoding="utf-8")
    return [statement.query for statement in duckdb.extract_statements(text)]


@cache
def _view(table: str) -> str:
    return next(s for s in script("views.sql") if f"VIEW {table} " in s)


def empty_rows(table: Table) -> pa.Table:
    """Return a table's columns without rows, as its view has them."""
    rows = arrow_schema(table).empty_table()
    if table.is_head:
        return rows.append_column("day", pa.array([], pa.date32()))
    return rows
