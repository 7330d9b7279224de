"""The operator's commands: ingest and repair."""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console

from ingest.job import Ingest, Request
from ingest.job import dry_run as plan_only
from ingest.memory import settle_memory
from ingest.options import (
    DaysOption,
    ShardOption,
    SinceOption,
    UntilOption,
    parse_shard,
    parse_span,
    parse_window,
)
from ingest.plan import Plan
from ingest.progress import ProgressBar
from ingest.rollup.follower import roll_up, stopped
from ingest.stop import Stop, on_signals
from ingest.summary import Summary
from lake.catalog import Lake
from lake.errors import LakeError, UsageError
from lake.repair import repair as repair_ledger
from lake.secrets import masked
from lake.settings import Settings, load_settings
from lake.tables import LEDGERS, ROLLUPS

CONTRACT = ("objects", "skipped", "failed", "lines", "headers", "flows", "silences",
            "quarantined", "snapshot", "elapsed_s")  # fmt: skip
BYTES_A_SECOND_A_WORKER = 18_000_000  # gzip text, v5: see tests/bench/README.md
SECONDS_AN_OBJECT = 0.002


def ingest(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOURCE", help="s3://bucket/prefix, directory, file"),
    ] = None,
    *,
    follow_sqs: Annotated[
        str | None,
        typer.Option(metavar="URL", help="After that, follow a queue of S3 events"),
    ] = None,
    until_empty: Annotated[
        bool, typer.Option("--until-empty", help="Follow it only until it is empty")
    ] = False,
    since: SinceOption = None,
    until: UntilOption = None,
    slack: Annotated[
        str, typer.Option(help="Widens --since/--until: keys do not bound records")
    ] = "1d",
    days: DaysOption = None,
    shard: ShardOption = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Read rewritten objects again")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be read, do nothing")
    ] = False,
    log_format: Annotated[
        str | None, typer.Option(help="Fields of headerless text, as in the flow log")
    ] = None,
    no_settle: Annotated[
        bool, typer.Option("--no-settle", help="Leave that to `flowlake settle`")
    ] = False,
    no_rollups: Annotated[
        bool, typer.Option("--no-rollups", help="Leave them to the next run without it")
    ] = False,
) -> None:
    """Read every new flow-log object into the lake, each exactly once.

    A queue is followed until SIGTERM or SIGINT, which let the batch in hand finish.
    Exit codes: 0 done; 1 done, but something failed or was quarantined whole;
    2 wrong usage or settings; 3 nothing could be done. Safe to run twice at once.
    """
    _check_words(sources, follow_sqs, until_empty=until_empty, dry_run=dry_run)
    settings = load_settings()
    now = datetime.now(UTC)
    first, last = parse_window(since, until, now)
    request = Request(
        sources=tuple(sources or ()),
        queue=follow_sqs,
        until_empty=until_empty,
        since=first,
        until=last,
        slack=parse_span(slack, name="--slack"),
        days=(settings.list_days if days is None else days) or None,
        shard=parse_shard(shard),
        replace=replace,
        log_format=log_format,
        settle=not no_settle,
        roll_up=not no_rollups,
    )
    if dry_run:
        raise typer.Exit(_dry_run(request, settings))
    raise typer.Exit(_run(request, settings))


def repair(
    tables: Annotated[
        list[str] | None, typer.Argument(metavar="[TABLE...]", help="Default: all")
    ] = None,
) -> None:
    """Rebuild ledgers from evidence and flows, `sources` first; roll-ups from flows.

    A roll-up is made anew if it is named or has stopped; it keeps the days that flows
    have dropped.
    """
    names = tables or [ledger.name for ledger in LEDGERS]
    with Lake(load_settings(), create=True) as lake:
        lake.ensure_all()
        done: dict[str, Any] = {
            ledger.name: asdict(repair_ledger(lake, ledger))
            for ledger in LEDGERS
            if ledger.name in names
        }
        named = [table for table in ROLLUPS if table.name in names]
        anew = named if tables else stopped(lake)
        if anew:
            hours = roll_up(lake, anew=anew)
            done |= {table.name: {"hours": hours} for table in anew}
    _print_json(done)


