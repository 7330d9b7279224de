"""What was measured, and whether anything leaks."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.e2e.soak.runs import Run
from tests.e2e.soak.soaking import Outcome

RSS_GROWTH, RSS_SLACK_MB = 1.15, 20  # last quarter to second
MORE_DESCRIPTORS = 8
MORE_SNAPSHOTS = 25  # `expire` goes in lots of 20
CPU_GROWTH, CPU_SLACK_S = 2.0, 1.0
LEAST_RUNS = 4  # a quarter, before their growth is judged


def percentile(values: Sequence[float], share: float) -> float:
    """Return a percentile by nearest rank; NaN of nothing."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)] if ranked else math.nan


def quarters(values: Sequence[float]) -> tuple[float, float]:
    """Return the medians of the second and the last quarter; NaN of too few."""
    size = len(values) // 4
    if not size:
        return math.nan, math.nan
    return (
        statistics.median(values[size : 2 * size]),
        statistics.median(values[-size:]),
    )


def lags(outcome: Outcome) -> dict[str, float]:
    """Return for how many seconds each object was there before it could be asked."""
    landed = outcome.watch.seen.landed
    came = outcome.deliverer.came
    return {
        identity: max(0.0, landed[commit] - came[identity])
        for identity, commit in outcome.commit_of.items()
        if commit in landed
    }


def _lag(seconds: Sequence[float]) -> dict[str, float]:
    return {
        "p50": percentile(seconds, 0.5),
        "p95": percentile(seconds, 0.95),
        "max": max(seconds, default=math.nan),
    }


def leaks(outcome: Outcome) -> list[str]:
    """Return what grew that must not."""
    samples = outcome.watch.samples
    found = []
    before, after = quarters([s.rss_mb for s in samples])
    if after > RSS_GROWTH * before + RSS_SLACK_MB:
        found.append(f"RSS of the server: from {before:.0f} to {after:.0f} MB")
    before, after = quarters([s.descriptors for s in samples])
    if after > before + MORE_DESCRIPTORS:
        found.append(f"descriptors of the server: from {before:.0f} to {after:.0f}")
    most = max(s.snapshots for s in samples)
    if most > outcome.spec.snapshots_kept + MORE_SNAPSHOTS:
        found.append(f"{most} snapshots of one table")
    if outcome.orphans:
        found.append(f"{outcome.orphans} files of the lake that nothing names")
    killed = sum(run.killed for run in outcome.runner.runs)
    if outcome.temporary > killed:
        found.append(f"{outcome.temporary} temporary files, {killed} runs were killed")
    took = _of_listings(outcome.runner.runs, "cpu_s")
    before, after = quarters(took)
    if len(took) >= 4 * LEAST_RUNS and after > CPU_GROWTH * before + CPU_SLACK_S:
        found.append(f"CPU of a run: from {before:.1f} to {after:.1f} s")
    return found


def _of_listings(runs: Sequence[Run], name: str) -> list[float]:
    """Return a figure of the listing runs that nothing befell."""
    return [
        getattr(r, name)
        for r in runs
        if r.kind == "ingest" and r.code in (0, 1) and not r.befell
    ]


def verdict(outcome: Outcome) -> list[str]:
    """Return everything that is not as it must be."""
    load, seen = outcome.load, outcome.watch.seen
    found = [*outcome.broken, *leaks(outcome)]
    found += [f"API: {wrong}" for wrong in load.wrong[:5]]
    if len(load.wrong) > 5:
        found.append(f"API: {len(load.wrong)} wrong answers in all")
    found += [f"too many rows: {what}" for what in seen.too_many[:3]]
    missing = len(outcome.commit_of) - len(lags(outcome))
    if missing:
        found.append(f"{missing} objects came by commits that were not seen")
    if outcome.server_code not in (0, -15):
        found.append(f"the server ended with {outcome.server_code}")
    if outcome.server_tracebacks:
        found.append(f"the server logged {outcome.server_tracebacks} tracebacks")
    found += [
        f"{run.kind} said: {run.said[-600:]}"
        for run in outcome.runner.runs
        if "Traceback" in run.said or run.code in (2, -11, -6)
    ][:5]
    return found


