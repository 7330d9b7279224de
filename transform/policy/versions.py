"""What resources were, and when: documents by key and time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from transform.presence import EVER
from transform.timeline import Spans, Timeline

# A row of `configurations`: its document, when it surely was so, when it can have been.
Told = tuple[dict[str, Any], tuple[int, int], tuple[int, int]]
# What of a document counts, by key: everything that is the same makes one version.
Reduce = Callable[[dict[str, Any]], Iterable[tuple[str, Any]]]


class Versions:
    """The versions of resources of one kind.

    What was seen as the same at two times, and as nothing else in between, is one
    version.

    Args:
        told: Of the kind, in any order.
        reduce: Gives the keys that a document says something of, and what.

    Attributes:
        contents: Of each version, what it says.
        keys: The code of each key.
    """

    def __init__(self, told: Sequence[Told], reduce: Reduce) -> None:
        self.keys: dict[str, int] = {}
        runs: list[_Run] = []
        last: dict[int, _Run] = {}
        for document, certain, possible in sorted(told, key=lambda one: one[1:]):
            for key, content in reduce(document):
                code = self.keys.setdefault(key, len(self.keys))
                same = json.dumps(content, sort_keys=True)
                before = last.get(code)
                if before is None or not before.goes_on(same, certain):
                    before = _Run(code, content, same, certain, possible)
                    runs.append(before)
                    last[code] = before
                before.extend(certain, possible)
        self.contents = [run.content for run in runs]
        self.key_of = np.array([run.key for run in runs], np.int64)
        nobody = np.full(len(runs), -1)
        none = np.zeros(0, np.int64)
        self._timeline = Timeline(
            self.key_of,
            _columns([run.certain for run in runs]),
            _columns([run.possible for run in runs]),
            watcher=nobody,
            spans=Spans(none, none, none),
        )

    def at(self, key: Any, begin: Any, end: Any) -> Any:
        """Return the version of each key throughout ``[begin, end)``; -1: not known.

        Args:
            key: Codes; -1 is not known.
            begin: Seconds since 1970.
            end: Seconds.
        """
        return self._timeline.at(key, begin, end).who


class _Run:
    def __init__(
        self, key: int, content: Any, same: str, certain: tuple[int, int],
        possible: tuple[int, int],
    ) -> None:  # fmt: skip
        self.key = key
        self.content = content
        self.same = same
        self.certain = certain
        self.possible = possible

    def goes_on(self, same: str, certain: tuple[int, int]) -> bool:
        """Whether what is surely so then is this version still."""
        return same == self.same and max(certain[0], self.certain[0]) < EVER

    def extend(self, certain: tuple[int, int], possible: tuple[int, int]) -> None:
        """Be so then, too."""
        self.certain = _both(self.certain, certain)
        self.possible = _both(self.possible, possible)


def _both(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return min(one[0], other[0]), max(one[1], other[1])


def _columns(spans: list[tuple[int, int]]) -> tuple[Any, Any]:
    begin, end = np.array(spans, np.int64).reshape(-1, 2).T
    return begin, end
