"""Counts of requests, for Prometheus; their labels are of a known number."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from lake.signals.families import counter, histogram

METHODS = ("GET", "POST", "OPTIONS", "PUT", "PATCH", "DELETE")
OTHER = "other"
NO_ROUTE = "none"


class Requested:
    """Counts the requests of one process, by route as declared and never by path.

    Attributes:
        registry: Holds the counts.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = counter(self.registry, "flowlake_http_requests_total")
        self._seconds = histogram(self.registry, "flowlake_http_request_seconds")

    def count(
        self, method: str, route: str | None, status: int, seconds: float
    ) -> None:
        """Count one request.

        Args:
            method: As the client called it; what it made up is ``other``.
            route: The route's path as declared; None: there is none.
            status: Of the answer.
            seconds: From the first byte to the last.
        """
        known = method if method in METHODS else OTHER
        where = route or NO_ROUTE
        self._requests.labels(known, where, str(status)).inc()
        self._seconds.labels(where).observe(seconds)
