"""The database of one process: in memory, and confined to where the lake's files lie.

What DuckDB may read can only be said before it is locked. So files in a new place, of
a table that came later or moved, get a fresh database; the one before serves its open
sessions and is closed with the rest.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterable
from contextlib import ExitStack
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
        self._current: duckdb.DuckDBPyConnection | None = None
        self._opened = ExitStack()
        self._scratch = self._opened.enter_context(
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

    def cursor(self, files: Iterable[str]) -> duckdb.DuckDBPyConnection:
        """Return a cursor that can read these files: paths as DuckDB opens them."""
        with self._lock:
            # A table that moved leaves files behind, outside its location.
            for file in files:
                if not file.startswith(self._folders):
                    self._add(_folder_of(file))
            if self._current is None:
                self._current = self._open()
            return self._current.cursor()

    def close(self) -> None:
        """Close every database that was opened, and remove the scratch folder."""
        self._opened.close()

    def _add(self, folder: str) -> None:
        if folder not in self._folders:
            self._folders = (*self._folders, folder)
            self._current = None

    def _open(self) -> duckdb.DuckDBPyConnection:
        database = _connect(self._settings, self._scratch)
        self._opened.callback(database.close)
        for scheme, files in self._schemes.items():
            database.register_filesystem(files)
            self._opened.callback(database.unregister_filesystem, scheme)
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
        return database


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
