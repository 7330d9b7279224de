"""Runs SQL of whoever may ask, each query in a process of its own that is soon gone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess  # the one place that starts one
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import structlog

from lake.errors import (
    MemoryExceeded,
    QueryError,
    QueryTimeout,
    ResultTooLarge,
    ServiceBusy,
    SettingsError,
    SqlDisabled,
    SqlRefused,
)
from lake.settings import Settings
from queries.isolated import wire
from queries.isolated.caps import Capped
from queries.isolated.lending import Lender, Lent
from queries.isolated.request import Outcome, Request
from queries.isolated.snapshot import Snapshot, functions
from queries.isolated.stop import Stop

log = structlog.get_logger()

MOST_THREADS = 4
MOST_HEAD = 1 << 16  # bytes of an answer's head
SLACK = 1 << 20  # bytes that an answer's schema and framing take beyond its rows
RETRY_AFTER_S = 5
# Without `site`, and without numpy, which nothing here needs: half of the start.
_START = (
    "import sys; sys.path[:] = sys.argv[1].split('\\n'); sys.modules['numpy'] = None; "
    "from queries.isolated.child import main; main(*map(int, sys.argv[2:]))"
)
_OPEN = (
    "this system cannot bar a query's process from files and network, so none runs "
    "unless FLOWLAKE_SQL_WITHOUT_BARRIER=true trusts in what DuckDB refuses"
)
_KINDS: Mapping[str, type[QueryError]] = {
    Outcome.REFUSED: SqlRefused,
    Outcome.FAILED: QueryError,
    Outcome.TOO_LARGE: ResultTooLarge,
}


class Isolation:
    """Runs queries in processes; safe to share between threads.

    Args:
        settings: The limits of a query.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._free = threading.BoundedSemaphore(settings.sql_children)

    def run(
        self, snapshot: Snapshot, sql: str, *, most_rows: int, stop: Stop | None = None
    ) -> Capped:
        """Run one SELECT over a snapshot.

        Args:
            snapshot: What it sees.
            sql: The user's text.
            most_rows: Rows of the answer.
            stop: Ends it when it is called.

        Raises:
            SqlRefused: It is not one SELECT of allowed parts.
            QueryError: DuckDB refuses it; its own message, one line. Or it was stopped.
            QueryTimeout: It took longer than the limit.
            MemoryExceeded: It took more memory than the limit.
            ServiceBusy: So many queries run already.
            SqlDisabled: This system cannot bar the process.
        """
        if not self._free.acquire(blocking=False):
            raise ServiceBusy(
                f"{self._settings.sql_children} SQL queries run already", RETRY_AFTER_S
            )
        try:
            request = self._request(snapshot, sql, most_rows)
            with _Child(snapshot.files, request, stop or Stop()) as running:
                head, body = running.ask()
        finally:
            self._free.release()
        if head["outcome"] != Outcome.ROWS:
            raise self._error(head["outcome"], head.get("message", ""))
        return Capped(_table(body), head["cut_by"])

    def check(self) -> str:
        """Run an empty query; say what processes are barred by: ``seccomp``, ``none``.

        Raises:
            SettingsError: This system cannot bar them.
        """
        request = self._request(Snapshot(None, (), (), {}, {}), "SELECT 1", 1)
        with _Child((), request, Stop()) as running:
            head, _ = running.ask()
        if head["outcome"] == Outcome.OPEN:
            raise SettingsError(f"FLOWLAKE_SQL_ENABLED: {_OPEN}: {head['message']}")
        if head["outcome"] != Outcome.ROWS:
            raise self._error(head["outcome"], head.get("message", ""))
        return str(head["barrier"])

    def _request(self, snapshot: Snapshot, sql: str, most_rows: int) -> Request:
        settings = self._settings
        definitions, macros = functions()
        cores = settings.workers or os.cpu_count() or 1
        return Request(
            sql=sql,
            functions=definitions,
            macros=macros,
            tables=snapshot.tables,
            reports=snapshot.reports,
            threads=min(cores, MOST_THREADS),
            memory_bytes=settings.sql_memory_bytes,
            timeout_s=settings.sql_timeout_s,
            most_rows=most_rows,
            most_bytes=settings.sql_max_bytes,
            barrier_required=not settings.sql_without_barrier,
        )

    def _error(self, outcome: str, message: str) -> Exception:
        settings = self._settings
        if outcome == Outcome.BROKEN:
            return RuntimeError(message)
        if outcome == Outcome.TIMEOUT:
            return QueryTimeout(
                f"stopped after {settings.sql_timeout_s:g} s: ask for a shorter window "
                "by since and until, or raise FLOWLAKE_SQL_TIMEOUT_S"
            )
        if outcome == Outcome.MEMORY:
            return MemoryExceeded(
                f"it takes more than {settings.sql_memory_bytes >> 20} MiB of memory: "
                "ask for a shorter window by since and until or for fewer groups, or "
                "raise FLOWLAKE_SQL_MEMORY_BYTES"
            )
        if outcome == Outcome.OPEN:
            return SqlDisabled(f"{_OPEN}: {message}")
        return _KINDS.get(outcome, QueryError)(message)


