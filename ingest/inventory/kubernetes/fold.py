"""A watch's messages folded into sightings of what changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ingest.inventory.kubernetes.facts import Node, Pod, Service
from ingest.inventory.kubernetes.lifetime import instants, life_at_deletion, life_before
from ingest.inventory.kubernetes.listing import listed
from ingest.inventory.kubernetes.messages import (
    Alive,
    Begin,
    Event,
    Gap,
    Listed,
    Message,
    Page,
)
from ingest.inventory.kubernetes.rows import (
    SERVICE,
    WORKLOAD,
    configuration_rows,
    identity_rows,
)
from ingest.inventory.kubernetes.selectors import selects
from ingest.inventory.kubernetes.spans import HOLDERS, Spans
from ingest.inventory.kubernetes.state import State
from ingest.inventory.kubernetes.workloads import Workloads
from ingest.inventory.sighting import Sighting

BATCH = 5_000  # changes in one sighting; about
EVERY = timedelta(seconds=5)  # or as many as there are in this time

Holder = Pod | Node


class Fold:
    """What a watch has told so far, and what of it has not been handed on yet.

    What it remembers grows with the cluster, not with the time that it is watched.

    Args:
        owner_label: The label that names owners.
        bound: A time by which events without a time of their own were received; UTC.

    Attributes:
        now: Time of the last message, or of the latest that objects without one tell.
        cluster: The cluster's name, if it has been told.
    """

    def __init__(
        self, *, owner_label: str | None = None, bound: datetime | None = None
    ) -> None:
        self.state = State(owner_label)
        self.spans = Spans()
        self._workloads = Workloads()
        self.now: datetime | None = None
        self._told: str | None = None
        self._bound = bound
        self._incoming: dict[str, dict[Any, Any]] = {}
        self._relisted: set[str] = set()
        self._changed: dict[str, dict[Any, None]] = {
            k: {} for k in (*HOLDERS, "Service")
        }
        self._parted: list[Holder] = []  # left an address, or went
        self._withdrawn: list[Service] = []
        # Holders that went, and until when nothing had been missed before that.
        self._gone: dict[str, datetime | None] = {}

    @property
    def cluster(self) -> str | None:
        """The cluster's name, if a recording or the nodes tell it."""
        return self._told or self.state.cluster

    @property
    def pending(self) -> int:
        """How many objects have changed since the last sighting."""
        changed = sum(len(keys) for keys in self._changed.values())
        listed = any(self._relisted)
        return changed + len(self._parted) + len(self._withdrawn) + listed

    def take_in(self, message: Message) -> None:
        """Take in a message."""
        match message:
            case Begin(kind):
                self._incoming[kind] = {}
            case Page(kind, documents):
                found = self._incoming.setdefault(kind, {})
                found.update(self.state.read(kind, document) for document in documents)
            case Listed(kinds, at, cluster):
                self._listed(kinds, at)
                self._told = cluster or self._told
            case Event():
                self._event(message)
            case Alive(kind, at):
                self._at(at)
                self.spans.alive(kind, at)
            case Gap(kind, at):
                self.spans.gap(kind, at)

    def is_due(self, handed_on: datetime | None) -> bool:
        """Return whether what has changed should be handed on, after the last time."""
        if self.now is None or handed_on is None or not self.pending:
            return False
        return self.pending >= BATCH or self.now - handed_on >= EVERY

    def sighting(self, cluster: str, *, is_guessed: bool = False) -> Sighting:
        """Return what changed since the last one; call it once ``now`` is known.

        After a listing all that was listed is in it; else only what changed, and the
        rows of what went with the last that is known of them.
        """
        if self.now is None:
            raise ValueError("nothing has been taken in")
        lists = self._lists()
        sighting = Sighting(
            scope=f"kubernetes:{cluster}",
            at=self.now,
            identities=identity_rows(self.state, cluster, self._holders(lists)),
            configurations=configuration_rows(
                cluster,
                self._services(lists),
                self._workloads.take(self.state, at=self.now, whole=WORKLOAD in lists),
                self.spans.take(),
            ),
            lists=lists,
            deleted=tuple(self._gone),
            is_guessed=is_guessed,
        )
        for keys in self._changed.values():
            keys.clear()
        self._gone.clear()
        self._relisted.clear()
        self._parted.clear()
        self._withdrawn.clear()
        return sighting

    def _lists(self) -> frozenset[str]:
        kinds = self.spans.listed
        relisted = self._relisted & kinds
        if not relisted & HOLDERS:
            kinds -= HOLDERS
        if "Service" not in relisted:
            kinds -= {"Service"}
        return listed(kinds)

    def _holders(self, lists: frozenset[str]) -> Iterable[Holder]:
        for kind in ("Node", "Pod"):
            facts = self.state.facts[kind]
            whole = kind.lower() in lists
            yield from (facts[key] for key in (facts if whole else self._changed[kind]))
        yield from self._parted

    def _services(self, lists: frozenset[str]) -> Iterable[Service]:
        services = self.state.services
        whole = SERVICE in lists
        yield from (
            services[k] for k in (services if whole else self._changed["Service"])
        )
        yield from self._withdrawn

    def _at(self, time: datetime | None) -> None:
        if time is not None:
            self.now = max(self.now or time, time)

    def _listed(self, kinds: frozenset[str], at: datetime | None) -> None:
        for kind in sorted(kinds):
            before, facts = self.state.facts[kind], self._incoming.pop(kind, {})
            self.state.replace(kind, facts)
            if kind == "Service":
                self._compare_services(before, facts)
            elif kind in HOLDERS:
                self._compare_holders(kind, before, facts, at)
        if at is not None:
            self._at(at)
            self.spans.begin(kinds, at)
            self._relisted |= kinds

    def _compare_services(
        self, before: dict[str, Service], now: dict[str, Service]
    ) -> None:
        changed = [key for key in before | now if before.get(key) != now.get(key)]
        for key in changed:
            self._touch_selected(before.get(key), now.get(key))
        self._changed["Service"] = {key: None for key in changed if key in now}

    def _compare_holders(
        self,
        kind: str,
        before: dict[str, Holder],
        now: dict[str, Holder],
        at: datetime | None,
    ) -> None:
        self._changed[kind] = dict.fromkeys(now)
        if at is not None:
            missed = (
                k for k, fact in before.items() if k not in now and fact.addresses
            )
            self._gone.update(dict.fromkeys(missed, self.spans.until(kind)))
            return
        for fact in now.values():
            self._at(fact.life.started or fact.life.earliest)

    def _event(self, event: Event) -> None:
        unbroken = self.spans.until(event.kind)
        for told in instants(event.document) if event.at is None else (event.at,):
            self._at(told)
        key, fact = self.state.read(event.kind, event.document)
        if event.type == "DELETED":
            self._deleted(event, key, fact, unbroken)
        elif self.state.facts[event.kind].get(key, ()) != fact:
            self._altered(event, key, fact, unbroken)
        if event.proof is not None:
            self.spans.alive(event.kind, event.proof)

    def _altered(
        self, event: Event, key: Any, fact: Any, unbroken: datetime | None
    ) -> None:
        before = self.state.facts[event.kind].get(key)
        self.state.put(event.kind, key, fact)
        if event.kind not in self._changed:
            return
        self._changed[event.kind][key] = None
        if event.kind == "Service":
            self._touch_selected(before, fact)
            return
        self._returned(key, fact)
        if before is not None:
            self._left(before, fact, event, unbroken)
        if event.kind == "Node":
            self._touch(p for p in self.state.pods.values() if p.node == key)

    def _deleted(
        self, event: Event, key: Any, fact: Any, unbroken: datetime | None
    ) -> None:
        before = self.state.facts[event.kind].get(key)
        self.state.drop(event.kind, key)
        if event.kind not in self._changed:
            return
        self._changed[event.kind].pop(key, None)
        received = event.at or self._bound
        if event.kind == "Service":
            life = replace(fact.life, ended=unbroken or self.now, latest=received)
            self._withdrawn.append(replace(fact, life=life))
            self._touch_selected(before, fact)
            return
        if event.kind == "Pod":
            life = life_at_deletion(event.document, event.at, bound=self._bound)
        else:
            life = replace(fact.life, latest=received)
            if event.at is None:
                life = replace(life, ended=fact.life.started)
        had = before.addresses if before is not None else ()
        kept = {address for address, _ in fact.addresses}
        addresses = (*fact.addresses, *(a for a in had if a[0] not in kept))
        if addresses:
            self._parted.append(replace(fact, life=life, addresses=addresses))
            if event.at is not None:
                self._gone[key] = unbroken

    def _returned(self, key: str, now: Holder) -> None:
        """Note that one that may have gone since the last sighting is there."""
        until = self._gone.pop(key, None)
        parted = []
        for one in self._parted:
            life = one.life
            if one.holder == key and life.ended is None:
                ended = until or life.started or life.earliest
                one = replace(one, life=replace(life, ended=ended))
            if not _shared(one, now):
                parted.append(one)
        self._parted = parted

    def _left(
        self, before: Holder, now: Holder, event: Event, unbroken: datetime | None
    ) -> None:
        """Note the addresses that a holder had and has no longer."""
        kept = {address for address, _ in now.addresses}
        left = tuple(a for a in before.addresses if a[0] not in kept)
        if not left:
            return
        received = event.at or self._bound
        life = life_before(before.life, now.life, (unbroken, self.now), received)
        self._parted.append(replace(before, addresses=left, life=life))

    def _touch_selected(self, *services: Service | None) -> None:
        known = [service for service in services if service is not None]
        self._touch(
            pod
            for pod in self.state.pods.values()
            if any(selects(service, pod) for service in known)
        )

    def _touch(self, pods: Iterable[Pod]) -> None:
        """Hand on pods again whose node or service changed."""
        self._changed["Pod"].update((p.holder, None) for p in pods if p.addresses)


def _shared(one: Holder, other: Holder) -> bool:
    return one.holder == other.holder and bool({*one.addresses} & {*other.addresses})
