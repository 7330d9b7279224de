"""What keeps a process from anything but computing: the system's own limits.

`limit` goes first, `close` once everything is loaded, opened and started, and before
anything of a user's text is looked at.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

SECCOMP = "seccomp"
NONE = "none"
OPEN_FILES = 512  # DuckDB holds those it scans open, some a thread

_MACHINES = {"x86_64": (0xC000003E, 1), "aarch64": (0xC00000B7, 2)}
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_SECCOMP_CALL = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER, _FOR_ALL_THREADS = 1, 1
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _EPERM, _KILL = 0x7FFF0000, 0x00050001, 0x80000000
_NUMBER, _ARCHITECTURE = 0, 4  # where they stand in what a filter is shown
_X32 = 0x40000000  # numbers of another calling convention of x86_64


class BarrierError(Exception):
    """The system does not have what closes a process."""


def limit(*, cpu_s: float) -> None:
    """Set what is limited from the start: processor time, files, core; die with parent.

    Args:
        cpu_s: Seconds of processor time, of all threads together.
    """
    seconds = math.ceil(cpu_s)
    _lower(resource.RLIMIT_CPU, seconds, seconds + 1)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_NOFILE, OPEN_FILES)
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def close(*, memory_bytes: int, required: bool = True) -> str:
    """Close the process: no more memory than said, no thread, and no way out.

    Args:
        memory_bytes: Address space, beyond what is taken by now.
        required: Whether a system that cannot is an error.

    Returns:
        What the system bars the process by: ``seccomp``, or ``none``.

    Raises:
        BarrierError: It was required, and the system cannot.
    """
    _lower(resource.RLIMIT_AS, _address_space() + memory_bytes)
    _lower(resource.RLIMIT_NPROC, 0)
    try:
        _seccomp()
    except BarrierError:
        if required:
            raise
        return NONE
    return SECCOMP


def _lower(kind: int, soft: int, hard: int | None = None) -> None:
    """Lower a limit; one that is lower already stays, and some systems lack some."""
    most = resource.getrlimit(kind)[1]
    wanted = (soft, soft if hard is None else hard)
    if most != resource.RLIM_INFINITY:
        wanted = (min(wanted[0], most), min(wanted[1], most))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(kind, wanted)


def _address_space() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 1 << 30
    return pages * resource.getpagesize()


def _seccomp() -> None:
    """Let Linux refuse every call that is not in syscalls.txt, in every thread."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _MACHINES:
        raise BarrierError(
            f"{sys.platform} on {machine} has no seccomp that is known here"
        )
    program = b"".join(_filter(machine))
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: how many instructions, and where.
    wrapped = struct.pack("HxxxxxxN", len(program) // 8, ctypes.addressof(code))
    libc = _libc()
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise BarrierError(os.strerror(ctypes.get_errno()))
    number = ctypes.c_long(_SECCOMP_CALL[machine])
    if libc.syscall(number, _SET_MODE_FILTER, _FOR_ALL_THREADS, wrapped) != 0:
        raise BarrierError(f"seccomp: {os.strerror(ctypes.get_errno())}")


def _filter(machine: str) -> Iterator[bytes]:
    """Give the instructions of a filter, in classic BPF."""
    architecture, _ = _MACHINES[machine]
    yield _instruction(_LOAD, _ARCHITECTURE)
    yield _instruction(_JUMP_EQUAL, architecture, 1, 0)
    yield _instruction(_RETURN, _KILL)
    yield _instruction(_LOAD, _NUMBER)
    yield _instruction(_JUMP_AT_LEAST, _X32, 0, 1)
    yield _instruction(_RETURN, _KILL)
    for number in allowed_calls(machine).values():
        yield _instruction(_JUMP_EQUAL, number, 0, 1)
        yield _instruction(_RETURN, _ALLOW)
    yield _instruction(_RETURN, _EPERM)


def _instruction(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("HBBI", code, then, otherwise, value)


def allowed_calls(machine: str) -> dict[str, int]:
    """Return the numbers of syscalls.txt by name."""
    column = _MACHINES[machine][1]
    text = Path(__file__).with_name("syscalls.txt").read_text(encoding="utf-8")
    rows = [line.split() for line in text.splitlines() if line and line[0] != "#"]
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
