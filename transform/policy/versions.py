"""What resources were, and when: documents by key and time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from transform.codes import NONE
from transform.presence import EVER
from transform.timeline import Spans, Timeline


@dataclass(frozen=True, slots=True)
class Told:
    """A row of `configurations`.

    Attributes:
        resource: Its id.
        certain: From when until when it surely was so; seconds since 1970.
        possible: From when until when it can have been.
    """

    resource: str
    document: dict[str, Any]
    certain: tuple[int, int]
    possible: tuple[int, int]


# What of a document counts, by key: everything that is the same makes one version.
Reduce = Callable[[dict[str, Any]], Iterable[tuple[str, Any]]]


@dataclass(frozen=True, slots=True)
class Version:
    """What something was, and when.

    Attributes:
        content: What it says.
        certain: From when until when it surely was so; seconds since 1970.
        possible: From when until when it can have been.
    """

    content: Any
    certain: tuple[int, int]
    possible: tuple[int, int]


class Versions:
    """The versions of resources of one kind.

    What was seen as the same at two times, and as nothing else in between, is one
    version. What was seen once speaks against others, and for nothing.

    Args:
        told: Of the kind, in any order.
        reduce: Gives the keys that a document says something of, and what.

    Attributes:
        contents: Of each version, what it says.
        keys: The code of each key.
        key: Of each version, the code of its key.
        certain: Begins and ends of when each surely was so; seconds since 1970.
        possible: Begins and ends of when each can have been.
    """

    def __init__(self, told: Sequence[Told], reduce: Reduce) -> None:
        self.keys: dict[str, int] = {}
        runs: list[_Run] = []
        open_: dict[str, dict[int, _Run]] = {}  # of the last row of each resource
        for one in sorted(told, key=lambda one: (one.certain, one.possible)):
            before, now = open_.get(one.resource, {}), {}
            for key, content in reduce(one.document):
                code = self.keys.setdefault(key, len(self.keys))
                same = json.dumps(content, sort_keys=True)
                run = before.get(code)
                if run is None or not run.goes_on(same, one):
                    run = _Run(code, content, same, one)
                    runs.append(run)
                run.extend(one)
                now[code] = run
            open_[one.resource] = now
        self.contents = [run.content for run in runs]
        self._runs = runs
        nobody = np.full(len(runs), -1)
        none = np.zeros(0, np.int64)
        self.key = np.array([run.key for run in runs], np.int64)
        self.certain = _columns([run.certain for run in runs])
        self.possible = _columns([run.possible for run in runs])
        self._timeline = Timeline(
            self.key,
            self.certain,
            self.possible,
            watcher=nobody,
            spans=Spans(none, none, none),
        )

    def codes(self, names: Iterable[str | None]) -> Any:
        """Return the codes of keys, -1 of what is not known."""
        return np.array([self.keys.get(name or "", NONE) for name in names], np.int64)

    def within(self, begin: int, end: int) -> Any:
        """Return the versions that surely were at some time of ``[begin, end)``.

        So too the last ones told of, of which nobody says that they are over.
        """
        surely = (self.certain[0] < end) & (self.certain[1] > begin)
        last = (self.possible[1] >= EVER) & (self.possible[0] < end)
        return np.flatnonzero(surely | last)

    def at(self, key: Any, begin: Any, end: Any) -> Any:
        """Return the version of each key throughout ``[begin, end)``; -1: not known.

        Args:
            key: Codes; -1 is not known.
            begin: Seconds since 1970.
            end: Seconds.
        """
        return self._timeline.at(key, begin, end).who

    def history(self, name: str) -> list[Version]:
        """Return all that a key was, by time."""
        code = self.keys.get(name, NONE)
        found = [run for run in self._runs if run.key == code]
        return sorted(
            (Version(run.content, run.certain, run.possible) for run in found),
            key=lambda one: (one.certain, one.possible),
        )

    def one(self, name: str, begin: int, end: int) -> Version | None:
        """Return what a key was throughout ``[begin, end)``; None: it is not known."""
        code, when = np.array([self.keys.get(name, NONE)]), np.array([begin, end])
        place = int(self.at(code, when[:1], when[1:])[0])
        if place < 0:
            return None
        run = self._runs[place]
        return Version(run.content, run.certain, run.possible)


class _Run:
    def __init__(self, key: int, content: Any, same: str, first: Told) -> None:
        self.key = key
        self.content = content
        self.same = same
        self.certain = _seen(first)
        self.possible = first.possible

    def goes_on(self, same: str, one: Told) -> bool:
        """Whether what is told is this version still, and it was not gone before."""
        known = max(one.certain[0], self.certain[0]) < EVER
        met = self.certain[1] >= one.certain[0]
        return (
            same == self.same and known and (met or self.possible[1] > one.possible[0])
        )

    def extend(self, one: Told) -> None:
        """Be so then, too."""
        self.certain = _both(self.certain, _seen(one))
        self.possible = _both(self.possible, one.possible)


def _seen(one: Told) -> tuple[int, int]:
    """Return when it surely was so: a second at least, if it was seen at all."""
    begin, end = one.certain
    return (begin, max(end, begin + 1)) if begin < EVER else (begin, end)


def _both(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return min(one[0], other[0]), max(one[1], other[1])


def _columns(spans: list[tuple[int, int]]) -> tuple[Any, Any]:
    begin, end = np.array(spans, np.int64).reshape(-1, 2).T
    return begin, end
