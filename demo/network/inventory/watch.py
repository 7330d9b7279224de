"""Clusters watched without a break, with holes, and as snapshots minutes apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from demo.network.ground import Ground, Party
from demo.network.inventory.pods import (
    Life,
    iso,
    life_of,
    node_document,
    pod_document,
    service_document,
)
from demo.network.lives import BEFORE, number_of

HEARTBEAT_S = 60
SNAPSHOT_S = (120, 420)  # least and most between two
UNSEEN = 10  # one pod in so many is in no snapshot of the worst inventory
HOLE_S = (120, 480)
HOLE_EVERY_S = 1500

Event = tuple[int, str, "Pod"]


@dataclass(frozen=True, slots=True, eq=False)
class Pod:
    """A pod and the moments of its life."""

    party: Party
    life: Life
    uid: str


def documents(ground: Ground) -> Iterator[tuple[str, bytes]]:
    """Yield (path, body) of every cluster's inventory, of all qualities."""
    for cluster in sorted({p.cluster for p in ground.parties if p.cluster}):
        yield from _of_cluster(ground, cluster)
    if "lab" in ground.vpcs:
        yield from _overlay(ground)


def _of_cluster(ground: Ground, cluster: str) -> Iterator[tuple[str, bytes]]:
    some = [p for p in ground.parties if p.cluster == cluster]
    pods = [Pod(p, life_of(p), p.uid) for p in some if p.pod]
    fixed = [node_document(ground, p) for p in some if p.kind == "node"]
    kinds = {
        (p.workload or "", p.namespace or "")
        for p in some
        if p.pod and not p.host_network
    }
    fixed += [service_document(w, n, i) for i, (w, n) in enumerate(sorted(kinds))]
    holes = list(_holes(ground, cluster))
    events = sorted(_events(pods), key=lambda e: (e[0], e[2].uid, e[1]))
    for name, gaps in (("watch", []), ("gaps", holes)):
        lines = _recording(ground, cluster, pods, fixed, events, gaps)
        body = "\n".join(lines) + "\n"
        yield f"kubernetes-{name}/{cluster}.jsonl", body.encode()
    seen = [p for p in pods if number_of("seen", p.uid) % UNSEEN]
    for name, listed in (("snapshots", pods), ("unseen", seen)):
        for at in _moments(ground, cluster):
            yield from _snapshot(ground, f"kubernetes-{name}/{cluster}", listed, at)
        lists = {"nodes": "Node", "services": "Service"}
        for plural, kind in lists.items():
            items = [d for d in fixed if d["kind"] == kind]
            path = f"kubernetes-{name}/{cluster}/{plural}-{_stamp(begin(ground))}.json"
            yield path, _list(items)


def _overlay(ground: Ground) -> Iterator[tuple[str, bytes]]:
    """Yield a cluster whose pods have addresses that no VPC knows."""
    first = next(p for p in ground.parties if (p.cluster == "lab" and p.shape == "job")
                 or (p.cluster == "lab" and p.shape == "deployment"))  # fmt: skip
    items = []
    for number in range(5):
        address, name = f"10.244.0.{number + 5}", f"overlaid-7d9f8c6b5-{number:05d}"
        pod = replace(first, address=address, pod=name, name=name,
                      cluster="lab-overlay")  # fmt: skip
        items.append(pod_document(ground, pod, life_of(pod), first.since + 60))
    stamp = _stamp(begin(ground))
    yield f"kubernetes-snapshots/lab-overlay/pods-{stamp}.json", _list(items)


def begin(ground: Ground) -> int:
    """Return when the watching of clusters begins: before the first packet."""
    return ground.begin - BEFORE // 2


def _holes(ground: Ground, cluster: str) -> Iterator[tuple[int, int]]:
    random = np.random.default_rng([ground.seed, 31, len(cluster)])
    at = ground.begin + int(random.integers(300, HOLE_EVERY_S))
    while at < ground.end:
        until = at + int(random.integers(*HOLE_S))
        yield at, until
        at = until + int(random.integers(600, HOLE_EVERY_S))


