"""The page of all metrics: ``python -m lake.signals.listed`` writes docs/metrics.md."""

from __future__ import annotations

from pathlib import Path

from lake.signals.metrics import METRICS, Metric

PLACE = Path(__file__).parents[2] / "docs" / "metrics.md"
HEAD = """# Metrics

Prometheus reads them in three ways; names and meanings are the same everywhere.

| from | how |
|---|---|
| the service | `GET /metrics`: with keys, one of scope `status` without limits |
| runs, by file | `FLOWLAKE_METRICS_DIR`: `flowlake_<lake>_<command>.prom` of each |
| runs, by push | `FLOWLAKE_PUSHGATEWAY`: each sends them, as job `flowlake` |

A gateway that asks for a password has it in its URL, `http://user:password@host`. The
files are for node_exporter's textfile collector. Each metric has the label `lake`
(`FLOWLAKE_NAMESPACE`), and those of runs `command`: such as `ingest`, `settle`,
`inventory_aws`. `flowlake status --check` is a run that tells of the lake. A run that
follows a queue or watches a cluster tells what it has done so far every few minutes. No
label holds an address, a pod or anything else that traffic can make up. What nobody
knows yet is missing, not 0.

Alert rules are in [infra/prometheus](../infra/prometheus/flowlake-rules.yaml).
"""
SECTIONS = {
    "run": "Of each scheduled run",
    "ingest": "Of `flowlake ingest`, besides",
    "lake": "Of the lake: `/metrics` and `flowlake status --check`",
    "service": "Of the service: `/metrics`, with `process_…` of its process",
}
COLUMNS = "| metric | type | labels | says |\n|---|---|---|---|\n"


def text() -> str:
    """Return the page."""
    parts = [HEAD]
    for told_by, title in SECTIONS.items():
        parts.append(f"\n## {title}\n\n{COLUMNS}")
        parts += [_row(m) for m in METRICS.values() if m.told_by == told_by]
    return "".join(parts)


def _row(metric: Metric) -> str:
    labels = ", ".join(metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.doc} |\n"


if __name__ == "__main__":
    PLACE.write_text(text())
