"""The routes of ``/v1/reports``: one for each report, made from its contract."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from api.access.principal import Principal, Scope
from api.conditional import unchanged, validators
from api.cursors import Cursor, fingerprint
from api.declared import (
    CURSOR,
    FORMAT,
    LAST,
    asked,
    guarded,
    not_modified,
    openapi_parameter,
    rows_of,
)
from api.guards import guards, takes
from api.negotiate import choose_format
from api.service import Service
from lake.errors import BadParameter
from queries.answers import Answer, Page, answer, pose
from queries.catalogue import describe, find_report, load_catalogue
from queries.compose import order_of_pages
from queries.contract import Report
from queries.limits import Limits
from queries.paging import keyset, next_link

RECORDS = "records"  # single records, wherever they are asked for, are of Scope.FLOWS


def report_routes(service: Service) -> APIRouter:
    """Return the catalogue and a route for each report in it."""
    router = APIRouter(prefix="/v1/reports", tags=["reports"])
    at_hand = guards(service, Scope.REPORTS, reads_lake=False)

    @router.get(
        "",
        operation_id="reports",
        dependencies=[*at_hand, takes()],
        responses=guarded(),
    )
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
            dependencies=guards(service, _scope_of(found)),
            response_class=Response,
            responses={**rows_of(found), **not_modified(), **asked(406)},
            openapi_extra={"parameters": _parameters(found)},
        )

    @router.get("/{name}", include_in_schema=False, dependencies=at_hand)
    async def unknown(name: str) -> None:
        find_report(name)

    return router


def flow_routes(service: Service) -> APIRouter:
    """Return the route of the records themselves: the report `records`."""
    router = APIRouter(prefix="/v1", tags=["reports"])
    records = find_report(RECORDS)
    router.add_api_route(
        "/flows",
        _asker(service, records),
        methods=["GET"],
        summary=records.sentence,
        description=records.note,
        operation_id="flows",
        dependencies=guards(service, _scope_of(records)),
        response_class=Response,
        responses={**rows_of(records), **not_modified(), **asked(400, 406, 410)},
        openapi_extra={"parameters": _parameters(records)},
    )
    return router


def _scope_of(report: Report) -> Scope:
    return Scope.FLOWS if report.name == RECORDS else Scope.REPORTS


def _parameters(report: Report) -> list[Any]:
    window = [LAST] if report.windowed else []
    paging = [] if report.whole else [CURSOR]
    return [*map(openapi_parameter, report.parameters), *window, *paging, FORMAT]


def _asker(service: Service, report: Report) -> Callable[[Request], Response]:
    """Return what answers a report, page by page, whoever the guards let in."""

    def ask(request: Request) -> Response:
        principal: Principal = request.state.principal
        given = {
            name: request.query_params.getlist(name) for name in request.query_params
        }
        asked_for = given.pop("format", [])
        wanted = choose_format(asked_for, ", ".join(request.headers.getlist("accept")))
        turn = _Turn(service, report, given, principal.limits)
        question = turn.question
        headers = validators(f"{question.etag}-{turn.name}-{wanted.name}")
        known = unchanged(request, headers)
        if known:
            return known
        found = answer(service.engine(), question, turn.page)
        request.state.audit |= {
            "snapshots": [found.meta["snapshot"]],
            "rows": found.rows.num_rows,
        }
        cursor = turn.following(found)
        meta = {**found.meta, "next": cursor}
        if cursor:
            headers["Link"] = next_link(request.query_params.multi_items(), cursor)
        if not wanted.carries_meta:
            headers["Flowlake-Meta"] = json.dumps(meta)
        return Response(
            wanted.write(meta, found.rows),
            media_type=wanted.media_types[0],
            headers=headers,
        )

    return ask


class _Turn:
    """One page of a question: the first, or what a cursor leads to."""

    def __init__(
        self,
        service: Service,
        report: Report,
        given: dict[str, list[str]],
        limits: Limits,
    ) -> None:
        self._service = service
        self._report = report
        texts = given.pop("cursor", [])
        sent = {name: texts for name, texts in given.items() if name != "limit"}
        self._name = fingerprint(report.name, sent, limits=limits.key)
        self._before = self._opened(texts)
        self._asked_at = self._before.asked_at if self._before else datetime.now(UTC)
        self.question = pose(
            service.engine(),
            report,
            given,
            now=self._asked_at,
            limits=limits,
            snapshots=self._before.snapshots if self._before else None,
        )
        most = service.engine().settings.max_rows
        if self.question.parameters.get("limit", 0) > most:
            limit = self.question.parameters["limit"]
            raise BadParameter("limit", limit, f"up to {most}")

    @property
    def name(self) -> str:
        """What tells the pages of a question apart."""
        if self._before is None:
            return "0"
        text = repr((self._before.end, sorted(self._before.snapshots.items())))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def page(self) -> Page:
        """The page that is asked for."""
        if self._before is None:
            return Page()
        order = order_of_pages(self._report)
        return Page(keyset(order, self._before.end), self._before.end)

    def following(self, found: Answer) -> str | None:
        """Return the cursor of the page behind this one; None: there is none."""
        if found.end is None:
            return None
        cursors = self._service.cursors
        return cursors.seal(
            Cursor(
                route=self._report.name,
                question=self._name,
                asked_at=self._asked_at,
                snapshots=self.question.snapshots,
                end=found.end,
                expires=cursors.expiry(),
            )
        )

    def _opened(self, texts: list[str]) -> Cursor | None:
        if not texts:
            return None
        if len(texts) > 1 or self._report.whole:
            raise BadParameter("cursor", ",".join(texts), "one, of a report that pages")
        return self._service.cursors.open(texts[0], self._name)
