"""Whether the service answers, whether the lake can be read, and what it holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter

from api.access.gate import requires, unlimited_only
from api.access.principal import Principal, Scope
from api.declared import asked, problems
from api.guards import guards, takes
from api.service import Service
from lake.tables import FLOWS
from queries.status import lake_status


def health_routes(service: Service) -> APIRouter:
    """Return the routes of the service itself."""
    router = APIRouter(tags=["service"])

    @router.get("/healthz", operation_id="healthz", responses=problems(421))
    async def healthz() -> dict[str, str]:
        """Say that the process answers."""
        return {"status": "ok"}

    @router.get("/readyz", operation_id="readyz", responses=problems(421, 500, 503))
    def readyz() -> dict[str, str]:
        """Say whether the lake can be read."""
        service.engine().pin([FLOWS.name])
        return {"status": "ready"}

    @router.get(
        "/v1/status",
        operation_id="status",
        dependencies=[*guards(service, Scope.STATUS), takes()],
        responses=asked(),
    )
    def status(
        principal: Annotated[Principal, requires(Scope.STATUS)],
    ) -> dict[str, Any]:
        """Say what the lake holds, how fresh it is, and what could not be read."""
        unlimited_only(principal)  # it counts what everybody sent
        return lake_status(service.engine(), now=datetime.now(UTC))

    return router
