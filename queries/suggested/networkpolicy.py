"""Suggestions for pods as Kubernetes NetworkPolicies, in YAML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from queries.suggested.yaml import document
from transform.policy.suggest import label
from transform.policy.workloads import PROTOCOLS, Allowance, PodPolicy, Selector

NAMESPACE = "kubernetes.io/metadata.name"  # every namespace has it, since 1.21
NODE_LOCAL_DNS = "169.254.20.10/32"
LONGEST = 253  # characters of a name
DNS_PORTS = [{"protocol": name, "port": 53} for name in ("UDP", "TCP")]

# What flow logs never show, so that it is in none of what was observed.
UNSEEN = (
    "traffic between pods, or a pod and the kubelet, on one node (it passes no "
    "interface); most CNIs always let probes of a pod's own node in",
    "traffic to link-local addresses, 169.254.0.0/16: instance metadata, EKS Pod "
    "Identity, node-local DNS, time",
    "DNS to the Amazon resolver",
    "what NetworkPolicies, firewalls of hosts and route tables dropped",
)
_HOSTS = (
    "addresses stand for what no selector can mean: nodes and pods on their network "
    "(hostNetwork), other clusters, machines, and ends that nobody could name"
)


def manifest(one: PodPolicy) -> dict[str, Any]:
    """Return a policy as Kubernetes takes it.

    Source:
        Kubernetes API Reference, "NetworkPolicy v1 networking.k8s.io".
    """
    way, peers = ("ingress", "from") if one.inbound else ("egress", "to")
    rules = [
        {peers: [*_peers(allowed)], "ports": [*_ports(allowed)]}
        for allowed in one.allowed
    ]
    if not one.inbound:
        rules.append(_dns())
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": _name(one.workload, way),
            "namespace": one.pods.namespace,
            "annotations": {"flowlake/observed": label(one.edges)},
        },
        "spec": {
            "podSelector": {"matchLabels": dict(one.pods.labels)},
            "policyTypes": [way.capitalize()],
            way: rules,
        },
    }


def written(policies: Sequence[PodPolicy], head: Iterable[str]) -> str:
    """Return policies as one file, of several documents; comments say what to know."""
    parts = []
    comments = [*head, "never in flow logs, so never in these:", *_listed(UNSEEN)]
    text = "".join(f"# {line}\n" for line in comments)
    for one in policies:
        notes = "".join(f"# {line}\n" for line in about(one))
        parts.append(f"---\n{notes}{document(manifest(one))}")
    return text + "".join(parts)


def about(one: PodPolicy) -> list[str]:
    """Return what to know of a policy, a line each."""
    where = f"{one.pods.namespace}/{one.workload} of cluster {one.cluster}"
    way = "into" if one.inbound else "out of"
    lines = [f"{way} {where}: all else is denied once it is applied", label(one.edges)]
    if one.also:
        lines.append(f"its labels select these too: {', '.join(one.also)}")
    if any(allowed.blocks for allowed in one.allowed):
        lines.append(_HOSTS)
    if not one.inbound:
        lines.append("DNS is always let out: flow logs do not show all of it")
    return lines


def _listed(lines: Iterable[str]) -> Iterator[str]:
    yield from (f"- {line}" for line in lines)


def _peers(allowed: Allowance) -> Iterator[dict[str, Any]]:
    yield from map(_selected, allowed.pods)
    yield from ({"ipBlock": {"cidr": cidr}} for cidr in allowed.blocks)


def _selected(pods: Selector) -> dict[str, Any]:
    return {
        "namespaceSelector": {"matchLabels": {NAMESPACE: pods.namespace}},
        "podSelector": {"matchLabels": dict(pods.labels)},
    }


def _ports(allowed: Allowance) -> Iterator[dict[str, Any]]:
    for protocol, low, high in allowed.ports:
        one: dict[str, Any] = {"protocol": PROTOCOLS[protocol], "port": low}
        yield one if low == high else {**one, "endPort": high}


def _dns() -> dict[str, Any]:
    """Return the rule for the cluster's DNS, and for that of the node."""
    cluster = Selector("kube-system", (("k8s-app", "kube-dns"),))
    peers = [_selected(cluster), {"ipBlock": {"cidr": NODE_LOCAL_DNS}}]
    return {"to": peers, "ports": DNS_PORTS}


def _name(workload: str, way: str) -> str:
    """Return a name that Kubernetes takes: of a static pod's or any other workload."""
    end = f"-{way}-observed"
    words = re.sub(r"[^a-z0-9.-]+", "-", workload.lower())[: LONGEST - len(end)]
    return f"{words.strip('.-') or 'pods'}{end}"
