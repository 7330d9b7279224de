"""One question's cursor: its limits, and what DuckDB raises turned into our errors."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from lake.errors import FlowlakeError, LakeError, QueryError, QueryTimeout
from queries.types import portable

BATCH_ROWS = 10_000
# Of what is asked of an `execute`; see `few`.
warnings.filterwarnings("ignore", "Arrow output on a DB-API result makes an extra copy")


class Session:
    """One question's cursor.

    Args:
        cursor: With its views defined.
        timeout_s: Limit of one query, seconds.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection, timeout_s: float) -> None:
        self._cursor = cursor
        self._timeout_s = timeout_s

    def run(self, sql: str) -> None:
        """Run a definition of ours, such as a macro's."""
        with self._limits():
            self._cursor.execute(sql)

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Run one query and return all of its rows.

        Raises:
            QueryError: DuckDB refuses it; its own message, one line.
            QueryTimeout: It took longer than the limit.
        """
        with self._limits():
            relation = self._relation(sql, parameters)
            return self._interruptibly(relation.to_arrow_table)

    def few(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Run one query of ours that has few rows; as `query` otherwise.

        It is planned once, where `query` plans it for its columns first. Its rows are
        copied once more.
        """
        run, given = self._cursor.execute, dict(parameters) if parameters else None
        with self._limits():
            return self._interruptibly(lambda: run(sql, given).to_arrow_table())

    @contextmanager
    def stream(
        self, sql: str, parameters: Mapping[str, Any] | None = None
    ) -> Iterator[pa.RecordBatchReader]:
        """Run one query and give its rows batch by batch; as `query` otherwise.

        The cursor is free for the next query afterwards, however many were read.
        """
        with self._limits():
            relation = self._relation(sql, parameters)
            reader = self._interruptibly(lambda: relation.to_arrow_reader(BATCH_ROWS))
            try:
                yield pa.RecordBatchReader.from_batches(
                    reader.schema, self._batches(reader)
                )
            finally:
                reader.close()

    def _batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        """Give the batches; Arrow hides DuckDB's error in an OSError of its own."""
        try:
            while batch := self._interruptibly(lambda: next(reader, None)):
                yield batch
        except (OSError, pa.ArrowException) as error:
            raise self._error(error) from error

    def _interruptibly(self, call: Callable[[], Any]) -> Any:
        """Make a call that Ctrl-C can end: DuckDB, once busy, hears no signal.

        It is made on a thread of its own, and waited for; elsewhere than on the main
        thread, where no signal arrives, just so.
        """
        if threading.current_thread() is not threading.main_thread():
            return call()
        with ThreadPoolExecutor(1, thread_name_prefix="query") as pool:
            called = pool.submit(call)
            try:
                return called.result()
            except KeyboardInterrupt:
                self._cursor.interrupt()
                raise

    def _relation(self, sql: str, parameters: Mapping[str, Any] | None) -> Any:
        found = self._cursor.sql(sql, params=dict(parameters) if parameters else None)
        if found is None:
            raise QueryError("the statement has no rows to give")
        return portable(found)

    @contextmanager
    def _limits(self) -> Iterator[None]:
        timer = threading.Timer(self._timeout_s, self._cursor.interrupt)
        timer.start()
        try:
            yield
        except (duckdb.Error, pa.ArrowException) as error:
            raise self._error(error) from error
        finally:
            timer.cancel()

    def _error(self, error: Exception) -> FlowlakeError:
        text = one_line(error)
        if isinstance(error, duckdb.InterruptException) or "INTERRUPT Error" in text:
            return QueryTimeout(
                f"stopped after {self._timeout_s:g} s: ask for a shorter window, or "
                "raise FLOWLAKE_QUERY_TIMEOUT_S"
            )
        if isinstance(error, duckdb.IOException) or text.startswith("IO Error"):
            return LakeError(f"could not read the lake: {text}")
        return QueryError(text)


def one_line(error: Exception) -> str:
    """Return a message of DuckDB without the query that it repeats."""
    text = str(error).split("\n\n", 1)[0]
    return " ".join(text.split())
