"""A watch as lines of JSON: written while it goes on, read back later.

A line is what the API said, cut down, and ``at``, when it was received::

    {"type": "LIST", "at": ..., "kinds": ["Pod"], "cluster": ..., "items": [...]}
    {"type": "ADDED", "at": ..., "object": {...}}      also MODIFIED, DELETED, BOOKMARK
    {"type": "GAP", "at": ..., "kinds": ["Pod"]}       nothing was missed until then

What ``kubectl get --watch --output-watch-events -o json`` prints reads as well. It has
no times of receipt, so nothing is known of when it was watched.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, TextIO

from ingest.inventory.kubernetes.allow import KINDS, Document, cut_down
from ingest.inventory.kubernetes.documents import Part
from ingest.inventory.kubernetes.lifetime import instant
from ingest.inventory.kubernetes.messages import (
    Alive,
    Begin,
    Event,
    Gap,
    Listed,
    Message,
    Page,
)

CHANGES = frozenset({"ADDED", "MODIFIED", "DELETED"})
_PAGE = 500


class Recorder:
    """Writes messages as lines, a listing in one line once it is complete.

    Args:
        out: Where to; lines are appended.
        cluster: The cluster's name, once it is known.
    """

    def __init__(self, out: TextIO, cluster: str | None = None) -> None:
        self._out = out
        self.cluster = cluster
        self._pages: dict[str, list[str]] = {}

    def write(self, message: Message) -> None:
        """Write a message; `flush` makes sure that it is in the file."""
        match message:
            case Begin(kind):
                self._pages[kind] = []
            case Page(kind, documents):
                self._pages.setdefault(kind, []).extend(map(_compact, documents))
            case Listed(kinds, at):
                head = {"type": "LIST", "at": _iso(at), "kinds": sorted(kinds)}
                if self.cluster:
                    head["cluster"] = self.cluster
                items = [i for kind in sorted(kinds) for i in self._pages.pop(kind, ())]
                self._out.write(
                    f'{_compact(head)[:-1]},"items":[{",".join(items)}]}}\n'
                )
            case Event(type_, _, document, at):
                self._line(type=type_, at=_iso(at), object=document)
            case Alive(kind, at):
                self._line(type="BOOKMARK", at=_iso(at), object={"kind": kind})
            case Gap(kind, at):
                of = {"kinds": [kind]} if kind else {}
                self._line(type="GAP", at=_iso(at), **of)

    def flush(self) -> None:
        """Hand all that was written to the operating system."""
        self._out.flush()

    def _line(self, **fields: Any) -> None:
        self._out.write(_compact(fields) + "\n")


def messages_of(parts: Iterable[Part]) -> Iterator[Message]:
    """Give the messages of a watch that was saved, by this module or by kubectl.

    Every line with a time proves that nothing was missed until then, back to the
    listing that its kind's watch began with.

    Args:
        parts: Of the documents of a file.
    """
    listing: dict[str, list[Document]] = {}
    for header, item in parts:
        if item is not None:
            yield from _listed_item(listing, header, item)
        elif header.get("type") == "LIST":
            yield from (Page(kind, found) for kind, found in listing.items())
            kinds = frozenset((*_kinds(header), *listing)) or frozenset({"Pod"})
            yield Listed(kinds, instant(header.get("at")), header.get("cluster"))
            listing = {}
        else:
            yield from _line_of(header)


def _listed_item(
    listing: dict[str, list[Document]], header: Document, item: Any
) -> Iterator[Message]:
    kind = _kind(item) or next(iter(_kinds(header)), None)
    if kind not in KINDS:
        return
    if kind not in listing:
        yield Begin(kind)
    found = listing.setdefault(kind, [])
    found.append(cut_down(kind, item))
    if len(found) >= _PAGE:
        yield Page(kind, found)
        listing[kind] = []


def _line_of(header: Document) -> Iterator[Message]:
    at, type_, document = instant(header.get("at")), header.get("type"), None
    if isinstance(header.get("object"), dict):
        document = header["object"]
    kind = _kind(document)
    if type_ in CHANGES and document is not None and kind in KINDS:
        yield Event(type_, kind, cut_down(kind, document), at, at)
    elif type_ == "BOOKMARK" and kind in KINDS and at is not None:
        yield Alive(kind, at)
    elif type_ == "GAP":
        yield from (Gap(named, at) for named in _kinds(header) or [None])
    elif type_ == "ERROR":
        yield Gap(None)


def _kind(document: Any) -> str | None:
    kind = document.get("kind") if isinstance(document, dict) else None
    return kind if isinstance(kind, str) else None


def _kinds(header: Document) -> list[Any]:
    named = header.get("kinds", [])
    return [kind for kind in named if kind in KINDS] if isinstance(named, list) else []


def _iso(time: datetime | None) -> str | None:
    return time.isoformat().replace("+00:00", "Z") if time else None


def _compact(document: Document) -> str:
    return json.dumps(document, separators=(",", ":"))
