"""What the files of one moment list of a cluster."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ingest.inventory.kubernetes.allow import KINDS, Document, cut_down
from ingest.inventory.kubernetes.documents import Part
from ingest.inventory.kubernetes.lifetime import instants
from ingest.inventory.kubernetes.rows import SERVICE, WORKLOAD
from ingest.inventory.kubernetes.spans import HOLDERS
from ingest.inventory.kubernetes.state import State

Facts = dict[Any, Any]
_MORE = ("continue", "remainingItemCount")


def listed(kinds: Iterable[str]) -> frozenset[str]:
    """Return what a sighting lists, of which these kinds are listed completely.

    ``identities`` only if both pods and nodes are; a kind of identity by itself
    (``pod``, ``node``) if it is.
    """
    known = set(kinds)
    words = {kind.lower() for kind in known & HOLDERS}
    if known >= HOLDERS:
        words.add("identities")
    if "Service" in known:
        words.add(SERVICE)
    if "Pod" in known:  # what they share, all of them tell
        words.add(WORKLOAD)
    return frozenset(words)


@dataclass(slots=True)
class Listing:
    """Objects by kind, and which kinds are listed completely.

    Attributes:
        facts: By kind, as ``State`` keeps them.
        complete: Kinds of which all there are is listed.
        seen: All kinds that were in it.
        repeats: One pod is in it in several states: it was a watch whose events have
            lost their types, so that nothing tells which pods have gone.
        told: The latest time that objects outside of lists tell; UTC.
        nodes: Names of nodes that complete lists tell.
        apart: One of these, and one of a complete list that shares none with the
            others: lists of one time are then of several clusters.
    """

    facts: dict[str, Facts] = field(default_factory=dict)
    complete: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    repeats: bool = False
    told: datetime | None = None
    nodes: set[str] = field(default_factory=set)
    apart: tuple[str, str] | None = None

    def read(
        self,
        parts: Iterable[Part],
        state: State,
        *,
        partial: bool = False,
        keep: frozenset[str] = KINDS,
    ) -> None:
        """Add what a file holds.

        A list says nowhere whether it was asked of one namespace or of all. It counts
        as complete if its objects are of several namespaces, or of none, and nothing
        says that there is more: it does itself, or the user.

        Args:
            parts: Of its documents.
            state: Reads objects.
            partial: Whether its lists are known to lack some objects.
            keep: Kinds to keep; objects of others are passed over.

        Raises:
            BrokenDocument: The rest cannot be read; what came before is added.
        """
        listed: dict[str, dict[Any, str]] = {}
        unnamed: list[Any] = []
        in_list = False
        for header, item in parts:
            if item is not None:
                in_list = True
                kind = _kind(item) or _kind(header).removesuffix("List")
                if kind:
                    self._add(kind, item, state, keep, listed)
                else:
                    unnamed.append(item)
                continue
            kind = _kind(header)
            if in_list or kind.endswith("List"):
                for late in unnamed:
                    self._add(kind.removesuffix("List"), late, state, keep, listed)
                if not partial and not _is_cut(header):
                    self._complete(listed)
                listed, unnamed, in_list = {}, [], False
            else:
                self._add_alone(kind, header, state, keep)

    @property
    def lists(self) -> frozenset[str]:
        """What is listed completely, in a sighting's words."""
        return listed(self.complete)

    def add(self, other: Listing) -> None:
        """Add what another lists."""
        for kind, facts in other.facts.items():
            self.facts.setdefault(kind, {}).update(facts)
        self.complete |= other.complete
        self.seen |= other.seen
        self.apart = self.apart or other.apart
        self._join(other.nodes)

    def _add(
        self,
        kind: str,
        item: Any,
        state: State,
        keep: frozenset[str],
        listed: dict[str, dict[Any, str]],
    ) -> None:
        self.seen.add(kind)
        if kind in keep and isinstance(item, dict):
            document = cut_down(kind, item)
            key, fact = state.read(kind, document)
            self.facts.setdefault(kind, {})[key] = fact
            namespace = document["metadata"].get("namespace", "")
            listed.setdefault(kind, {})[key] = namespace

    def _add_alone(
        self, kind: str, item: Document, state: State, keep: frozenset[str]
    ) -> None:
        self.seen.add(kind)
        if kind not in keep:
            return
        document = cut_down(kind, item)
        key, fact = state.read(kind, document)
        found = self.facts.setdefault(kind, {})
        if kind == "Pod":
            self.repeats |= found.get(key, fact) != fact
            self.told = max(
                [*instants(document), *filter(None, [self.told])], default=None
            )
        found[key] = fact

    def _complete(self, listed: dict[str, dict[Any, str]]) -> None:
        """Note what a list shows completely: its objects' namespaces, by key."""
        found = {kind: {*some.values()} for kind, some in listed.items()}
        several = len(set().union(*found.values()) - {""}) > 1
        whole = {k for k, some in found.items() if several or some == {""}}
        self.complete |= whole
        self._join(
            name
            for kind in sorted(whole & HOLDERS)
            for key in listed[kind]
            if (name := key if kind == "Node" else self.facts[kind][key].node)
        )

    def _join(self, names: Iterable[str]) -> None:
        """Note the nodes of a complete list."""
        others = set(names)
        if self.nodes and others and self.nodes.isdisjoint(others):
            self.apart = min(self.nodes), min(others)
        self.nodes |= others


def _is_cut(header: Document) -> bool:
    """Return whether a list says itself that it goes on."""
    told = header.get("metadata")
    return isinstance(told, dict) and any(told.get(sign) for sign in _MORE)


def _kind(document: Any) -> str:
    kind = document.get("kind") if isinstance(document, dict) else None
    return kind if isinstance(kind, str) else ""
