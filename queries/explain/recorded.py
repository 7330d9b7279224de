"""Why packets were rejected or let pass: those that filters or a report's row mean."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from lake.errors import NothingToExplain
from lake.tables import CONFIGURATIONS, FLOWS
from queries.answers import Question, pose
from queries.catalogue import load_report
from queries.compose import TRAFFIC
from queries.computed import rows_of
from queries.contract import Report
from queries.engine import Engine
from queries.explain.configured import around
from queries.explain.plain import (
    NEVER_SHOWN,
    change_of,
    end_of,
    missing_of,
    reply_of,
    step_of,
)
from queries.explain.proof import proofs, tried
from queries.explain.says import what_of
from queries.known import facts_for
from queries.limits import UNLIMITED, Limits
from queries.meta import meta_of
from queries.scoped import check_may_read
from queries.session import Session
from queries.spelling import iso
from queries.statements import statement
from queries.values import FAR_AHEAD, LONG_AGO, Window
from transform.policy.policy import Policy
from transform.policy.preceding import changes_before
from transform.policy.reply import answer_steps, replies
from transform.policy.walk import steps
from transform.policy.way import End, Step, Way

ACCEPT, REJECT, INGRESS = "ACCEPT", "REJECT", "ingress"
# How long around a packet its conversation is looked for.
CONVERSATION = timedelta(hours=1)
OTHERS = ("observer", "direction", "action", "src_address", "dst_address", "protocol",
          "dstport", "reject_cause", "reject_rule", "records", "first_seen",
          "last_seen")  # fmt: skip
CONTRADICTED = (
    "what was configured denies what was accepted: the log holds, and the inventory of "
    "then is not whole"
)


@cache
def flow_report() -> Report:
    """Return the contract of what is to be explained: its filters, as reports have."""
    return load_report(Path(__file__).parent / "flow.sql")


def why(
    engine: Engine,
    given: Mapping[str, Sequence[str]],
    *,
    now: datetime,
    limits: Limits = UNLIMITED,
) -> dict[str, Any]:
    """Explain the packets that most records of those asked for are of.

    Rejected ones go before accepted ones.

    Args:
        engine: Over the lake.
        given: Parameters of `flow_report` as text.
        now: What relative times count from; UTC.
        limits: Of the principal; what was configured is for nobody with limits.

    Raises:
        NothingToExplain: No record fits.
        BadParameter: A parameter is unknown or not allowed.
        UnlimitedOnly: There are limits.
    """
    check_may_read([CONFIGURATIONS.name], limits)
    begun = time.perf_counter()
    question = pose(engine, flow_report(), given, now=now, limits=limits)
    [configured] = engine.pin([CONFIGURATIONS.name]).values()
    flows = engine.plan(question.pinned[FLOWS.name], _with_conversations(question))
    with (
        ThreadPoolExecutor(1) as pool,
        engine.session([flows]) as session,
    ):
        known = pool.submit(facts_for, engine, question)
        rows = rows_of(session, question, TRAFFIC, {}, None).to_pylist()
        if not rows:
            raise NothingToExplain
        row, *others = rows
        seen = _seen(session, row)
    names = (row["interface"], row["src_eni"], row["dst_eni"])
    subnets = (row["src_subnet"], row["dst_subnet"])
    policy, _ = around(engine, configured, names, subnets)
    meta = meta_of(question, [flows], flows.snapshot, known.result())
    elapsed = round((time.perf_counter() - begun) * 1000, 1)
    return {
        **_explained(policy, row, seen),
        "others": [_other(one) for one in others],
        "never_shown": list(NEVER_SHOWN),
        "meta": {**meta, "elapsed_ms": elapsed},
    }


def _with_conversations(question: Question) -> Window | None:
    """Return the window with what was said before and after it."""
    window = question.window
    if window is None:
        return None
    since = max(window.since, LONG_AGO + CONVERSATION) - CONVERSATION
    until = min(window.until, FAR_AHEAD - CONVERSATION) + CONVERSATION
    return Window(since, until)


def _explained(
    policy: Policy, row: Mapping[str, Any], seen: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    way, inbound = way_of(row), row["direction"] == INGRESS
    asked = _asked(policy, way, row)
    mine = [s for s in asked if s.at == ("target" if inbound else "source")]
    answered = []
    if row["is_request"] is not False and asked:
        ports = row["lowest_srcport"], row["srcport"]
        answered = replies(policy, way, None if None in ports else ports)
    changes = _changes(policy, way, row, inbound=inbound) if asked else []
    return {
        "says": _says(way, row, changes),
        "verdict": row["verdict"],
        "cause": row["reject_cause"],
        "rule": row["reject_rule"],
        "evidence": row["reject_evidence"],
        "also_blocked_by": row["also_blocked_by"],
        "packet": _packet(row, way),
        "log": seen,
        "proves": proofs(row, seen),
        "tried": tried(row, mine, seen),
        "steps": [step_of(step) for step in asked],
        "replies": [reply_of(one) for one in answered],
        "changes": changes,
        "missing": missing_of(mine) + _contradicted(row, mine),
    }


def _asked(policy: Policy, way: Way, row: Mapping[str, Any]) -> list[Step]:
    """Return what is asked of a row's packets; of a gateway's record nothing is."""
    if row["role"] is not None:
        return []
    if row["is_request"] is False:
        return [*answer_steps(policy, way, way.back(row["srcport"]))]
    return steps(policy, way)


def way_of(row: Mapping[str, Any]) -> Way:
    """Return the way of a row's packets; at the recording interface, which it names."""
    ends = {
        side: End(
            address=row[f"{side}_address"],
            interface=row[f"{side}_eni"],
            subnet=row[f"{side}_subnet"],
            vpc=row[f"{side}_vpc"],
            name=_name(row, side),
            has_public=True,  # how its packets got there is not asked: they did
        )
        for side in ("src", "dst")
    }
    begin, end = (_second(row[n]) for n in ("start_time", "end_time"))
    return Way(ends["src"], ends["dst"], row["protocol"], row["dstport"], begin, end)


