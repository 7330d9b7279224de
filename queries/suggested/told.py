"""Suggestions as a document of JSON, and as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from queries.spelling import iso
from queries.suggested.aws import call, opens
from queries.suggested.networkpolicy import UNSEEN, about, manifest
from queries.tables import words_text
from transform.policy.edges import Edge
from transform.policy.spans import grouped
from transform.policy.suggest import NotSuggested, Suggested, Suggestion
from transform.policy.workloads import PodPolicy

PAIRS_SHOWN = 10

Missing = Sequence[NotSuggested]


def head(meta: Mapping[str, Any]) -> list[str]:
    """Return what stands at the head of everything that is suggested."""
    window = meta.get("window") or {}
    share = (meta.get("completeness") or {}).get("share")
    lines = [
        "flowlake suggest: observed only; what was not seen is not in it",
        f"window {window.get('since')} to {window.get('until')}; of what should have "
        f"been logged there is {'an unknown share' if share is None else share}",
    ]
    if meta.get("more"):
        lines.append("there are more edges than --limit: these are the busiest")
    return lines


def as_json(
    meta: Mapping[str, Any],
    rules: Suggested,
    policies: Sequence[PodPolicy],
    unselected: Missing,
) -> dict[str, Any]:
    """Return all of it as values of JSON."""
    found = {
        "meta": dict(meta),
        "rules": [_rule(one) for one in rules.suggestions],
        "not_suggested": [_missing(one) for one in rules.not_suggested],
        "network_policies": [_policy(one) for one in policies],
        "in_no_network_policy": [_missing(one) for one in unselected],
        "never_observed": list(UNSEEN),
    }
    return {name: _plain(value) for name, value in found.items()}


def as_text(
    meta: Mapping[str, Any],
    rules: Suggested,
    policies: Sequence[PodPolicy],
    unselected: Missing,
) -> str:
    """Return all of it as tables; edges for which there is nothing, by reason."""
    lines = [*head(meta), ""]
    if rules.suggestions:
        heads = ("rule", "records", "edges", "beside")
        lines.append(words_text(heads, map(_row, rules.suggestions)))
    else:
        lines.append("no rules to suggest\n")
    if policies:
        heads = ("NetworkPolicy for", "records", "edges", "to know")
        lines.append(words_text(heads, map(_policy_row, policies)))
    for title, some in (
        ("not suggested", rules.not_suggested),
        ("in no NetworkPolicy", unselected),
    ):
        if some:
            heads = (title, "records", "edges", "such as")
            lines.append(words_text(heads, _reasons(some)))
    lines += ["flow logs never show:", *(f"- {line}" for line in UNSEEN)]
    return "\n".join(lines) + "\n"


def _rule(one: Suggestion) -> dict[str, Any]:
    command, given = call(one)
    return {
        "rule": one.change.text(),
        "label": one.label,
        "change": one.change.to_json(),
        "edges": [edge.to_json() for edge in one.edges],
        "also_opens": {
            "target_interfaces": one.opened.targets,
            "source_interfaces": one.opened.sources,
            "pairs": one.opened.count,
            "such_as": sorted(one.opened.pairs)[:PAIRS_SHOWN],
        },
        "notes": list(one.notes),
        "aws": {"command": command, "input": given},
    }


def _policy(one: PodPolicy) -> dict[str, Any]:
    return {
        "cluster": one.cluster,
        "notes": about(one),
        "edges": [edge.to_json() for edge in one.edges],
        "manifest": manifest(one),
    }


def _missing(one: NotSuggested) -> dict[str, Any]:
    return {"reason": one.reason, "says": one.says, **one.edge.to_json()}


def _row(one: Suggestion) -> tuple[str | int, ...]:
    beside = "; ".join([opens(one), *one.notes])
    return one.change.text(), _records(one.edges), len(one.edges), beside


def _policy_row(one: PodPolicy) -> tuple[str | int, ...]:
    way = "ingress" if one.inbound else "egress"
    name = f"{one.pods.namespace}/{one.workload} {way}"
    to_know = "; ".join(about(one)[2:])
    return name, _records(one.edges), len(one.edges), to_know


def _reasons(some: Missing) -> Iterator[tuple[str | int, ...]]:
    for says, few in grouped(some, lambda one: one.says):
        edges = [one.edge for one in few]
        first = edges[0]
        such = f"{first.client.text()} -> {first.server.text()}"
        port = "" if first.port is None else f" port {first.port}"
        yield says, _records(edges), len(edges), such + port


def _records(edges: Sequence[Edge]) -> int:
    return sum(edge.records for edge in edges)


def _plain(value: Any) -> Any:
    """Return a value with times as ISO 8601 with Z."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return iso(value) if isinstance(value, datetime) else value
