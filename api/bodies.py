"""Bodies: those that come in are not too large, those that go out are compressed."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipResponder
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.negotiate import weight_of
from api.problems import refusal, request_id

WORTH_IT = 1024  # bytes; below, compressing saves nothing that counts
LEVEL = 4
PACKED = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "application/vnd.apache.parquet")


class BodyLimit:
    """Refuses a request whose body is too large, by its own word or as it comes.

    Starlette's own answers such a request in plain text.

    Args:
        app: The application inside.
        most: Bytes.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "")
        if told.isdecimal() and int(told) > self._most:
            answer = refusal(413, detail=self._detail, instance=request_id(scope),
                             headers={"Connection": "close"})  # fmt: skip
            await answer(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._most:
                raise HTTPException(413, self._detail, {"Connection": "close"})
            return message

        await self._app(scope, counted, send)

    @property
    def _detail(self) -> str:
        return f"The body may have {self._most:,} bytes."


class Compressed:
    """Compresses answers for those who take gzip; ``Vary`` says so of all.

    ETags are weak, so those of a plain and of a compressed answer may be equal.

    Args:
        app: The application inside.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def varied(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if "accept-encoding" not in headers.get("vary", "").lower():
                    headers.add_vary_header("Accept-Encoding")
            await send(message)

        app = self._app
        if _takes_gzip(Headers(scope=scope)):
            app = GZipResponder(app, WORTH_IT, LEVEL, exclude_content_types=PACKED)
        await app(scope, receive, varied)


def _takes_gzip(headers: Headers) -> bool:
    """Whether ``Accept-Encoding`` takes gzip (RFC 9110, 12.5.3)."""
    weights = {}
    for part in ",".join(headers.getlist("accept-encoding")).split(","):
        coding, _, parameters = part.strip().partition(";")
        weights[coding.strip().lower()] = weight_of(parameters)
    return weights.get("gzip", weights.get("*", 0.0)) > 0
