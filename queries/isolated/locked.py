"""A DuckDB that sees the files of one plan, and whose settings nobody can change."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from queries.isolated.lent import location

MAX_DEPTH = 250  # of expressions; deeper ones take the parser's stack
_SETTINGS: Mapping[str, str] = {
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "allow_unsigned_extensions": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",  # nothing is written, so nothing spills
}
# DuckDB 1.5 has no such settings.
_SETTINGS_OF_2: Mapping[str, str] = {
    "allow_extension_repositories": "forbidden",
    "async_threads": "4",
}


def connect(*, threads: int, memory_bytes: int) -> duckdb.DuckDBPyConnection:
    """Open an empty database in memory, as closed as one can be that is to be filled.

    Args:
        threads: How many compute.
        memory_bytes: What DuckDB counts of its memory is bounded by this.
    """
    settings = {
        **_SETTINGS,
        **(_SETTINGS_OF_2 if is_2() else {}),
        "threads": str(threads),
        "memory_limit": f"{memory_bytes}B",
    }
    database = duckdb.connect(":memory:", config=dict(settings))
    database.execute(f"SET max_expression_depth = {MAX_DEPTH}")
    database.execute("SET GLOBAL TimeZone = 'UTC'")
    return database


def lock(
    database: duckdb.DuckDBPyConnection, *, files: Sequence[int], timeout_s: float
) -> None:
    """Let the database read these files and nothing else, and fix that for good.

    Args:
        database: Filled.
        files: Numbers of the files that its views read.
        timeout_s: After this, DuckDB 2.0 stops a query by itself where it can.

    Raises:
        RuntimeError: A setting is not as it was set.
    """
    paths = [location(number) for number in files]
    wanted: dict[str, Any] = {"allowed_paths": paths}
    if is_2():
        wanted["max_execution_time"] = max(int(timeout_s * 1000), 1)
    wanted |= {"enable_external_access": False, "lock_configuration": True}
    database.execute("SET disabled_filesystems = 'LocalFileSystem'")
    for name, value in wanted.items():
        database.execute(f"SET {name} = $value", {"value": value})
    _check(database, {**wanted, "allowed_paths": sorted(paths)})


def _check(database: duckdb.DuckDBPyConnection, wanted: Mapping[str, Any]) -> None:
    for name, value in {**wanted, "python_enable_replacements": False}.items():
        sql = "SELECT to_json(current_setting($name))"
        found = json.loads(database.execute(sql, {"name": name}).fetchall()[0][0])
        if (sorted(found) if isinstance(found, list) else found) != value:
            raise RuntimeError(f"{name} is {found!r}, not {value!r}")


def is_2() -> bool:
    """Whether this is DuckDB 2.0, or a later one."""
    return int(duckdb.__version__.split(".")[0]) >= 2
