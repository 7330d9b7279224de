"""``GET /metrics``: what this process has answered, and how the lake is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from api.access.gate import requires, unlimited_only
from api.access.principal import Principal, Scope
from api.declared import guarded
from api.guards import guards, takes
from api.service import Service
from lake.errors import LakeError
from lake.signals.families import registry_of
from lake.signals.metrics import Values
from lake.signals.run import version
from queries.gauges import values_of
from queries.status import lake_status

log = structlog.get_logger()

KEPT_S = 15.0  # however many ask, the lake is looked at so often


class LakeValues:
    """The lake's metrics, looked up at most every few seconds.

    Args:
        look: Returns what `flowlake status` says.
        clock: Seconds.
    """

    def __init__(
        self,
        look: Callable[[], dict[str, Any]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look = look
        self._clock = clock
        self._lock = threading.Lock()
        self._until = -1.0
        self._values: Values = {}

    def __call__(self) -> Values:
        """Return the values; of a lake that cannot be read, that alone."""
        with self._lock:
            if self._clock() >= self._until:
                self._values = self._looked_up()
                self._until = self._clock() + KEPT_S
            return self._values

    def _looked_up(self) -> Values:
        try:
            return values_of(self._look())
        except LakeError as error:
            log.warning("lake_not_readable", error=str(error)[:200])
            return {"flowlake_lake_readable": {(): 0.0}}


def metrics_routes(service: Service) -> APIRouter:
    """Return the route, which takes no turn: it must answer when all are taken."""
    router = APIRouter(tags=["service"])
    lake_values = LakeValues(
        lambda: lake_status(service.engine(), now=datetime.now(UTC))
    )
    also = {"lake": service.settings.namespace}
    processes = CollectorRegistry()
    ProcessCollector(registry=processes)

    @router.get(
        "/metrics",
        operation_id="metrics",
        summary="Tell Prometheus of the service and the lake.",
        dependencies=[*guards(service, Scope.STATUS, reads_lake=False), takes()],
        response_class=Response,
        responses={
            200: {"description": "Metrics.", "content": {"text/plain": {}}},
            **guarded(),
        },
    )
    def metrics(
        principal: Annotated[Principal, requires(Scope.STATUS)],
    ) -> Response:
        """Return the metrics in Prometheus' text format."""
        unlimited_only(principal)  # it counts what everybody sent
        gauges = registry_of({**_own(service), **lake_values()}, also)
        registries = (service.requested.registry, processes, gauges)
        text = b"".join(generate_latest(registry) for registry in registries)
        return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return router


def _own(service: Service) -> Values:
    turns = service.turns
    return {
        "flowlake_build_info": {(version(),): 1.0},
        "flowlake_turns": {(): float(turns.at_once)},
        "flowlake_turns_taken": {(): float(turns.taken)},
        "flowlake_turns_waiting": {(): float(turns.waiting)},
    }
