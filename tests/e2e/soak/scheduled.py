"""What an operator has scheduled: the job every minute, inventories, housekeeping."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.e2e.soak.runs import Run, Runner
from tests.e2e.soak.spec import Clock, Spec
from tests.e2e.soak.world import COPIES, LISTED

AGED = timedelta(days=4)  # more than `gc` spares
MOST_AT_ONCE = 3  # ingests
ROUNDS = ("list", "queue", "both", "list", "overlapping", "queue", "list")
STAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")
COMMITS = ("lost", "killed_before", "refused", "killed_after")  # see `troubled_run`
BEFALLS = ("none", "killed_loading", "killed", "none", "lost", "killed_before",
           "refused", "killed_after", "none")  # fmt: skip


class Looks:
    """The saved looks at AWS and the clusters, as time passes.

    Args:
        inventory: The world's folder of them.
        clusters: Those that are looked at; empty: all.
    """

    def __init__(self, inventory: Path, clusters: tuple[str, ...]) -> None:
        saved = inventory / "kubernetes-snapshots"
        self.clusters = clusters or tuple(sorted(p.name for p in saved.iterdir()))
        self._left = {
            name: sorted((moment_of(file), file) for file in (saved / name).iterdir())
            for name in self.clusters
        }
        # Services name pods only where both are read in one call.
        self._beside = {
            name: [look for _, look in left if not look.name.startswith("pods-")]
            for name, left in self._left.items()
        }
        self._beside["aws"] = []
        self._left["aws"] = sorted(
            (moment_of(look), look)
            for folder in inventory.glob("aws*")
            for look in folder.iterdir()
        )

    def until(self, name: str, now: datetime) -> list[Path]:
        """Return what was saved of a cluster, or ``aws``, and not told yet."""
        return [look for moment, look in self._left[name] if moment <= now]

    def told(self, name: str, looks: list[Path]) -> None:
        """Note what has been told, so that it is not told again."""
        self._left[name] = [one for one in self._left[name] if one[1] not in looks]

    def words(self, name: str, looks: list[Path]) -> list[str]:
        """Return the command that tells some looks."""
        kind = ["aws"] if name == "aws" else ["kubernetes", "--cluster", name]
        every = dict.fromkeys([*self._beside[name], *looks])
        given = [word for look in every for word in ("--from", str(look))]
        return ["inventory", *kind, *given]


class Operator:
    """Starts what is scheduled, tick by tick.

    Args:
        spec: The soak.
        clock: Its clock.
        runner: Starts the processes.
        looks: What inventories read.
        bucket, queue: Where objects come, and their events.
    """

    def __init__(
        self, spec: Spec, clock: Clock, runner: Runner, looks: Looks,
        *, bucket: str, queue: str,
    ) -> None:  # fmt: skip
        self._spec, self._clock, self._runner, self._looks = spec, clock, runner, looks
        self._sources = [f"s3://{bucket}/{LISTED}", f"s3://{bucket}/{COPIES}"]
        self._queue = queue
        self._dice = random.Random(spec.seed + 2)  # noqa: S311
        self._telling: Run | None = None
        self._told: tuple[str, list[Path]] = ("", [])
        self._tellings = self._started = 0
        self.left_out = 0

    @property
    def pause_s(self) -> float:
        """How long to wait for what a killed run hid."""
        return min(20, self._spec.tick_s)

    @property
    def frequent(self) -> list[str]:
        """The words of the run every few minutes."""
        days = [] if self._spec.days is None else ["--days", str(self._spec.days)]
        return ["ingest", *days, *self._sources]

    @property
    def whole(self) -> list[str]:
        """The words of the daily run."""
        return ["ingest", *self._sources]

    @property
    def following(self) -> list[str]:
        """The words of a run that empties the queue."""
        return ["ingest", "--follow-sqs", self._queue, "--until-empty"]

    def tick(self, number: int) -> None:
        """Start what is due in one tick, spread over it."""
        before = len(self._runner.runs)
        if self._spec.paced:
            self._clock.go_on((number + 1) * self._spec.tick_s)
        for share, start in self._due(number):
            self._clock.wait_for((number + share) * self._spec.tick_s)
            start()
        self._clock.wait_for((number + 1) * self._spec.tick_s)
        if self._spec.paced:
            for run in self._runner.runs[:before]:
                run.wait()

    def _due(self, number: int) -> Iterator[tuple[float, Callable[[], object]]]:
        yield 0, lambda: self.ingest(number)
        turn, rest = divmod(number, self._spec.looks_every)
        if rest == 0:
            names = self._looks.clusters
            yield 0.25, lambda: self.look(names[turn % len(names)])
            second = "aws" if turn % 2 else names[(turn // 2) % len(names)]
            yield 0.45, lambda: self.look(second)
        if number % 5 == 3:
            yield 0.6, lambda: self._runner.start("compact", "compact")
        if number % 5 == 4:
            yield 0.6, self.collect
        if number % 4 == 2:
            yield 0.75, lambda: self._runner.start("status", "status")
        if number % 10 == 5:
            words = ("retain", "--days", "400", "--dry-run")
            yield 0.75, lambda: self._runner.start("retain", *words)

    def look(self, name: str) -> None:
        """Tell what was saved of one place since the last time; one after another."""
        if self._telling is not None and self._telling.wait().code == 0:
            self._looks.told(*self._told)
        looks = self._looks.until(name, self._clock.now)
        if not looks:
            return
        self._told = name, looks
        self._tellings += 1
        turn, rest = divmod(self._tellings, 3)
        trouble = "none" if rest else COMMITS[turn % len(COMMITS)]
        self._telling = self._runner.start(
            "inventory", *self._looks.words(name, looks), trouble=trouble
        )

    def look_at_all(self) -> list[Run]:
        """Tell everything that has not been told."""
        runs = []
        for name in (*self._looks.clusters, "aws"):
            looks = self._looks.until(name, self._spec.end + AGED)
            if looks:
                words = self._looks.words(name, looks)
                runs.append(self._runner.start("inventory", *words).wait())
                self._looks.told(name, looks)
        return runs

    def collect(self, *, older_s: float | None = None) -> Run:
        """Let four days pass over what is older than any run lasts, and run gc."""
        before = time.time() - (self._spec.aged_s if older_s is None else older_s)
        for file in files_below(self._spec.place / "lake"):
            with suppress(FileNotFoundError):
                if file.stat().st_mtime < before and file.suffix != ".db":
                    passed = file.stat().st_mtime - AGED.total_seconds()
                    os.utime(file, (passed, passed))
        return self._runner.start("gc", "gc")

    def ingest(self, number: int) -> None:
        """Start the job in one way or another, and let something befall it."""
        round_ = ROUNDS[number % len(ROUNDS)]
        listing = self.whole if number % 10 == 9 else self.frequent
        for kind, words in {
            "list": [("ingest", listing)],
            "queue": [("queue", self.following)],
            "both": [("ingest", listing), ("queue", self.following)],
            "overlapping": [("ingest", listing), ("ingest", self.frequent)],
        }[round_]:
            if sum(a in ("ingest", "queue") for a in self._runner.alive) > MOST_AT_ONCE:
                self.left_out += 1
                continue
            trouble = BEFALLS[self._started % len(BEFALLS)]
            self._started += 1
            commit = self._dice.randrange(1, self._spec.troubled_commits + 1)
            after_s = self._dice.uniform(0.05, 0.3 * self._spec.tick_s)
            self._runner.start(
                kind, *words, trouble=trouble, number=commit,
                kill_after_s=after_s if trouble == "killed" else None,
                FLOWLAKE_LATENESS_MINUTES=str(self._clock.lateness_minutes),
            )  # fmt: skip


def moment_of(path: Path) -> datetime:
    """Return the moment in the name of a look."""
    found = STAMP.search(path.name)
    assert found is not None, path
    return datetime.strptime(found[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder; some may be gone by then."""
    for where, _, names in os.walk(folder):
        yield from (Path(where, name) for name in names)
