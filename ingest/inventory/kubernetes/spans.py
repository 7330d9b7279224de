"""From when to when pods and nodes were watched without a break."""

from __future__ import annotations

from datetime import datetime

HOLDERS = frozenset({"Pod", "Node"})  # kinds of what holds addresses
WATCHED = HOLDERS | {"Service"}

Span = tuple[datetime, datetime]


class Spans:
    """The unbroken spans of a watch.

    A span covers all kinds of holders that are watched: it begins when the last of them
    was listed, and is known to last for as long as the least of them is.

    Attributes:
        listed: Kinds that are watched without a break now.
    """

    def __init__(self) -> None:
        self._since: dict[str, datetime] = {}
        self._until: dict[str, datetime] = {}
        self._watched: set[str] = set()
        self._streams: dict[str, frozenset[str]] = {}
        self._done: list[Span] = []

    @property
    def listed(self) -> frozenset[str]:
        """Kinds that have been watched without a break since they were listed."""
        return frozenset(self._since)

    def begin(self, kinds: frozenset[str], at: datetime) -> None:
        """Begin a watch of some kinds with a listing, in one stream."""
        if kinds & HOLDERS:
            self._close()
        for kind in kinds:
            self._streams[kind] = kinds
            if kind in WATCHED:
                self._since[kind] = self._until[kind] = at
        self._watched |= kinds & HOLDERS

    def alive(self, kind: str, at: datetime) -> None:
        """Note that nothing was missed until here in the stream of a kind."""
        for other in self._streams.get(kind, ()):
            if other in self._until:
                self._until[other] = max(self._until[other], at)

    def until(self, kind: str) -> datetime | None:
        """Return until when nothing of a kind was missed; None: it is not watched."""
        return self._until.get(kind)

    def gap(self, kind: str | None, at: datetime | None = None) -> None:
        """End the watch of a kind, or of all.

        Args:
            kind: The kind; those in the same stream end with it.
            at: Until here nothing was missed, if less than is known.
        """
        kinds = self._streams.get(kind, frozenset()) if kind else self.listed
        kinds &= self.listed
        if at is not None:
            for ended in kinds:
                self._until[ended] = min(self._until[ended], at)
        if kinds & HOLDERS:
            self._close()
        for ended in kinds:
            del self._since[ended], self._until[ended]

    @property
    def current(self) -> Span | None:
        """The span that goes on, as far as it is known; None: there is none."""
        if "Pod" not in self._since or not self._watched <= self.listed:
            return None
        begin = max(self._since[kind] for kind in self._watched)
        end = min(self._until[kind] for kind in self._watched)
        return (begin, end) if begin < end else None

    def take(self) -> list[Span]:
        """Return the spans that have ended since the last call, and the current one."""
        spans, self._done = self._done, []
        return spans + ([self.current] if self.current else [])

    def _close(self) -> None:
        if self.current is not None:
            self._done.append(self.current)
