"""The command that proves what the lake holds, object by object."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from ingest.job import Request
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
from ingest.progress import ProgressBar
from ingest.verify.compare import Checked
from ingest.verify.report import OUTCOMES, Report, described
from ingest.verify.run import Verification
from ingest.verify.sample import Sample, parse_sample
from lake.catalog import Lake
from lake.settings import Settings, load_settings

Format = Literal["text", "json", "jsonl"]


def verify(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help="As for ingest"),
    ],
    *,
    since: SinceOption = None,
    until: UntilOption = None,
    slack: Annotated[str, typer.Option(help="Widens --since/--until")] = "1d",
    days: DaysOption = None,
    shard: ShardOption = None,
    sample: Annotated[
        str | None,
        typer.Option(metavar="N|PART", help="Read only 500 objects, 0.01 or 1% of all"),
    ] = None,
    seed: Annotated[str, typer.Option(help="Another word draws another sample")] = "",
    format_: Annotated[
        Format | None,
        typer.Option("--format", help="jsonl: a line an object; json off a terminal"),
    ] = None,
    show: Annotated[int, typer.Option(min=0, help="Name so many bad objects")] = 20,
) -> None:
    """Recount source objects by other means, and compare them with the lake.

    Lists what `ingest` would, reads each object again and counts its lines, records,
    packets and bytes without the decoder; compares with `sources`, `silences`,
    `quarantine` and the records that are really there. Writes nothing.
    Exit codes: 0 nothing is wrong; 1 an object is missing, differs, was rewritten or
    cannot be read, or a source could not be listed; 2 wrong usage or settings;
    3 nothing could be done.
    """
    settings = load_settings()
    first, last = parse_window(since, until, datetime.now(UTC))
    request = Request(
        sources=tuple(sources),
        since=first,
        until=last,
        slack=parse_span(slack, name="--slack"),
        days=(settings.list_days if days is None else days) or None,
        shard=parse_shard(shard),
    )
    chosen = format_ or ("text" if sys.stdout.isatty() else "json")
    report = _run(request, settings, parse_sample(sample, seed), chosen, show)
    if chosen == "text":
        _tell(report)
    else:
        _print_json(report.as_json())
    raise typer.Exit(report.exit_code)


def _run(
    request: Request, settings: Settings, sample: Sample, chosen: Format, show: int
) -> Report:
    def each(checked: Checked) -> None:
        if chosen == "jsonl":
            _print_json(described(checked))

    settle_memory()
    with Lake(settings) as lake, ProgressBar(shown=sys.stderr.isatty()) as bar:
        verification = Verification(
            lake,
            request,
            sample=sample,
            show=show,
            on_checked=each,
            on_listed=lambda size: bar.more(size, doing="verifying"),
            progress=bar.advance,
        )
        return verification.run()


def _tell(report: Report) -> None:
    console = Console()
    counts = [f"{report.outcomes[name]:,} {name.replace('_', ' ')}"
              for name in OUTCOMES if report.outcomes[name]]  # fmt: skip
    console.print(
        f"{report.objects:,} objects in {report.elapsed_s:,.1f} s: "
        f"{', '.join(counts) or 'none'}"
    )
    console.print(
        f"counted again: {report.lines:,} lines, {report.flows:,} flows, "
        f"{report.packets:,} packets, {report.bytes:,} bytes"
    )
    for checked in report.bad:
        console.print(f"{checked.outcome}: {checked.source.location}", style="red")
        for each in checked.differences:
            console.print(f"  {each.what}: {each.source:,} here, {each.lake:,} there")
        if checked.why:
            console.print(f"  {checked.why}")
    for failure in report.listing.failures[:5]:
        console.print(f"not listed: {failure}", style="yellow")


def _print_json(answer: dict[str, Any]) -> None:
    print(json.dumps(answer, default=str))
