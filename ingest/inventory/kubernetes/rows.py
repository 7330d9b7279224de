"""Rows of `identities` and `configurations` from what is known of a cluster."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pyarrow as pa

from ingest.inventory.kubernetes.facts import Node, Pod, Service
from ingest.inventory.kubernetes.lifetime import Life
from ingest.inventory.kubernetes.state import State
from ingest.inventory.kubernetes.workloads import Workload
from ingest.inventory.sighting import CONFIGURED, SIGHTED

SERVICE = "k8s_service"
WORKLOAD = "k8s_workload"
WATCH = "k8s_watch"

Span = tuple[datetime, datetime]
_Row = dict[str, Any]


def identity_rows(state: State, cluster: str, facts: Iterable[Pod | Node]) -> pa.Table:
    """Return a row in ``SIGHTED``'s columns for each address of pods and nodes.

    ``name``, ``vpc`` and ``subnet`` stay null: a pod's name is its own column, and
    where an address lies only AWS can tell.
    """
    rows = []
    for fact in facts:
        if fact.addresses:
            named = _of_pod(state, fact) if isinstance(fact, Pod) else _of_node(fact)
            named |= {"source": "kubernetes", "cluster": cluster, **_times(fact.life)}
            rows += [
                {**named, "holder": fact.holder, "address": address, "eni": eni}
                for address, eni in fact.addresses
            ]
    return _table(SIGHTED, rows)


def configuration_rows(
    cluster: str,
    services: Iterable[Service],
    workloads: Iterable[Workload],
    spans: Iterable[Span],
) -> pa.Table:
    """Return rows in ``CONFIGURED``'s columns: services, workloads, spans of watching.

    Args:
        cluster: What a span's ``resource_id`` is.
        services: Services.
        workloads: Workloads.
        spans: From when to when pods and nodes were watched without a break; UTC.
    """
    rows: list[_Row] = [
        {
            "resource_type": kind,
            "resource_id": one.id,
            "document": one.document,
            **_times(one.life),
        }
        for kind, several in ((SERVICE, services), (WORKLOAD, workloads))
        for one in several
    ]
    rows += [
        {
            "resource_type": WATCH,
            "resource_id": cluster,
            "document": "{}",
            "started_at": begin,
            "ended_at": end,
        }
        for begin, end in spans
    ]
    return _table(CONFIGURED, rows)


def _of_pod(state: State, pod: Pod) -> _Row:
    kind, workload = state.workload_of(pod)
    node = state.node_under(pod)
    return {
        "kind": "pod",
        "namespace": pod.namespace,
        "workload": workload,
        "workload_kind": kind,
        "pod": pod.name,
        "node": pod.node,
        "instance": node and node.instance,
        "az": node and node.az,
        "k8s_service": state.service_of(pod),
        "owner": pod.owner,
    }


def _of_node(node: Node) -> _Row:
    return {
        "kind": "node",
        "node": node.holder,
        "instance": node.instance,
        "az": node.az,
        "owner": node.owner,
    }


def _times(life: Life) -> _Row:
    return {
        "started_at": life.started,
        "ended_at": life.ended,
        "earliest": life.earliest,
        "latest": life.latest,
    }


def _table(schema: pa.Schema, rows: list[_Row]) -> pa.Table:
    return pa.Table.from_struct_array(pa.array(rows, pa.struct(list(schema))))
