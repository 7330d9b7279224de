"""What is known of a cluster."""

from __future__ import annotations

from typing import Any

from ingest.inventory.kubernetes.allow import Document
from ingest.inventory.kubernetes.facts import (
    Node,
    Owner,
    Pod,
    Service,
    controller_of,
    node_of,
    pod_of,
    service_of,
)
from ingest.inventory.kubernetes.owners import workload_of
from ingest.inventory.kubernetes.selectors import Selectors
from lake.errors import UsageError

DEPARTED = 1000  # nodes beyond those there are, before the unused are forgotten

Fact = Pod | Node | Service | Owner | None


class State:
    """The pods, nodes, services, ReplicaSets and Jobs of one cluster.

    Args:
        owner_label: The label that names owners.

    Attributes:
        facts: By kind, then by what identifies one of that kind.
    """

    def __init__(self, owner_label: str | None = None) -> None:
        self.facts: dict[str, dict[Any, Any]] = {
            kind: {} for kind in ("Pod", "Node", "Service", "ReplicaSet", "Job")
        }
        self.owner_label = owner_label
        self._selectors: Selectors | None = None
        self._departed: dict[str, Node] = {}

    @property
    def pods(self) -> dict[str, Pod]:
        """The pods, by holder."""
        return self.facts["Pod"]

    @property
    def nodes(self) -> dict[str, Node]:
        """The nodes, by name."""
        return self.facts["Node"]

    @property
    def services(self) -> dict[str, Service]:
        """The services, by ``namespace/name``."""
        return self.facts["Service"]

    def read(self, kind: str, document: Document) -> tuple[Any, Fact]:
        """Return what identifies an object among its kind, and what to remember of it.

        Args:
            kind: One of ``allow.KINDS``.
            document: As ``allow.cut_down`` leaves it.
        """
        if kind == "Pod":
            pod = pod_of(document, owner_label=self.owner_label)
            return pod.holder, pod
        if kind == "Node":
            node = node_of(document, owner_label=self.owner_label)
            return node.holder, node
        if kind == "Service":
            service = service_of(document)
            return service.id, service
        metadata = document["metadata"]
        key = kind, metadata.get("namespace", ""), metadata.get("name", "")
        return key, controller_of(document)

    def replace(self, kind: str, facts: dict[Any, Any]) -> None:
        """Remember these of a kind and forget all others of it."""
        if kind == "Node":
            for name in self.nodes.keys() - facts.keys():
                self._depart(name)
        self.facts[kind] = facts
        self._selectors = None

    def put(self, kind: str, key: Any, fact: Fact) -> None:
        """Remember one."""
        if kind == "Node" and key in self.nodes:
            self._depart(key)
        self.facts[kind][key] = fact
        if kind == "Service":
            self._selectors = None

    def drop(self, kind: str, key: Any) -> None:
        """Forget one; a node is still known to the pods that ran on it."""
        if kind == "Node" and key in self.nodes:
            self._depart(key)
        self.facts[kind].pop(key, None)
        if kind == "Service":
            self._selectors = None

    @property
    def cluster(self) -> str | None:
        """The cluster's name, if its nodes' labels tell it.

        Raises:
            UsageError: They tell several.
        """
        names = sorted({node.cluster for node in self.nodes.values() if node.cluster})
        if len(names) > 1:
            raise UsageError(f"nodes of several clusters ({', '.join(names)}): name it")
        return names[0] if names else None

    def node_under(self, pod: Pod) -> Node | None:
        """Return a pod's node, unless only a younger one of that name is known."""
        for known in (self.nodes, self._departed):
            node = known.get(pod.node) if pod.node else None
            if node is not None and not _younger(node, pod):
                return node
        return None

    def workload_of(self, pod: Pod) -> Owner:
        """Return the kind and name of a pod's workload."""
        kind = pod.controller[0] if pod.controller else ""
        return workload_of(pod, self.facts.get(kind, {}))

    def service_of(self, pod: Pod) -> str | None:
        """Return the name of a pod's service."""
        if self._selectors is None:
            self._selectors = Selectors(self.services.values())
        return self._selectors.service_of(pod)

    def _depart(self, name: str) -> None:
        """Remember a node that goes before its pods do."""
        if len(self._departed) > len(self.nodes) + DEPARTED:
            used = {pod.node for pod in self.pods.values()}
            self._departed = {n: d for n, d in self._departed.items() if n in used}
        self._departed[name] = self.nodes[name]


def _younger(node: Node, pod: Pod) -> bool:
    return (
        node.created is not None
        and pod.created is not None
        and node.created > pod.created
    )
