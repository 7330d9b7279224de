"""Errors as RFC 9457 problems, all in one shape; the one table of HTTP statuses."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from lake.errors import (
    AccessUnavailable,
    BadParameter,
    FilterError,
    FlowlakeError,
    LakeError,
    LakeMissing,
    LimitsMissing,
    NotAuthenticated,
    QueryError,
    QueryTimeout,
    ResultTooLarge,
    ScopeMissing,
    UnknownReport,
    UnlimitedOnly,
)

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
STATUSES: Mapping[type[FlowlakeError], int] = {
    UnknownReport: 404,
    BadParameter: 422,
    FilterError: 422,
    ResultTooLarge: 422,
    QueryTimeout: 504,
    QueryError: 400,
    LakeMissing: 503,
    LakeError: 503,
    NotAuthenticated: 401,
    ScopeMissing: 403,
    LimitsMissing: 403,
    UnlimitedOnly: 403,
    AccessUnavailable: 503,
}
RETRY_AFTER_S = "30"


def add_problem_handlers(app: FastAPI) -> None:
    """Make every error that a route raises a problem document."""

    @app.exception_handler(FlowlakeError)
    def known(request: Request, error: FlowlakeError) -> JSONResponse:
        return problem_of(error)

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers or {})
        if headers.get("Allow") == "GET":
            headers["Allow"] = "GET, HEAD"
        title = str(error.detail)
        return problem(error.status_code, title=title, headers=headers)

    @app.exception_handler(Exception)
    def unexpected(request: Request, error: Exception) -> JSONResponse:
        number = uuid.uuid4().hex
        log.error("request_failed", request_id=number, path=request.url.path,
                  exc_info=error)  # fmt: skip
        return problem(
            500,
            title="Unexpected failure",
            detail=f"request {number}: the service's log says more",
            request_id=number,
        )


def problem_of(error: FlowlakeError) -> JSONResponse:
    """Return the problem of one of our errors; a new kind of error is a 500."""
    kind = next((k for k in type(error).__mro__ if k in STATUSES), None)
    status = STATUSES[kind] if kind else 500
    name = type(error).__name__
    more: dict[str, Any] = {}
    if isinstance(error, BadParameter):
        more["errors"] = [
            {
                "parameter": error.param,
                "value": str(error.value),
                "allowed": error.allowed,
            }
        ]
    if isinstance(error, FilterError):
        more["errors"][0]["position"] = error.position
    headers = {"Retry-After": RETRY_AFTER_S} if status == 503 else _challenge(error)
    return problem(
        status,
        kind=_slug(name),
        title=_title(name),
        detail=str(error),
        headers=headers,
        **more,
    )


def _challenge(error: FlowlakeError) -> dict[str, str]:
    """Return how to authenticate (RFC 6750, 3), where that is what is missing."""
    said = 'Bearer realm="flowlake"'
    if isinstance(error, ScopeMissing):
        said += f', error="insufficient_scope", scope="{error.scope}"'
    elif not isinstance(error, NotAuthenticated):
        return {}
    elif error.given:
        said += ', error="invalid_token"'
    return {"WWW-Authenticate": said}


def problem(
    status: int,
    *,
    title: str,
    kind: str | None = None,
    detail: str | None = None,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    """Return one problem document; ``type`` leads to its entry in ``/docs``."""
    body = {
        "type": f"/docs#{kind}" if kind else "about:blank",
        "title": title,
        "status": status,
    }
    if detail:
        body["detail"] = detail
    return JSONResponse(
        {**body, **more},
        status_code=status,
        headers=dict(headers or {}),
        media_type=MEDIA_TYPE,
    )


def known_problems() -> list[tuple[str, str, int, str]]:
    """Return (anchor, title, status, sentence) of every problem, for the docs."""
    return [
        (_slug(kind.__name__), _title(kind.__name__), status,
         (kind.__doc__ or "").splitlines()[0])
        for kind, status in STATUSES.items()
    ]  # fmt: skip


def _slug(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def _title(name: str) -> str:
    return _slug(name).replace("-", " ").capitalize()
