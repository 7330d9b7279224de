"""From when to when a pod held its addresses, by what its own object tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from ingest.inventory.kubernetes.allow import POD_IPS, Document

FINISHED = frozenset({"Succeeded", "Failed"})
NETWORK = "PodReadyToStartContainers"
DEFAULT_GRACE = timedelta(seconds=30)
LONGEST_GRACE_S = 30 * 86_400
# Reasons for an eviction that only a node which no longer answers brings about.
_NODE_LOST = {"DeletionByPodGC", "DeletionByTaintManager"}
# A node is called unready 40 to 50 s after the last word from it.
_UNHEARD = timedelta(seconds=60)
# A pod gets another address when its node restarts, and lost the old one before that.
_RESTART = timedelta(minutes=5)
_CONTAINERS = (
    "initContainerStatuses",
    "containerStatuses",
    "ephemeralContainerStatuses",
)


@dataclass(frozen=True, slots=True)
class Life:
    """When something held its addresses; UTC, None where it does not tell.

    Attributes:
        started: From here on it surely held them.
        ended: Until here it surely held them, and it has ended.
        earliest: Before this it cannot have held them.
        latest: After this it cannot have held them.
    """

    started: datetime | None = None
    ended: datetime | None = None
    earliest: datetime | None = None
    latest: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Containers:
    """What a pod's containers tell: times at which the pod was surely there."""

    running: list[datetime]
    started: list[datetime]
    finished: list[datetime]
    restarted: bool
    unreported: bool


@lru_cache(maxsize=8192)
def instant(text: str | None) -> datetime | None:
    """Read a time of Kubernetes; None if it is none, or stands for "never"."""
    if not isinstance(text, str):
        return None
    try:
        time = datetime.fromisoformat(text)
        time = time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return time if time.year > 2000 else None


def life_of(pod: Document) -> Life:
    """Return when a pod held its addresses, by its object as it was last seen.

    A container that ended does not end a pod that restarts it. A pod is over when its
    phase says so, or when its network was taken down: the condition
    ``PodReadyToStartContainers`` turned False, or the VPC CNI emptied its list of
    addresses.

    Args:
        pod: As ``allow.cut_down`` leaves it.

    Source:
        Kubernetes API reference, PodStatus; amazon-vpc-cni-k8s, ``ANNOTATE_POD_IP``.
    """
    status, metadata = pod.get("status", {}), pod["metadata"]
    earliest = instant(status.get("startTime")) or instant(
        metadata.get("creationTimestamp")
    )
    network, network_at = _condition(status, NETWORK)
    containers = _containers(status)
    released = metadata.get("annotations", {}).get(POD_IPS) == ""
    if status.get("phase") in FINISHED or network == "False" or released:
        latest = network_at if network == "False" else None
        return _over(containers, earliest=earliest, latest=latest, status=status)
    starts = list(containers.running)
    if network == "True" and network_at is not None:
        starts.append(network_at)
    if not starts and network is None:
        starts = containers.started and [max(containers.started)]
    started = min(starts, default=None)
    return Life(started=started, earliest=_first(earliest, started))


def life_at_deletion(
    pod: Document, at: datetime | None, *, bound: datetime | None = None
) -> Life:
    """Return when a pod held its addresses, by its object as DELETED gives it.

    Deletion was asked for a grace period before ``deletionTimestamp``, and a pod keeps
    its address until after that. If its containers were never reported to have ended
    (a forced deletion), its node may run them for another grace period.

    Args:
        pod: As ``allow.cut_down`` leaves it.
        at: When the event was received; UTC. None: it is not known, and then there
            always is an ``ended``, since nothing else can say that it has ended.
        bound: If ``at`` is not known, a time by which it was surely received.
    """
    life = life_of(pod)
    containers = _containers(pod.get("status", {}))
    ended = life.ended
    if ended is None:
        asked = _asked_to_go(pod["metadata"])
        known = [*containers.started, *containers.finished, *_given(asked)]
        ended = max(known, default=None) if asked is not None or at is None else None
        ended = _unless_lost(ended, pod.get("status", {}))
    received = at or bound
    latest = _first(life.latest, received)
    if received is not None and life.latest is None and containers.unreported:
        latest = received + _grace(pod)
    if at is None and ended is None:
        ended = life.started or life.earliest
    return _ordered(replace(life, ended=ended, latest=latest))


