"""The end of a soak: quiet runs until nothing is new, and a lake of nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb

from lake.catalog import Lake
from lake.rewrite import live_files
from lake.settings import Settings, load_settings
from lake.tables import FLOWS
from tests.e2e.soak.delivery import BUCKET
from tests.e2e.soak.load import get
from tests.e2e.soak.runs import Run, Runner
from tests.e2e.soak.scheduled import Looks, Operator
from tests.e2e.soak.spec import Spec
from tests.e2e.soak.world import QUEUED

QUIET_RUNS = 6  # after which nothing may be new
QUEUE_S = 400  # after a crash, messages are seen again in 300 s
LATENESS = "0"  # minutes: each hour is old enough
EVER = timedelta(days=1)


def settle_down(
    runner: Runner, operator: Operator, quiet: list[Run], left: Callable[[], int]
) -> list[str]:
    """Let what is left be told and read, until nothing is new; then keep house.

    Args:
        runner: Starts the runs.
        operator: Knows what to run.
        quiet: Gets the runs.
        left: Returns how many messages the queue holds.

    Returns:
        What did not go well.
    """
    broken = []
    quiet += operator.look_at_all()
    deadline = time.monotonic() + QUEUE_S
    while True:
        quiet.append(
            runner.start(
                "queue", *operator.following, FLOWLAKE_LATENESS_MINUTES=LATENESS
            ).wait()
        )
        if not left():
            break
        if time.monotonic() > deadline:
            broken.append(f"{left()} messages stay on the queue")
            break
        time.sleep(operator.pause_s)
    for _ in range(QUIET_RUNS):
        quiet.append(
            runner.start(
                "ingest", *operator.whole, FLOWLAKE_LATENESS_MINUTES=LATENESS
            ).wait()
        )
        if not quiet[-1].told.get("objects"):
            break
    else:
        broken.append(f"{QUIET_RUNS} runs, and there still is something new")
    quiet.append(runner.start("compact", "compact").wait())
    quiet.append(operator.collect(older_s=-1).wait())
    return broken + [
        f"in the end, {run.kind} ended with {run.code}: {run.said[-300:]}"
        for run in quiet
        if run.code not in ((0, 1) if run.kind in ("ingest", "queue") else (0,))
    ]


def api_is_the_lake(port: int, window: str, settings: Settings) -> list[str]:
    """Return how the last answers of the API differ from the lake's rows."""
    status, answer = get(port, f"/v1/reports/timeseries?step=hour&{window}")
    _, told = get(port, "/v1/status")
    if status != 200:
        return [f"in the end the API answers {status}"]
    with Lake(settings) as lake:
        files = [file.file_path for file in live_files(lake.load(FLOWS))]
    (wanted,) = duckdb.execute(
        "SELECT count(*) FILTER (counted), count(*) FROM "
        "read_parquet($files, union_by_name=true)",
        {"files": [file.removeprefix("file://") for file in files]},
    ).fetchall()
    got = (
        sum(row["records"] or 0 for row in answer["rows"]),
        told["tables"]["flows"]["rows"],
    )
    if got != wanted:
        return [f"the API tells of (counted, all) {got}, the lake holds {wanted}"]
    return []


def undisturbed(
    spec: Spec, environment: dict[str, str], operator: Operator, world: Path
) -> Settings:
    """Make a lake of the same objects and inventory, with nothing in its way."""
    settings = load_settings(lake=str(spec.place / "quiet"))
    runner = Runner(
        spec.place / "said-quietly",
        environment
        | {"FLOWLAKE_LAKE": settings.lake, "FLOWLAKE_LATENESS_MINUTES": LATENESS},
        apart=spec.apart,
        hidden_s=None,
    )
    looks = Looks(world / "inventory", spec.clusters)
    for name in (*looks.clusters, "aws"):
        words = looks.words(name, looks.until(name, spec.end + EVER))
        runner.start("inventory", *words).wait()
    runner.start("ingest", *operator.whole, f"s3://{BUCKET}/{QUEUED}").wait()
    return settings
