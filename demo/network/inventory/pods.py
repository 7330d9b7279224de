"""A pod's life as its object tells it, at any moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from demo.network.ground import NEVER, Ground, Party
from demo.network.lives import number_of

GRACE_S = 30
JOB_KEPT_S = 600  # a finished Job's pod is listed, with its address, so much longer


@dataclass(frozen=True, slots=True)
class Life:
    """The moments of a pod; seconds since 1970, in this order unless said.

    Attributes:
        created: The object appears, without an address.
        started: ``startTime``: the node has taken it; still no address.
        ready: Its network is there, and has been since ``party.since`` or just then.
        shown: Its address stands in its object.
        running: Its container runs; before, its init containers may send.
        asked: Its deletion was asked for.
        finished: Its container ended, at most two seconds before the address went.
        down: Its network is known to be gone.
        gone: The object disappears. Before the address does, if it was forced.
    """

    created: int
    started: int
    ready: int
    shown: int
    running: int
    asked: int
    finished: int
    down: int
    gone: int


def life_of(party: Party) -> Life:
    """Return the moments of a pod's life."""
    chance = number_of(party.uid)
    since, until = party.since, party.until
    if party.shape == "daemon":
        old = 1_760_000_000
        return Life(old, old + 1, old + 2, old + 2, old + 3, *[NEVER] * 4)
    ready = since + chance % 2
    finished = until - (chance >> 3) % 3
    gone = until + (chance >> 5) % 4
    asked = max(since + 20, until - 1 - (chance >> 7) % GRACE_S)
    if party.shape == "job":
        asked = gone = until + JOB_KEPT_S
    elif party.shape == "forced":
        asked = gone = until - 5 - (chance >> 9) % 20
    return Life(
        created=since - 3 - (chance >> 11) % 6,
        started=since - 1 - (chance >> 14) % 2,
        ready=ready,
        shown=ready + 1,
        running=ready + 1 + (chance >> 16) % 5,
        asked=asked,
        finished=finished,
        down=until + (chance >> 18) % 3,
        gone=gone,
    )


@lru_cache(maxsize=65_536)
def iso(seconds: int) -> str:
    """Return a moment as Kubernetes and AWS write it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def pod_document(ground: Ground, party: Party, life: Life, at: int) -> dict[str, Any]:
    """Return a pod's object as it stood at a moment of its life."""
    metadata: dict[str, Any] = {
        "name": party.pod,
        "namespace": party.namespace,
        "uid": party.uid,
        "resourceVersion": str(at),
        "creationTimestamp": iso(life.created),
        "labels": _labels(party),
        "ownerReferences": [
            {"apiVersion": "apps/v1", "controller": True, **_owner(party)}
        ],
    }
    interface = ground.interfaces[party.interface]
    if interface.kind == "branch" and at >= life.started:
        eni = (
            f'[{{"eniId":"{interface.id}","privateIp":"{party.address}","vlanId":"1"}}]'
        )
        metadata["annotations"] = {"vpc.amazonaws.com/pod-eni": eni}
    if at >= life.asked:
        grace = 0 if party.shape == "forced" else GRACE_S
        metadata["deletionTimestamp"] = iso(life.asked + grace)
        metadata["deletionGracePeriodSeconds"] = grace
    spec: dict[str, Any] = {"terminationGracePeriodSeconds": GRACE_S}
    if at >= life.started:
        spec["nodeName"] = party.node
    if party.host_network:
        spec["hostNetwork"] = True
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": spec,
        "status": _status(party, life, at),
    }


def _labels(party: Party) -> dict[str, str]:
    labels = {"app": party.workload or "", "team": f"team-{party.namespace}"}
    if party.shape in ("deployment", "forced"):
        labels["pod-template-hash"] = "7d9f8c6b5"
    return labels


def _owner(party: Party) -> dict[str, str]:
    name = (party.pod or "").rpartition("-")[0]
    kinds = {"job": "Job", "daemon": "DaemonSet"}
    return {"kind": kinds.get(party.shape, "ReplicaSet"), "name": name}


def _status(party: Party, life: Life, at: int) -> dict[str, Any]:
    if at < life.started:
        return {"phase": "Pending"}
    status: dict[str, Any] = {"phase": "Pending", "startTime": iso(life.started)}
    over = at >= life.finished and party.shape != "forced"
    up = life.ready <= at < life.down
    moment = life.started if at < life.ready else life.ready if up else life.down
    network = {
        "type": "PodReadyToStartContainers",
        "status": "True" if up else "False",
        "lastTransitionTime": iso(moment),
    }
    status["conditions"] = [network]
    if at >= life.shown:
        status["podIP"] = party.address
        status["podIPs"] = [{"ip": party.address}]
        status["hostIP"] = (party.node or "")[3:].split(".")[0].replace("-", ".")
    state: dict[str, Any] = {"waiting": {"reason": "ContainerCreating"}}
    if over:
        state = {
            "terminated": {
                "exitCode": 0,
                "startedAt": iso(life.running),
                "finishedAt": iso(life.finished),
            }
        }
    elif at >= life.running:
        state = {"running": {"startedAt": iso(life.running)}}
    container = {"name": party.workload, "restartCount": 0, "state": state}
    status["containerStatuses"] = [container]
    if over and party.shape == "job":
        status["phase"] = "Succeeded"
    elif at >= life.running:
        status["phase"] = "Running"
    return status


def node_document(ground: Ground, party: Party) -> dict[str, Any]:
    """Return a node's object."""
    interface = ground.interfaces[party.interface]
    zone = interface.subnet.zone
    name = zone_name(ground, interface.vpc, zone)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": party.node,
            "uid": ground.id("node", party.node)[5:],
            "resourceVersion": "1",
            "creationTimestamp": iso(interface.created + 60),
            "labels": {
                "topology.kubernetes.io/zone": name,
                "topology.k8s.aws/zone-id": zone,
            },
        },
        "spec": {"providerID": f"aws:///{name}/{interface.instance}"},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": party.address},
                {"type": "Hostname", "address": party.node},
            ]
        },
    }


def zone_name(ground: Ground, vpc: str, zone: str) -> str:
    """Return the name that an account has for a zone's id."""
    return f"{ground.vpcs[vpc].region}{'abc'[int(zone[-1]) - 1]}"


def service_document(workload: str, namespace: str, number: int) -> dict[str, Any]:
    """Return the object of a Service that selects a workload's pods."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": workload,
            "namespace": namespace,
            "uid": f"service-{namespace}-{workload}",
            "resourceVersion": "1",
            "creationTimestamp": iso(1_760_000_000),
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": f"172.20.0.{number + 10}",
            "selector": {"app": workload},
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": 8080}],
        },
        "status": {"loadBalancer": {}},
    }
