"""Processes of flowlake: started, killed, waited for, and what they took."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.soak.troubled_run import BEFELL
from tests.processes import Running

DEADLINE_S = 480  # less than `spec.aged_s`


@dataclass(slots=True)
class Run:
    """One process.

    Attributes:
        kind: ingest, queue, inventory, compact, …
        trouble: What was meant to happen to it.
        began_s: When, in seconds of the soak.
        took_s, cpu_s: What it took; CPU where that is known.
        peak_mb: Its most memory; 0 where that is unknown, or no more than the soak's
            own process had when it started this one, which counts as its.
        code: Its exit code; negative: the signal.
        befell: Whether that did.
        told: The last line that it printed, if that is JSON.
        said: The end of what it logged.
        warnings: How often it logged which warning or error.
    """

    kind: str
    trouble: str
    began_s: float
    took_s: float = 0.0
    cpu_s: float = 0.0
    peak_mb: int = 0
    code: int | None = None
    befell: bool = False
    told: dict[str, Any] = field(default_factory=dict)
    said: str = ""
    warnings: Counter[str] = field(default_factory=Counter)
    thread: threading.Thread | None = None

    @property
    def killed(self) -> bool:
        """Whether somebody killed it."""
        return self.code == -signal.SIGKILL

    def wait(self) -> Run:
        """Wait for its end."""
        assert self.thread is not None
        self.thread.join()
        return self


class Runner:
    """Starts processes and waits for each in a thread of its own.

    Args:
        place: Where what they print goes.
        environment: Of all of them.
        apart: Whether each is a new process, in place of a fork.
        hidden_s: See `troubled_run`.
    """

    def __init__(
        self,
        place: Path,
        environment: Mapping[str, str],
        *,
        apart: bool,
        hidden_s: int | None,
    ) -> None:
        place.mkdir(parents=True, exist_ok=True)
        self._place, self._environment = place, dict(environment)
        self._apart, self._hidden_s = apart, hidden_s
        self._began = time.monotonic()
        self.runs: list[Run] = []

    def start(
        self,
        kind: str,
        *words: str,
        trouble: str = "none",
        number: int = 1,
        kill_after_s: float | None = None,
        **environment: str,
    ) -> Run:
        """Start one process; do not wait for it.

        Args:
            kind: What it is counted as.
            words: Of `flowlake`.
            trouble: Of `troubled_run`, or ``killed`` after a time.
            number: The commit that is troubled.
            kill_after_s: When to kill it.
            environment: Besides that of all.
        """
        run = Run(kind, trouble, time.monotonic() - self._began)
        self.runs.append(run)
        module, arguments = "flowlake", list(words)
        if trouble not in ("none", "killed") or self._hidden_s:
            module = "tests.e2e.soak.troubled_run"
            said = "none" if trouble == "killed" else trouble
            arguments = [said, str(number), str(self._hidden_s or 0), *words]
        attend = self._attend_new if self._apart else self._attend_fork
        run.thread = threading.Thread(
            target=attend,
            args=(run, module, arguments, self._environment | environment),
            kwargs={"kill_after_s": kill_after_s, "number": len(self.runs)},
        )
        run.thread.start()
        return run

    @property
    def alive(self) -> list[str]:
        """The kinds of what runs now."""
        return [run.kind for run in list(self.runs) if run.code is None]

    def wait(self) -> None:
        """Wait for all of them."""
        for run in list(self.runs):
            run.wait()

    def _attend_new(
        self, run: Run, module: str, arguments: list[str],
        environment: dict[str, str], *, kill_after_s: float | None, number: int,
    ) -> None:  # fmt: skip
        out, err = (self._place / f"{number:05d}.{name}" for name in ("out", "err"))
        with out.open("wb") as told, err.open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=environment, stdout=told, stderr=said,
            )  # fmt: skip
        killer = threading.Timer(kill_after_s or DEADLINE_S, process.kill)
        killer.start()
        # Not by `subprocess`, which does not say what it took.
        _, status, used = os.wait4(process.pid, 0)
        killer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        run.cpu_s = used.ru_utime + used.ru_stime
        peak = used.ru_maxrss
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        run.peak_mb = peak // 1024 if peak > own else 0
        self._note(run, process.returncode, out.read_text(), err.read_text())
        out.unlink()
        err.unlink()

    def _attend_fork(
        self, run: Run, module: str, arguments: list[str],
        environment: dict[str, str], *, kill_after_s: float | None, number: int,
    ) -> None:  # fmt: skip
        process = Running(module, arguments, env=environment)
        if kill_after_s is not None:
            killer = threading.Timer(kill_after_s, process.kill)
            killer.start()
        done = process.wait()
        if kill_after_s is not None:
            killer.cancel()
        self._note(run, done.returncode, done.stdout, done.stderr)

    def _note(self, run: Run, code: int, told: str, said: str) -> None:
        run.took_s = time.monotonic() - self._began - run.began_s
        run.said = said[-3000:]
        run.warnings.update(_warnings(said))
        run.befell = BEFELL in said or (run.trouble == "killed" and code < 0)
        lines = told.strip().splitlines()
        if lines and lines[-1].startswith("{"):
            run.told = json.loads(lines[-1])
        run.code = code


def _warnings(said: str) -> Iterator[str]:
    """Yield the events of a log in JSON lines that are warnings or worse."""
    for line in said.splitlines():
        if '"level": "warning"' in line or '"level": "error"' in line:
            entry = json.loads(line)
            yield " ".join(filter(None, (entry["event"], entry.get("kind"))))
