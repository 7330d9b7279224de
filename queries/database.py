"""The database of one process: in memory, and confined to where the lake's files lie.

What DuckDB may read can only be said before it is locked. So files in a new place, of
a table that came later or moved, get a fresh database; the one before is closed with
the last of its cursors. So is one that has served for long: DuckDB keeps a note of
every block that a query has let go of, some 200 bytes each and 20 KB a report, and
looks through them first when there are 32,768 in one of its queues.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlparse

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.table import Table as IcebergTable

from lake.settings import Settings
from queries.brought import load_brought
from queries.remote import ReadOnlyFiles, files_for
from queries.views import engine_path

HERE = Path(__file__).parent
DATA = "/data/"  # below a table's location, above the folders of its partitions
CURSORS_EACH = 512  # that a database gives; one takes 50 ms to open


@dataclass(slots=True)
class _Opened:
    """A database, how many cursors it has given, and how many of them are open."""

    connection: duckdb.DuckDBPyConnection
    closed: ExitStack
    given: int = 0
    open: int = 0


class Database:
    """Gives cursors; safe to share between threads.

    Args:
        settings: The limits of a question, and where what users bring lies.

    Attributes:
        brought: What users bring, by name.

    Raises:
        SettingsError: Something of it cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.brought = load_brought(settings)
        self._lock = threading.Lock()
        self._folders: tuple[str, ...] = ()
        self._schemes: dict[str, ReadOnlyFiles] = {}
        self._current: _Opened | None = None
        self._closed = ExitStack()
        self._scratch = self._closed.enter_context(
            tempfile.TemporaryDirectory(prefix="flowlake-")
        )
        self.empty = f"{self._scratch}/empty.parquet"
        pq.write_table(pa.table({"nothing": pa.array([], pa.int8())}), self.empty)

    def admit(self, tables: Iterable[IcebergTable]) -> None:
        """Let the next cursors read where these tables lie."""
        for stored in tables:
            location = stored.location().rstrip("/")
            scheme = urlparse(location).scheme
            with self._lock:
                if scheme not in ("", "file") and scheme not in self._schemes:
                    self._schemes[scheme] = files_for(stored, scheme)
                self._add(f"{engine_path(location)}/")

    @contextmanager
    def cursor(self, files: Iterable[str]) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a cursor that can read these files: paths as DuckDB opens them."""
        with self._lock:
            # A table that moved leaves files behind, outside its location.
            for file in files:
                if not file.startswith(self._folders):
                    self._add(_folder_of(file))
            opened = self._serving()
            opened.given += 1
            opened.open += 1
        try:
            with closing(opened.connection.cursor()) as cursor:
                yield cursor
        finally:
            with self._lock:
                opened.open -= 1
                done = opened is not self._current and not opened.open
            if done:
                opened.closed.close()

    def close(self) -> None:
        """Close the database, once its cursors are, and remove the scratch folder."""
        with self._lock:
            self._retire()
        self._closed.close()

    def _add(self, folder: str) -> None:
        if folder not in self._folders:
            self._folders = (*self._folders, folder)
            self._retire()

    def _serving(self) -> _Opened:
        if self._current and self._current.given >= CURSORS_EACH:
            self._retire()
        if self._current is None:
            self._current = self._open()
        return self._current

    def _retire(self) -> None:
        opened, self._current = self._current, None
        if opened and not opened.open:
            opened.closed.close()

    def _open(self) -> _Opened:
        with ExitStack() as closed:
            database = closed.enter_context(_connect(self._settings, self._scratch))
            for scheme, files in self._schemes.items():
                database.register_filesystem(files)
                closed.callback(database.unregister_filesystem, scheme)
            for sql in script("functions.sql"):
                database.execute(sql)
            for item in self.brought.values():
                item.create(database)
            database.execute(
                "SET allowed_directories = $folders",
                {"folders": [*self._folders, f"{self._scratch}/"]},
            )
            database.execute("SET enable_external_access = false")
            database.execute("SET lock_configuration = true")
            return _Opened(database, closed.pop_all())


def _folder_of(file: str) -> str:
    above, found, _ = file.rpartition(DATA)
    return f"{above}{found}" if found else f"{file.rpartition('/')[0]}/"


def _connect(settings: Settings, scratch: str) -> duckdb.DuckDBPyConnection:
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


@cache
def script(name: str) -> list[str]:
    """Return the statements of a file of definitions beside this module."""
    text = (HERE / name).read_text(encoding="utf-8")
    return [statement.query for statement in duckdb.extract_statements(text)]
