"""Ingest beside polars and DuckDB on the same files, in one run, as ratios.

Run as ``make bench``, or ``python -m tests.bench.bench_ingest --records 5M``. The
peers do less: they neither check, type, sort, ledger nor commit. What counts is the
ratio; absolute times drift on shared machines.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LIBRARIES = ("pyarrow", "polars", "duckdb", "pyiceberg")
HEADINGS = ("shape", "job", "rows", "objects", "rows/s", "of polars", "CPU s",
            "peak RSS", "out")  # fmt: skip
JOBS = ("flowlake", "settle", "rollups", "polars", "duckdb")
KEEPING = ("flowlake", "settle")  # the next job goes on with their lake


def main() -> None:
    """Generate, measure, print a table and one JSON document."""
    options = _options()
    with tempfile.TemporaryDirectory(dir=options.dir) as place:
        results = {
            shape: _measure(Path(place), shape, records, options.runs)
            for shape, records in (("large", options.records), ("small", options.small))
        }
    report = {"machine": _machine(), "results": results}
    print(_table(report))
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", default="5M", help="rows in 250 k-row objects")
    parser.add_argument("--small", default="600k", help="rows in 300-row objects")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dir", help="where the files go; default: the temp folder")
    parser.add_argument("--json", help="write the figures to this file too")
    return parser.parse_args()


def _measure(
    place: Path, shape: str, records: str, runs: int
) -> dict[str, dict[str, Any]]:
    source = place / shape
    _run("-m", "flowlake", "simulate", "--records", records, "--shape", shape,
         "--clean", "--truth", "totals", "--out", str(source))  # fmt: skip
    logs = source / "AWSLogs"
    seen: dict[str, list[dict[str, Any]]] = {job: [] for job in JOBS}
    for _ in range(runs):
        for job in JOBS:  # side by side: each run of one beside a run of the others
            out = place / "out"
            answer = _run("-m", "tests.bench.peers", job, str(logs), str(out))
            seen[job].append(json.loads(answer.splitlines()[-1]))
            if job not in KEEPING:
                shutil.rmtree(out)
    files = list(logs.rglob("*.log.gz"))
    size = sum(p.stat().st_size for p in files)
    return {
        job: {
            "rows": answers[0]["rows"],
            "objects": len(files),
            "in_mb": size / 1e6,
            "rows_a_second": answers[0]["rows"]
            / statistics.median(a["seconds"] for a in answers),
            "spread": [round(a["seconds"], 2) for a in answers],
            "cpu_s": statistics.median(a["cpu_s"] for a in answers),
            "peak_rss_mb": max(a["peak_rss_mb"] for a in answers),
            "out_mb": answers[0]["out_mb"],
        }
        for job, answers in seen.items()
    }


def _run(*arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def _machine() -> dict[str, Any]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {
        "commit": commit.stdout.strip(),
        "cpu": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{
            name: version(name) for name in ("pyarrow", "polars", "duckdb", "pyiceberg")
        },
    }


def _table(report: dict[str, Any]) -> str:
    lines = [
        " · ".join(f"{k} {v}" for k, v in report["machine"].items()),
        "",
        f"| {' | '.join(HEADINGS)} |",
        "|" + "---|" * len(HEADINGS),
    ]
    for shape, jobs in report["results"].items():
        peer = jobs["polars"]["rows_a_second"]
        for job, r in jobs.items():
            lines.append(
                f"| {shape} | {job} | {r['rows']:,} | {r['objects']:,} "
                f"| {r['rows_a_second']:,.0f} | {r['rows_a_second'] / peer:.2f} "
                f"| {r['cpu_s']:.1f} | {r['peak_rss_mb']:,.0f} MB "
                f"| {r['out_mb']:,.0f} MB |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
