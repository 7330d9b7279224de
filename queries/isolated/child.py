"""The process of one query: it is told what to do, closes itself, and answers.

It ends with its answer. Whoever started it ends it at the deadline.
"""

from __future__ import annotations

import os
import socket
import traceback
from typing import Any

import duckdb
import pyarrow as pa

from lake.errors import QueryError, ResultTooLarge, SqlRefused
from queries.isolated import barrier, locked, wire
from queries.isolated.allow import Known, Named, check, statement
from queries.isolated.caps import Capped, capped
from queries.isolated.lent import LentFiles
from queries.isolated.request import Outcome, Request
from queries.session import one_line
from queries.types import portable

BATCH_ROWS = 2048
MOST_REQUEST = 1 << 28  # bytes
MOST_MESSAGE = 2000  # characters; it may repeat the query
# DuckDB's share of the memory; the rest is for what it does not count, and the answer.
SHARE = 0.7


def main(own: int, *lent: int) -> None:
    """Answer one request, and end.

    Args:
        own: Descriptor of the socket to whoever started this.
        lent: Of the sockets that files are lent through.
    """
    channel = socket.socket(fileno=own)
    files = LentFiles([socket.socket(fileno=number) for number in lent])
    told, _ = wire.receive(channel, most_head=MOST_REQUEST, most_body=0)
    try:
        head, body = _answer(Request(**told), files)
    except Exception:
        head, body = {"outcome": Outcome.BROKEN, "message": traceback.format_exc()}, b""
    wire.send(channel, head, body)
    os._exit(0)  # nothing is left to be tidied, and it takes a while


def _answer(request: Request, files: LentFiles) -> tuple[dict[str, Any], bytes]:
    barrier.limit(cpu_s=request.timeout_s * request.threads)
    database = _opened(request, files)
    try:
        closed_by = barrier.close(
            memory_bytes=request.memory_bytes, required=request.barrier_required
        )
    except barrier.BarrierError as error:
        return _told(Outcome.OPEN, error), b""
    try:
        found = _run(database, request)
        body = _stream(found.rows)
    except SqlRefused as error:
        return _told(Outcome.REFUSED, error), b""
    except ResultTooLarge as error:
        return _told(Outcome.TOO_LARGE, error), b""
    except QueryError as error:
        return _told(Outcome.FAILED, error), b""
    except PermissionError:
        raise  # something of ours is used first after the process was closed
    except (duckdb.Error, pa.ArrowException, OSError, MemoryError) as error:
        return _told(_kind_of(error), error), b""
    return {"outcome": Outcome.ROWS, "cut_by": found.cut_by, "barrier": closed_by}, body


def _opened(request: Request, files: LentFiles) -> duckdb.DuckDBPyConnection:
    """Open the database, and use all of the way that a query takes once.

    What is loaded or started at first use cannot be, once the process is closed.
    """
    share = int(request.memory_bytes * SHARE)
    database = locked.connect(threads=request.threads, memory_bytes=share)
    database.register_filesystem(files)
    for sql in request.functions:
        database.execute(sql)
    first = statement("SELECT now() AS time, [1::HUGEINT] AS wide, 'a' AS text")
    known = Known(frozenset(), frozenset())
    check(database, first, known)
    found = rows_of(database, first, known=known, most_rows=1, most_bytes=1 << 20)
    _stream(found.rows)
    return database


def _run(database: duckdb.DuckDBPyConnection, request: Request) -> Capped:
    known = Known(
        frozenset(request.tables), frozenset(request.reports), frozenset(request.macros)
    )
    sql = statement(request.sql)
    named = check(database, sql, known)
    views = [request.tables[name] for name in _read(request, named)]
    macros = [sql for name in sorted(named.reports)
              for sql in request.reports[name]["definitions"]]  # fmt: skip
    for definition in (*(view["definition"] for view in views), *macros):
        database.execute(definition)
    numbers = [number for view in views for number in view["files"]]
    locked.lock(database, files=numbers, timeout_s=request.timeout_s)
    return rows_of(
        database,
        sql,
        known=known,
        most_rows=request.most_rows,
        most_bytes=request.most_bytes,
    )


def _read(request: Request, named: Named) -> list[str]:
    """Return the tables and views that are read, each behind what it is over."""
    by_reports = {
        table for name in named.reports for table in request.reports[name]["reads"]
    }
    found: dict[str, None] = {}
    for name in sorted({*named.tables, *by_reports}):
        chain = [name]
        while over := request.tables[chain[-1]].get("over"):
            chain.append(over)
        found |= dict.fromkeys(reversed(chain))
    return list(found)


def rows_of(
    database: duckdb.DuckDBPyConnection,
    sql: str,
    *,
    known: Known,
    most_rows: int,
    most_bytes: int,
) -> Capped:
    """Run a statement that was checked.

    For columns that Arrow lacks, and for the most rows, DuckDB 2.0 writes it into a
    text of its own. So that text is checked, too.
    """
    relation = portable(database.sql(sql)).limit(most_rows + 1)
    if locked.is_2():
        check(database, relation.sql_query(), known)
    reader = relation.to_arrow_reader(BATCH_ROWS)
    return capped(reader.schema, reader, most_rows=most_rows, most_bytes=most_bytes)


def _stream(rows: pa.Table) -> bytes:
    out = pa.BufferOutputStream()
    # A closed process starts no thread.
    options = pa.ipc.IpcWriteOptions(use_threads=False)
    with pa.ipc.new_stream(out, rows.schema, options=options) as writer:
        writer.write_table(rows)
    data: bytes = out.getvalue().to_pybytes()
    return data


def _kind_of(error: Exception) -> str:
    """Tell what ended a query; Arrow hides DuckDB's errors in errors of its own."""
    text = str(error)
    if isinstance(error, (duckdb.OutOfMemoryException, MemoryError)):
        return Outcome.MEMORY
    if "Out of Memory Error" in text or "bad allocation" in text:
        return Outcome.MEMORY
    if isinstance(error, duckdb.InterruptException) or "INTERRUPT Error" in text:
        return Outcome.TIMEOUT
    return Outcome.FAILED


def _told(outcome: str, error: Exception) -> dict[str, Any]:
    return {"outcome": outcome, "message": one_line(error)[:MOST_MESSAGE]}
