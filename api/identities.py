"""``/v1/identities``: who an address was, as `flowlake whois` says it."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.access.gate import requires
from api.access.principal import Principal, Scope
from api.conditional import unchanged, validators
from api.declared import TEXTS, asked, not_modified
from api.guards import guards
from api.service import Service
from lake.errors import BadParameter, UsageError
from queries.values import TIMES, parse_moment
from queries.whois import MOST, TABLES, as_json, canonical_address, look_up


class Asked(BaseModel):
    """The parameters; any other is refused."""

    model_config = ConfigDict(extra="forbid")

    address: str = Field(
        max_length=64,
        description="IPv4 or IPv6, any usual spelling.",
        examples=["10.0.0.5"],
        json_schema_extra={"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]},
    )
    at: str | None = Field(
        None,
        min_length=1,
        max_length=40,
        description=f"Who can have held it then: {TIMES}; left out: ever.",
        examples=["2026-01-31T12:00:00Z"],
        json_schema_extra=TEXTS["timestamptz"],
    )
    vpc: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="Only in this VPC.",
        examples=["vpc-0a1b2c3d"],
    )
    limit: int = Field(
        MOST, ge=1, le=1000, description="The most intervals, the newest first."
    )


class Found(BaseModel):
    """What is known of the address."""

    address: str
    at: str | None
    says: str = Field(description="What came out, in words.")
    what: str | None = Field(description="What the address is by itself.")
    identities: list[dict[str, Any]] = Field(
        description="Who held it, from when to when, and how each end is known."
    )
    nearest: list[dict[str, Any]] = Field(description="Who did before and after.")
    homes: list[dict[str, Any]] = Field(
        description="Subnets and VPCs whose ranges hold it."
    )
    listings: list[dict[str, Any]] = Field(
        description="When the scopes that can know of it were last listed."
    )


def identity_routes(service: Service) -> APIRouter:
    """Return the route that says who an address was."""
    router = APIRouter(prefix="/v1/identities", tags=["identities"])

    @router.get(
        "",
        operation_id="identities",
        dependencies=guards(service, Scope.IDENTITIES),
        response_class=Response,
        responses={
            200: {
                "description": "What is known of the address.",
                "content": {"application/json": {"schema": Found.model_json_schema()}},
            },
            **not_modified(),
            **asked(),
        },
    )
    def identities(
        request: Request,
        asked: Annotated[Asked, Query()],
        principal: Annotated[Principal, requires(Scope.IDENTITIES)],
    ) -> Response:
        """Say who an address was, from when to when, and how that is known."""
        _once(request)
        address = _address(asked.address)
        at = parse_moment("at", asked.at, datetime.now(UTC)) if asked.at else None
        engine = service.engine()
        state = [pinned.metadata for pinned in engine.pin(list(TABLES)).values()]
        limits = principal.limits
        headers = validators(
            _digest(address, at, asked.vpc, asked.limit, limits.key, state)
        )
        known = unchanged(request, headers)
        if known:
            return known
        found = look_up(
            engine, address, at=at, vpc=asked.vpc, limit=asked.limit, limits=limits
        )
        request.state.audit |= {"rows": found["identities"].num_rows}
        return Response(as_json(found), media_type="application/json", headers=headers)

    return router


def _once(request: Request) -> None:
    """Refuse a parameter that is given twice, as the reports do."""
    for name in request.query_params:
        texts = request.query_params.getlist(name)
        if len(texts) > 1:
            raise BadParameter(name, ",".join(texts), "one value only")


def _address(text: str) -> str:
    try:
        return canonical_address(text)
    except UsageError:
        raise BadParameter("address", text, "an IPv4 or IPv6 address") from None


def _digest(*parts: Any) -> str:
    text = json.dumps(parts, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
