"""The sums of one hour, in a database in memory that spills to disk past its limit."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, datetime
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lake.settings import Settings
from lake.tables import EDGES_DAILY, Table
from transform.hidden import cut, hashed
from transform.rollup import Ends, facts, heard

if TYPE_CHECKING:
    import duckdb

PORTS_KEPT = 20
SOURCES_KEPT = 1_000
SHORT_S = 120  # records of a 60 s interval are never longer
# In so many minutes of an hour a record of so many seconds, and none longer: such are
# the windows of a Nitro interface, whatever its flow log asks for.
NEARLY, NEARLY_S = 20, 50
SHARE = 2  # of the memory budget
BATCH_ROWS = 250_000
SILENT = pa.schema(
    [
        *((n, pa.string()) for n in ("observer", "account_id", "vpc_id", "subnet_id",
                                     "flow_log_id", "log_status")),
        *((n, pa.timestamp("us", tz="UTC")) for n in ("start_time", "end_time")),
    ]
)  # fmt: skip
LIMITS = {
    "edges_hourly": {"ports_kept": PORTS_KEPT},
    "edges_daily": {"ports_kept": PORTS_KEPT},
    "endpoints_hourly": {},
    "rejections_hourly": {"ports_kept": PORTS_KEPT, "sources_kept": SOURCES_KEPT},
    "coverage_hourly": {"short_s": SHORT_S, "nearly_s": NEARLY_S, "nearly": NEARLY},
}


class Sums:
    """Adds up one hour (or day) after the other; a context manager."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened = ExitStack()
        self._open: duckdb.DuckDBPyConnection | None = None

    @property
    def _database(self) -> duckdb.DuckDBPyConnection:
        """The database, opened when it is first needed: most runs have nothing new."""
        if self._open is None:
            self._open = self._opened_database()
        return self._open

    def _opened_database(self) -> duckdb.DuckDBPyConnection:
        import duckdb  # an ingest that only loads is spared its 60 ms

        settings = self._settings
        scratch = self._opened.enter_context(
            tempfile.TemporaryDirectory(prefix="flowlake-")
        )
        config: dict[str, Any] = {
            "memory_limit": f"{settings.memory_bytes // SHARE}B",
            "temp_directory": scratch,
            "preserve_insertion_order": "false",
        }
        if settings.workers:
            config["threads"] = settings.workers
        database = duckdb.connect(":memory:", config=config)
        self._opened.callback(database.close)
        database.execute("SET TimeZone = 'UTC'")
        return database

    def __enter__(self) -> Sums:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.close()

    def add(self, batches: Iterator[pa.Table], silent: pa.Table) -> None:
        """Take an hour's rows, in place of those of the hour before.

        Args:
            batches: Rows of `flows`, any of ``transform.rollup.COLUMNS``.
            silent: NODATA and SKIPDATA records of the hour, as ``SILENT``.
        """
        ends = Ends()
        self.run("begin.sql")
        for rows in batches:
            self.run("add_facts.sql", batch=facts(rows, ends))
            self.run("add_heard.sql", batch=heard(rows))
        given = {"given_ends": ends.table(), "given_outcomes": ends.outcome_table()}
        self.run("finish.sql", **given)
        self.run("silent.sql", given_silent=silent)
        self._hide()

    def _hide(self) -> None:
        """Set what stands for the internet's addresses, where they are not kept."""
        if self._settings.rollup_addresses == "full":
            return
        outside = self.rows("outside.sql")
        for batch in outside.to_batches(BATCH_ROWS):
            stands = self._hidden(batch["address"])
            self.run("hide.sql", given_hidden=_with(batch, stands))

    def _hidden(self, addresses: pa.Array) -> pa.Array:
        key = self._settings.address_key
        if self._settings.rollup_addresses == "cut" or key is None:
            return cut(addresses)
        return hashed(addresses, key.get_secret_value().encode())

    def add_day(self, hours: pa.RecordBatchReader) -> None:
        """Take a day's rows of `edges_hourly`."""
        self.run("daily_parts.sql", hours=hours)

    def of_hour(self, table: Table, hour: datetime) -> Iterator[pa.Table]:
        """Return the roll-up's rows of the hour that was taken."""
        return self._rows(table, {"hour": hour})

    def of_day(self, day: date) -> Iterator[pa.Table]:
        """Return the rows of `edges_daily` of the day that was taken."""
        return self._rows(EDGES_DAILY, {"day": day})

    def _rows(self, table: Table, given: dict[str, Any]) -> Iterator[pa.Table]:
        (sql,) = script(f"{table.name}.sql")
        found = self._database.sql(sql, params=given | LIMITS[table.name])
        for batch in found.to_arrow_reader(BATCH_ROWS):
            if batch.num_rows:
                yield pa.Table.from_batches([batch])

    def run(
        self, name: str, *, params: dict[str, Any] | None = None, **given: Any
    ) -> None:
        """Execute the statements of a file beside this module, over some tables."""
        for table, rows in given.items():
            self._database.register(table, rows)
        for statement in script(name):
            self._database.execute(statement, params)
        for table in given:
            self._database.unregister(table)

    def rows(self, name: str, params: dict[str, Any] | None = None) -> pa.Table:
        """Return what the one query of a file beside this module finds."""
        (sql,) = script(name)
        return self._database.sql(sql, params=params).to_arrow_table()


def _with(batch: pa.RecordBatch, stands: pa.Array) -> pa.Table:
    return pa.Table.from_batches([batch]).append_column("stands", stands)


@cache
def script(name: str) -> tuple[str, ...]:
    """Return the statements of a file beside this module."""
    import duckdb

    text = (Path(__file__).parent / "sql" / name).read_text(encoding="utf-8")
    return tuple(statement.query for statement in duckdb.extract_statements(text))
