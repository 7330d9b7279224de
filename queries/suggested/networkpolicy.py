"""Suggestions for pods as Kubernetes NetworkPolicies, in YAML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from queries.suggested.yaml import document
from transform.policy.spans import grouped
from transform.policy.suggest import NotSuggested, label
from transform.policy.workloads import PROTOCOLS, Allowance, PodPolicy, Selector

NAMESPACE = "kubernetes.io/metadata.name"  # every namespace has it, since 1.21
# Of the node itself: packets to them pass no interface, so no log can show them.
NODE_DNS = ("169.254.20.10/32", "169.254.169.253/32")  # node-local DNS, the Amazon one
NODE_SERVICES = ("169.254.169.254/32", "169.254.170.23/32")  # metadata, Pod Identity
KUBE_DNS = ("k8s-app", "kube-dns")  # a label of the cluster's DNS
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
        rules += [_dns(one), _node_services()]
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


def written(
    policies: Sequence[PodPolicy],
    head: Iterable[str],
    unselected: Sequence[NotSuggested] = (),
) -> str:
    """Return policies as one file, of several documents; comments say what to know.

    Args:
        policies: What is suggested.
        head: What stands before all.
        unselected: Edges that are in no policy, and why.
    """
    parts = []
    comments = [*head, "never in flow logs, so never in these:", *_listed(UNSEEN)]
    if unselected:
        comments.append(f"observed, and missing in policies: {len(unselected)} edges")
        whys = grouped(unselected, lambda one: one.says)
        comments += _listed(f"{len(some)}: {says}" for says, some in whys)
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
        lines.append(
            "DNS is always let out, and instance metadata and EKS Pod Identity of the "
            "node: flow logs do not show all of it"
        )
    if not one.inbound and KUBE_DNS in one.pods.labels:
        lines.append("it is the cluster's DNS: it may ask any server at port 53")
    return lines


def _listed(lines: Iterable[str]) -> Iterator[str]:
    yield from (f"- {line}" for line in lines)


def _peers(allowed: Allowance) -> Iterator[dict[str, Any]]:
    yield from map(_selected, allowed.pods)
    yield from _blocks(allowed.blocks)


def _selected(pods: Selector) -> dict[str, Any]:
    return {
        "namespaceSelector": {"matchLabels": {NAMESPACE: pods.namespace}},
        "podSelector": {"matchLabels": dict(pods.labels)},
    }


def _ports(allowed: Allowance) -> Iterator[dict[str, Any]]:
    for protocol, low, high in allowed.ports:
        one: dict[str, Any] = {"protocol": PROTOCOLS[protocol], "port": low}
        yield one if low == high else {**one, "endPort": high}


def _dns(one: PodPolicy) -> dict[str, Any]:
    """Return the rule for the cluster's DNS and the node's; of DNS itself for any."""
    if KUBE_DNS in one.pods.labels:
        return {"ports": DNS_PORTS}
    cluster = Selector("kube-system", (KUBE_DNS,))
    return {"to": [_selected(cluster), *_blocks(NODE_DNS)], "ports": DNS_PORTS}


def _node_services() -> dict[str, Any]:
    """Return the rule for what a node itself tells its pods.

    Source:
        Amazon EC2 User Guide, "Access instance metadata"; Amazon EKS User Guide,
        "EKS Pod Identity".
    """
    return {"to": [*_blocks(NODE_SERVICES)], "ports": [{"protocol": "TCP", "port": 80}]}


def _blocks(cidrs: Iterable[str]) -> Iterator[dict[str, Any]]:
    yield from ({"ipBlock": {"cidr": cidr}} for cidr in cidrs)


def _name(workload: str, way: str) -> str:
    """Return a name that Kubernetes takes: of a static pod's or any other workload."""
    end = f"-{way}-observed"
    words = re.sub(r"[^a-z0-9.-]+", "-", workload.lower())[: LONGEST - len(end)]
    return f"{words.strip('.-') or 'pods'}{end}"
