"""Every error that a route raises, FastAPI's own too, as a problem document."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from api.problems import problem_of, refusal, request_id
from lake.errors import FlowlakeError, shown

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


def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """Return what FastAPI found wrong, as our own errors are told."""
    instance = request_id(request.scope)
    found: Sequence[Any] = error.errors()[:MOST_ERRORS]
    in_body = any(item["loc"][:1] == ("body",) for item in found)
    sent = request.headers.get("content-type", "")
    if in_body and sent and not is_json(sent):
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


def is_json(media_type: str) -> bool:
    """Whether a media type is JSON, or one that is written in it."""
    plain = media_type.partition(";")[0].strip().lower()
    return bool(re.fullmatch(r"application/([a-z0-9.-]+\+)?json", plain))
