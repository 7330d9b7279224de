"""What grows: memory, descriptors, files, snapshots; and when commits landed."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from lake.catalog import Lake
from lake.errors import FlowlakeError
from lake.settings import Settings
from lake.snapshots import COMMIT_ID, HOURS, OP, summary
from lake.tables import FLOWS, HEADS, TABLES
from tests.e2e.soak.runs import Runner
from tests.e2e.soak.scheduled import files_below
from tests.e2e.soak.spec import Clock

MOST_S = 2.0  # between two looks at commits
SAMPLED = 5  # looks a sample


@dataclass(frozen=True, slots=True)
class Sample:
    """How things stood once.

    Attributes:
        at_s: When; seconds of the soak.
        rss_mb, descriptors, threads, children: Of the server.
        files, size_mb: In the lake.
        temporary: Files on temporary disk.
        alive: Runs that ran.
        snapshots: The most that any table had.
    """

    at_s: float
    rss_mb: int
    descriptors: int
    threads: int
    children: int
    files: int
    size_mb: int
    temporary: int
    alive: int
    snapshots: int


@dataclass(slots=True)
class Seen:
    """What was seen of the heads' commits.

    Attributes:
        landed: When each commit was first seen, by its id; seconds since 1970.
        settled: How often each hour was settled.
        too_many: Snapshots with more rows than had been delivered by then.
        errors: Looks that failed, by error.
    """

    landed: dict[str, float] = field(default_factory=dict)
    settled: Counter[str] = field(default_factory=Counter)
    too_many: list[str] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)


class Watch:
    """Looks every so often, in a thread of its own.

    Args:
        settings: The lake.
        server: Its process.
        temporary: Where all processes put temporary files.
        runner: Of the runs.
        most: See `load.Load`.
        clock: The soak's.
    """

    def __init__(
        self, settings: Settings, server: int, temporary: Path, runner: Runner,
        most: Any, clock: Clock,
    ) -> None:  # fmt: skip
        self._settings, self._temporary, self._runner = settings, temporary, runner
        self._server, self._most, self._clock = psutil.Process(server), most, clock
        self._stop, self._began = threading.Event(), time.monotonic()
        self._thread = threading.Thread(target=self._watch)
        self._snapshots: dict[str, int] = {}
        self.samples: list[Sample] = []
        self.seen = Seen()

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        turn = 0
        every_s = min(MOST_S, self._clock.spec.tick_s / 2)
        while not self._stop.is_set():
            self._clock.wait_for(self._clock.elapsed_s + every_s)
            self._look()
            if turn % SAMPLED == 0 or self._clock.spec.paced:
                self.samples.append(self._sample())
            turn += 1

    def _look(self) -> None:
        tables = TABLES.values() if len(self.samples) % 5 == 0 else HEADS
        try:
            with Lake(self._settings) as lake:
                for table in tables:
                    self._look_at(table, lake.load(table))
        except (OSError, FlowlakeError) as error:
            self.seen.errors[type(error).__name__] += 1

    def _look_at(self, table: Any, stored: Any) -> None:
        snapshots = stored.snapshots()
        self._snapshots[table.name] = len(snapshots)
        if table not in HEADS:
            return
        for snapshot in snapshots:
            commit = summary(snapshot, COMMIT_ID)
            if commit is None or commit in self.seen.landed:
                continue
            self.seen.landed[commit] = time.time()
            if summary(snapshot, OP) == "settle":
                self.seen.settled[summary(snapshot, HOURS) or ""] += 1
        rows = _rows_of(stored)
        if table is FLOWS and rows > self._most()[1]:
            self.seen.too_many.append(f"{rows} rows of {self._most()[1]} delivered")

    def _sample(self) -> Sample:
        sizes = []
        for file in files_below(self._settings.lake_path):
            try:
                sizes.append(file.stat().st_size)
            except FileNotFoundError:
                continue
        with self._server.oneshot():
            return Sample(
                at_s=time.monotonic() - self._began,
                rss_mb=self._server.memory_info().rss >> 20,
                descriptors=self._server.num_fds(),
                threads=self._server.num_threads(),
                children=len(self._server.children(recursive=True)),
                files=len(sizes),
                size_mb=sum(sizes) >> 20,
                temporary=sum(1 for _ in files_below(self._temporary)),
                alive=len(self._runner.alive),
                snapshots=max(self._snapshots.values(), default=0),
            )

    @property
    def told(self) -> list[dict[str, Any]]:
        """The samples as JSON has them."""
        return [asdict(sample) for sample in self.samples]


def _rows_of(stored: Any) -> int:
    current = stored.current_snapshot()
    if current is None:
        return 0
    return int(current.summary.additional_properties.get("total-records", 0))