def _events(pods: list[Pod]) -> Iterator[Event]:
    """Yield every change of every pod's object, as it is seen."""
    for pod in pods:
        shape, life = pod.party.shape, pod.life
        yield life.created, "ADDED", pod
        if shape == "daemon":
            continue
        told = {life.started, life.shown, life.running}
        if shape == "job":
            told |= {life.down}
        else:
            told |= {life.asked}
            if number_of("told", pod.uid) % 2:  # its end is reported, or it just goes
                told |= {life.finished}
        for moment in sorted(told):
            if life.created < moment < life.gone:
                yield moment, "MODIFIED", pod
        yield life.gone, "DELETED", pod


def _recording(
    ground: Ground,
    cluster: str,
    pods: list[Pod],
    fixed: list[dict[str, Any]],
    events: list[Event],
    holes: list[tuple[int, int]],
) -> Iterator[str]:
    """Yield the lines of a watch; in a hole nothing is seen, after it all is listed."""
    first, last = begin(ground), ground.end
    yield _listing(ground, cluster, pods, fixed, first)
    marks = [(at, "BOOKMARK", None) for at in range(first, last, HEARTBEAT_S)]
    marks += [(start, "GAP", None) for start, _ in holes]
    marks += [(end, "LIST", None) for _, end in holes]
    order = {"GAP": 1, "LIST": 2, "BOOKMARK": 3}
    timeline: list[tuple[int, str, Pod | None]] = sorted(
        [e for e in [*events, *marks] if first < e[0] <= last],
        key=lambda e: (e[0], order.get(e[1], 0)),
    )
    blind = False
    for at, kind, pod in timeline:
        if kind == "GAP":
            blind = True
            yield _line(type="GAP", at=iso(at))
        elif kind == "LIST":
            blind = False
            yield _listing(ground, cluster, pods, fixed, at)
        elif blind:
            continue
        elif pod is None:
            for watched in ("Node", "Pod", "Service"):
                mark = {"kind": watched, "metadata": {"resourceVersion": str(at)}}
                yield _line(type="BOOKMARK", at=iso(at), object=mark)
        else:
            document = pod_document(ground, pod.party, pod.life, at)
            yield _line(type=kind, at=iso(at), object=document)


def _line(**fields: Any) -> str:
    return json.dumps(fields, separators=(",", ":"))


def _objects(ground: Ground, pods: list[Pod], at: int) -> list[dict[str, Any]]:
    """Return the objects of the pods that there are at a moment."""
    return [
        pod_document(ground, pod.party, pod.life, at)
        for pod in pods
        if pod.life.created <= at < pod.life.gone
    ]


def _listing(
    ground: Ground,
    cluster: str,
    pods: list[Pod],
    fixed: list[dict[str, Any]],
    at: int,
) -> str:
    items = _objects(ground, pods, at)
    return _line(
        type="LIST",
        at=iso(at),
        cluster=cluster,
        kinds=["Node", "Pod", "Service"],
        items=[*items, *fixed],
    )


def _moments(ground: Ground, cluster: str) -> Iterator[int]:
    random = np.random.default_rng([ground.seed, 32, len(cluster)])
    at = begin(ground)
    while at < ground.end:
        yield at
        at += int(random.integers(*SNAPSHOT_S))


def _snapshot(
    ground: Ground, folder: str, pods: list[Pod], at: int
) -> Iterator[tuple[str, bytes]]:
    items = _objects(ground, pods, at)
    yield f"{folder}/pods-{_stamp(at)}.json", _list(items)


def _list(items: list[dict[str, Any]]) -> bytes:
    return _line(apiVersion="v1", kind="List", items=items).encode() + b"\n"


def _stamp(at: int) -> str:
    return iso(at).replace("-", "").replace(":", "")
