"""The metrics of the table as Prometheus' library has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from lake.signals.metrics import METRICS, Values

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Told(Collector):
    """Gauges with the values that a function returns when they are collected.

    Args:
        values: Of each metric by its labels' values.
        also: Labels that every sample carries.
    """

    def __init__(self, values: Values, also: Mapping[str, str]) -> None:
        self._values = values
        self._also = also

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield a family for each metric that has values."""
        for name, samples in self._values.items():
            metric = METRICS[name]
            family = GaugeMetricFamily(
                name, metric.doc, labels=[*self._also, *metric.labels]
            )
            for labels, value in samples.items():
                family.add_metric([*self._also.values(), *labels], value)
            yield family


def registry_of(values: Values, also: Mapping[str, str]) -> CollectorRegistry:
    """Return a registry of gauges alone."""
    registry = CollectorRegistry()
    registry.register(Told(values, also))
    return registry


def counter(registry: CollectorRegistry, name: str) -> Counter:
    """Add a counter of the table to a registry."""
    metric = METRICS[name]
    # Else a second series goes with each count: when it began.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    return Counter(name, metric.doc, metric.labels, registry=registry)


def histogram(registry: CollectorRegistry, name: str) -> Histogram:
    """Add a histogram of seconds of the table to a registry."""
    metric = METRICS[name]
    return Histogram(
        name, metric.doc, metric.labels, registry=registry, buckets=SECONDS
    )
