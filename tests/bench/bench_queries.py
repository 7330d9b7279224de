"""How fast reports answer: over a week of traffic, and over four times as much.

Run as ``python -m tests.bench.bench_queries [--rows 20M] [--runs 20]``. Each run of a
question is of a window of its own, so that no plan and no `meta` is kept from the run
before. Then clients ask the service all at once for a minute.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog

from lake.settings import load_settings
from queries.answers import answer, pose
from queries.catalogue import find_report
from queries.engine import Engine
from tests.bench.clients import ask_together, p95
from tests.bench.traffic import BEGIN, HOUR, fill

WEEK, A_DAY = timedelta(days=7), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of the bench, and what it is meant to take at most, in ms."""

    title: str
    report: str
    given: dict[str, str]
    span: timedelta
    most: int


QUESTIONS = (
    Asked("workloads, a week", "conversations", {"by": "workload"}, WEEK, 100),
    Asked("workloads together, a week", "conversations",
          {"by": "workload", "ports": "together"}, WEEK, 100),
    Asked("namespaces, a week", "accepted_traffic", {"by": "namespace"}, WEEK, 100),
    Asked("refused, a week", "rejected_traffic", {"by": "workload"}, WEEK, 300),
    Asked("pods refused, a week", "rejected_traffic", {"by": "pod"}, WEEK, 300),
    Asked("pods, a day", "conversations", {"by": "pod"}, A_DAY, 2_000),
    Asked("interfaces refused, a day", "rejected_traffic", {"by": "eni"}, A_DAY, 2_000),
    Asked("one address, a week", "conversations",
          {"by": "address", "address": "198.7.57.1"}, WEEK, 500),
)  # fmt: skip


def main() -> None:
    """Print the table of questions, then of clients."""
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=quiet)
    options = _options()
    print("| question | rows | table | files | rows read | median ms | p95 ms | aim |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for rows in (options.rows // 4, options.rows):
            place = Path(folder) / str(rows)
            fill(place, rows)
            for asked in QUESTIONS:
                with Engine(load_settings(lake=str(place))) as engine:
                    print(_row(engine, asked, rows, options.runs), flush=True)
        ask_together(place, clients=options.clients, seconds=options.seconds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=_count, default=_count("20M"))
    parser.add_argument("--runs", type=int, default=20, choices=range(1, 23))
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=int, default=60)
    return parser.parse_args()


def _count(text: str) -> int:
    scale = {"k": 1_000, "M": 1_000_000}.get(text[-1], 1)
    return int(text.rstrip("kM")) * scale


def _row(engine: Engine, asked: Asked, rows: int, runs: int) -> str:
    report = find_report(asked.report)
    took = []
    for run in range(runs + 2):  # two to warm up
        since = BEGIN + run * HOUR
        until = since + asked.span
        given = {
            **{name: [value] for name, value in asked.given.items()},
            "since": [since.isoformat()],
            "until": [until.isoformat()],
        }
        started = time.perf_counter()
        found = answer(engine, pose(engine, report, given, now=until))
        took.append((time.perf_counter() - started) * 1000)
    took = sorted(took[2:])
    meta = found.meta
    return (
        f"| {asked.title} | {rows:,} | {meta['table']} | {meta['files']} | "
        f"{meta['rows_read']:,} | {statistics.median(took):,.0f} | "
        f"{p95(took):,.0f} | {asked.most:,} |"
    )


if __name__ == "__main__":
    main()
