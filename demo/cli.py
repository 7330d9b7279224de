"""The `simulate` command."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from demo.objects import FORMATS
from demo.simulate import simulate as run_simulation
from demo.spec import SimulationSpec
from lake.errors import UsageError

_DAYS_AGO = {"today": 0, "yesterday": 1}
_SCALE = {"k": 1_000, "M": 1_000_000}


def simulate(
    out: Annotated[str, typer.Option(help="A directory, or s3://bucket/prefix")],
    *,
    records: Annotated[str, typer.Option(help="How many: 1000, 250k, 10M")] = "100k",
    seed: Annotated[int, typer.Option(help="The same seed, the same bytes")] = 7,
    start: Annotated[str, typer.Option(help="The first window; UTC")] = "2026-01-01",
    shape: Annotated[
        str, typer.Option(help="large, small, mixed or network")
    ] = "mixed",
    fields: Annotated[
        str, typer.Option(help="Of large and small: v2 v3 v5 all")
    ] = "v5",
    clean: Annotated[
        bool, typer.Option("--clean", help="No silences, late or copied objects")
    ] = False,
    truth: Annotated[str, typer.Option(help="full, totals or auto")] = "auto",
    faults: Annotated[
        bool, typer.Option("--faults", help="Of network: also a VPC set up wrongly")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="Of network: a scenario; may repeat")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes; 0: one a core")] = 0,
) -> None:
    """Write a simulated AWS: flow-log objects, inventory and the truth about them."""
    spec = SimulationSpec(
        records=_count(records),
        out=out,
        seed=seed,
        start=_time(start),
        shape=_one_of(shape, ("large", "small", "mixed", "network"), "--shape"),
        fields=_one_of(fields, tuple(FORMATS), "--fields"),
        clean=clean,
        truth=_one_of(truth, ("full", "totals", "auto"), "--truth"),
        workers=workers,
        faults=faults,
        only=tuple(only or ()),
    )
    bar = Progress(
        *Progress.get_default_columns()[:2],
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task("simulating", total=spec.records)
        result = run_simulation(spec, progress=lambda done: bar.advance(task, done))
    answer = {
        "objects": result.objects,
        "bytes": result.bytes,
        "records": result.records,
        "logs": f"{out.rstrip('/')}/AWSLogs",
    }
    print(json.dumps(answer))


def _count(text: str) -> int:
    scale = _SCALE.get(text[-1:], 1)
    digits = text[:-1] if scale > 1 else text
    if not digits.isdigit() or int(digits) == 0:
        raise UsageError(f"--records {text!r} is no count: try 1000, 250k or 10M")
    return int(digits) * scale


def _time(text: str) -> datetime:
    if text in _DAYS_AGO:
        now = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return now - timedelta(days=_DAYS_AGO[text])
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--start {text!r} is no time: try 2026-01-01 or yesterday"
        ) from None
    return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)


def _one_of(value: str, allowed: tuple[str, ...], name: str) -> str:
    if value not in allowed:
        raise UsageError(f"{name} {value!r} is none of {', '.join(allowed)}")
    return value
