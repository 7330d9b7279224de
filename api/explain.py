"""``/v1/explain``: why packets were rejected, or whether some would pass."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response

from api.access.gate import requires
from api.access.principal import Principal, Scope
from api.declared import LAST, TEXTS, asked, openapi_parameter
from api.guards import guards
from api.service import Service
from lake.errors import BadParameter
from queries.explain.asked import explain
from queries.explain.ends import FORMS
from queries.explain.recorded import flow_report
from queries.formats import json_text

_END = {"type": "string", "minLength": 1, "maxLength": 512}
_PORT = {"type": "integer", "minimum": 0, "maximum": 65_535}
_MOMENT = {"type": "string", "maxLength": 40, **TEXTS["timestamptz"]}
# Those that are no filters of reports, or mean more here.
OWN = {
    "from": (_END, f"Would it pass? Who would send: {FORMS}."),
    "to": (_END, "To whom, likewise; then with `port`, the server's."),
    "client_port": (_PORT, "With `to`: the client's; left out: any ephemeral one."),
    "at": (_MOMENT, "Records around this time; with `to`: then, left out: now."),
}
EXPLAINED = {
    "type": "object",
    "required": [
        "says",
        "verdict",
        "steps",
        "replies",
        "missing",
        "never_shown",
        "meta",
    ],
    "properties": {
        "says": {"type": "string", "description": "What came out, in words."},
        "verdict": {
            "type": ["string", "null"],
            "description": "Of records: accepted, rejected, unconfirmed. Of packets "
            "not sent: passes, fails, undetermined, depends_on_client_port.",
        },
        "cause": {"type": ["string", "null"], "description": "Why it was rejected."},
        "rule": {"type": ["string", "null"], "description": "What decided."},
        "proves": {"type": "array", "description": "What the log itself proves."},
        "tried": {"type": "array", "description": "What was asked for the cause."},
        "steps": {
            "type": "array",
            "description": "Groups, ACLs and routes on the way, in order, each with "
            "every rule that was considered.",
        },
        "replies": {
            "type": "array",
            "description": "The same of the reply, for each range of client ports.",
        },
        "changes": {
            "type": "array",
            "description": "What changed next before it began, with the difference.",
        },
        "missing": {"type": "array", "description": "What is missing to be sure."},
        "never_shown": {
            "type": "array",
            "description": "What no flow log ever shows.",
        },
        "meta": {"type": "object"},
    },
}


def explain_routes(service: Service) -> APIRouter:
    """Return the route that explains packets."""
    router = APIRouter(prefix="/v1/explain", tags=["explain"])

    @router.get(
        "",
        operation_id="explain",
        dependencies=guards(service, Scope.FLOWS),
        response_class=Response,
        responses={
            200: {
                "description": "What was asked, what decided, and what is missing.",
                "content": {"application/json": {"schema": EXPLAINED}},
            },
            **asked(),
        },
        openapi_extra={"parameters": [*_parameters()]},
    )
    def explained(
        request: Request,
        principal: Annotated[Principal, requires(Scope.FLOWS)],
    ) -> Response:
        """Say why packets were rejected, or whether packets not sent would pass.

        Of the records that the filters mean, those that most are of are explained,
        rejected ones first. It needs a key without limits.
        """
        query = request.query_params
        given = {name: query.getlist(name) for name in query}
        if not given:
            allowed = "filters of records, or from and to"
            raise BadParameter("from", "", allowed)
        found = explain(
            service.engine(), given, now=datetime.now(UTC), limits=principal.limits
        )
        request.state.audit |= {"rows": 1}
        return Response(json_text(found) + "\n", media_type="application/json")

    return router


def _parameters() -> Iterator[dict[str, Any]]:
    for name, (schema, says) in OWN.items():
        yield {"name": name, "in": "query", "required": False, "schema": schema,
               "description": says}  # fmt: skip
    yield dict(LAST)
    for parameter in flow_report().parameters:
        if parameter.name not in OWN:
            yield openapi_parameter(parameter)
