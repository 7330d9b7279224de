"""What goes wrong outside of flowlake: a faltering store, a locked catalog."""

from __future__ import annotations

import random
import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from tests.servers import HOST, failure

LINGER = b"\1\0\0\0\0\0\0\0"  # on, 0 s: close() sends RST
SLOW_S = (0.1, 1.5)
TROUBLES = ("internal_error", "slow_down", "slow", "cut", "answer_lost")
ANSWERS = {
    "internal_error": failure(500, "InternalError"),
    "slow_down": failure(503, "SlowDown"),
}
KEPT_BACK = {"connection", "transfer-encoding", "content-length", "server", "date"}


class Faltering:
    """Stands before S3 and SQS; in an episode some requests go wrong.

    Args:
        endpoint: Where they are.
        every: One request in so many goes wrong in an episode.

    Attributes:
        episode: Whether requests go wrong now.
        done: How many of them did, and how.
        endpoint: Where it listens; after `running` was entered.
    """

    def __init__(self, endpoint: str, every: int) -> None:
        self._behind = urlsplit(endpoint).netloc
        self._every, self._within = every, 0
        self._lock = threading.Lock()
        self.episode = False
        self.done: Counter[str] = Counter()
        self.requests = 0
        self.endpoint = ""

    @contextmanager
    def running(self) -> Iterator[Faltering]:
        """Answer until the end."""
        with ThreadingHTTPServer((HOST, 0), self._handler()) as server:
            server.daemon_threads = True
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            self.endpoint = f"http://{HOST}:{server.server_port}"
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()

    def trouble(self) -> str:
        """Return what goes wrong with a request; empty: nothing."""
        with self._lock:
            self.requests += 1
            if not self.episode:
                return ""
            self._within += 1
            if self._within % self._every:
                return ""
            what = TROUBLES[self.done.total() % len(TROUBLES)]
            self.done[what] += 1
            return what

    def ask(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Hand a request on; return status, headers and body."""
        with closing(HTTPConnection(self._behind, timeout=60)) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        """Return what answers one connection, and knows who it answers for."""
        return type("Handler", (_Handler,), {"faltering": self})


class _Handler(BaseHTTPRequestHandler):
    faltering: Faltering
    protocol_version = "HTTP/1.1"
    timeout = 60

    def handle(self) -> None:
        """Answer until the other end has enough, or is killed."""
        with suppress(OSError):
            super().handle()

    def _do(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        what = self.faltering.trouble()
        with suppress(OSError, HTTPException):  # who asked may be dead
            self._answer(what, body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _do

    def _answer(self, what: str, body: bytes) -> None:
        if what in ANSWERS:
            reply = ANSWERS[what]
            self._send(reply.status, [], reply.body, len(reply.body))
            return
        if what == "slow":
            time.sleep(random.uniform(*SLOW_S))  # noqa: S311
        status, headers, answer = self.faltering.ask(
            self.command, self.path, dict(self.headers), body
        )
        if what != "answer_lost":
            sent = len(answer) // 2 if what == "cut" else len(answer)
            self._send(status, headers, answer, sent)
        if what in ("cut", "answer_lost"):
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)

    def _send(
        self, status: int, headers: list[tuple[str, str]], body: bytes, sent: int
    ) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in KEPT_BACK:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:sent])

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def lock_catalog(catalog: Path, seconds: float) -> bool:
    """Let nobody read or write a SQLite catalog for a time; say if that succeeded."""
    with closing(sqlite3.connect(catalog, timeout=5)) as database:
        try:
            database.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:  # it is busy all the time
            return False
        time.sleep(seconds)
        database.rollback()
    return True
