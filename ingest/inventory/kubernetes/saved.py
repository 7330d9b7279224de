"""Saved output of kubectl, of one time or of several, as sightings in order of time."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path

import structlog

from ingest.inventory.kubernetes.allow import KINDS
from ingest.inventory.kubernetes.documents import (
    BrokenDocument,
    kind_in,
    open_documents,
)
from ingest.inventory.kubernetes.fold import Fold
from ingest.inventory.kubernetes.listing import Listing
from ingest.inventory.kubernetes.recording import messages_of
from ingest.inventory.kubernetes.rows import configuration_rows, identity_rows
from ingest.inventory.kubernetes.state import State
from ingest.inventory.kubernetes.workloads import workloads_of
from ingest.inventory.sighting import DEFAULT_CLUSTER, Sighting
from ingest.inventory.stamps import (
    ONE_MOMENT,
    Named,
    is_future,
    named,
    of_another_day,
    of_the_future,
    told,
    written_at,
)
from lake.errors import SourceMissing, UsageError

log = structlog.get_logger()

_LIGHT = KINDS - {"Pod"}
_OF_SERVICES = frozenset({"k8s_service"})


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, or the rest of it, that was not read.

    Attributes:
        reason: ``not_kubernetes``, ``truncated``, ``broken``, ``unreadable``,
            ``future`` or ``misdated``.
    """

    path: Path
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _File:
    """A file of lists or objects.

    Attributes:
        kind: Of the first object in it that is read.
        ahead: What it holds besides pods, if it was read ahead of its time.
    """

    path: Path
    at: datetime
    kind: str
    ahead: Listing | None = None


