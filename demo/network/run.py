"""The simulation of the network: windows on any number of processes, the same bytes."""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from demo.delivery import write_truth
from demo.network import faults, inventory
from demo.network.scenarios import ALL
from demo.network.work import Plan, do_window, scene_of
from demo.places import place_of
from lake.errors import UsageError

MOST_A_WINDOW = 120_000
LEAST_A_WINDOW = 450  # every scenario once
WINDOWS = 36


def plan_of(
    *,
    records: int,
    seed: int,
    start: Any,
    clean: bool,
    full_truth: bool,
    faults: bool = False,
    only: tuple[str, ...] = (),
    windows: int = 0,
) -> Plan:
    """Return how a number of records is spread over windows of five minutes.

    Raises:
        UsageError: ``only`` names no scenario.
    """
    if unknown := set(only) - {scenario.name for scenario in ALL}:
        raise UsageError(f"no scenario is called {', '.join(sorted(unknown))}")
    share = max(LEAST_A_WINDOW, min(MOST_A_WINDOW, records // WINDOWS))
    windows = windows or max(4, -(-records // share))
    return Plan(
        seed=seed,
        start=start,
        windows=windows,
        records=records,
        clean=clean,
        full_truth=full_truth,
        faults=faults,
        only=only,
    )


def simulate(
    plan: Plan, out: str, *, workers: int, progress: Callable[[int], None]
) -> list[dict[str, Any]]:
    """Write the objects, the inventory and the truth; return what each object is."""
    place = place_of(out)
    scene = scene_of(plan)
    inventory.write(scene, place)
    known = json.dumps(faults.listed(scene), indent=1) + "\n"
    place.write("truth/faults.json", known.encode())
    infos: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as parts:
        for done in _run(plan, out, workers, parts):
            infos.extend(done)
            progress(sum(i["records"] for i in done if not i["copy_of"]))
        spec = {
            "shape": "network", "seed": plan.seed, "windows": plan.windows,
            "records": plan.records, "start": plan.start.isoformat(),
        }  # fmt: skip
        tables = {
            name: map(pq.read_table, sorted(Path(parts).glob(f"{name}-*.parquet")))
            for name in ("records", "streams")
        }
        write_truth(place, spec, infos, tables, Path(parts))
    return infos


def _run(
    plan: Plan, out: str, workers: int, parts: str
) -> Iterator[list[dict[str, Any]]]:
    workers = min(workers or os.cpu_count() or 1, plan.windows)
    if workers == 1:
        for number in range(plan.windows):
            yield _do(plan, out, number, parts)
        return
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawned) as pool:
        count = plan.windows
        yield from pool.map(_do, [plan] * count, [out] * count, range(count),
                            [parts] * count)  # fmt: skip


def _do(plan: Plan, out: str, number: int, parts: str) -> list[dict[str, Any]]:
    return do_window(plan, place_of(out), number, Path(parts))