def _check_words(
    sources: list[str] | None,
    follow_sqs: str | None,
    *,
    until_empty: bool,
    dry_run: bool,
) -> None:
    if not (sources or follow_sqs):
        raise UsageError(
            "nothing to read: give SOURCE... (s3://bucket/prefix, a directory or a "
            "file) or --follow-sqs URL"
        )
    if until_empty and not follow_sqs:
        raise UsageError("--until-empty says when to end --follow-sqs URL: give both")
    if dry_run and follow_sqs:
        raise UsageError(
            "--dry-run lists and receives no messages: leave --follow-sqs out"
        )


def _run(request: Request, settings: Settings) -> int:
    """Run the job, say what it did whatever happened, and return the exit code."""
    settle_memory()
    summary, stop = Summary(), Stop()
    # Without a queue a signal ends the run at once, as ever: nothing is lost.
    signals = on_signals(stop) if request.queue else nullcontext()
    try:
        with (
            Lake(settings, create=True) as lake,
            signals,
            ProgressBar(shown=sys.stderr.isatty()) as bar,
        ):
            job = Ingest(
                lake, request, progress=bar.advance, on_plan=bar.planned, stop=stop
            )
            summary = job.summary
            job.run()
    except LakeError as error:
        _tell(summary)
        error.exit_code = 1 if summary.objects else error.exit_code
        raise
    _tell(summary)
    return summary.exit_code


def _dry_run(request: Request, settings: Settings) -> int:
    plan, summary = plan_only(request, settings)
    seconds = _expected_seconds(plan, settings)
    answer = {
        "objects": len(plan.new),
        "bytes": plan.size,
        "skipped": plan.skipped,
        "copies": plan.copies,
        "differing": plan.differing,
        "rewritten": len(plan.rewritten),
        "failed": summary.failed,
        "expected_s": round(seconds, 1),
    }
    if sys.stdout.isatty():
        console = Console()
        console.print(
            f"{len(plan.new):,} objects, {plan.size / 1e6:,.1f} MB, about "
            f"{seconds:,.0f} s; {plan.skipped:,} are in the lake already"
        )
        _tell_failures(console, summary)
    else:
        _print_json(answer)
    if not summary.failed:
        return 0
    return 1 if len(plan.new) or len(plan.rewritten) or plan.skipped else 3


def _expected_seconds(plan: Plan, settings: Settings) -> float:
    workers = settings.workers or os.cpu_count() or 1
    return (
        plan.size / BYTES_A_SECOND_A_WORKER + len(plan.new) * SECONDS_AN_OBJECT
    ) / workers


def _tell(summary: Summary) -> None:
    summary.tell()
    if not sys.stdout.isatty():
        _print_json({name: getattr(summary, name) for name in CONTRACT})
        return
    console = Console()
    console.print(
        f"{summary.objects:,} objects in {summary.elapsed_s:,.1f} s: "
        f"{summary.flows:,} flows, {summary.silences:,} silences, "
        f"{summary.quarantined:,} lines quarantined of {summary.lines:,}"
    )
    console.print(
        f"{summary.skipped:,} known already ({summary.copies:,} copies), "
        f"{summary.rewritten:,} rewritten, {summary.failed:,} failed, "
        f"{summary.whole:,} quarantined whole; snapshot {summary.snapshot}"
    )
    if summary.ignored:
        console.print(f"{summary.ignored:,} events on the queue were of no new log")
    _tell_failures(console, summary)


def _tell_failures(console: Console, summary: Summary) -> None:
    for failure in summary.failures[:5]:
        told = f"failed, will be tried again: {masked(str(failure))}"
        console.print(told, style="yellow")


def _print_json(answer: dict[str, Any]) -> None:
    print(json.dumps(answer, default=str))
