"""One run of a command: its id in every log line, and what it did when it ends.

A process runs one command, so the run is the process's own; threads see the same one.
"""

from __future__ import annotations

import importlib.metadata
import resource
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog

from lake.signals import traces

log = structlog.get_logger()

INTERRUPTED = 130
UNFORESEEN = 3  # not 1, which means that the work was done
DID_ITS_WORK = (0, 1)


@dataclass(slots=True)
class Run:
    """What a run has to tell.

    Attributes:
        command: Its name, such as ``ingest``.
        id: 32 hexadecimal digits; the trace's id where it is traced.
        began: Seconds, of a clock that never goes back.
        numbers: What the last log line says besides.
        values: Metrics by name, then by their labels' values.
        commits: How many commits landed, were unclear, were beaten by others.
    """

    command: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    began: float = field(default_factory=time.monotonic)
    numbers: dict[str, Any] = field(default_factory=dict)
    values: dict[str, dict[tuple[str, ...], float]] = field(default_factory=dict)
    commits: Counter[str] = field(default_factory=Counter)


_running: Run | None = None


@contextmanager
def run_of(command: str) -> Iterator[Run]:
    """Name a run, and tell when it ends: one log line, and metrics where they go.

    Args:
        command: Its name.

    Yields:
        The run, which ends with the exit code that the command's exception means.
    """
    global _running  # a process has one
    code = UNFORESEEN
    _running = run = Run(command)
    try:
        with traces.started(f"flowlake {command}") as trace_id:
            run.id = trace_id or run.id
            yield run
        code = 0
    except BaseException as error:
        code = _exit_code(error)
        raise
    finally:
        _end(run, code)
        _running = None


def note(**numbers: Any) -> None:
    """Add to what the run's last log line says; outside a run nobody listens."""
    if _running is not None:
        _running.numbers.update(numbers)


def tell(name: str, value: float, *labels: str) -> None:
    """Set one metric of the run.

    Args:
        name: In ``METRICS``.
        value: In its unit.
        labels: Values of its labels, in their order.
    """
    if _running is not None:
        _running.values.setdefault(name, {})[labels] = value


def go_on(**numbers: Any) -> None:
    """Hand over what a run that does not end has done so far, and that it lives."""
    if _running is not None:
        note(**numbers)
        _tell_end(_running, code=0)
        _hand_over(_running)


def count_commit(result: str) -> None:
    """Count one commit: ``landed``, ``unclear`` or ``beaten``."""
    if _running is not None:
        _running.commits[result] += 1


def name_run(
    logger: Any, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Add the run's id to a log line; a processor of structlog."""
    if _running is not None:
        event.setdefault("run_id", _running.id)
    return event


def version(otherwise: str = "source") -> str:
    """Return the version that runs; what to say where it is not installed."""
    try:
        return importlib.metadata.version("flowlake")
    except importlib.metadata.PackageNotFoundError:
        return otherwise


def peak_memory() -> int:
    """Return the most memory that this process has held at once, bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _exit_code(error: BaseException) -> int:
    """Return the exit code that an exception means: the command line's, or ours."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    # Typer's own exceptions and `FlowlakeError` call it alike.
    code = error.code if isinstance(error, SystemExit) else _named(error)
    return code if isinstance(code, int) else UNFORESEEN


def _named(error: BaseException) -> Any:
    return getattr(error, "exit_code", UNFORESEEN)


def _end(run: Run, code: int) -> None:
    _tell_end(run, code)
    log.info(
        "run_ended",
        command=run.command,
        exit_code=code,
        elapsed_s=round(time.monotonic() - run.began, 3),
        peak_memory_bytes=peak_memory(),
        commits=dict(run.commits),
        **run.numbers,
    )
    _hand_over(run)


def _tell_end(run: Run, code: int) -> None:
    for result in ("landed", "unclear", "beaten"):
        tell("flowlake_commits", run.commits[result], result)
    tell("flowlake_build_info", 1, version())
    tell("flowlake_run_ended_timestamp_seconds", time.time())
    tell("flowlake_run_exit_code", code)
    tell("flowlake_run_duration_seconds", time.monotonic() - run.began)
    tell("flowlake_run_peak_memory_bytes", peak_memory())
    if code in DID_ITS_WORK:
        tell("flowlake_run_succeeded_timestamp_seconds", time.time())


def _hand_over(run: Run) -> None:
    from lake.signals.exposed import hand_over  # only where it goes anywhere

    hand_over(run)
