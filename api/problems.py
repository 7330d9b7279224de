"""Errors as RFC 9457 problems, all in one shape; the one table of HTTP statuses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Scope

from lake.errors import (
    AccessUnavailable,
    BadCursor,
    BadParameter,
    CursorExpired,
    FilterError,
    FlowlakeError,
    LakeError,
    LakeMissing,
    LimitsMissing,
    MemoryExceeded,
    NotAuthenticated,
    NotBrought,
    QueryError,
    QueryTimeout,
    ResultTooLarge,
    ScopeMissing,
    ServiceBusy,
    SnapshotGone,
    SqlDisabled,
    SqlRefused,
    TooManyRequests,
    UnknownReport,
    UnlimitedOnly,
    shown,
)

MEDIA_TYPE = "application/problem+json"
STATUSES: Mapping[type[FlowlakeError], int] = {
    UnknownReport: 404,
    BadParameter: 422,
    NotBrought: 409,
    FilterError: 422,
    ResultTooLarge: 422,
    QueryTimeout: 504,
    SnapshotGone: 410,
    MemoryExceeded: 422,
    SqlRefused: 400,
    SqlDisabled: 404,
    QueryError: 400,
    BadCursor: 400,
    CursorExpired: 410,
    TooManyRequests: 429,
    ServiceBusy: 503,
    LakeMissing: 503,
    LakeError: 503,
    NotAuthenticated: 401,
    ScopeMissing: 403,
    LimitsMissing: 403,
    UnlimitedOnly: 403,
    AccessUnavailable: 503,
}
# What HTTP itself refuses: the problem's name, and what it means.
REFUSALS: Mapping[int, tuple[str, str]] = {
    400: ("malformed-request", "The request or its JSON cannot be read."),
    404: ("not-found", "There is nothing at this path."),
    405: ("method-not-allowed", "The path does not take this method; see Allow."),
    406: ("not-acceptable", "The answer cannot be written as Accept wants it."),
    413: ("content-too-large", "The body of the request is larger than is taken."),
    415: ("unsupported-media-type", "The body of the request is not JSON."),
    421: ("misdirected-request", "The service answers for this machine's names only."),
    422: ("bad-parameter", BadParameter.__doc__ or ""),
    500: ("unexpected-failure", "A fault of the service; its log says more."),
}
RETRY_AFTER_S = 30
MOST_TOLD = 2_000  # characters of a sentence
MOST_ERRORS = 20


def add_problem_handlers(app: FastAPI) -> None:
    """Make every error that a route raises a problem document."""

    @app.exception_handler(FlowlakeError)
    async def known(request: Request, error: FlowlakeError) -> JSONResponse:
        return problem_of(error, instance=request_id(request.scope))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        return refusal(
            error.status_code,
            detail=str(error.detail),
            instance=request_id(request.scope),
            headers=error.headers,
        )

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return _invalid(request, error)


def request_id(scope: Scope) -> str:
    """Return the id that the request was given."""
    return str(scope.get("state", {}).get("request_id", ""))


def problem_of(error: FlowlakeError, *, instance: str = "") -> JSONResponse:
    """Return the problem of one of our errors.

    Args:
        error: Of a kind in ``STATUSES``.
        instance: The request's id.

    Raises:
        FlowlakeError: The error itself, if it is of another kind: a fault of ours,
            whose text is for the log.
    """
    kind = next((k for k in type(error).__mro__ if k in STATUSES), None)
    if kind is None:
        raise error
    more: dict[str, Any] = {}
    if isinstance(error, BadParameter):
        value = str(error.value)
        told: dict[str, Any] = {
            "parameter": shown(error.param),
            "value": shown(value),
            "allowed": shown(error.allowed, MOST_TOLD),
        }
        if isinstance(error, FilterError):  # whole, for the position to be in it
            told |= {"value": value, "position": error.position}
        more["errors"] = [told]
    status = STATUSES[kind]
    return problem(
        status,
        kind=_slug(kind.__name__),
        detail=str(error),
        instance=instance,
        headers={**_retry_after(error, status), **_challenge(error)},
        **more,
    )


def _retry_after(error: FlowlakeError, status: int) -> dict[str, str]:
    wait = getattr(error, "retry_after_s", RETRY_AFTER_S if status == 503 else None)
    return {"Retry-After": str(wait)} if wait else {}


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


def refusal(
    status: int,
    *,
    detail: str = "",
    instance: str = "",
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    """Return the problem of what HTTP refuses; ``detail`` says more than the status."""
    kind, sentence = REFUSALS.get(status, (None, ""))
    told = dict(headers or {})
    if "GET" in told.get("Allow", "").split(", ") and "HEAD" not in told["Allow"]:
        told["Allow"] += ", HEAD"
    return problem(
        status,
        kind=kind,
        detail=detail if detail not in ("", _phrase(status)) else sentence,
        instance=instance,
        headers=told,
        **more,
    )


def unexpected(instance: str) -> JSONResponse:
    """Return the problem of a fault of ours; what failed is for the log alone."""
    return refusal(
        500, detail=f"request {instance}: the service's log says more",
        instance=instance,
    )  # fmt: skip


def problem(
    status: int,
    *,
    kind: str | None = None,
    detail: str = "",
    instance: str = "",
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    """Return one problem document; ``type`` leads to its entry in ``/docs``."""
    body: dict[str, Any] = {
        "type": f"/docs#{kind}" if kind else "about:blank",
        "title": _title(kind) if kind else f"HTTP {status}",
        "status": status,
    }
    if detail:
        body["detail"] = shown(detail, MOST_TOLD)
    if instance:
        body["instance"] = instance
    return JSONResponse(
        {**body, **more},
        status_code=status,
        headers={"Cache-Control": "no-store", **(headers or {})},
        media_type=MEDIA_TYPE,
    )


def known_problems() -> list[tuple[str, str, int, str]]:
    """Return (anchor, title, status, sentence) of every problem, for the docs."""
    ours = {
        _slug(kind.__name__): (status, (kind.__doc__ or "").splitlines()[0])
        for kind, status in STATUSES.items()
    }
    plain = {kind: (status, text) for status, (kind, text) in REFUSALS.items()}
    return sorted(
        (
            (kind, _title(kind), status, text)
            for kind, (status, text) in {**plain, **ours}.items()
        ),
        key=lambda known: (known[2], known[0]),
    )


def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """Return what FastAPI found wrong, as our own errors are told."""
    instance = request_id(request.scope)
    found: Sequence[Any] = error.errors()[:MOST_ERRORS]
    in_body = any(item["loc"][:1] == ("body",) for item in found)
    sent = request.headers.get("content-type", "")
    if in_body and sent and not _is_json(sent):
        return refusal(
            415,
            detail="Send the body as application/json.",
            instance=instance,
            headers={"Accept": "application/json"},
        )
    for item in found:
        if item["type"] == "json_invalid":
            why, place = item.get("ctx", {}).get("error", ""), item["loc"][-1]
            return refusal(
                400,
                detail=f"The body is no JSON: {why} at character {place}.",
                instance=instance,
            )
    return refusal(
        422,
        detail="; ".join(f"{_place(i['loc'])}: {i['msg']}" for i in found),
        instance=instance,
        errors=[_error(item) for item in found],
    )


def _error(item: Mapping[str, Any]) -> dict[str, str]:
    """Return one error: of a parameter by its name, of the body by JSON pointer."""
    place = "pointer" if item["loc"][0] == "body" else "parameter"
    return {
        place: _place(item["loc"]),
        "value": shown(str(item.get("input", ""))),
        "allowed": item["msg"],
    }


def _place(loc: Sequence[str | int]) -> str:
    where, *steps = (shown(str(step)) for step in loc)
    if where != "body":
        return ".".join(steps) or where
    return "#" + "".join(
        "/" + step.replace("~", "~0").replace("/", "~1") for step in steps
    )


def _phrase(status: int) -> str:
    """Return HTTP's own words, which say no more than the number."""
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else ""


def _is_json(media_type: str) -> bool:
    plain = media_type.partition(";")[0].strip().lower()
    return bool(re.fullmatch(r"application/([a-z0-9.-]+\+)?json", plain))


def _slug(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def _title(kind: str) -> str:
    return kind.replace("-", " ").capitalize()