class _Child:
    """One process and its end; a context manager."""

    def __init__(self, files: Sequence[Lent], request: Request, stop: Stop) -> None:
        self._request = request
        self._stop = stop
        self._opened = ExitStack()
        self._lender = Lender(files)
        self._timed_out = False

    def __enter__(self) -> _Child:
        with self._opened:
            folder = self._opened.enter_context(
                tempfile.TemporaryDirectory(prefix="flowlake-sql-")
            )
            lent = self._opened.enter_context(self._lender).far_ends
            self._near, far = socket.socketpair()
            self._opened.enter_context(self._near)
            with far:
                self._process = _started(folder, [far, *lent])
            for end in lent:
                end.close()
            self._opened.callback(self._end)
            timer = threading.Timer(self._request.timeout_s, self._time_out)
            timer.start()
            self._opened.callback(timer.cancel)
            self._stop.ends(self._process.kill)
            self._opened = self._opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.close()

    def ask(self) -> tuple[dict[str, Any], bytearray]:
        """Return what it answers; what it died of, if it did, as an answer."""
        try:
            wire.send(self._near, asdict(self._request))
            return wire.receive(
                self._near,
                most_head=MOST_HEAD,
                most_body=self._request.most_bytes + SLACK,
            )
        except (EOFError, OSError, wire.WireError) as error:
            return self._died(error), bytearray()

    def _died(self, error: Exception) -> dict[str, Any]:
        """Tell what it died of, where it sent no answer."""
        self._process.kill()
        code = self._process.wait()
        if self._timed_out or code == -signal.SIGXCPU:
            return {"outcome": Outcome.TIMEOUT}
        if self._stop.is_called:
            return {"outcome": Outcome.STOPPED, "message": "it was stopped"}
        said = _said(self._process)
        log.error("sql_process_died", code=code, error=repr(error), said=said)
        if "bad_alloc" in said or "MemoryError" in said:
            return {"outcome": Outcome.MEMORY}
        return {
            "outcome": Outcome.FAILED,
            "message": "the query's process died of it, as of too much memory or too "
            "deep a nesting: ask for less at once",
        }

    def _time_out(self) -> None:
        self._timed_out = True
        self._process.kill()

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()


def _started(folder: str, ends: Sequence[socket.socket]) -> subprocess.Popen[bytes]:
    """Start a process that has these sockets and nothing else of ours."""
    numbers = [end.fileno() for end in ends]
    places = "\n".join(str(Path(place).absolute()) for place in sys.path)
    return subprocess.Popen(  # noqa: S603  our own program
        [sys.executable, "-I", "-S", "-B", "-c", _START, places, *map(str, numbers)],
        env={},
        cwd=folder,
        pass_fds=numbers,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _said(process: subprocess.Popen[bytes]) -> str:
    """Return the end of what a process that is gone has said, for the log."""
    said = process.stderr.read() if process.stderr else b""
    return said.decode(errors="replace")[-2000:]


def _table(body: bytearray) -> pa.Table:
    """Return the rows; what came is checked, as its sender ran what a user wrote."""
    with pa.ipc.open_stream(pa.py_buffer(bytes(body))) as reader:
        rows = reader.read_all()
    rows.validate(full=True)
    return rows
