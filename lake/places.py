"""Places: the folders that hold a lake's files, and the one name of each file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import pyarrow.fs as pafs
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import PyArrowFileIO

from lake.errors import LakeError

ALIASES = {"s3a": "s3", "s3n": "s3", "gcs": "gs"}
APART_BY_HOST = {"hdfs", "viewfs"}  # their paths do not begin with the host


@dataclass(frozen=True, slots=True)
class Found:
    """One file that a place lists.

    Attributes:
        name: Its one name, see `name_of`.
        path: Its path as its file system knows it.
        modified: When it was written; None if the store does not say.
    """

    name: str
    path: str
    size: int
    modified: datetime | None


class Place:
    """A folder, listed and emptied through the file system that it lies on.

    Args:
        file_io: The file access of the table that the folder belongs to.
        location: The folder, with or without a scheme.

    Raises:
        LakeError: The folder cannot be reached through PyArrow.
    """

    def __init__(self, file_io: FileIO, location: str) -> None:
        if not isinstance(file_io, PyArrowFileIO):
            raise LakeError("gc needs the lake's files to be reached through PyArrow")
        self.name = name_of(location, file_io).rstrip("/")
        self._scheme, self._host, path = _parsed(location, file_io)
        self._path = path.rstrip("/")
        self._system = file_io.fs_by_scheme(self._scheme, self._host)

    def holds(self, name: str) -> bool:
        """Whether the file of that name lies in the folder, at any depth."""
        return name.startswith(f"{self.name}/")

    def files(self) -> Iterator[Found]:
        """List the files at any depth; a folder that does not exist has none."""
        selector = pafs.FileSelector(self._path, recursive=True, allow_not_found=True)
        for info in self._system.get_file_info(selector):
            if info.type == pafs.FileType.File:
                name = _name(self._scheme, self._host, info.path)
                yield Found(name, info.path, info.size or 0, info.mtime)

    def delete(self, found: Found) -> None:
        """Delete a listed file; another may have been faster.

        Raises:
            LakeError: The store refuses.
        """
        try:
            self._system.delete_file(found.path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise LakeError(f"{found.name} cannot be deleted: {error}") from error


def outermost(places: Sequence[Place]) -> list[Place]:
    """Leave out the places that lie within others, so that no file is met twice."""
    found: list[Place] = []
    for place in sorted(places, key=lambda p: len(p.name)):
        if not any(outer.name == place.name or outer.holds(place.name)
                   for outer in found):  # fmt: skip
            found.append(place)
    return found


def name_of(location: str, file_io: FileIO) -> str:
    """Return the one name of a file, however its location is spelled.

    ``s3a://`` and ``s3://`` name the same object; a local file has one name with and
    without ``file://`` and by whatever links its folder is reached.
    """
    return _name(*_parsed(location, file_io))


def _parsed(location: str, file_io: FileIO) -> tuple[str, str, str]:
    return PyArrowFileIO.parse_location(location, file_io.properties)


def _name(scheme: str, host: str, path: str) -> str:
    if scheme == "file":
        folder, _, base = path.rpartition("/")
        path = f"{_real(folder)}/{base}"
    if scheme in APART_BY_HOST:
        path = f"{host}{path}"
    return f"{ALIASES.get(scheme, scheme)}://{path}"


@lru_cache(maxsize=4096)
def _real(folder: str) -> str:
    return str(Path(folder or "/").resolve()).rstrip("/")
