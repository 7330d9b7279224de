"""The simulation: windows in any order on any number of processes, the same bytes."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from demo import inventory, odd, truth
from demo.delivery import Deliveries, write_truth
from demo.network import run
from demo.objects import FORMATS, V2, V5, V11, FlowLog, columns_of, sliced
from demo.places import place_of
from demo.spec import SimulationSpec
from demo.traffic import WINDOW, Legs, Plant, records_of_window
from demo.world import World, build, ident

ROWS_LARGE = 250_000
ROWS_SMALL = 300
TASK_RECORDS = 120_000  # mixed and small windows a task
LATE = timedelta(hours=2)
INLINE = 150_000  # below this, processes cost more than they save


@dataclass(frozen=True, slots=True)
class Task:
    """Some records of one VPC and one window, cut into objects."""

    vpc: str
    window: int
    records: int
    rows: int


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """What was written."""

    objects: int
    bytes: int
    records: int


def simulate(
    spec: SimulationSpec, *, progress: Callable[[int], None] = lambda records: None
) -> SimulationResult:
    """Write the world's objects, inventory and truth; the same for the same spec."""
    if spec.shape == "network":
        return _network(spec, progress)
    tasks = list(_tasks(spec))
    place = place_of(spec.out)
    world, flow_logs = _world(spec, tasks[-1].window)
    for path, body in inventory.documents(world, flow_logs):
        place.write(f"inventory/{path}", body)
    with tempfile.TemporaryDirectory() as parts:
        infos: list[dict[str, Any]] = []
        for done in _run(spec, tasks, parts):
            infos.extend(done)
            progress(sum(info["records"] for info in done))
        told = {**asdict(spec), "start": spec.start.isoformat(), "out": ""}
        found = sorted(Path(parts).glob("*.parquet"))
        tables = {
            "records": map(pq.read_table, found),
            "streams": map(truth.streams, map(pq.read_table, found)),
        }
        write_truth(place, told, infos, tables, Path(parts))
    return _result(infos)


def _network(spec: SimulationSpec, progress: Callable[[int], None]) -> SimulationResult:
    plan = run.plan_of(
        records=spec.records,
        seed=spec.seed,
        start=spec.start,
        clean=spec.clean,
        full_truth=spec.full_truth,
        faults=spec.faults,
        only=spec.only,
        windows=spec.windows,
    )
    workers = 1 if spec.records <= INLINE else spec.workers
    infos = run.simulate(plan, spec.out, workers=workers, progress=progress)
    return _result(infos)


def _result(infos: list[dict[str, Any]]) -> SimulationResult:
    return SimulationResult(
        objects=len(infos),
        bytes=sum(info["bytes"] for info in infos),
        records=sum(info["records"] for info in infos if not info["copy_of"]),
    )


def _tasks(spec: SimulationSpec) -> Iterator[Task]:
    left, number = spec.records, 0
    clean_rows = {"large": ROWS_LARGE, "small": ROWS_SMALL}.get(spec.shape, 0)
    while left > 0:
        if spec.shape == "large":
            size, vpc, window = ROWS_LARGE, "prod", number // 4
        elif spec.shape == "small":
            size, vpc, window = min(TASK_RECORDS, ROWS_SMALL * 100), "prod", number
        else:
            share = max(60, min(TASK_RECORDS, spec.records // 36))
            size, vpc, window = (
                share,
                ("prod", "staging", "twin")[number % 3],
                number // 3,
            )
        size = min(size, left)
        yield Task(vpc, window, size, clean_rows)
        left, number = left - size, number + 1


@lru_cache(maxsize=2)
def _world(spec: SimulationSpec, windows: int) -> tuple[World, list[FlowLog]]:
    end = spec.start + WINDOW * (windows + 1)
    world = build(spec.seed, spec.start, end)
    prod, staging, twin = world.vpcs
    if spec.shape != "mixed":
        fields = FORMATS[spec.fields]
        return world, [FlowLog(_log_id(spec, "prod"), prod, fields, "plain")]
    return world, [
        FlowLog(_log_id(spec, "prod"), prod, V5, "plain"),
        FlowLog(_log_id(spec, "staging"), staging, V2, "hourly"),
        FlowLog(_log_id(spec, "twin"), twin, V11, "hive-hourly", parquet=True),
        FlowLog(
            _log_id(spec, "transit"),
            prod,
            odd.TGW_FIELDS,
            "hive",
            organization="o-demo",
        ),
    ]


def _log_id(spec: SimulationSpec, name: str) -> str:
    return ident("fl", spec.seed, name)


def _run(
    spec: SimulationSpec, tasks: list[Task], parts: str
) -> Iterator[list[dict[str, Any]]]:
    workers = min(spec.workers or os.cpu_count() or 1, len(tasks))
    windows = tasks[-1].window
    if workers == 1 or spec.records <= INLINE:
        for number, task in enumerate(tasks):
            yield do_task(spec, task, number, windows, parts)
        return
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawned) as pool:
        count = len(tasks)
        yield from pool.map(
            do_task, [spec] * count, tasks, range(count), [windows] * count,
            [parts] * count,
        )  # fmt: skip


@lru_cache(maxsize=2)
def _plant(spec: SimulationSpec, windows: int) -> Plant:
    return Plant(_world(spec, windows)[0])


def do_task(
    spec: SimulationSpec, task: Task, number: int, windows: int, parts: str
) -> list[dict[str, Any]]:
    """Write one task's objects; return what is true of each."""
    _, flow_logs = _world(spec, windows)
    plant = _plant(spec, windows)
    random = np.random.default_rng([spec.seed, number])
    at = spec.start + WINDOW * task.window
    legs = records_of_window(plant, task.vpc, at, task.records, random)
    legs = Legs({name: column[: task.records] for name, column in legs.columns.items()})
    flow_log = next(f for f in flow_logs if f.vpc.name == task.vpc)
    version = 2 if flow_log.fields == V2 else 11 if flow_log.fields == V11 else 5
    columns = columns_of(plant, legs, flow_log.vpc, version)
    faults = spec.shape == "mixed" and not spec.clean
    written = Deliveries(place_of(spec.out), faults=faults, first=number)
    if spec.full_truth:
        rows = truth.records(plant, legs, window=task.window, vpc=task.vpc)
        pq.write_table(rows, Path(parts) / f"{number:08d}.parquet")
    for begin, length in _cuts(task, len(legs), random):
        some = sliced(columns, begin, length)
        written.put(flow_log, some, at, records=length, delay=LATE, first_record=begin)
    if faults:
        _put_odd(written, flow_log, at, version)
        if task.vpc == "prod":
            transit = next(f for f in flow_logs if f.organization)
            records = odd.transit(transit.vpc, at, 20)
            written.put(transit, records, at, records=20, delay=LATE)
    return written.infos


def _put_odd(written: Deliveries, log: FlowLog, at: datetime, version: int) -> None:
    """Write an object of silences only, and one of the unusual records."""
    quiet = odd.silences(log.vpc, at, version)
    written.put(log, quiet, at, records=0, delay=LATE, silences=2)
    mixed = odd.joined(odd.unusual(log.vpc, at, version), quiet)
    written.put(log, mixed, at, records=4, delay=LATE, silences=2)


def _cuts(task: Task, rows: int, random: Any) -> Iterator[tuple[int, int]]:
    begin = 0
    while begin < rows:
        size = task.rows or int(random.integers(50, 5000))
        yield begin, min(size, rows - begin)
        begin += size
