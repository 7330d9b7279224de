"""The routes of ``/v1/reports``: one for each report, made from its contract."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response

from api.access.gate import requires
from api.access.principal import Principal, Scope
from api.conditional import unchanged, validators
from api.declared import (
    FORMAT,
    asked,
    guarded,
    not_modified,
    openapi_parameter,
    rows_of,
)
from api.guards import guards
from api.negotiate import choose_format
from api.service import Service
from lake.errors import BadParameter
from queries.answers import answer, pose
from queries.catalogue import describe, find_report, load_catalogue
from queries.contract import Report


def report_routes(service: Service) -> APIRouter:
    """Return the catalogue and a route for each report in it."""
    router = APIRouter(prefix="/v1/reports", tags=["reports"])
    at_hand = guards(service, Scope.REPORTS, reads_lake=False)

    @router.get("", operation_id="reports", dependencies=at_hand, responses=guarded())
    async def reports() -> dict[str, Any]:
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
            dependencies=guards(service, Scope.REPORTS),
            response_class=Response,
            responses={**rows_of(found), **not_modified(), **asked(406)},
            openapi_extra={
                "parameters": [*map(openapi_parameter, found.parameters), FORMAT]
            },
        )

    @router.get("/{name}", include_in_schema=False, dependencies=at_hand)
    async def unknown(name: str) -> None:
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
        asked_for = given.pop("format", [])
        wanted = choose_format(asked_for, ", ".join(request.headers.getlist("accept")))
        engine = service.engine()
        question = pose(
            engine, report, given, now=datetime.now(UTC), limits=principal.limits
        )
        most = engine.settings.max_rows
        if question.parameters.get("limit", 0) > most:
            raise BadParameter("limit", question.parameters["limit"], f"up to {most}")
        headers = validators(f"{question.etag}-{wanted.name}")
        known = unchanged(request, headers)
        if known:
            return known
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
