"""What a soak is made of, and its two clocks."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

HOUR = timedelta(hours=1)
WINDOW = timedelta(minutes=5)
COMPRESSION = 8  # hours that are simulated in one


@dataclass(frozen=True, slots=True)
class Spec:
    """A soak.

    Attributes:
        place: An empty folder: the world, the lakes, what the processes said.
        begin: The first second that is simulated.
        hours: How many are simulated.
        seconds: How long that takes.
        tick_s: How often the job is started.
        records: Of a usual window of five minutes.
        bursts: How many windows have 20 times as many.
        only: The scenarios that are played; empty: all.
        clusters: Whose pods are looked at; empty: all.
        apart: Each process is a new one, as an operator has them; else it is forked
            from one that has imported everything.
        paced: Time stands still while the runs of the tick before go on, so that the
            same happens however fast they are.
        days: What frequent runs list; None: all.
        lateness_minutes: After its simulated end an hour is settled.
        looks_every: How many ticks lie between two looks at an inventory.
        rate: Requests a second.
        troubled_commits: Of the first so many commits of a run one is troubled.
        troubled_requests: One in so many goes wrong in an episode, of S3 or SQS.
        locked_s: How long the catalog is locked, at least and at most.
        hidden_s: For how long a killed run's messages are hidden; None: as it is.
        aged_s: For how long a run may last: older files are aged for `gc`.
        gather_s, snapshots_kept: The settings of these names.
        seed: Decides all but the moments.
    """

    place: Path
    begin: datetime
    hours: int
    seconds: float
    tick_s: float
    records: int
    bursts: int
    only: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    apart: bool = True
    paced: bool = False
    days: int | None = 3
    lateness_minutes: int = 60
    looks_every: int = 1
    rate: float = 3.0
    troubled_commits: int = 3
    troubled_requests: int = 5
    locked_s: tuple[float, float] = (2.0, 40.0)  # runs wait for 30 s
    hidden_s: int | None = None
    aged_s: float = 600
    gather_s: float = 10.0
    snapshots_kept: int = 60
    seed: int = 11

    @property
    def windows(self) -> int:
        """How many windows are simulated."""
        return self.hours * (HOUR // WINDOW)

    @property
    def ticks(self) -> int:
        """How many ticks there are."""
        return round(self.seconds / self.tick_s)

    @property
    def end(self) -> datetime:
        """The end of what is simulated."""
        return self.begin + self.hours * HOUR


def long_soak(place: Path, minutes: int, seed: int) -> Spec:
    """Return a soak of some minutes, as an operator would see them."""
    hours = max(2, round(minutes / 60 * COMPRESSION))
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return Spec(
        place=place,
        begin=now - (hours + 1) * HOUR,  # it ends before the present does
        hours=hours,
        seconds=minutes * 60,
        tick_s=60,
        records=900,
        bursts=max(1, minutes // 15),
        seed=seed,
    )


def short_soak(place: Path) -> Spec:
    """Return a soak of some seconds, with everything in it that can happen."""
    return Spec(
        place=place,
        begin=datetime(2026, 1, 1, 10, 45, tzinfo=UTC),
        hours=1,
        seconds=6,
        tick_s=1,
        records=30,
        bursts=1,
        only=("pod_to_pod", "security_group", "nat_zonal", "skipdata"),
        clusters=("shop",),
        apart=False,
        paced=True,
        days=None,
        lateness_minutes=5,
        looks_every=3,
        rate=3,
        troubled_commits=1,
        troubled_requests=9,
        locked_s=(0.2, 0.4),
        hidden_s=1,
        aged_s=6,
        gather_s=0.3,
        snapshots_kept=8,
        seed=21,  # one whose late objects reopen an hour
    )


class Clock:
    """Simulated time, which passes faster; it begins when `go_on` is first called."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._passed_s = self._until_s = 0.0
        self._since = time.monotonic()

    def go_on(self, until_s: float) -> None:
        """Let time pass, up to some seconds after the start."""
        self._passed_s, self._since = self.elapsed_s, time.monotonic()
        self._until_s = until_s

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start, without those in which time stood still."""
        passed = self._passed_s + time.monotonic() - self._since
        return min(passed, self._until_s)

    def wait_for(self, seconds: float) -> None:
        """Wait until so many have passed since the start."""
        while (left := seconds - self.elapsed_s) > 0:
            time.sleep(min(left, 0.05 if self.spec.paced else 1))

    @property
    def now(self) -> datetime:
        """What time it is in the simulated world."""
        return self.spec.begin + self.spec.hours * HOUR * (
            self.elapsed_s / self.spec.seconds
        )

    def due_s(self, moment: datetime) -> float:
        """Return when a simulated moment comes, in seconds from the start."""
        return (moment - self.spec.begin) / (self.spec.hours * HOUR) * self.spec.seconds

    @property
    def lateness_minutes(self) -> int:
        """The setting by which an hour is settled some time after its simulated end."""
        behind = datetime.now(UTC) - self.now
        return self.spec.lateness_minutes + int(behind.total_seconds() // 60)
