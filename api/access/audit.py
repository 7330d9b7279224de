"""Who asked what, when, and what they were answered: one JSON line a request."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import anyio
import anyio.to_thread
import structlog
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from api.access.masking import MASK, masked
from lake.errors import SettingsError
from lake.settings import Settings

log = structlog.get_logger()

FILE = "audit.jsonl"
STANDARD_OUTPUT = "-"
MOST = 2_000  # characters of one value
# What was asked is kept whole: a filter of 4,000 characters, escaped; any SQL taken.
MOST_OF: Mapping[str, int] = {"query": 16_000, "sql": 50_000}
_SECRET_NAME = re.compile(r"key|token|secret|password|auth|credential", re.IGNORECASE)


class AuditLog:
    """The file that lines are added to; safe to share between threads and processes.

    It is opened for each line, so it may be moved away at any time. ``-`` is standard
    output, for containers whose output is collected: /dev/stdout cannot be opened by a
    user whom its pipe does not belong to.

    Args:
        settings: Where it is.
    """

    def __init__(self, settings: Settings) -> None:
        given = settings.audit
        self.path = Path(given).expanduser() if given else settings.lake_path / FILE

    def check(self) -> None:
        """Refuse a file that cannot be written.

        Raises:
            SettingsError: The message says why.
        """
        try:
            self._append(b"")
        except OSError as error:
            raise SettingsError(
                f"FLOWLAKE_AUDIT: {self.path} cannot be written: {error.strerror}"
            ) from None

    def write(self, line: Mapping[str, Any]) -> None:
        """Add a line; one that cannot be written is an error in the log, no more.

        Secrets are masked. Of a value that is too long the begin is kept, and ``cut``
        names it.
        """
        told = {name: _clean(value) for name, value in line.items()}
        cut = [name for name, value in told.items() if _is_long(name, value)]
        told |= {name: told[name][: _most(name)] for name in cut}
        text = json.dumps({**told, "cut": cut} if cut else told, default=str)
        try:
            self._append(text.encode() + b"\n")
        except OSError as error:
            log.error("audit_not_written", path=str(self.path), cause=str(error))  # noqa: TRY400

    def _append(self, text: bytes) -> None:
        if str(self.path) == STANDARD_OUTPUT:
            _write_whole(1, text)
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        descriptor = os.open(self.path, flags, 0o600)
        try:
            _write_whole(descriptor, text)
        finally:
            os.close(descriptor)


def _write_whole(descriptor: int, text: bytes) -> None:
    if text and os.write(descriptor, text) != len(text):
        raise OSError(None, "the disk took only a part of the line")


class Audit:
    """Notes each request that came to the gate, answered or refused.

    What is known of a request is in ``request.state.audit``, a dict: the gate puts in
    who asks, routes add ``snapshots`` and ``rows``.

    Args:
        app: The application inside.
        audit: Where lines go.
    """

    def __init__(self, app: ASGIApp, audit: AuditLog) -> None:
        self._app = app
        self._audit = audit
        self._one_at_a_time: anyio.CapacityLimiter | None = None

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Handle one connection; what is no request passes as it is."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        facts: dict[str, Any] = {}
        state["audit"] = facts
        answered = {"status": 500, "bytes": 0}  # what fails unseen is told as 500
        begun, at = time.perf_counter(), datetime.now(UTC)

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered["status"] = message["status"]
            answered["bytes"] += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            elapsed = time.perf_counter() - begun
            if facts.pop("audited", False):
                line = {
                    "at": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z",
                    **_asked(scope),
                    **facts,
                    **answered,
                    "duration_ms": round(elapsed * 1000, 1),
                    "request_id": state.get("request_id"),
                }
                await self._note(line)

    async def _note(self, line: Mapping[str, Any]) -> None:
        """Write in a thread of its own, also for a client that has gone away."""
        if self._one_at_a_time is None:
            self._one_at_a_time = anyio.CapacityLimiter(1)
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(
                self._audit.write, line, limiter=self._one_at_a_time
            )


def canonical_query(query: bytes) -> str:
    """Return the parameters of a query in order, with what may be a secret masked."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    safe = [
        (masked(name), MASK if _SECRET_NAME.search(name) else masked(text))
        for name, text in sorted(pairs)
    ]
    return urlencode(safe, safe="*:,/")


def _asked(scope: Connection) -> dict[str, Any]:
    client = scope.get("client")
    return {
        "principal": None,
        "key_id": None,
        "client": client[0] if client else None,
        "method": scope["method"],
        "route": None,
        "path": scope["path"],
        "query": canonical_query(scope["query_string"]),
        "snapshots": [],
        "rows": None,
    }


def _most(name: str) -> int:
    return MOST_OF.get(name, MOST)


def _is_long(name: str, value: Any) -> bool:
    return isinstance(value, str) and len(value) > _most(name)


def _clean(value: Any) -> Any:
    """Return a value without secrets, and without what would steer a terminal."""
    if isinstance(value, str):
        return "".join(c if c.isprintable() else "\ufffd" for c in masked(value))
    if isinstance(value, list | tuple):
        return [_clean(v) for v in value]
    return value
