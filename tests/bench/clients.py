"""Many clients at once: how fast the service answers, and whether it grows."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psutil  # type: ignore[import-untyped]

QUESTIONS = (
    "conversations?by=workload",
    "accepted_traffic?by=namespace",
    "rejected_traffic?by=pod",
    "rejected_traffic?by=workload&namespace=team-3",
    "top_talkers?by=workload",
    "conversations?by=address&address=198.7.57.1",
)
WINDOW = "&since=2026-01-05&until=2026-01-12"
WARM_S, EVERY_S = 30, 1


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking: answers' times in ms, failures, the service's RSS in MB."""

    took: list[float]
    failed: int
    sizes: list[int]


def ask_together(place: Path, *, clients: int, seconds: int) -> None:
    """Print what came of so many clients asking a service of this lake for a time."""
    with _serving(place) as (port, process):
        _ask(port, process, clients, WARM_S)
        asked = _ask(port, process, clients, seconds)
    took, sixth = sorted(asked.took), max(len(asked.sizes) // 6, 1)
    first, last = asked.sizes[:sixth], asked.sizes[-sixth:]
    print()
    print(
        "| clients | seconds | answers | failed | median ms | p95 ms "
        "| RSS MB, first sixth | last sixth | most |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    print(
        f"| {clients} | {seconds} | {len(took):,} | {asked.failed} "
        f"| {statistics.median(took):,.0f} | {p95(took):,.0f} "
        f"| {statistics.median(first):.0f} | {statistics.median(last):.0f} "
        f"| {max(asked.sizes)} |"
    )


def p95(took: Sequence[float]) -> float:
    """Return the 95th percentile of sorted figures, by nearest rank."""
    return took[math.ceil(0.95 * len(took)) - 1]


@contextmanager
def _serving(place: Path) -> Iterator[tuple[int, psutil.Process]]:
    port = 18_080 + os.getpid() % 1_000
    environment = {**os.environ, "FLOWLAKE_LAKE": str(place),
                   "FLOWLAKE_RATE_PER_MINUTE": "0",
                   "FLOWLAKE_MAX_QUEUED": "1000"}  # fmt: skip
    service = subprocess.Popen(
        [sys.executable, "-m", "flowlake", "serve", "--port", str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        yield port, psutil.Process(service.pid)
    finally:
        service.terminate()
        service.wait()


def _wait_for(port: int) -> None:
    for _ in range(300):
        try:
            if _get(port, "/readyz"):
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(port)


def _get(port: int, path: str) -> bool:
    """Return whether an answer came, whole and well."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        json.loads(answer.read())
        return answer.status == 200
    finally:
        connection.close()


def _ask(port: int, process: psutil.Process, clients: int, seconds: float) -> Asked:
    asked, failed = Asked([], 0, []), [0]
    until = time.monotonic() + seconds

    def client(number: int) -> None:
        turn = number
        while time.monotonic() < until:
            question = QUESTIONS[turn % len(QUESTIONS)]
            turn += 1
            started = time.perf_counter()
            try:
                done = _get(port, f"/v1/reports/{question}{WINDOW}")
            except (OSError, HTTPException, ValueError):
                done = False
            if done:
                asked.took.append((time.perf_counter() - started) * 1000)
            else:
                failed[0] += 1

    threads = [threading.Thread(target=client, args=(n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    while time.monotonic() < until:
        asked.sizes.append(process.memory_info().rss >> 20)
        time.sleep(EVERY_S)
    for thread in threads:
        thread.join()
    return replace(asked, failed=failed[0])
