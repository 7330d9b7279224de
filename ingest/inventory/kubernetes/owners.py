"""From what made a pod to the workload that people know."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from ingest.inventory.kubernetes.facts import Owner, Pod

# Of ReplicaSets and Jobs by kind, namespace and name: what controls them, if anything.
Controllers = Mapping[tuple[str, str, str], Owner | None]

_HASHES = (
    ("rollouts-pod-template-hash", "Rollout"),
    ("pod-template-hash", "Deployment"),
)
_SCHEDULED = re.compile(r"(.+)-([0-9]{8})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLY, _LATE = timedelta(minutes=-5), timedelta(days=7)


def workload_of(pod: Pod, controllers: Controllers) -> Owner:
    """Return the kind and name of a pod's workload.

    ReplicaSets lead to their Deployment and Jobs to their CronJob by the objects
    themselves where they were listed; else by the label that a Deployment gives its
    pods, and by the name that a CronJob gives its Jobs. A static pod's workload is its
    name without its node; a pod that nothing made is its own.

    Args:
        pod: The pod.
        controllers: The ReplicaSets and Jobs that were listed.
    """
    if pod.controller is None:
        return "Pod", pod.name
    kind, name = pod.controller
    if kind == "Node":
        return "StaticPod", pod.name.removesuffix(f"-{name}")
    key = kind, pod.namespace, name
    if key in controllers:
        return controllers[key] or pod.controller
    if kind == "ReplicaSet":
        return _by_hash(name, pod.labels) or pod.controller
    if kind == "Job":
        return _by_schedule(name, pod.created) or pod.controller
    return pod.controller


def _by_hash(name: str, labels: Mapping[str, str]) -> Owner | None:
    for label, kind in _HASHES:
        suffix = f"-{labels.get(label)}"
        if label in labels and name.endswith(suffix) and name != suffix:
            return kind, name.removesuffix(suffix)
    return None


def _by_schedule(name: str, created: datetime | None) -> Owner | None:
    """Read ``<CronJob>-<minutes since 1970>``; a Job may well end in another number.

    So the minutes must be those at which its pod can have been made.
    """
    named = _SCHEDULED.fullmatch(name)
    if named is None or created is None:
        return None
    scheduled = _EPOCH + timedelta(minutes=int(named[2]))
    return ("CronJob", named[1]) if _EARLY <= created - scheduled <= _LATE else None
