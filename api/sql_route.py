"""``POST /v1/sql``: one SELECT, in a process of its own; off unless enabled."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.access.principal import Principal, Scope
from api.attended import attended
from api.conditional import VARY
from api.declared import FORMAT, asked
from api.guards import guards, takes
from api.handlers import is_json
from api.negotiate import FORMATS, choose_format
from api.service import Service
from lake.errors import BadParameter, SqlDisabled, UnlimitedOnly
from queries.isolated.answering import SQL_META_NAMES, ask
from queries.isolated.process import Isolation
from queries.isolated.stop import Stop

MOST_CHARACTERS = 50_000  # DuckDB's parser takes minutes for worse ones


class SqlQuestion(BaseModel):
    """One SELECT, and what it may see."""

    model_config = ConfigDict(extra="forbid", strict=True)

    query: str = Field(
        min_length=1,
        max_length=MOST_CHARACTERS,
        description="One SELECT over the tables, and reports as FROM name(since := …).",
        examples=["SELECT action, count(*) AS records FROM flows GROUP BY ALL"],
    )
    since: str | None = Field(
        None, description="See only records from here on: 24h, 7d, 2026-01-31."
    )
    until: str | None = Field(
        None, description="See only records before this: now, 2026-01-31T12:00Z."
    )
    limit: int | None = Field(None, ge=1, description="The most rows.")


_NOTED = (("sql", "query", str), ("since", "since", str), ("until", "until", str),
          ("limit", "limit", int))  # fmt: skip
_BODY: dict[str, Any] = {
    "required": True,
    "content": {"application/json": {"schema": SqlQuestion.model_json_schema()}},
}


def principal_of(request: Request) -> Principal:
    """Return who asks, as the guards found."""
    principal: Principal = request.state.principal
    return principal


def unlimited(principal: Annotated[Principal, Depends(principal_of)]) -> None:
    """Let those through who may see everything: a file holds rows of many.

    Raises:
        UnlimitedOnly: Whoever asks may see a part.
    """
    if not principal.limits.is_unlimited:
        raise UnlimitedOnly


async def noted(request: Request) -> None:
    """Note what is asked before anything can refuse it, or fail."""
    try:
        sent = await request.json()
    except (ValueError, RecursionError):
        return
    if isinstance(sent, dict):
        for name, key, kind in _NOTED:
            if isinstance(sent.get(key), kind):
                request.state.audit[name] = sent[key]


async def question_of(request: Request) -> SqlQuestion:
    """Read the body; here, so that nobody is told of it before the guards.

    Raises:
        RequestValidationError: It is not what it should be.
    """
    sent = request.headers.get("content-type", "")
    body = await request.body()
    if not body or (sent and not is_json(sent)):
        raise _wrong("missing", "Field required", ())
    try:
        found = await request.json()
    except RecursionError:
        raise _wrong("json_invalid", "too deep", (0,)) from None
    except json.JSONDecodeError as error:
        raise _wrong("json_invalid", error.msg, (error.pos,)) from None
    except UnicodeDecodeError as error:
        raise _wrong("json_invalid", error.reason, (error.start,)) from None
    try:
        return SqlQuestion.model_validate(found)
    except ValidationError as error:
        raise RequestValidationError(
            [{**each, "loc": ("body", *each["loc"])} for each in error.errors()]
        ) from None


def _wrong(kind: str, why: str, place: tuple[int, ...]) -> RequestValidationError:
    return RequestValidationError(
        [{"type": kind, "loc": ("body", *place), "msg": why, "ctx": {"error": why}}]
    )


def add_sql(app: FastAPI | APIRouter, service: Service) -> None:
    """Add the route."""
    router = APIRouter(tags=["sql"])
    isolation = Isolation(service.settings)
    admitted, *others = guards(service, Scope.SQL)

    def enabled() -> None:
        if not service.settings.sql_enabled:
            raise SqlDisabled(
                "SQL over REST is off: set FLOWLAKE_SQL_ENABLED=true where this "
                "service runs to turn it on, or use `flowlake sql` there"
            )

    @router.post(
        "/v1/sql",
        summary="Answer one SELECT.",
        dependencies=[
            admitted,
            Depends(noted),
            *others,
            takes("format"),
            Depends(enabled),
            Depends(unlimited),
        ],
        response_class=Response,
        responses=_responses(),
        openapi_extra={"parameters": [FORMAT], "requestBody": _BODY},
    )
    async def sql(
        question: Annotated[SqlQuestion, Depends(question_of)], request: Request
    ) -> Response:
        """Answer one SELECT over every table, each at one snapshot.

        It runs in a process of its own that can open nothing but the lake's files,
        read-only, and is killed at its deadline or when its client goes away. Off
        unless enabled; for callers without limits only.
        """
        stop = Stop()
        work = partial(
            _answer, service, isolation, question, request=request, stop=stop
        )
        return await attended(request, work, stop=stop)

    app.include_router(router)


def _answer(
    service: Service,
    isolation: Isolation,
    question: SqlQuestion,
    *,
    request: Request,
    stop: Stop,
) -> Response:
    accept = ", ".join(request.headers.getlist("accept"))
    wanted = choose_format(request.query_params.getlist("format"), accept)
    most = service.settings.sql_max_rows
    if question.limit and question.limit > most:
        raise BadParameter("limit", question.limit, f"up to {most}")
    found = ask(
        service.engine(),
        isolation,
        question.query,
        now=datetime.now(UTC),
        since=question.since,
        until=question.until,
        limit=question.limit,
        stop=stop,
    )
    request.state.audit |= {
        "snapshots": sorted(set(found.meta["snapshots"].values()) - {None}),
        "rows": found.rows.num_rows,
    }
    headers = {"Cache-Control": "no-store", "Vary": VARY}
    if not wanted.carries_meta:
        headers["Flowlake-Meta"] = json.dumps(found.meta)
    return Response(
        wanted.write(found.meta, found.rows),
        media_type=wanted.media_types[0],
        headers=headers,
    )


def _responses() -> dict[int | str, dict[str, Any]]:
    content: dict[str, Any] = {
        media_type: {} for f in FORMATS.values() for media_type in f.media_types
    }
    says = {name: {"description": text} for name, text in SQL_META_NAMES.items()}
    content["application/json"] = {
        "schema": {
            "type": "object",
            "required": ["meta", "rows"],
            "properties": {
                "meta": {
                    "type": "object",
                    "required": list(says),
                    "properties": says,
                },
                "rows": {"type": "array", "items": {"type": "object"}},
            },
        }
    }
    return {
        200: {"description": "The rows.", "content": content},
        **asked(406, 413, 415),
    }
