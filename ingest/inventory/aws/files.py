"""Saved files: which there are, and of what moment each is."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePath
from typing import Any

from ingest.inventory.aws.columns import uncollected
from ingest.inventory.stamps import Named, named, told, without_stamps, written_at
from lake.errors import SourceDenied, SourceMissing

ENDINGS = (".json", ".json.gz")


class BrokenFile(Exception):
    """A file is no JSON, or not what it begins as.

    Attributes:
        reason: ``truncated``, ``broken``, ``unreadable``, ``garbled`` or ``no_answer``.
    """

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        super().__init__(detail)


_HEAD_BYTES = 4096
_GZIP = b"\x1f\x8b"
# Files written within so long of one another were saved together.
ONE_SAVE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class SavedFile:
    """One file of a saved inventory.

    Attributes:
        path: Where it is.
        folder: Its folder, less the parts that are moments.
        named: What its name and its folders' tell of when it was taken.
        written: When it was last written; UTC.
        head: Its first bytes, decompressed.
    """

    path: Path
    folder: PurePath
    named: Named
    written: datetime
    head: bytes

    @property
    def lists_interfaces(self) -> bool:
        """Whether it begins as an answer with interfaces does."""
        return b'"NetworkInterfaces"' in self.head

    @property
    def is_history(self) -> bool:
        """Whether it begins as a file of AWS Config does."""
        head = self.head.lower()
        return b'"configurationitems"' in head or b'"baseconfigurationitems"' in head


@dataclass(frozen=True, slots=True)
class Moment:
    """Files that show one moment.

    Attributes:
        at: When they were taken; UTC.
        files: Those that can be of then.
        misdated: Those of which names tell another day.
    """

    at: datetime
    files: tuple[SavedFile, ...]
    misdated: tuple[SavedFile, ...] = ()


def find(places: Iterable[str | Path]) -> list[SavedFile]:
    """Return the JSON files of directories, of all their folders, and single files.

    Raises:
        SourceMissing: There is no such file or directory.
        SourceDenied: A file may not be read.
    """
    found: dict[Path, SavedFile] = {}
    for place in map(Path, places):
        if place.is_dir():
            files = (f for f in sorted(place.rglob("*")) if f.is_file())
            for file in files:
                if file.name.endswith(ENDINGS):
                    found.setdefault(file.resolve(), _described(file, place))
        elif place.is_file():
            found.setdefault(place.resolve(), _described(place, place))
        else:
            raise SourceMissing(str(place), "there is no such file or directory")
    return list(found.values())


def _described(file: Path, place: Path) -> SavedFile:
    below = file.relative_to(place).parts
    folders = (without_stamps(part) for part in below[:-1])
    try:
        written = written_at(file)
        head = _head(file)
    except OSError as error:
        raise SourceDenied(str(file), error.strerror or "") from error
    return SavedFile(
        path=file,
        folder=PurePath(place if below else place.parent, *filter(None, folders)),
        named=named(file, place),
        written=written,
        head=head,
    )


def _head(file: Path) -> bytes:
    with file.open("rb") as body:
        head = body.read(_HEAD_BYTES)
    if not head.startswith(_GZIP):
        return head
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _HEAD_BYTES)
    except zlib.error:
        return b""


def load(file: SavedFile) -> Any:
    """Return what a file holds.

    Raises:
        BrokenFile: It is no JSON, or cannot be read.
    """
    try:
        body = file.path.read_bytes()
        if body.startswith(_GZIP):
            body = gzip.decompress(body)
        with uncollected():
            return json.loads(body)
    except json.JSONDecodeError as error:
        cut = error.pos >= len(error.doc.rstrip()) or "Unterminated" in error.msg
        raise BrokenFile("truncated" if cut else "broken", str(error)) from error
    except EOFError as error:
        raise BrokenFile("truncated", str(error)) from error
    except (ValueError, zlib.error, gzip.BadGzipFile) as error:
        raise BrokenFile("broken", str(error)) from error
    except RecursionError as error:
        raise BrokenFile("broken", "a value too deep to be an answer") from error
    except OSError as error:
        raise BrokenFile("unreadable", error.strerror or str(error)) from error


def moments(files: Sequence[SavedFile], at: datetime | None) -> list[Moment]:
    """Return the moments that files show, in the order of time.

    Files of which nothing is told are of one moment if they were written together: when
    the first file with interfaces was, else the first of all.

    Args:
        files: In any order.
        at: When all of them were taken; UTC. None: as their names tell.

    Raises:
        UsageError: Names tell of several moments, and so ``at`` cannot be right.
    """
    by_time: dict[datetime, list[SavedFile]] = {}
    unnamed = []
    moments_told = told([file.named for file in files], at)
    if at is not None:
        return [Moment(at, tuple(files))] if files else []
    for file, moment in zip(files, moments_told, strict=True):
        if moment is None:
            unnamed.append(file)
        else:
            by_time.setdefault(moment, []).append(file)
    for saved in _saves(unnamed):
        listed = [f.written for f in saved if f.lists_interfaces]
        first = min(listed, default=saved[0].written)
        by_time.setdefault(first, []).extend(saved)
    return [_dated(time, by_time[time]) for time in sorted(by_time)]


def _dated(at: datetime, files: Sequence[SavedFile]) -> Moment:
    sides: tuple[list[SavedFile], list[SavedFile]] = ([], [])
    for file in files:
        sides[file.named.is_refuted_by(at)].append(file)
    return Moment(at, *map(tuple, sides))


def _saves(files: Iterable[SavedFile]) -> Iterator[list[SavedFile]]:
    """Yield files that were written together, each save in order of writing."""
    save: list[SavedFile] = []
    for file in sorted(files, key=lambda f: (f.written, f.path)):
        if save and file.written - save[-1].written > ONE_SAVE:
            yield save
            save = []
        save.append(file)
    if save:
        yield save
