"""The lake's metrics: what a status says, as Prometheus gauges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from lake.signals.metrics import Values

STOPPED = -1.0
QUANTILES = {"0.5": "lag_p50_s", "0.95": "lag_p95_s", "1": "lag_max_s"}
RATIOS = ("completeness", "unsettled", "attributed")
Sample = tuple[str, tuple[str, ...], float | None]


def values_of(status: Mapping[str, Any]) -> Values:
    """Return a status as metrics; what nobody knows is left out.

    Args:
        status: As `queries.status.lake_status` returns it.
    """
    values: Values = {}
    for name, labels, value in _samples(status):
        if value is not None:
            values.setdefault(name, {})[labels] = float(value)
    return values


def _samples(status: Mapping[str, Any]) -> Iterator[Sample]:
    window = status["window"]
    yield "flowlake_lake_readable", (), 1
    through = status["data_through"]
    yield (
        "flowlake_data_through_timestamp_seconds",
        (),
        datetime.fromisoformat(through).timestamp() if through else None,
    )
    for quantile, name in QUANTILES.items():
        yield "flowlake_freshness_seconds", (quantile,), window[name]
    for name in RATIOS:
        yield f"flowlake_{name}_ratio", (), window[name]
    yield "flowlake_skipped_intervals", (), window["skipped"]
    yield "flowlake_objects", ("read",), window["objects"]
    yield "flowlake_objects", ("quarantined_whole",), window["quarantined_whole"]
    yield "flowlake_lines", ("read",), window["lines"]
    yield "flowlake_lines", ("quarantined",), window["quarantined"]
    yield from _of_objectives(status)
    yield from _of_tables(status)


def _of_objectives(status: Mapping[str, Any]) -> Iterator[Sample]:
    for each in status["objectives"]:
        met = each["met"]
        yield "flowlake_slo_met", (each["slo"],), None if met is None else float(met)
        yield "flowlake_slo_target", (each["slo"],), each["target"]


def _of_tables(status: Mapping[str, Any]) -> Iterator[Sample]:
    for table, found in status["tables"].items():
        for name in ("rows", "files", "bytes", "snapshots"):
            yield f"flowlake_table_{name}", (table,), found[name]
    for follower, behind in status["followers"].items():
        value = STOPPED if behind is None else behind
        yield "flowlake_follower_behind_snapshots", (follower,), value
