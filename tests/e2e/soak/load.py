"""The API: started, asked all the time, and held to what was delivered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from tests.e2e.soak.spec import Clock
from tests.servers import HOST

REPORTS = (
    "timeseries?step=hour",
    "conversations?by=workload",
    "rejected_traffic?by=pod",
    "top_talkers?by=workload",
    "timeseries?step=minute&top=0",
    "coverage?",
    "reject_causes?",
    "quarantine_summary?",
)
CLIENTS = 3
START_S = 60


class Server:
    """A `flowlake serve` of its own.

    Attributes:
        port: Where it listens.
        pid: Its process.
    """

    def __init__(self, place: Path, environment: dict[str, str], port: int) -> None:
        self.port = port
        self._log = (place / "serve.log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "flowlake", "serve", "--port", str(port)],
            env=os.environ | environment, stdout=self._log, stderr=self._log,
        )  # fmt: skip
        self.pid = self._process.pid

    def wait_until_ready(self) -> None:
        """Wait until it reads the lake.

        Raises:
            TimeoutError: It does not.
        """
        for _ in range(START_S * 10):
            try:
                if get(self.port, "/readyz")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise TimeoutError("serve did not start")

    def end(self) -> int:
        """End it as a supervisor does; return its exit code."""
        self._process.terminate()
        try:
            return self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            self._log.close()


def get(port: int, path: str) -> tuple[int, dict[str, Any]]:
    """Return status and body of an answer."""
    with closing(HTTPConnection(HOST, port, timeout=60)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


class Load:
    """Asks several reports in turn, at a rate.

    Args:
        port: Whom.
        window: ``since=…&until=…``.
        clock: The soak's; who asks stands still when it does.
        most: Returns how many (records, rows of flows, objects) there can be at most.

    Attributes:
        took_ms: Of each answer, by question.
        statuses: How many of each.
        wrong: What must not be.
    """

    def __init__(
        self, port: int, window: str, clock: Clock,
        most: Callable[[], tuple[int, int, int]],
    ) -> None:  # fmt: skip
        self._port, self._window, self._most = port, window, most
        self._clock, self._pause_s = clock, CLIENTS / clock.spec.rate
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._client, args=(n,)) for n in range(CLIENTS)
        ]
        self.took_ms: dict[str, list[float]] = defaultdict(list)
        self.statuses: Counter[int] = Counter()
        self.unavailable: Counter[str] = Counter()
        self.wrong: list[str] = []

    def start(self) -> None:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _client(self, number: int) -> None:
        turn = number * len(REPORTS) // CLIENTS
        while not self._stop.is_set():
            self._clock.wait_for(self._clock.elapsed_s + self._pause_s)
            turn += 1
            report = REPORTS[turn % len(REPORTS)]
            self._ask(report, f"/v1/reports/{report}&{self._window}")
            if turn % 4 == 0:
                self._ask("status", "/v1/status")

    def _ask(self, name: str, path: str) -> None:
        began = time.perf_counter()
        try:
            status, answer = get(self._port, path)
        except (OSError, HTTPException, ValueError) as error:
            self.statuses[0] += 1
            self.wrong.append(f"{path}: {error!r}")
            return
        self.took_ms[name].append((time.perf_counter() - began) * 1000)
        self.statuses[status] += 1
        if status == 503:
            self.unavailable[answer.get("title", "no problem document")] += 1
        elif status != 200:
            self.wrong.append(f"{path}: {status} {json.dumps(answer)[:300]}")
        else:
            self._check(name, path, answer)

    def _check(self, name: str, path: str, answer: dict[str, Any]) -> None:
        """Hold an answer to what had been delivered when it came."""
        records, flows, objects = self._most()
        if name == "status":
            tables = answer["tables"]
            told = tables["flows"]["rows"], tables["sources"]["rows"]
            if told[0] > flows or told[1] > objects:
                self.wrong.append(f"{path}: {told} of {(flows, objects)} delivered")
        elif name.startswith("timeseries"):
            counted = sum(row["records"] or 0 for row in answer["rows"])
            if counted > records:
                self.wrong.append(f"{path}: {counted} records of {records} delivered")
