"""Answers that need not be given again: ETags, and 304 before any query runs."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

# What an answer depends on beside its URL: its format, and who asks.
VARY = "Accept, Authorization, X-API-Key"


def validators(etag: str) -> dict[str, str]:
    """Return the headers by which an answer is kept, and asked for again.

    The tag is weak: equal questions of an equal lake have equal rows, but `meta` says
    how long each took, and what is compressed has other bytes.

    Args:
        etag: What names the answer; no quotes or commas in it.
    """
    return {
        "ETag": f'W/"{etag}"',
        "Cache-Control": "private, no-cache",
        "Vary": VARY,
    }


def unchanged(request: Request, headers: dict[str, str]) -> Response | None:
    """Return 304 if the client has this answer already, else None.

    Args:
        request: What is asked.
        headers: As `validators` returns them.
    """
    known = [
        tag.strip().removeprefix("W/")
        for field in request.headers.getlist("if-none-match")
        for tag in field.split(",")
    ]
    if headers["ETag"].removeprefix("W/") in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return None