def _name(row: Mapping[str, Any], side: str) -> str | None:
    if row[f"{side}_pod"]:
        return f"pod {row[f'{side}_namespace']}/{row[f'{side}_pod']}"
    name: str | None = row[f"{side}_name"]
    return name


def _second(time: datetime) -> int:
    return int(time.timestamp())


def _seen(session: Session, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what interfaces recorded of the conversation, either way."""
    first, last = (row[n].astimezone(UTC) for n in ("first_seen", "last_seen"))
    client, server = ("dst", "src") if row["is_request"] is False else ("src", "dst")
    given = {
        "protocol": row["protocol"],
        "client": row[f"{client}_address"],
        "server": row[f"{server}_address"],
        "port": row[f"{server}port"],
        "since": first - CONVERSATION,
        "until": last + CONVERSATION,
    }
    found = session.few(statement("explain/seen"), given)
    return [_plain(one) for one in found.to_pylist()]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {n: iso(v) if isinstance(v, datetime) else v for n, v in row.items()}


def _packet(row: Mapping[str, Any], way: Way) -> dict[str, Any]:
    told = ("observer", "direction", "action", "role", "is_request", "protocol",
            "srcport", "dstport", "tcp_flags", "reject_reason", "src_attribution",
            "dst_attribution", "settled", "records", "packets", "bytes", "first_seen",
            "last_seen", "start_time", "end_time")  # fmt: skip
    found = _plain({name: row[name] for name in told})
    return {"source": end_of(way.source), "target": end_of(way.target), **found}


def _other(row: Mapping[str, Any]) -> dict[str, Any]:
    return _plain({name: row[name] for name in OTHERS})


def _changes(
    policy: Policy, way: Way, row: Mapping[str, Any], *, inbound: bool
) -> list[dict[str, Any]]:
    """Return what changed before the rejections began, if it is rejected."""
    if row["action"] != REJECT:
        return []
    found = changes_before(policy, way, _second(row["first_seen"]), inbound=inbound)
    return [change_of(one) for one in found]


def _contradicted(row: Mapping[str, Any], mine: Sequence[Step]) -> list[dict[str, Any]]:
    """Return where what was configured speaks against the log, which holds."""
    fails = [s for s in mine if s.decision == "fails"]
    if row["action"] == ACCEPT and fails and row["is_request"]:
        return [{"resource": str(s.resource), "why": CONTRADICTED} for s in fails]
    return []


def _says(
    way: Way, row: Mapping[str, Any], changes: Sequence[Mapping[str, Any]]
) -> str:
    where = "in at" if row["direction"] == INGRESS else "out at"
    many = f"{row['records']} record{'s' if row['records'] > 1 else ''}"
    if row["action"] == ACCEPT:
        return f"{what_of(way)} was let {where} {row['observer']} ({many})"
    cause = row["reject_cause"] or "undetermined"
    text = f"{what_of(way)} was rejected on its way {where} {row['observer']} ({many})"
    text += f": {cause}"
    if row["reject_rule"]:
        text += f": {row['reject_rule']}"
    if row["also_blocked_by"]:
        text += f"; {row['also_blocked_by']} would have, too"
    made = next((c for c in changes if c["explains"]), None)
    if made:
        text += (
            f"; {made['resource']} let it pass until it changed between "
            f"{made['after']} and {made['by']}"
        )
    return text
