"""One window's work: its objects, and what is true of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from demo.delivery import Deliveries
from demo.network import transit
from demo.network.atlas import Atlas
from demo.network.estate import build
from demo.network.fields import Names, columns_of
from demo.network.ground import Ground
from demo.network.logs import Subscription, coverage, subscriptions
from demo.network.recording import Records, record
from demo.network.scenarios import ALL, SCENARIOS
from demo.network.streams import Window, streams_of
from demo.network.talks import WINDOW_S, talks_of_window
from demo.network.truth import Parties
from demo.network.truth import records_of as true_records
from demo.network.truth import streams_of as true_streams
from demo.objects import FlowLog
from demo.odd import as_columns, joined
from demo.places import Place

RECORDS_A_TALK = 4.47  # measured: what a conversation of the table of scenarios leaves
SKIPPING = (4, 2)  # of four windows the third is skipped, as the scenario has it


@dataclass(frozen=True, slots=True)
class Plan:
    """What to simulate of the network; the same plan, the same bytes."""

    seed: int
    start: datetime
    windows: int
    records: int
    clean: bool
    full_truth: bool
    faults: bool = False
    only: tuple[str, ...] = ()

    def begin(self, window: int) -> int:
        """Return a window's first second."""
        return int(self.start.timestamp()) + window * WINDOW_S


class Scene:
    """A plan's world, ready to be used by any window."""

    def __init__(self, plan: Plan) -> None:
        self.ground: Ground = build(
            plan.seed, plan.begin(0), plan.begin(plan.windows), faults=plan.faults
        )
        self.atlas = Atlas(self.ground)
        self.names = Names(self.atlas)
        self.parties = Parties(self.atlas, self.names)
        self.logs = subscriptions(self.ground, self.atlas)
        self.cover = coverage(self.ground, self.atlas, self.logs)


@lru_cache(maxsize=2)
def scene_of(plan: Plan) -> Scene:
    """Return a plan's world, made once in a process."""
    return Scene(plan)


def do_window(
    plan: Plan, place: Place, number: int, parts: Path
) -> list[dict[str, Any]]:
    """Write a window's objects and its truth aside; return what is true of each."""
    scene = scene_of(plan)
    wanted = round(plan.records / plan.windows / RECORDS_A_TALK)
    begin = plan.begin(number)
    known = ALL if plan.faults else SCENARIOS
    scenarios = {
        number: scenario
        for number, scenario in enumerate(known)
        if not plan.only or scenario.name in plan.only
    }
    talks = talks_of_window(scene.atlas, plan.seed, number, begin, wanted, scenarios)
    random = np.random.default_rng([plan.seed, number, 1])
    window = streams_of(scene.atlas, talks, random)
    skipped = _skipped(scene, number)
    records = record(scene.atlas, window, scene.cover, skipped, random)
    desk = _Desk(plan, scene, place, number, random)
    tables = list(desk.deliver(window, records))
    desk.silences(bool(len(skipped)))
    desk.transit(window)
    if plan.full_truth:
        pq.write_table(
            pa.concat_tables(tables), parts / f"records-{number:08d}.parquet"
        )
    streams = true_streams(
        scene.atlas, scene.names, scene.parties, window, records, scene.cover, number
    )
    pq.write_table(streams, parts / f"streams-{number:08d}.parquet")
    return desk.infos


def _skipped(scene: Scene, window: int) -> Any:
    modulo, rest = SKIPPING
    if window % modulo != rest:
        return np.array([], int)
    return np.array([scene.atlas.interface[scene.atlas.one("shop", "skipper")]])


class _Desk:
    """Delivers objects, late and copied ones among them."""

    def __init__(
        self, plan: Plan, scene: Scene, place: Place, window: int, random: Any
    ) -> None:
        self._plan, self._scene = plan, scene
        self._window, self._random = window, random
        self._written = Deliveries(place, faults=not plan.clean, first=5 * window)
        self.infos = self._written.infos

    def deliver(self, window: Window, records: Records) -> Iterator[pa.Table]:
        """Write all records; yield the truth of each object's, in its order."""
        scene = self._scene
        slot = (records["end"] - self._plan.begin(0)) // WINDOW_S
        shuffled = self._random.permutation(len(records))
        order = shuffled[np.lexsort((slot[shuffled], records["log"][shuffled]))]
        records, slot = records.take(order), slot[order]
        for first, length in _groups(records["log"], slot, self._random):
            some = records.take(slice(first, first + length))
            log = scene.logs[int(some["log"][0])]
            columns = columns_of(scene.atlas, scene.names, window, some, log)
            info = self._put(log.delivery, columns, length, slot=int(slot[first]))
            if self._plan.full_truth:
                truth = true_records(
                    scene.atlas, scene.names, scene.parties, window, some, scene.logs,
                    self._window,
                )  # fmt: skip
                line = pa.array(np.arange(length), pa.int32())
                truth = truth.add_column(0, "line", line)
                source = pa.repeat(info["identity"], length)
                yield truth.add_column(0, "source_object", source)

    def _put(
        self,
        log: FlowLog,
        columns: dict[str, Any],
        records: int,
        *,
        slot: int,
        silences: int = 0,
    ) -> dict[str, Any]:
        at = datetime.fromtimestamp(self._plan.begin(slot), UTC)
        delay = timedelta(hours=2 + self._written.number % 3)
        return self._written.put(
            log, columns, at, records=records, delay=delay, silences=silences
        )

    def transit(self, window: Window) -> None:
        """Write what the transit gateway's own flow log says."""
        scene = self._scene
        columns = transit.columns_of(scene.ground, scene.names, window)
        rows = len(columns["version"])
        self._put(transit.flow_log(scene.ground), columns, rows, slot=self._window)

    def silences(self, skipping: bool) -> None:
        """Write what says that nothing was there, or that it was skipped."""
        if self._plan.clean and not skipping:
            return
        log = self._scene.logs[0]
        rows = [self._silence(log, "quiet", "NODATA", m) for m in range(5)]
        if skipping:
            rows += [self._silence(log, "skipper", "SKIPDATA", m) for m in range(5)]
        columns = joined(as_columns(rows))
        self._put(log.delivery, columns, 0, slot=self._window, silences=len(rows))

    def _silence(
        self, log: Subscription, role: str, status: str, minute: int
    ) -> dict[str, Any]:
        atlas = self._scene.atlas
        at = self._plan.begin(self._window) + 60 * minute
        interface = atlas.interface[atlas.one("shop", role)]
        return {
            "version": log.version,
            "account-id": log.delivery.vpc.account,
            "interface-id": self._scene.ground.interfaces[interface].id,
            "start": at,
            "end": at + 59,
            "log-status": status,
        }


def _groups(log: Any, slot: Any, random: Any) -> Iterator[tuple[int, int]]:
    """Yield (first, length) of the objects: one flow log and window each, or less."""
    edges = np.flatnonzero((np.diff(log) != 0) | (np.diff(slot) != 0)) + 1
    bounds = [0, *edges.tolist(), len(log)]
    for begin, end in itertools.pairwise(bounds):
        at = begin
        while at < end:
            size = min(int(random.integers(50, 5000)), end - at)
            yield at, size
            at += size
