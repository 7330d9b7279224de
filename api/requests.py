"""What every request gets: an id, safe headers, and a problem if all else fails."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from api.access.masking import masked
from api.problems import unexpected
from api.requested import Requested
from lake.signals.traces import span

log = structlog.get_logger()

REQUEST_ID = "X-Request-Id"
SAFE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
GONE = 499  # as nginx has it; nobody is there to read it, but it is noted
QUIET = ("/healthz", "/readyz", "/metrics")  # asked every few seconds, by machines
_SANE = re.compile(r"[A-Za-z0-9._-]{1,128}")


class Requests:
    """Names each request, in its answer, its problems and all that is logged of it.

    The id is the client's own ``X-Request-Id`` if that is a plain token and no key,
    else a fresh one; routes find it in ``request.state.request_id``.

    Args:
        app: The application inside.
        requested: Counts them.
    """

    def __init__(self, app: ASGIApp, requested: Requested | None = None) -> None:
        self._app = app
        self._requested = requested or Requested()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection; what is not HTTP passes as it is."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        number = _given(scope) or uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = number
        caller = Headers(scope=scope)
        with (
            bound_contextvars(request_id=number),
            span("request", parent=caller, request_id=number) as traced,
        ):
            await self._counted(scope, receive, _Told(send, number), traced)

    async def _counted(
        self, scope: Scope, receive: Receive, told: _Told, traced: Any
    ) -> None:
        begun = time.perf_counter()
        try:
            await self._answer(scope, receive, told)
        finally:
            seconds = time.perf_counter() - begun
            route = route_of(scope)
            self._requested.count(scope["method"], route, told.status, seconds)
            if traced is not None:
                traced.update_name(f"{scope['method']} {route}")
                traced.set_attribute("http.route", str(route))
                traced.set_attribute("http.response.status_code", told.status)

    async def _answer(self, scope: Scope, receive: Receive, told: _Told) -> None:
        begun = time.perf_counter()
        asked = {"method": scope["method"], "path": masked(scope["path"])}
        try:
            await self._app(scope, receive, told)
        except ClientDisconnect:
            log.info("client_gone", **asked)
            if not told.status:
                await Response(status_code=GONE)(scope, receive, told)
            return
        except Exception:
            log.exception("request_failed", **asked)
            if told.status:
                raise  # half an answer is out: the server must cut it off
            await unexpected(told.number)(scope, receive, told)
        write = log.debug if scope["path"] in QUIET else log.info
        write(
            "request_answered",
            **asked,
            status=told.status,
            elapsed_ms=round((time.perf_counter() - begun) * 1000, 1),
        )


class _Told:
    """Sends what the application answers, with the headers of every answer.

    Attributes:
        status: Of the answer; 0 while there is none.
    """

    def __init__(self, send: Send, number: str) -> None:
        self._send = send
        self.number = number
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers[REQUEST_ID] = self.number
            for name, value in SAFE_HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)


def route_of(scope: Scope) -> str | None:
    """Return the path of a request's route as declared; None: there is no route."""
    return getattr(scope.get("route"), "path", None)


def _given(scope: Scope) -> str | None:
    text = Headers(scope=scope).get(REQUEST_ID, "")
    return text if _SANE.fullmatch(text) and masked(text) == text else None
