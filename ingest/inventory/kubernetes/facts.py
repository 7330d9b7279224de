"""What is remembered of pods, nodes and services."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ingest.inventory.kubernetes.allow import POD_ENI, POD_IPS, Document
from ingest.inventory.kubernetes.lifetime import Life, instant, life_of

_INSTANCE = re.compile(r"/(i-[0-9a-f]{8,17})$")
_INTERFACE = re.compile(r"eni-[0-9a-f]{8,17}")
_ZONE_ID = "topology.k8s.aws/zone-id"
_CLUSTER_LABELS = (
    "alpha.eksctl.io/cluster-name",
    "eks.amazonaws.com/cluster-name",
    "eks.amazonaws.com/cluster",
    "cluster.x-k8s.io/cluster-name",
    "minikube.k8s.io/name",
)

Owner = tuple[str, str]  # kind, name


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod.

    Attributes:
        holder: Its uid, else ``namespace/name@node``.
        addresses: Each with its branch interface, if it has one; none for a pod that
            shares its node's network.
        controller: What made it; None if nothing did.
        created: When it was created; UTC.
        owner: The value of the label that names owners.
    """

    holder: str
    namespace: str
    name: str
    node: str | None
    addresses: tuple[tuple[str, str | None], ...]
    life: Life
    labels: Mapping[str, str]
    controller: Owner | None
    created: datetime | None
    owner: str | None


@dataclass(frozen=True, slots=True)
class Node:
    """A node.

    Attributes:
        holder: Its name.
        addresses: Its internal ones, as a pod's; none for a Fargate node, whose
            address is its one pod's.
        instance: EC2 instance id.
        az: Availability Zone id.
        created: When it was registered; UTC.
        cluster: The cluster's name, where a label tells it.
        owner: The value of the label that names owners.
    """

    holder: str
    addresses: tuple[tuple[str, str | None], ...]
    life: Life
    instance: str | None
    az: str | None
    created: datetime | None
    cluster: str | None
    owner: str | None


@dataclass(frozen=True, slots=True)
class Service:
    """A service.

    Attributes:
        id: ``namespace/name``.
        selector: Labels that its pods have; empty if it selects none.
        document: What the lake keeps of it, as JSON.
    """

    id: str
    namespace: str
    name: str
    selector: Mapping[str, str]
    document: str
    life: Life = field(default_factory=Life)


def canonical(text: object) -> str | None:
    """Return an address in its shortest form; None if it is none."""
    if not isinstance(text, str):
        return None
    try:
        return ipaddress.ip_address(text.strip()).compressed
    except ValueError:
        return None


def pod_of(
    document: Document, *, owner_label: str | None = None, life: Life | None = None
) -> Pod:
    """Return what is remembered of a pod.

    Args:
        document: As ``allow.cut_down`` leaves it.
        owner_label: The label that names owners.
        life: When it held its addresses, if its object alone does not tell.
    """
    metadata, spec = document["metadata"], document.get("spec", {})
    namespace, name = _text(metadata, "namespace"), _text(metadata, "name")
    node, labels = spec.get("nodeName"), metadata.get("labels", {})
    return Pod(
        holder=metadata.get("uid") or f"{namespace}/{name}@{node}",
        namespace=namespace,
        name=name,
        node=node,
        addresses=() if spec.get("hostNetwork") else _pod_addresses(document),
        life=life or life_of(document),
        labels=labels,
        controller=controller_of(document),
        created=instant(metadata.get("creationTimestamp")),
        owner=labels.get(owner_label) if owner_label else None,
    )


def node_of(document: Document, *, owner_label: str | None = None) -> Node:
    """Return what is remembered of a node; ``document`` as ``allow.cut_down`` left it.

    It has had its address since it was registered; its instance had it before that.
    """
    metadata = document["metadata"]
    labels = metadata.get("labels", {})
    provider = document.get("spec", {}).get("providerID") or ""
    instance = _INSTANCE.search(provider)
    created = instant(metadata.get("creationTimestamp"))
    internal = (
        canonical(address.get("address"))
        for address in document.get("status", {}).get("addresses", ())
        if address.get("type") == "InternalIP"
    )
    return Node(
        holder=_text(metadata, "name"),
        addresses=()
        if "/fargate-" in provider
        else tuple(
            (address, None) for address in dict.fromkeys(filter(None, internal))
        ),
        life=Life(started=created),
        instance=instance[1] if instance else None,
        az=labels.get(_ZONE_ID),
        created=created,
        cluster=next(filter(None, map(labels.get, _CLUSTER_LABELS)), None),
        owner=labels.get(owner_label) if owner_label else None,
    )


def service_of(document: Document) -> Service:
    """Return what is remembered of a service, as ``allow.cut_down`` left it.

    When it last changed its object does not tell, only when it was created.
    """
    metadata, spec = document["metadata"], document.get("spec", {})
    namespace, name = _text(metadata, "namespace"), _text(metadata, "name")
    type_ = spec.get("type", "ClusterIP")
    selector = spec.get("selector") or {}
    entries = document.get("status", {}).get("loadBalancer", {}).get("ingress", ())
    addresses = [ip for ip in spec.get("clusterIPs", [spec.get("clusterIP")]) if ip]
    kept = {
        "namespace": namespace,
        "name": name,
        "type": type_,
        "clusterIPs": [ip for ip in addresses if ip != "None"],
        "ports": spec.get("ports", []),
        "selector": selector,
        "loadBalancer": [e.get("hostname") or e.get("ip") for e in entries if e],
    }
    return Service(
        id=f"{namespace}/{name}",
        namespace=namespace,
        name=name,
        selector={} if type_ == "ExternalName" else selector,
        document=json.dumps(kept, sort_keys=True, separators=(",", ":")),
        life=Life(earliest=instant(metadata.get("creationTimestamp"))),
    )


def controller_of(document: Document) -> Owner | None:
    """Return the kind and name of what controls an object, else its first owner."""
    owners = document["metadata"].get("ownerReferences", ())
    first = next((o for o in owners if o.get("controller") is True), None) or next(
        iter(owners), None
    )
    if first is None or "kind" not in first or "name" not in first:
        return None
    return str(first["kind"]), str(first["name"])


def _pod_addresses(document: Document) -> tuple[tuple[str, str | None], ...]:
    status = document.get("status", {})
    annotations = document["metadata"].get("annotations", {})
    branches = dict(_branches(annotations.get(POD_ENI)))
    told = [status.get("podIP"), *(one.get("ip") for one in status.get("podIPs", ()))]
    told += annotations.get(POD_IPS, "").split(",")
    found = dict.fromkeys(filter(None, map(canonical, told)))
    if found:  # a branch interface is there before the pod's network is
        found |= dict.fromkeys(branches)
    return tuple((address, branches.get(address)) for address in found)


def _branches(annotation: str | None) -> Iterator[Owner]:
    for interface in json.loads(annotation) if annotation else ():
        eni = interface.get("eniId")
        if not isinstance(eni, str) or not _INTERFACE.fullmatch(eni):
            continue
        for field_name in ("privateIp", "ipv6Addr"):
            if (address := canonical(interface.get(field_name))) is not None:
                yield address, eni


def _text(metadata: Document, name: str) -> str:
    return str(metadata.get(name, ""))