class Saved:
    """Saved lists, objects and watches of one cluster.

    Files are told apart by what is in them. Lists that were saved within a minute of
    each other, each of another kind, are one sighting. What a moment lacks is looked
    up in what was listed before it, else after it: a pod's instance in the nodes, its
    workload in the ReplicaSets.

    Args:
        paths: Files and folders.
        cluster: The cluster's name; else what nodes or a recording tell, else
            ``default``.
        at: When all lists were taken; UTC. None: as names tell (`stamps`).
        owner_label: The label that names owners.
        partial: Whether the lists are known to lack some objects (a selector, a part of
            a cluster): then none of them tells that anything is gone. Else a list is
            complete if its objects are of several namespaces. A recorded watch tells
            for itself.

    Attributes:
        skipped: What was not read, once everything has been.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        cluster: str | None = None,
        at: datetime | None = None,
        owner_label: str | None = None,
        partial: bool = False,
    ) -> None:
        self._paths = paths
        self._cluster = cluster
        self._is_named = cluster is not None
        self._services_seen = False
        self._at = at
        self._owner_label = owner_label
        self._partial = partial
        self.skipped: list[Skipped] = []

    def __iter__(self) -> Iterator[Sighting]:
        """Give the sightings in order of time.

        Raises:
            SourceMissing: A path is not there.
            UsageError: The nodes are of several clusters, or lists of one moment that
                nobody named have no node in common; or ``at`` is given, and names tell
                of several moments.
            SettingsError: A file is YAML, and PyYAML is not installed.
        """
        self.skipped.clear()
        watches, files = self._files()
        files.sort(key=lambda file: (file.at, file.path))
        state = State(self._owner_label)
        for file in files:
            for kind, facts in file.ahead.facts.items() if file.ahead else ():
                state.facts[kind] = state.facts[kind] or facts
        if self._cluster is None and state.nodes:
            self._cluster = state.cluster
        streams = [self._listed(files, state), *map(self._watched, watches)]
        yield from heapq.merge(*streams, key=attrgetter("at"))

    def _files(self) -> tuple[list[Path], list[_File]]:
        watches: list[Path] = []
        lists: list[tuple[Path, str, Named]] = []
        for path, names in self._expanded():
            try:
                kind = kind_in(path)
            except (BrokenDocument, OSError) as error:
                self._skip(path, error)
                continue
            if kind == "watch":
                watches.append(path)
            elif kind in KINDS:
                lists.append((path, kind, names))
            else:
                self.skipped.append(Skipped(path, "not_kubernetes", kind or ""))
        moments = told([names for *_, names in lists], self._at)
        now, files = datetime.now(UTC), []
        for (path, kind, names), moment in zip(lists, moments, strict=True):
            at = moment or written_at(path)
            if is_future(at, now):
                self._skipped(path, "future", of_the_future(at))
            elif self._at is None and names.is_refuted_by(at):
                self._skipped(path, "misdated", of_another_day(names, at))
            else:
                files.append(self._file(path, kind, at))
        return watches, files

    def _expanded(self) -> Iterator[tuple[Path, Named]]:
        """Give the files, and what their names tell of when they were taken."""
        for path in self._paths:
            if not path.exists():
                raise SourceMissing(str(path))
            yield from (
                (file, named(file, path))
                for file in (sorted(path.rglob("*")) if path.is_dir() else [path])
                if file.is_file() and not file.name.startswith(".")
            )

    def _file(self, path: Path, kind: str, at: datetime) -> _File:
        if kind == "Pod":
            return _File(path, at, kind)
        ahead = Listing()
        self._read(path, ahead, State(self._owner_label), keep=_LIGHT)
        return _File(path, at, kind, ahead)

    def _read(
        self, path: Path, into: Listing, state: State, *, keep: frozenset[str] = KINDS
    ) -> None:
        try:
            into.read(open_documents(path), state, partial=self._partial, keep=keep)
        except (BrokenDocument, OSError) as error:
            self._skip(path, error)

    def _skip(self, path: Path, error: Exception) -> None:
        reason = "unreadable"
        if isinstance(error, BrokenDocument):
            reason = "truncated" if error.truncated else "broken"
        self._skipped(path, reason, str(error))

    def _skipped(self, path: Path, reason: str, detail: str) -> None:
        log.warning(
            "inventory_file_skipped", file=str(path), reason=reason, detail=detail
        )
        self.skipped.append(Skipped(path, reason, detail))

    def _listed(self, files: Sequence[_File], state: State) -> Iterator[Sighting]:
        for moment in _moments(files):
            listing = Listing()
            for file in moment:
                if file.ahead is not None and "Pod" not in file.ahead.seen:
                    listing.add(file.ahead)
                else:
                    self._read(file.path, listing, state)
            pods = (file.at for file in moment if file.kind == "Pod")
            yield self._sighting(listing, state, next(pods, moment[-1].at))

    def _sighting(self, listing: Listing, state: State, at: datetime) -> Sighting:
        if listing.apart and not self._is_named:
            one, other = listing.apart
            raise UsageError(
                f"lists of one time have no node in common ({one}, ...; {other}, ...): "
                "read each cluster's files by themselves and name it with --cluster, "
                "or say --partial if a selector made the lists"
            )
        for kind, facts in listing.facts.items():
            whole = kind in listing.complete or kind == "Pod"
            state.replace(kind, facts if whole else state.facts[kind] | facts)
        lists = listing.lists
        if listing.repeats:
            at, lists = listing.told or at, frozenset()
        holders = (
            fact
            for kind in ("Node", "Pod")
            for fact in listing.facts.get(kind, {}).values()
        )
        self._services_seen |= "Service" in listing.seen or bool(state.services)
        cluster = self._name(state)
        pods = listing.facts.get("Pod", {}).values()
        return Sighting(
            scope=f"kubernetes:{cluster}",
            at=at,
            identities=identity_rows(state, cluster, holders),
            configurations=configuration_rows(
                cluster,
                listing.facts.get("Service", {}).values(),
                () if self._partial else workloads_of(state, pods),
                (),
            ),
            lists=lists,
            untold=frozenset() if self._services_seen else _OF_SERVICES,
            is_guessed=not self._is_named,
        )

    def _watched(self, path: Path) -> Iterator[Sighting]:
        bound = self._at or written_at(path)
        fold = Fold(owner_label=self._owner_label, bound=bound)
        handed_on: datetime | None = None
        try:
            for message in messages_of(open_documents(path)):
                fold.take_in(message)
                handed_on = handed_on or fold.now
                if fold.is_due(handed_on):
                    yield self._folded(fold)
                    handed_on = fold.now
        except (BrokenDocument, OSError) as error:
            if not getattr(error, "truncated", False):  # else it was just cut off
                self._skip(path, error)
        if fold.now is not None:
            yield self._folded(fold)

    def _folded(self, fold: Fold) -> Sighting:
        return fold.sighting(self._name(fold), is_guessed=not self._is_named)

    def _name(self, known: State | Fold) -> str:
        """Return the cluster's name, the same from the first sighting to the last."""
        if self._cluster is None:
            self._cluster = known.cluster
        if self._cluster is None:
            log.warning("cluster_not_named", used=DEFAULT_CLUSTER)
            self._cluster = DEFAULT_CLUSTER
        return self._cluster


def _moments(files: Sequence[_File]) -> Iterator[list[_File]]:
    """Give files of one moment together; ``files`` are in order of time."""
    moment: list[_File] = []
    for file in files:
        kinds = {other.kind for other in moment}
        if moment and (
            file.at - moment[0].at > ONE_MOMENT
            or (file.kind in kinds and file.at != moment[-1].at)
        ):
            yield moment
            moment = []
        moment.append(file)
    if moment:
        yield moment