def figures(outcome: Outcome) -> dict[str, Any]:
    """Return all that was measured, as JSON has it."""
    runs, waited = outcome.runner.runs, lags(outcome)
    queued = outcome.deliverer.queued
    asked = [ms for some in outcome.load.took_ms.values() for ms in some]
    samples = outcome.watch.samples
    return {
        "seconds": outcome.spec.seconds,
        "simulated_hours": outcome.spec.hours,
        "took_s": outcome.took_s,
        "seed": outcome.spec.seed,
        "records": outcome.deliverer.records,
        "objects": outcome.deliverer.objects,
        "deliveries": dict(outcome.deliverer.kinds),
        "deliveries_a_tick": {
            "median": statistics.median(outcome.deliverer.ticks.values()),
            "most": max(outcome.deliverer.ticks.values()),
        },
        "hours_settled": len(outcome.watch.seen.settled),
        "hours_settled_again": sum(n - 1 for n in outcome.watch.seen.settled.values()),
        "lag_s": _lag(list(waited.values())),
        "lag_s_listed": _lag([s for i, s in waited.items() if i not in queued]),
        "lag_s_queued": _lag([s for i, s in waited.items() if i in queued]),
        "api": {
            "answers": sum(outcome.load.statuses.values()),
            "statuses": {str(k): v for k, v in outcome.load.statuses.items()},
            "unavailable": dict(outcome.load.unavailable),
            "p50_ms": percentile(asked, 0.5),
            "p95_ms": percentile(asked, 0.95),
        },
        "store_requests": outcome.faltering.requests,
        "store_troubles": dict(outcome.faltering.done),
        "catalog_locked_s": outcome.locks,
        "runs": {kind: _told(runs, kind) for kind in sorted({r.kind for r in runs})},
        "left_out": outcome.left_out,
        "killed": sum(run.killed for run in runs),
        "troubled": dict(Counter(r.trouble for r in runs if r.befell)),
        "warnings": dict(_warnings(runs)),
        "server": {
            "rss_mb": quarters([s.rss_mb for s in samples]),
            "rss_mb_most": max(s.rss_mb for s in samples),
            "descriptors": quarters([s.descriptors for s in samples]),
            "threads": quarters([s.threads for s in samples]),
            "children": max(s.children for s in samples),
        },
        "listing_run": {
            "cpu_s": quarters(_of_listings(runs, "cpu_s")),
            "took_s": quarters(_of_listings(runs, "took_s")),
        },
        "lake": {
            "files_most": max(s.files for s in samples),
            "files": outcome.files,
            "orphans": outcome.orphans,
            "snapshots_most": max(s.snapshots for s in samples),
            "temporary_most": max(s.temporary for s in samples),
            "temporary": outcome.temporary,
        },
        "watch_errors": dict(outcome.watch.seen.errors),
        "broken": verdict(outcome),
        "samples": outcome.watch.told,
    }


def _told(runs: Sequence[Run], kind: str) -> dict[str, Any]:
    some = [run for run in runs if run.kind == kind]
    ended = [run for run in some if not run.killed]
    return {
        "runs": len(some),
        "codes": {str(k): v for k, v in Counter(r.code for r in some).items()},
        "median_s": percentile([r.took_s for r in ended], 0.5),
        "p95_s": percentile([r.took_s for r in ended], 0.95),
        "cpu_s": sum(r.cpu_s for r in some),
        "peak_mb": max((r.peak_mb for r in some), default=0),
    }


def _warnings(runs: Sequence[Run]) -> Counter[str]:
    """Return how often runs warned of what."""
    return sum((run.warnings for run in runs), Counter())
