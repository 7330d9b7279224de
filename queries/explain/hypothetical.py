"""Whether a packet that was not sent would pass: where it would fail, by which rule."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lake.tables import CONFIGURATIONS, IDENTITIES
from queries.engine import Engine
from queries.explain.configured import around
from queries.explain.ends import find_ends
from queries.explain.holders import Found
from queries.explain.plain import (
    DEPENDS,
    NEVER_SHOWN,
    NOT_FOLLOWED,
    PASSES,
    UNDETERMINED,
    end_of,
    missing_of,
    reply_of,
    step_of,
    verdict_of,
    verdict_of_replies,
)
from queries.explain.says import decided, what_of
from queries.meta import snapshot_text
from queries.spelling import iso
from transform.policy.reply import Replied, is_tracked, replies
from transform.policy.walk import steps
from transform.policy.way import FAILS, Step, Way

STALE = timedelta(days=1)
TABLES = (IDENTITIES.name, CONFIGURATIONS.name)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A packet that somebody would send.

    Attributes:
        source, target: As `ends.FORMS` says.
        protocol: IANA number.
        port: Of the server; None: the protocol has none.
        client_port: That of the client; None: any that is ephemeral.
    """

    source: str
    target: str
    protocol: int
    port: int | None
    client_port: int | None = None


def would_pass(engine: Engine, wanted: Wanted, at: datetime) -> dict[str, Any]:
    """Say whether a packet and its reply would pass.

    What was last listed and nothing speaks against counts as so until then.

    Args:
        engine: Over the lake.
        wanted: What would be sent.
        at: When; UTC.

    Raises:
        BadParameter: An end is nobody, or somebody in several VPCs.
    """
    begun = time.perf_counter()
    pinned = engine.pin(list(TABLES))
    with engine.session([engine.plan(p) for p in pinned.values()]) as session:
        source, target = find_ends(session, wanted.source, wanted.target, at)
    ends = source.end, target.end
    names, subnets = zip(*((e.interface, e.subnet) for e in ends), strict=True)
    configured = pinned[CONFIGURATIONS.name]
    policy, rows = around(engine, configured, names, subnets, until=at)
    second = int(at.timestamp())
    way = Way(*ends, wanted.protocol, wanted.port, second, second)
    client = wanted.client_port
    asked = steps(policy, way)
    answered = replies(policy, way, (client, client) if client is not None else None)
    found = _told(way, asked, answered)
    found["tracked"] = is_tracked(policy, way)
    notes, seen = _notes(source, target), _seen(rows, ends)
    elapsed = round((time.perf_counter() - begun) * 1000, 1)
    return {
        "says": "; ".join([found.pop("says"), *notes]),
        **found,
        "at": iso(at),
        "configuration_seen": seen and iso(seen),
        "missing": [*found["missing"], *_stale(seen, at)],
        "not_followed": list(NOT_FOLLOWED),
        "never_shown": list(NEVER_SHOWN),
        "meta": {
            "snapshots": {n: snapshot_text(p.snapshot) for n, p in pinned.items()},
            "elapsed_ms": elapsed,
        },
    }


def _told(
    way: Way, asked: Sequence[Step], answered: Sequence[Replied]
) -> dict[str, Any]:
    request, reply = verdict_of(asked), verdict_of_replies(answered)
    verdict = request if request != PASSES else reply
    every = [*asked, *(step for one in answered for step in one.steps)]
    return {
        "says": _says(way, asked, answered, request=request, reply=reply),
        "verdict": verdict,
        "request": request,
        "reply": reply if request == PASSES else None,
        "packet": {
            "source": end_of(way.source),
            "target": end_of(way.target),
            "protocol": way.protocol,
            "port": way.port,
        },
        "steps": [step_of(step) for step in asked],
        "replies": [reply_of(one) for one in answered],
        "missing": missing_of(every),
    }


def _says(
    way: Way,
    asked: Sequence[Step],
    answered: Sequence[Replied],
    *,
    request: str,
    reply: str,
) -> str:
    what = what_of(way)
    if request == FAILS:
        return f"{what} would be stopped {decided(asked)}"
    if request == UNDETERMINED:
        return f"{what}: whether it would pass is not known, see what is missing"
    if reply == PASSES:
        return f"{what} would pass, and its reply too"
    if reply == FAILS:
        return (
            f"{what} would pass, but its reply be stopped {decided(answered[0].steps)}"
        )
    if reply == DEPENDS:
        ports = ", ".join(
            f"{one.ports[0]}-{one.ports[1]} {verdict_of(one.steps)}"
            for one in answered
            if one.ports
        )
        return f"{what} would pass; its reply depends on the client's port: {ports}"
    return f"{what} would pass; whether its reply does is not known"


def _notes(source: Found, target: Found) -> list[str]:
    """Return what to know of the ends before the answer is trusted."""
    found = []
    pods = source.is_pod or target.is_pod
    if pods and source.node and source.node == target.node:
        found.append(
            f"both are on {source.node}, where packets between pods, and with the "
            "node, do not leave it: then none of this is asked"
        )
    elsewhere = source.end.vpc != target.end.vpc
    if source.is_pod and elsewhere and ":" not in source.end.address:
        found.append(
            f"unless told otherwise, the VPC CNI sends what leaves the VPC from "
            f"{source.node or 'the node'} with the node's address: ask of that too"
        )
    return found + [
        f"{end.end.name} is one of {end.others + 1} that are meant"
        for end in (source, target)
        if end.others
    ]


def _stale(seen: datetime | None, at: datetime) -> list[dict[str, Any]]:
    """Return what is missing where the inventory is much older than the question."""
    if seen is None or at - seen < STALE:
        return []
    days = (at - seen).days
    why = f"last listed {days} day{'s' if days > 1 else ''} before: list it again"
    return [{"resource": "inventory", "why": why}]


def _seen(rows: pa.Table, ends: Sequence[Any]) -> datetime | None:
    """Return when what it rests on was last seen: the oldest of the interfaces."""
    names = pa.array([e.interface for e in ends if e.interface], pa.string())
    mine = rows.filter(pc.is_in(rows["resource_id"], names))
    latest = mine.group_by("resource_id").aggregate([("last_seen_then", "max")])
    oldest = pc.min(latest["last_seen_then_max"]).as_py()
    return None if oldest is None else oldest.astimezone(UTC)
