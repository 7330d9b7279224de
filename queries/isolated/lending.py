"""The files of a plan, lent to a process that can open none.

Each has a number, and there is no other way to name one. A local file is opened here
and its descriptor handed over; of any other the bytes asked for are read here, where
the credentials are.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

import structlog

from queries.isolated.lent import ANSWERED, ASKED, OPEN, READ
from queries.isolated.wire import exactly
from queries.remote import Handle, ReadOnlyFiles
from queries.views import engine_path

log = structlog.get_logger()

CHANNELS_LOCAL, CHANNELS_REMOTE = 1, 8  # reads of a store wait for it: eight at once
_END_S = 5.0


@dataclass(frozen=True, slots=True)
class Lent:
    """One file to lend.

    Attributes:
        location: As the plan has it.
        files: Reads its location; None for a local one.
    """

    location: str
    files: ReadOnlyFiles | None


class Lender:
    """Serves what is asked of the files, until the other ends close; a context manager.

    Args:
        files: A file's place is its number.

    Attributes:
        far_ends: For the other process: the sockets to ask through, one a thread.
    """

    def __init__(self, files: Sequence[Lent]) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._open: dict[int, Handle] = {}
        self._opened = ExitStack()
        remote = any(file.files for file in files)
        pairs = [
            socket.socketpair()
            for _ in range(CHANNELS_REMOTE if remote else CHANNELS_LOCAL)
        ]
        self._near_ends = [near for near, _ in pairs]
        self.far_ends = [far for _, far in pairs]
        self._threads = [
            threading.Thread(
                target=self._serve, args=(near,), daemon=True, name="lender"
            )
            for near in self._near_ends
        ]

    def __enter__(self) -> Lender:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for end in (*self.far_ends, *self._near_ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_END_S)
        for end in (*self.far_ends, *self._near_ends):
            end.close()
        self._opened.close()

    def _serve(self, channel: socket.socket) -> None:
        with suppress(EOFError, OSError):
            while True:
                asked = ASKED.unpack(exactly(channel, ASKED.size))
                try:
                    answer = self._answer(*asked)
                except Exception:
                    # Of any kind: the store's. What it says is not for everybody.
                    log.exception("lent_file_unreadable", number=asked[1])
                    answer = _Answer(-1)
                _send(channel, answer)

    def _answer(self, what: int, number: int, place: int, count: int) -> _Answer:
        file = self._files[number]
        if file.files is None:
            path = Path(engine_path(file.location))
            opened = path.open("rb", buffering=0) if what == OPEN else None
            return _Answer(path.stat().st_size, file=opened)
        handle = self._handle(number, file.location, file.files)
        size = handle.seek(0, os.SEEK_END)
        if what != READ:
            return _Answer(size)
        handle.seek(min(place, size))
        data = handle.read(min(count, size - min(place, size)))
        return _Answer(len(data), data=data)

    def _handle(self, number: int, location: str, files: ReadOnlyFiles) -> Handle:
        with self._lock:
            found = self._open.get(number)
        if found is None:
            found = files.open(location)
            with self._lock:
                found = self._open.setdefault(number, found)
            self._opened.callback(found.close)
        return found


@dataclass(frozen=True, slots=True)
class _Answer:
    """A size, and bytes or a file to hand over."""

    size: int
    data: bytes = b""
    file: IO[bytes] | None = None


def _send(channel: socket.socket, answer: _Answer) -> None:
    head = ANSWERED.pack(answer.size, answer.file is not None)
    if answer.file is None:
        channel.sendall(head)
        channel.sendall(answer.data)
        return
    with answer.file:
        socket.send_fds(channel, [head], [answer.file.fileno()])
