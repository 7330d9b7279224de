"""Workloads, and the labels that all pods of one share: what selects them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ingest.inventory.kubernetes.facts import Pod
from ingest.inventory.kubernetes.lifetime import Life
from ingest.inventory.kubernetes.state import State

# Labels that controllers give each pod, or each revision of a workload.
_OF_ONE = frozenset({
    "pod-template-hash", "rollouts-pod-template-hash", "controller-revision-hash",
    "pod-template-generation", "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index", "controller-uid", "job-name",
})  # fmt: skip
_OF_JOBS = "batch.kubernetes.io/"
_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")

Key = tuple[str, str, str]  # namespace, kind, name
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload.

    Attributes:
        id: ``namespace/kind/name``.
        document: What the lake keeps of it, as JSON.
        life: When it was so, if that is over.
    """

    id: str
    document: str
    life: Life = field(default_factory=Life)


def workloads_of(state: State, pods: Iterable[Pod]) -> Iterator[Workload]:
    """Yield the workloads of pods.

    Args:
        state: Knows which workload a pod is of.
        pods: All there are.
    """
    members: dict[Key, list[Pod]] = {}
    for pod in pods:
        members.setdefault(_key(state, pod), []).append(pod)
    for key, some in members.items():
        yield _workload(key, (pod.labels for pod in some))


class Workloads:
    """The workloads of a watch: what has changed of them since it was last asked."""

    def __init__(self) -> None:
        self._pods: dict[str, Pod] = {}
        self._of: dict[str, Key] = {}
        self._members: dict[Key, dict[str, Labels]] = {}
        self._told: dict[Key, str] = {}
        self._at: datetime | None = None

    def take(self, state: State, *, at: datetime | None, whole: bool) -> list[Workload]:
        """Return those that changed, or went; all that there are, if ``whole``.

        Args:
            state: The pods as they are now.
            at: What time it is; UTC.
            whole: Whether all are told; those that went are then not.
        """
        changed = self._changed(state)
        found = []
        for key in self._members if whole else changed:
            if not self._members.get(key):
                continue
            one = _workload(key, self._members[key].values())
            if whole or self._told.get(key) != one.document:
                found.append(one)
            self._told[key] = one.document
        gone = [key for key in changed if not self._members.get(key)]
        over = Life(ended=self._at, latest=at)
        for key in gone:
            self._members.pop(key, None)
            document = self._told.pop(key, None)
            if document is not None and not whole:
                found.append(Workload("/".join(key), document, over))
        self._at = at
        return found

    def _changed(self, state: State) -> dict[Key, None]:
        """Return the workloads whose pods are others now, and note these."""
        changed: dict[Key, None] = {}
        for holder in self._pods.keys() - state.pods.keys():
            changed[self._leave(holder)] = None
        for holder, pod in state.pods.items():
            if self._pods.get(holder) is pod:
                continue
            if holder in self._of:
                changed[self._leave(holder)] = None
            key = _key(state, pod)
            self._of[holder] = key
            self._members.setdefault(key, {})[holder] = pod.labels
            changed[key] = None
        self._pods = dict(state.pods)
        return changed

    def _leave(self, holder: str) -> Key:
        key = self._of.pop(holder)
        self._members[key].pop(holder)
        return key


def _key(state: State, pod: Pod) -> Key:
    kind, name = state.workload_of(pod)
    return pod.namespace, kind, name


def _workload(key: Key, several: Iterable[Labels]) -> Workload:
    namespace, kind, name = key
    shared = set.intersection(*({*labels.items()} for labels in several))
    kept = {label: value for label, value in shared if _is_kept(label, value)}
    document = {"namespace": namespace, "kind": kind, "name": name, "labels": kept}
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return Workload("/".join(key), text)


def _is_kept(label: str, value: str) -> bool:
    """Whether a label tells what a workload is, and is one that Kubernetes takes."""
    lasts = label not in _OF_ONE and not label.startswith(_OF_JOBS)
    return lasts and _VALUE.fullmatch(value) is not None
