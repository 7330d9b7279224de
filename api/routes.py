"""The routes of ``/v1``: one for each report, made from its contract."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Request, Response

from api.access.gate import requires, unlimited_only
from api.access.principal import Principal, Scope
from api.negotiate import FORMATS, choose_format
from api.problems import MEDIA_TYPE, STATUSES
from api.service import Service
from lake.errors import BadParameter
from lake.tables import FLOWS
from queries.answers import answer, pose
from queries.catalogue import describe, find_report, load_catalogue
from queries.contract import Parameter, Report
from queries.status import lake_status

_JSON_TYPES = {"integer": "integer", "bigint": "integer", "boolean": "boolean",
               "double": "number", "port": "integer"}  # fmt: skip
_FORMAT = {
    "name": "format",
    "in": "query",
    "required": False,
    "description": "How the answer is written; it wins over Accept.",
    "schema": {"type": "string", "enum": list(FORMATS)},
}
_BOUNDS = {"integer": {"minimum": 0}, "port": {"minimum": 0, "maximum": 65_535}}


def add_routes(app: FastAPI, service: Service) -> None:
    """Add every route to the application."""
    app.include_router(_health(service))
    app.include_router(_reports(service))


def _health(service: Service) -> APIRouter:
    router = APIRouter(tags=["service"])

    @router.get("/healthz")
    def healthz() -> dict[str, str]:
        """Say that the process answers."""
        return {"status": "ok"}

    @router.get("/readyz", responses=_problems(503))
    def readyz() -> dict[str, str]:
        """Say whether the lake can be read."""
        service.engine().pin([FLOWS.name])
        return {"status": "ready"}

    @router.get("/v1/status", responses=_problems(401, 403, 503))
    def status(
        principal: Annotated[Principal, requires(Scope.STATUS)],
    ) -> dict[str, Any]:
        """Say what the lake holds, how fresh it is, and what could not be read."""
        unlimited_only(principal)  # it counts what everybody sent
        return lake_status(service.engine(), now=datetime.now(UTC))

    return router


def _reports(service: Service) -> APIRouter:
    router = APIRouter(
        prefix="/v1/reports", tags=["reports"], dependencies=[requires(Scope.REPORTS)]
    )

    @router.get("", responses=_problems(401, 403))
    def reports() -> dict[str, Any]:
        """List the reports with their parameters and columns."""
        return {"reports": [describe(r) for r in load_catalogue().values()]}

    for found in load_catalogue().values():
        router.add_api_route(
            f"/{found.name}",
            _asker(service, found),
            methods=["GET"],
            summary=found.sentence,
            description=found.note or found.sentence,
            operation_id=f"report_{found.name}",
            response_class=Response,
            responses={**_bodies(found), **_problems(304, 406, *STATUSES.values())},
            openapi_extra={"parameters": [*map(_openapi, found.parameters), _FORMAT]},
        )

    @router.get("/{name}", include_in_schema=False)
    def unknown(name: str) -> None:
        find_report(name)

    return router


def _asker(
    service: Service, report: Report
) -> Callable[[Request, Principal], Response]:
    def ask(
        request: Request, principal: Annotated[Principal, requires(Scope.REPORTS)]
    ) -> Response:
        given = {
            name: request.query_params.getlist(name) for name in request.query_params
        }
        asked = given.pop("format", [])
        wanted = choose_format(asked, ", ".join(request.headers.getlist("accept")))
        engine = service.engine()
        question = pose(
            engine, report, given, now=datetime.now(UTC), limits=principal.limits
        )
        most = engine.settings.max_rows
        if question.parameters.get("limit", 0) > most:
            raise BadParameter("limit", question.parameters["limit"], f"up to {most}")
        headers = {
            "ETag": f'"{question.etag}-{wanted.name}"',
            "Cache-Control": "private, no-cache",
            "Vary": "Accept",
        }
        if _matches(request.headers.get("if-none-match"), headers["ETag"]):
            return Response(status_code=304, headers=headers)
        found = answer(engine, question)
        request.state.audit |= {
            "snapshots": [found.meta["snapshot"]],
            "rows": found.rows.num_rows,
        }
        if not wanted.carries_meta:
            headers["Flowlake-Meta"] = json.dumps(found.meta)
        return Response(
            wanted.write(found.meta, found.rows),
            media_type=wanted.media_types[0],
            headers=headers,
        )

    return ask


def _matches(if_none_match: str | None, etag: str) -> bool:
    if if_none_match is None:
        return False
    known = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in known or "*" in known


def _bodies(report: Report) -> dict[int | str, dict[str, Any]]:
    row = {
        "type": "object",
        "properties": {
            c.name: {"type": [_JSON_TYPES.get(c.type, "string"), "null"]}
            for c in report.columns
        },
    }
    document = {
        "type": "object",
        "required": ["meta", "rows"],
        "properties": {
            "meta": {"type": "object"},
            "rows": {"type": "array", "items": row},
        },
    }
    content: dict[str, Any] = {
        media_type: {} for f in FORMATS.values() for media_type in f.media_types
    }
    content["application/json"] = {"schema": document}
    return {200: {"description": report.sentence, "content": content}}


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {
        status: {"description": "Not modified"}
        if status == 304
        else {"description": "A problem (RFC 9457)", "content": {MEDIA_TYPE: {}}}
        for status in sorted(set(statuses))
    }


def _openapi(parameter: Parameter) -> dict[str, Any]:
    plain = parameter.type.removesuffix("[]")
    schema: dict[str, Any] = {"type": _JSON_TYPES.get(plain, "string")}
    schema |= _BOUNDS.get(plain, {})
    if parameter.allowed:
        schema["enum"] = list(parameter.allowed)
    if parameter.default is not None:
        number = schema["type"] == "integer"
        schema["default"] = int(parameter.default) if number else parameter.default
    if parameter.is_list:
        schema = {"type": "array", "items": schema}
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.meaning,
        "schema": schema,
    }
