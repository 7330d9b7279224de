"""A read-only file system for DuckDB over PyArrow's: how it reads S3.

DuckDB reads one handle from several threads, each moving to its place and then
reading. So a handle keeps a position for every thread, and reads at that position,
which the file systems underneath do without a lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fsspec import AbstractFileSystem  # type: ignore[import-untyped]

if TYPE_CHECKING:
    import pyarrow.fs as pafs
    from pyiceberg.table import Table as IcebergTable


class ReadOnlyFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Planned files of one scheme; anything but reading a file is refused.

    Args:
        scheme: Such as ``s3``.
        resolve: Gives the file system of a location's host, or bucket.
    """

    cachable = False

    def __init__(self, scheme: str, resolve: Callable[[str], pafs.FileSystem]) -> None:
        self.protocol = scheme
        self._resolve = resolve
        super().__init__()

    def open(self, path: str, mode: str = "rb", **more: Any) -> Handle:
        """Open a file for reading.

        Raises:
            PermissionError: For any other mode.
        """
        if mode != "rb":
            raise PermissionError(f"{path} is read only")
        system, place = self._locate(path)
        return Handle(system.open_input_file(place))

    def info(self, path: str, **more: Any) -> dict[str, Any]:
        """Return name, size and time of a file."""
        found = self._stat(path)
        return {"name": path, "size": found.size, "type": "file", "mtime": found.mtime}

    def modified(self, path: str) -> datetime:
        """Return when a file was written."""
        time: datetime = self._stat(path).mtime
        return time

    def exists(self, path: str, **more: Any) -> bool:
        """Say yes: the plan names only files that are there."""
        return True

    def glob(self, path: str, maxdepth: int | None = None, **more: Any) -> list[str]:
        """Return the path itself: a plan holds no patterns."""
        return [path]

    def _stat(self, path: str) -> pafs.FileInfo:
        system, place = self._locate(path)
        found = system.get_file_info(place)
        if not found.is_file:
            raise FileNotFoundError(path)
        return found

    def _locate(self, path: str) -> tuple[pafs.FileSystem, str]:
        place = path.split("://", 1)[-1]
        return self._resolve(place.split("/", 1)[0]), place


class Handle:
    """One open file, with a position for every thread that reads it."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self._size: int = source.size()
        self._places: dict[int, int] = {}

    def seek(self, place: int, whence: int = 0) -> int:
        """Move this thread's position; return it."""
        start = (0, self.tell(), self._size)[whence]
        self._places[threading.get_ident()] = start + place
        return start + place

    def tell(self) -> int:
        """Return this thread's position."""
        return self._places.get(threading.get_ident(), 0)

    def read(self, count: int = -1) -> bytes:
        """Read at this thread's position and move on."""
        place = self.tell()
        if count < 0:
            count = self._size - place
        data: bytes = self._source.read_at(count, place)
        self._places[threading.get_ident()] = place + len(data)
        return data

    def close(self) -> None:
        """Close the file."""
        self._source.close()


def files_for(stored: IcebergTable, scheme: str) -> ReadOnlyFiles:
    """Return the file system of a table's locations of one scheme."""
    # Only here: a process that is lent its files has no use for it, and it takes 0.5 s.
    from pyiceberg.io.pyarrow import PyArrowFileIO

    file_io = stored.io
    if not isinstance(file_io, PyArrowFileIO):
        file_io = PyArrowFileIO(file_io.properties)
    found: PyArrowFileIO = file_io
    return ReadOnlyFiles(scheme, lambda host: found.fs_by_scheme(scheme, host))
