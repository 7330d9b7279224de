"""The one table of metrics: names, labels, and what each says.

No label ever holds an address, a pod or anything else that the traffic can make up.

Source:
    Prometheus documentation, "Metric and label naming" and "Pushing metrics".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["gauge", "counter", "histogram"]
ToldBy = Literal["run", "ingest", "lake", "service"]
Labels = tuple[str, ...]
Values = dict[str, dict[Labels, float]]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: With its unit; a counter's ends in ``_total``.
        kind: Of the Prometheus types.
        told_by: Each scheduled run, each ``ingest``, what reads the lake
            (``status`` and ``/metrics``), or the service.
        doc: One sentence.
        labels: Their names.
    """

    name: str
    kind: Kind
    told_by: ToldBy
    doc: str
    labels: Labels = ()


def _gauge(name: str, told_by: ToldBy, doc: str, *labels: str) -> Metric:
    return Metric(name, "gauge", told_by, doc, labels)


def _counter(name: str, told_by: ToldBy, doc: str, *labels: str) -> Metric:
    return Metric(name, "counter", told_by, doc, labels)


def _histogram(name: str, told_by: ToldBy, doc: str, *labels: str) -> Metric:
    return Metric(name, "histogram", told_by, doc, labels)


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        _gauge(
            "flowlake_build_info",
            "run",
            "1; the label says which version runs.",
            "version",
        ),
        _gauge(
            "flowlake_run_ended_timestamp_seconds",
            "run",
            "When the last run of the command ended.",
        ),
        _gauge(
            "flowlake_run_succeeded_timestamp_seconds",
            "run",
            "When the last run ended that did its work: exit code 0 or 1.",
        ),
        _gauge(
            "flowlake_run_exit_code",
            "run",
            "Exit code of the last run.",
        ),
        _gauge(
            "flowlake_run_duration_seconds",
            "run",
            "How long the last run took.",
        ),
        _gauge(
            "flowlake_run_peak_memory_bytes",
            "run",
            "The most memory that the last run held at once.",
        ),
        _gauge(
            "flowlake_commits",
            "run",
            "Commits of the last run: landed, unclear (looked up "
            "afterwards), beaten (planned again).",
            "result",
        ),
        _gauge(
            "flowlake_ingest_objects",
            "ingest",
            "Objects of the last run: read, known already, failed, quarantined whole.",
            "result",
        ),
        _gauge(
            "flowlake_ingest_lines",
            "ingest",
            "Lines read by the last run, by what became of them.",
            "result",
        ),
        _gauge(
            "flowlake_ingest_lag_seconds",
            "ingest",
            "From an object's last record to its commit, in the last run "
            "that read any; quantiles over objects.",
            "quantile",
        ),
        _gauge(
            "flowlake_lake_readable",
            "lake",
            "Whether the lake could be read just now: 1 or 0; without it "
            "the other metrics of the lake are missing.",
        ),
        _gauge(
            "flowlake_data_through_timestamp_seconds",
            "lake",
            "End of the newest record in the lake.",
        ),
        _gauge(
            "flowlake_freshness_seconds",
            "lake",
            "From an object's last record to the beginning of the batch "
            "that read it, over the objects of the SLO window.",
            "quantile",
        ),
        _gauge(
            "flowlake_completeness_ratio",
            "lake",
            "Share of the intervals expected of interfaces that were heard "
            "of, over the settled hours of the SLO window.",
        ),
        _gauge(
            "flowlake_unsettled_ratio",
            "lake",
            "Share of the window's records that are not settled.",
        ),
        _gauge(
            "flowlake_attributed_ratio",
            "lake",
            "Share of the window's record sides that are ours, or may be, "
            "with a known identity.",
        ),
        _gauge(
            "flowlake_skipped_intervals",
            "lake",
            "Intervals of the window in which AWS skipped records.",
        ),
        _gauge(
            "flowlake_objects",
            "lake",
            "Objects of the window: read, quarantined whole.",
            "result",
        ),
        _gauge(
            "flowlake_lines",
            "lake",
            "Lines of the window's objects: read, quarantined.",
            "result",
        ),
        _gauge(
            "flowlake_slo_met",
            "lake",
            "Whether an objective is met: 1 or 0.",
            "slo",
        ),
        _gauge(
            "flowlake_slo_target",
            "lake",
            "What an objective asks for, in the unit of its value.",
            "slo",
        ),
        _gauge(
            "flowlake_table_rows",
            "lake",
            "Rows of a table.",
            "table",
        ),
        _gauge(
            "flowlake_table_files",
            "lake",
            "Data files of a table.",
            "table",
        ),
        _gauge(
            "flowlake_table_bytes",
            "lake",
            "Bytes of a table's data files.",
            "table",
        ),
        _gauge(
            "flowlake_table_snapshots",
            "lake",
            "Snapshots of a table.",
            "table",
        ),
        _gauge(
            "flowlake_follower_behind_snapshots",
            "lake",
            "Snapshots that a ledger or roll-up has still to absorb; -1: it "
            "has stopped.",
            "follower",
        ),
        _counter(
            "flowlake_http_requests_total",
            "service",
            "Requests answered; the route as declared.",
            "method",
            "route",
            "status",
        ),
        _histogram(
            "flowlake_http_request_seconds",
            "service",
            "How long an answer took, to its last byte.",
            "route",
        ),
        _gauge(
            "flowlake_turns_taken",
            "service",
            "Questions being answered.",
        ),
        _gauge(
            "flowlake_turns_waiting",
            "service",
            "Questions that wait for their turn.",
        ),
        _gauge(
            "flowlake_turns",
            "service",
            "Questions that may be answered at once.",
        ),
    )
}
