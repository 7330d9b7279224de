"""SQL for analysts: the tables as views and the reports as macros, read-only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import urlparse

import duckdb
import pyarrow as pa

from lake.errors import BadParameter, QueryError
from lake.reading import Plan, is_timed
from lake.tables import TABLES
from queries.brought import Brought, tables_of
from queries.catalogue import find_report, load_catalogue, report_names
from queries.database import script
from queries.engine import OVER_FLOWS, Engine, empty_rows, view_of
from queries.guard import check_reads
from queries.macros import macros_for
from queries.session import Session, one_line
from queries.spelling import literal
from queries.values import FAR_AHEAD, LONG_AGO, Window, parse_moment
from queries.views import columns_of, engine_path, rows_within

# The oldest DuckDB that runs all that the file defines; 2.0's own format shuts out 1.x.
STORAGE = "v1.4.0"
MAGIC = b"DUCK"  # of a DuckDB file, behind eight bytes of checksum
_DAY_OF_UTC = "CAST(start_time AT TIME ZONE 'UTC' AS DATE)"  # in any client's time zone


class SqlDoor:
    """One snapshot of every table, to be asked in SQL.

    Args:
        engine: Over the lake.
        now: What relative times count from; UTC.
        since: See only records from here on, as a user writes it.
        until: See only records before this.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        now: datetime,
        since: str | None = None,
        until: str | None = None,
    ) -> None:
        self._engine = engine
        self._now = now
        self._window = window = window_between(now, since, until)
        self.plans = [
            engine.plan(pinned, window if is_timed(pinned.table) else None)
            for pinned in engine.pin(list(TABLES)).values()
        ]

    @contextmanager
    def opened(self) -> Iterator[SqlSession]:
        """Open a session over the snapshot."""
        with self._engine.session(
            self.plans, window=self._window, views=OVER_FLOWS
        ) as session:
            yield SqlSession(session, self.plans, self._engine.brought, self._window)

    def write_database(self, path: Path) -> None:
        """Write a DuckDB database of the views and macros, pinned to this snapshot.

        Any client from DuckDB 1.4 on opens it, in whatever folder and time zone, as
        long as it can read the data files: their paths are whole.

        Raises:
            QueryError: The file cannot be written, or is there and no database.
        """
        fresh = path.with_name(f".{path.name}.new")
        try:
            _check_replaceable(path)
            fresh.unlink(missing_ok=True)
            with duckdb.connect(
                str(fresh), config={"storage_compatibility_version": STORAGE}
            ) as database:
                self._define_all(database)
            fresh.replace(path)
        except (duckdb.Error, OSError) as error:
            raise QueryError(f"could not write {path}: {one_line(error)}") from error
        finally:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)

    def _filter(self, plan: Plan) -> str:
        within = rows_within(plan.table, self._window) if self._window else []
        return f" WHERE {' AND '.join(within)}" if within else ""

    def _define_all(self, database: duckdb.DuckDBPyConnection) -> None:
        for plan in self.plans:
            if plan.files:
                database.execute(view_statement(plan) + self._filter(plan))
            else:
                database.from_arrow(empty_rows(plan.table)).create(plan.table.name)
        for sql in script("functions.sql"):
            database.execute(sql)
        for view in OVER_FLOWS:
            database.execute(view_of(view).replace(" TEMP VIEW ", " VIEW "))
        for given in tables_of(self._engine.brought):
            given.create(database)
        for report in load_catalogue().values():
            for sql in macros_for(report, self._engine.brought, self._window):
                database.execute(sql)
        database.execute(self._meta_statement())

    def _meta_statement(self) -> str:
        rows = ", ".join(
            f"({literal(p.table.name)}, {p.snapshot or 'NULL'}, {len(p.files)}, "
            f"{p.rows}, TIMESTAMPTZ {literal(self._now.isoformat())})"
            for p in self.plans
        )
        return (
            f"CREATE VIEW flowlake_meta AS FROM (VALUES {rows}) "
            "AS meta(table_name, snapshot, files, rows, written_at)"
        )


class SqlSession:
    """Reads in SQL; a report's macro is defined when a query names it.

    Attributes:
        plans: What it sees of each table.
    """

    def __init__(
        self,
        session: Session,
        plans: Sequence[Plan],
        brought: Mapping[str, Brought],
        window: Window | None = None,
    ) -> None:
        self.plans = plans
        self._window = window
        self._session = session
        self._brought = brought
        self._defined: set[str] = set()

    @contextmanager
    def stream(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        """Run one statement that reads and give its rows batch by batch.

        Raises:
            QueryError: It does not only read, or DuckDB refuses it.
            QueryTimeout: It took longer than the limit.
        """
        check_reads(self._session, sql)
        self._define_named(sql)
        with self._session.stream(sql) as reader:
            yield reader

    def _define_named(self, sql: str) -> None:
        words = set(re.findall(r"\w+", sql.lower())) - self._defined
        for name in words & report_names():
            report = find_report(name)
            for statement in macros_for(report, self._brought, self._window):
                self._session.run(statement)
            self._defined.add(name)


def view_statement(plan: Plan) -> str:
    """Return the definition of a table's view over exactly the planned files."""
    files = ", ".join(literal(_whole_path(location)) for location in plan.files)
    columns = ", ".join(
        f"{c['id']}: {{name: {literal(c['name'])}, type: {literal(c['type'])}, "
        "default_value: NULL}"
        for c in columns_of(plan.schema)
    )
    day = f", {_DAY_OF_UTC} AS day" if plan.table.is_head else ""
    return (
        f"CREATE VIEW {plan.table.name} AS SELECT *{day} "  # noqa: S608  no user's text
        f"FROM read_parquet([{files}], schema = MAP {{{columns}}})"
    )


def _whole_path(location: str) -> str:
    path = engine_path(location)
    return path if urlparse(path).scheme else str(Path(path).absolute())


def _check_replaceable(path: Path) -> None:
    if not path.exists():
        return
    with path.open("rb") as file:
        if file.read(12)[8:] != MAGIC:
            raise QueryError(f"{path} is no DuckDB database: name another file")


def window_between(
    now: datetime, since: str | None, until: str | None
) -> Window | None:
    """Return the window of what users write; None if neither end is given."""
    if since is None and until is None:
        return None
    begin = LONG_AGO if since is None else parse_moment("since", since, now)
    end = FAR_AHEAD if until is None else parse_moment("until", until, now)
    if begin >= end:
        raise BadParameter("since", since or "", f"before until, {end:%Y-%m-%dT%H:%MZ}")
    return Window(begin, end)
