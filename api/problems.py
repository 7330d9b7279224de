"""Errors as RFC 9457 problems, all in one shape; the one table of HTTP statuses."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse
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
    NothingToExplain,
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
    NothingToExplain: 404,
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
    return _Problem(
        {**body, **more},
        status_code=status,
        headers={"Cache-Control": "no-store", **(headers or {})},
        media_type=MEDIA_TYPE,
    )


class _Problem(JSONResponse):
    """Says what is no text, such as half of a UTF-16 pair, as a question mark."""

    def render(self, content: Any) -> bytes:
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return text.encode(errors="replace")


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


def _phrase(status: int) -> str:
    """Return HTTP's own words, which say no more than the number."""
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else ""


def _slug(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def _title(kind: str) -> str:
    return kind.replace("-", " ").capitalize()
