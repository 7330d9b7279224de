"""The fields of Kubernetes objects that flowlake reads; nothing else is kept.

A document is cut down before anything looks at it. Environment variables, commands,
volumes, messages and all annotations but two hold secrets and never get further.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

POD_ENI = "vpc.amazonaws.com/pod-eni"  # the branch interfaces of a pod, as JSON
POD_IPS = "vpc.amazonaws.com/pod-ips"  # its addresses; empty once they are released

Document = dict[str, Any]
_Cut = Callable[[Any], Any]

_CONDITIONS = {"PodReadyToStartContainers", "Ready", "DisruptionTarget"}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _port(value: Any) -> str | int | None:
    return _text(value) or _whole(value)


def _texts(value: Any) -> dict[str, str] | None:
    if not isinstance(value, dict):
        return None
    return {
        key: text
        for key, text in value.items()
        if isinstance(key, str) and isinstance(text, str)
    }


def _record(**fields: _Cut) -> _Cut:
    cuts = tuple(fields.items())

    def cut(value: Any) -> Document | None:
        if not isinstance(value, dict):
            return None
        kept = {}
        for name, inner in cuts:
            found = value.get(name)
            if found is not None and (found := inner(found)) is not None:
                kept[name] = found
        return kept

    return cut


def _each(inner: _Cut) -> _Cut:
    def cut(value: Any) -> list[Any] | None:
        if not isinstance(value, list):
            return None
        return [kept for one in value if (kept := inner(one)) is not None]

    return cut


_INTERFACE = _record(eniId=_text, privateIp=_text, ipv6Addr=_text)


def _annotations(value: Any) -> dict[str, str] | None:
    if not isinstance(value, dict):
        return None
    kept = {}
    if isinstance(text := value.get(POD_ENI), str):
        try:
            interfaces = _each(_INTERFACE)(json.loads(text))
        except ValueError:
            interfaces = None
        if interfaces:
            kept[POD_ENI] = json.dumps(interfaces)
    if isinstance(text := value.get(POD_IPS), str):
        kept[POD_IPS] = text
    return kept or None


def _condition(value: Any) -> Document | None:
    if not isinstance(value, dict) or value.get("type") not in _CONDITIONS:
        return None
    cut: Document | None = _record(
        type=_text, status=_text, reason=_text, lastTransitionTime=_text
    )(value)
    return cut


_NAMES = (
    "name", "namespace", "uid", "resourceVersion", "creationTimestamp",
    "deletionTimestamp",
)  # fmt: skip
_NAMED: dict[str, _Cut] = {
    **dict.fromkeys(_NAMES, _text),
    "deletionGracePeriodSeconds": _whole,
}
_OWNERS = _each(_record(kind=_text, name=_text, controller=_flag))
_CONTAINERS = _each(
    _record(
        restartCount=_whole,
        state=_record(
            running=_record(startedAt=_text),
            terminated=_record(startedAt=_text, finishedAt=_text),
        ),
    )
)

_POD = _record(
    metadata=_record(
        **_NAMED, labels=_texts, ownerReferences=_OWNERS, annotations=_annotations
    ),
    spec=_record(
        nodeName=_text, hostNetwork=_flag, terminationGracePeriodSeconds=_whole
    ),
    status=_record(
        phase=_text,
        podIP=_text,
        podIPs=_each(_record(ip=_text)),
        startTime=_text,
        conditions=_each(_condition),
        initContainerStatuses=_CONTAINERS,
        containerStatuses=_CONTAINERS,
        ephemeralContainerStatuses=_CONTAINERS,
    ),
)
_NODE = _record(
    metadata=_record(**_NAMED, labels=_texts),
    spec=_record(providerID=_text),
    status=_record(addresses=_each(_record(type=_text, address=_text))),
)
_SERVICE = _record(
    metadata=_record(**_NAMED),
    spec=_record(
        type=_text,
        clusterIP=_text,
        clusterIPs=_each(_text),
        selector=_texts,
        ports=_each(
            _record(
                name=_text,
                port=_whole,
                protocol=_text,
                targetPort=_port,
                nodePort=_whole,
            )
        ),
    ),
    status=_record(
        loadBalancer=_record(ingress=_each(_record(hostname=_text, ip=_text)))
    ),
)
_CONTROLLER = _record(metadata=_record(**_NAMED, ownerReferences=_OWNERS))

_KINDS: dict[str, _Cut] = {
    "Pod": _POD,
    "Node": _NODE,
    "Service": _SERVICE,
    "ReplicaSet": _CONTROLLER,
    "Job": _CONTROLLER,
}
KINDS = frozenset(_KINDS)


def cut_down(kind: str, document: Document) -> Document:
    """Return what may be kept of an object, in the shape that Kubernetes gave it.

    Args:
        kind: One of ``KINDS``.
        document: The object as the API or kubectl gave it; it is not changed.
    """
    kept: Document = {"kind": kind, **(_KINDS[kind](document) or {})}
    kept.setdefault("metadata", {})
    return kept