def instants(pod: Document) -> Iterator[datetime]:
    """Give every time in a pod's object at which it was surely there or before."""
    status = pod.get("status", {})
    containers = _containers(status)
    yield from (*containers.started, *containers.finished)
    for condition in status.get("conditions", ()):
        yield from _given(instant(condition.get("lastTransitionTime")))
    yield from _given(instant(status.get("startTime")))
    yield from _given(instant(pod["metadata"].get("creationTimestamp")))
    yield from _given(_asked_to_go(pod["metadata"]))


def _over(
    containers: _Containers,
    *,
    earliest: datetime | None,
    latest: datetime | None,
    status: Document,
) -> Life:
    # Where containers were restarted, the first of them may have run with an address
    # that the pod had before this one.
    first = max if containers.restarted else min
    started = first(containers.started) if containers.started else None
    ended = max((*containers.started, *containers.finished), default=None)
    ended = _unless_lost(ended or earliest, status)
    return _ordered(
        Life(
            started=started,
            ended=ended,
            earliest=_first(earliest, started),
            latest=latest,
        )
    )


def _ordered(life: Life) -> Life:
    """Return the same with started <= ended <= latest; what is sure gives way."""
    ended = _first(life.ended, life.latest) if life.ended else None
    started = _first(life.started, ended) if life.started else None
    earliest = _first(life.earliest, ended) if life.earliest else None
    return replace(life, started=started, ended=ended, earliest=earliest)


def _unless_lost(ended: datetime | None, status: Document) -> datetime | None:
    """Return the end, but no later than the last word from a node that was lost."""
    disrupted = _reason(status, "DisruptionTarget")
    ready, ready_at = _condition(status, "Ready")
    if ended is None or disrupted not in _NODE_LOST:
        return ended
    if ready != "False" or ready_at is None:
        return ended
    return min(ended, ready_at - _UNHEARD)


def _asked_to_go(metadata: Document) -> datetime | None:
    at = instant(metadata.get("deletionTimestamp"))
    return at and at - _span(metadata.get("deletionGracePeriodSeconds", 0))


def _grace(pod: Document) -> timedelta:
    seconds = pod.get("spec", {}).get("terminationGracePeriodSeconds")
    return DEFAULT_GRACE if seconds is None else _span(seconds)


def _span(seconds: int) -> timedelta:
    """Return so many seconds; the API takes more than a calendar can hold."""
    return timedelta(seconds=min(max(0, seconds), LONGEST_GRACE_S))


def _containers(status: Document) -> _Containers:
    found = _Containers([], [], [], restarted=False, unreported=False)
    restarted = unreported = False
    for field in _CONTAINERS:
        for container in status.get(field, ()):
            restarted |= bool(container.get("restartCount"))
            state: dict[str, Any] = container.get("state", {})
            if (running := state.get("running")) is not None:
                unreported = True
                found.running.extend(_given(instant(running.get("startedAt"))))
            ended = state.get("terminated", {})
            found.started.extend(_given(instant(ended.get("startedAt"))))
            found.finished.extend(_given(instant(ended.get("finishedAt"))))
    found.started.extend(found.running)
    return replace(found, restarted=restarted, unreported=unreported)


def _condition(status: Document, name: str) -> tuple[str | None, datetime | None]:
    for condition in status.get("conditions", ()):
        if condition.get("type") == name:
            at = instant(condition.get("lastTransitionTime"))
            return condition.get("status"), at
    return None, None


def _reason(status: Document, name: str) -> str | None:
    for condition in status.get("conditions", ()):
        if condition.get("type") == name and condition.get("status") == "True":
            reason = condition.get("reason")
            return reason if isinstance(reason, str) else None
    return None


def _given(time: datetime | None) -> tuple[datetime, ...]:
    return () if time is None else (time,)


def _first(*times: datetime | None) -> datetime | None:
    return min(filter(None, times), default=None)


def life_before(
    life: Life,
    moved: Life,
    seen: tuple[datetime | None, ...],
    received: datetime | None,
) -> Life:
    """Return when something held the addresses that it no longer has.

    Args:
        life: As it was known while it had them.
        moved: With the addresses that it has instead.
        seen: Until when nothing was missed, and now; as far as known.
        received: By when it had lost them.
    """
    if life.ended is not None:
        return life
    ended = min(t for t in (*seen, moved.started) if t is not None) - _RESTART
    first = life.started or life.earliest or ended
    return replace(life, ended=max(ended, first), latest=received)
