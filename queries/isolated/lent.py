"""The files that were lent to this process, as DuckDB opens them: ``s3://lent/7``.

There is no S3: DuckDB 1.5 takes a name of a scheme that it does not know for a folder.
"""

from __future__ import annotations

import os
import queue
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from queries.isolated.wire import exactly
from queries.remote import Handle, ReadOnlyFiles

SCHEME = "s3"
ASKED = struct.Struct("!BQQQ")  # what, file, place, count
SIZE, OPEN, READ = range(3)
# Size of the file, or bytes that follow, -1: an error; whether a descriptor is with it.
ANSWERED = struct.Struct("!q?")
_UNCHANGED = datetime(2000, 1, 1, tzinfo=UTC)  # a plan's files never change


class LentFiles(ReadOnlyFiles):
    """Opens files by their numbers; safe to share between threads.

    Args:
        channels: To who lends them; each serves one at a time.
    """

    def __init__(self, channels: Sequence[socket.socket]) -> None:
        super().__init__(SCHEME, lambda host: None)
        self._free: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()
        for channel in channels:
            self._free.put(channel)

    def open(self, path: str, mode: str = "rb", **more: Any) -> Handle:
        """Open a file for reading; see the base class."""
        if mode != "rb":
            raise PermissionError(f"{path} is read only")
        number = _number(path)
        with self._channel() as channel:
            channel.sendall(ASKED.pack(OPEN, number, 0, 0))
            data, descriptors, _, _ = socket.recv_fds(channel, ANSWERED.size, 1)
        size, is_here = _answered(data)
        if is_here and not descriptors:
            raise OSError("too many files are open at once")
        if is_here:
            return Handle(_Here(descriptors[0], size))
        return Handle(_Elsewhere(self, number, size))

    def info(self, path: str, **more: Any) -> dict[str, Any]:
        """Return name and size of a file."""
        with self._channel() as channel:
            channel.sendall(ASKED.pack(SIZE, _number(path), 0, 0))
            size, _ = _answered(exactly(channel, ANSWERED.size))
        return {"name": path, "size": size, "type": "file"}

    def modified(self, path: str) -> datetime:
        """Return when a file was written, which nobody need know."""
        return _UNCHANGED

    def read(self, number: int, place: int, count: int) -> bytes:
        """Read a part of a file that is not on this machine."""
        with self._channel() as channel:
            channel.sendall(ASKED.pack(READ, number, place, count))
            size, _ = _answered(exactly(channel, ANSWERED.size))
            return bytes(exactly(channel, size))

    @contextmanager
    def _channel(self) -> Iterator[socket.socket]:
        channel = self._free.get()
        try:
            yield channel
        finally:
            self._free.put(channel)


class _Here:
    """A file of this machine, whose descriptor was handed over."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor: int | None = descriptor
        self._size = size

    def __del__(self) -> None:
        """Close it: DuckDB drops a handle that it is done with, and closes none."""
        self.close()

    def size(self) -> int:
        return self._size

    def read_at(self, count: int, place: int) -> bytes:
        if self._descriptor is None:
            raise ValueError("it is closed")
        return os.pread(self._descriptor, count, place)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class _Elsewhere:
    """A file of another machine, whose bytes are asked for."""

    def __init__(self, files: LentFiles, number: int, size: int) -> None:
        self._files = files
        self._number = number
        self._size = size

    def size(self) -> int:
        return self._size

    def read_at(self, count: int, place: int) -> bytes:
        return self._files.read(self._number, place, count) if count else b""

    def close(self) -> None:
        """Leave it to who lends it."""


def location(number: int) -> str:
    """Return what DuckDB calls a file by."""
    return f"{SCHEME}://lent/{number}"


def _number(path: str) -> int:
    return int(path.rsplit("/", 1)[-1])


def _answered(data: bytes | bytearray) -> tuple[int, bool]:
    size, is_here = ANSWERED.unpack(data)
    if size < 0:
        raise OSError("a file of the lake could not be read")
    return size, is_here
