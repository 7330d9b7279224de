"""The figures of a soak as Markdown."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version
from typing import Any

LIBRARIES = ("pyarrow", "duckdb", "pyiceberg", "moto")


def report(told: dict[str, Any]) -> str:
    """Return what was measured, for people to read."""
    versions = " · ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return "\n".join(
        [
            f"Python {platform.python_version()} · {versions} · {sys.platform}",
            "",
            f"{told['seconds'] / 60:g} minutes for {told['simulated_hours']} simulated "
            f"hours, seed {told['seed']}, {told['took_s']:.0f} s in all.",
            "",
            "| what | figure |",
            "|---|---|",
            *(f"| {what} | {figure} |" for what, figure in _rows(told)),
            "",
            "| runs | of them | exit codes | median s | p95 s | CPU s | peak MB |",
            "|---|---|---|---|---|---|---|",
            *(_run(kind, some) for kind, some in told["runs"].items()),
            "",
            *_verdict(told["broken"]),
        ]
    )


def _rows(told: dict[str, Any]) -> list[tuple[str, str]]:
    api, server, lake = (told[n] for n in ("api", "server", "lake"))
    a_tick = told["deliveries_a_tick"]
    return [
        ("records, objects", f"{told['records']:,}, {told['objects']:,}"),
        ("delivered how", _counts(told["deliveries"])),
        ("deliveries a minute", f"median {a_tick['median']:g}, most {a_tick['most']}"),
        ("lag s, from PUT to queryable", _lag(told["lag_s"])),
        ("of objects that are listed", _lag(told["lag_s_listed"])),
        ("of those that only the queue tells of", _lag(told["lag_s_queued"])),
        ("hours settled, and again", f"{told['hours_settled']}, "
         f"{told['hours_settled_again']}"),
        ("requests to S3 and SQS", f"{told['store_requests']:,}"),
        ("of them troubled", _counts(told["store_troubles"])),
        ("catalog locked for s", ", ".join(f"{s:.1f}" for s in
                                           told["catalog_locked_s"])),
        ("runs troubled", _counts(told["troubled"])),
        ("runs killed, left out", f"{told['killed']}, {told['left_out']}"),
        ("warnings of runs", _counts(told["warnings"])),
        ("API: answers by status", _counts(api["statuses"])),
        ("API: why 503", _counts(api["unavailable"])),
        ("API: ms", f"p50 {api['p50_ms']:.0f}, p95 {api['p95_ms']:.0f}"),
        ("server's RSS MB", f"{_change(server['rss_mb'])}, most "
         f"{server['rss_mb_most']}"),
        ("server's descriptors", _change(server["descriptors"])),
        ("server's threads", _change(server["threads"])),
        ("CPU s of a listing run", _change(told["listing_run"]["cpu_s"], 1)),
        ("seconds of a listing run", _change(told["listing_run"]["took_s"], 1)),
        ("files in the lake", f"most {lake['files_most']:,}; after gc "
         f"{lake['files']:,}, of them named by nothing {lake['orphans']}"),
        ("temporary files", f"most {lake['temporary_most']}, in the end "
         f"{lake['temporary']}"),
        ("snapshots of a table", f"most {lake['snapshots_most']}"),
    ]  # fmt: skip


def _run(kind: str, some: dict[str, Any]) -> str:
    return (
        f"| {kind} | {some['runs']} | {_counts(some['codes'])} | "
        f"{some['median_s']:.1f} | {some['p95_s']:.1f} | {some['cpu_s']:.0f} | "
        f"{some['peak_mb'] or ''} |"
    )


def _verdict(broken: list[str]) -> list[str]:
    if not broken:
        return ["All laws hold, and nothing leaks."]
    return ["Broken:", *(f"- {what[:1000]}" for what in broken)]


def _counts(counted: dict[str, int]) -> str:
    ranked = sorted(counted.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {count:,}" for name, count in ranked) or "none"


def _lag(lag: dict[str, float]) -> str:
    return f"p50 {lag['p50']:.0f}, p95 {lag['p95']:.0f}, max {lag['max']:.0f}"


def _change(two: list[float], digits: int = 0) -> str:
    before, after = two
    return f"{before:.{digits}f} in the second quarter, {after:.{digits}f} in the last"
