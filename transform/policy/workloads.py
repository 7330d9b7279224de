"""Kubernetes NetworkPolicies that let just what was observed of pods pass."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from transform.policy.edges import Edge, End
from transform.policy.latest import newest
from transform.policy.spans import cidrs, grouped, ranges
from transform.policy.suggest import PROTOCOL_UNKNOWN, NotSuggested, no_evidence
from transform.records import TCP, UDP

SCTP = 132
WORKLOAD = "k8s_workload"  # a resource type of `configurations`
PROTOCOLS = {TCP: "TCP", UDP: "UDP", SCTP: "SCTP"}  # that policies know

Labels = tuple[tuple[str, str], ...]
Key = tuple[str, str, str]  # cluster, namespace, workload
Ports = tuple[tuple[int, int, int], ...]  # protocol, first, last


@dataclass(frozen=True, slots=True)
class Selector:
    """Pods of a workload: those of its namespace with all of these labels."""

    namespace: str
    labels: Labels


@dataclass(frozen=True, slots=True)
class Allowance:
    """Peers that are allowed the same ports.

    Attributes:
        pods: Peers that are workloads of the cluster.
        blocks: Peers that are none, as CIDRs.
    """

    pods: tuple[Selector, ...]
    blocks: tuple[str, ...]
    ports: Ports


@dataclass(frozen=True, slots=True)
class PodPolicy:
    """What one workload may take in, or send out.

    Attributes:
        pods: Whom it is for.
        allowed: By peers; those with the same ports together.
        edges: On what it rests.
        also: Other workloads that its labels select too.
    """

    cluster: str
    workload: str
    inbound: bool
    pods: Selector
    allowed: tuple[Allowance, ...]
    edges: tuple[Edge, ...]
    also: tuple[str, ...] = ()


class Selectors:
    """How the pods of workloads are selected, as far as the inventory tells.

    Args:
        configurations: Rows of the table of that name.
    """

    def __init__(self, configurations: pa.Table) -> None:
        mine = pc.equal(configurations["resource_type"], WORKLOAD)
        rows = newest(configurations.filter(mine), scoped=True)
        self._labels: dict[Key, set[Labels]] = {}
        scopes, texts = (rows[n].to_pylist() for n in ("scope", "document"))
        for scope, text in zip(scopes, texts, strict=True):
            told = json.loads(text)
            cluster = scope.removeprefix("kubernetes:")
            key = cluster, told["namespace"], told["name"]
            labels = tuple(sorted(told["labels"].items()))
            self._labels.setdefault(key, set()).add(labels)

    def of(self, end: End) -> Selector | None:
        """Return what selects the pods of an end's workload, and none else if it can.

        None: it is no pod, its pods share no label, or two workloads have its name.
        """
        if end.kind != "pod" or not (end.cluster and end.namespace and end.workload):
            return None
        found = self._labels.get((end.cluster, end.namespace, end.workload), set())
        labels = next(iter(found)) if len(found) == 1 else ()
        return Selector(end.namespace, labels) if labels else None

    def also(self, cluster: str, workload: str, pods: Selector) -> tuple[str, ...]:
        """Return the other workloads that a selector is true of."""
        return tuple(
            sorted(
                name
                for (where, namespace, name), several in self._labels.items()
                if (where, namespace) == (cluster, pods.namespace) and name != workload
                and any({*pods.labels} <= {*labels} for labels in several)
            )
        )  # fmt: skip


def pod_policies(
    selectors: Selectors, edges: Sequence[Edge]
) -> tuple[list[PodPolicy], list[NotSuggested]]:
    """Return a policy for each workload that was seen, as a server and as a client.

    Args:
        selectors: How pods are selected.
        edges: What is to pass.

    Returns:
        The policies, ingress before egress; and edges that are in none, and why.
    """
    found: list[PodPolicy] = []
    kept = [edge for edge in edges if _why_not(edge) is None]
    there = {_what(edge) for edge in kept}
    rest = [
        NotSuggested(edge, *why)
        for edge in edges
        if (why := _why_not(edge)) and _what(edge) not in there
    ]
    for inbound in (True, False):
        mine = [e for e in kept if _own(e, inbound=inbound).kind == "pod"]
        rest += [
            _unselected(edge, _own(edge, inbound=inbound))
            for edge in mine
            if selectors.of(_own(edge, inbound=inbound)) is None
        ]
        found += _policies(selectors, mine, inbound=inbound)
    return found, rest


def _what(edge: Edge) -> tuple[object, ...]:
    """Return what a policy tells apart: it does not matter what became of it."""
    return edge.client, edge.server, edge.protocol, edge.port


def _own(edge: Edge, *, inbound: bool) -> End:
    return edge.server if inbound else edge.client


def _why_not(edge: Edge) -> tuple[str, str] | None:
    if "pod" not in (edge.client.kind, edge.server.kind):
        return "no_pod", "neither end is a pod: a NetworkPolicy has nothing to select"
    if edge.protocol is None:
        return PROTOCOL_UNKNOWN
    if edge.protocol not in PROTOCOLS:
        return "no_policy_protocol", "NetworkPolicies know TCP, UDP and SCTP alone"
    if edge.port is None:
        return "no_service_port", "at which port the server listens is not known"
    if edge.port == 0:
        return "no_policy_port", "NetworkPolicies know no port 0"
    return no_evidence(edge)


def _unselected(edge: Edge, end: End) -> NotSuggested:
    says = (
        f"nothing is known that selects the pods of {end.namespace}/{end.workload}: "
        "read the cluster's inventory, with pods that share a label"
    )
    return NotSuggested(edge, "no_selector", says)


def _policies(
    selectors: Selectors, edges: Sequence[Edge], *, inbound: bool
) -> Iterator[PodPolicy]:
    def key(edge: Edge) -> Key:
        end = _own(edge, inbound=inbound)
        return str(end.cluster), str(end.namespace), str(end.workload)

    for (cluster, _, workload), some in sorted(grouped(edges, key)):
        pods = selectors.of(_own(some[0], inbound=inbound))
        if pods is not None:
            allowed = tuple(_allowed(selectors, some, inbound=inbound))
            also = selectors.also(cluster, workload, pods)
            yield PodPolicy(
                cluster, workload, inbound, pods, allowed, tuple(some), also
            )


def _allowed(
    selectors: Selectors, edges: Sequence[Edge], *, inbound: bool
) -> Iterator[Allowance]:
    """Yield peers by the ports that each was seen with; who has the same, together."""
    seen: dict[Selector | str, set[tuple[int, int]]] = {}
    for edge in edges:
        peer = edge.client if inbound else edge.server
        own = _own(edge, inbound=inbound)
        same = peer.cluster == own.cluster
        who = (selectors.of(peer) if same else None) or str(peer.address)
        seen.setdefault(who, set()).add((edge.number, int(edge.port or 0)))
    by_ports = grouped(seen.items(), lambda item: frozenset(item[1]))
    for ports, some in sorted(by_ports, key=lambda item: sorted(item[0])):
        peers = [peer for peer, _ in some]
        pods = {p for p in peers if isinstance(p, Selector)}
        blocks = cidrs(p for p in peers if isinstance(p, str))
        order = sorted(pods, key=lambda one: (one.namespace, one.labels))
        yield Allowance(tuple(order), tuple(blocks), _ports(ports))


def _ports(ports: frozenset[tuple[int, int]]) -> Ports:
    return tuple(
        (protocol, low, high)
        for protocol in sorted({p for p, _ in ports})
        for low, high in ranges(port for p, port in ports if p == protocol)
    )
