"""The table `rules`: every rule that stood in a window, and what used it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from lake.datafiles import DAY, HOUR
from lake.tables import CONFIGURATIONS, COVERAGE_HOURLY, FLOWS
from queries.engine import Engine, Pinned
from queries.policies import policy_of
from queries.questions import Question
from queries.statements import statement
from queries.trusted import Trust, trust_of
from queries.values import Window, cut
from transform.policy.listed import Standing, standing
from transform.policy.numbers import Placed
from transform.policy.rules import ANY, LAST_PORT, NAMES, PORTED
from transform.policy.seen import Observed
from transform.policy.usage import Usage

AT_ONCE = 500_000  # packets that are held against rules together
MOST_ROWS = 20_000_000  # of a day's records; of more an hour is read at a time
ENOUGH = 0.99  # of the window, to say that a rule was not used in it
USED, UNUSED, UNKNOWN = "used", "unused", "unknown"
_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in (
            "kind", "resource", "name", "vpc", "account", "direction", "rule_id",
        )),
        ("number", pa.int32()),
        *((name, pa.string()) for name in ("action", "protocol")),
        *((name, pa.int32()) for name in ("from_port", "to_port")),
        *((name, pa.string()) for name in ("peer", "text", "usage", "why")),
        *((name, pa.int64()) for name in (
            "records", "sole_records", "possible_records", "packets", "bytes",
        )),
        ("last_used", _TIME),
        ("interfaces", pa.int64()),
        ("completeness", pa.float64()),
        *((name, _TIME) for name in ("existed_from", "existed_until")),
        *((name, pa.string()) for name in ("shadowed_by", "observed_ports")),
        ("observed_peers", pa.int64()),
        *((name, pa.string()) for name in ("observed_network", "wider_by")),
        ("wider", pa.bool_()),
    ]
)  # fmt: skip


def rules_of(engine: Engine, question: Question) -> pa.Table:
    """Return a row for each rule of the question's window; kept for the next page.

    Returns:
        ``SCHEMA``; seconds are UTC, counts are 0 where nothing surely used a rule.

    Raises:
        QueryError: It takes too long or too much.
    """
    read = (FLOWS.name, CONFIGURATIONS.name, COVERAGE_HOURLY.name)
    states = (question.pinned[name].metadata for name in read)
    found: pa.Table = engine.made.get(
        ("rules", *states, question.window), lambda: _rules(engine, question)
    )
    return found


def _rules(engine: Engine, question: Question) -> pa.Table:
    window = question.window
    if window is None:
        return SCHEMA.empty_table()
    configurations = question.pinned[CONFIGURATIONS.name]
    policy = policy_of(engine, configurations)
    usage = Usage(policy)
    for packets in _packets(engine, question.pinned[FLOWS.name], window):
        usage.add(packets)
    begin, end = (int(t.timestamp()) for t in (window.since, window.until))
    stood = standing(policy, usage.numbers, begin, end)
    rules = usage.numbers.rules
    observed = usage.seen.by_rule([one.rule for one in rules])
    sums = {name: column.tolist() for name, column in usage.sums().items()}
    trust = trust_of(engine, question, policy)
    rows = [
        _row(
            rules[number], one, trust, observed.get(number),
            {name: column[number] for name, column in sums.items()},
            shadow=rules[one.shadow].text if one.shadow >= 0 else None, begin=begin,
        )
        for number, one in stood.items()
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _packets(engine: Engine, pinned: Pinned, window: Window) -> Iterator[pa.Table]:
    """Yield the distinct packets of a window, some at a time."""
    for part in _spans(engine, pinned, window):
        with engine.session([engine.plan(pinned, part)], window=part) as session:
            found = session.query(statement("policy/uses"))
        for begin in range(0, found.num_rows, AT_ONCE):
            yield found.slice(begin, AT_ONCE)


def _spans(engine: Engine, pinned: Pinned, window: Window) -> Iterator[Window]:
    """Yield the days of a window, those of many records by the hour; none is empty."""
    for day in cut(window, DAY):
        rows = engine.plan(pinned, day).rows
        parts = cut(day, HOUR) if rows > MOST_ROWS else [day]
        yield from parts if rows else ()


def _row(
    placed: Placed,
    stood: Standing,
    trust: Trust,
    observed: Observed | None,
    sums: dict[str, int],
    *,
    shadow: str | None,
    begin: int,
) -> dict[str, Any]:
    rule, is_acl = placed.rule, placed.rule.number is not None
    owner = trust.owners.get(placed.resource, {})
    share = trust.share(placed.resource, accepts=rule.allows)
    doubt = _why(placed, stood, trust, sums, begin)
    why = None if sums["records"] else doubt
    usage = USED if sums["records"] else UNUSED if why is None else UNKNOWN
    sure = observed if rule.allows and doubt is None else None
    wider = sure.wider_by(rule) if sure else None
    ported = rule.protocol in PORTED
    return {
        "kind": "network_acl" if is_acl else "security_group",
        "resource": placed.resource,
        "name": owner.get("name"),
        "vpc": owner.get("vpc"),
        "account": owner.get("account"),
        "direction": "ingress" if placed.inbound else "egress",
        "rule_id": rule.id,
        "number": rule.number,
        "action": placed.action,
        "protocol": _protocol(rule.protocol),
        "from_port": min(rule.low, LAST_PORT) if ported else None,
        "to_port": rule.high if ported else None,
        "peer": rule.peer,
        "text": placed.text,
        "usage": usage,
        "why": why,
        **{n: sums[n] for n in ("records", "possible_records", "packets", "bytes")},
        "sole_records": None if is_acl else sums["sole_records"],
        "last_used": _moment(sums["last"]) if sums["records"] else None,
        "interfaces": trust.interfaces(placed.resource),
        "completeness": None if share is None else round(share, 4),
        "existed_from": _moment(stood.since) if stood.since > begin else None,
        "existed_until": None if stood.ended is None else _moment(stood.ended),
        "shadowed_by": shadow,
        "observed_ports": observed.ports if observed else None,
        "observed_peers": observed.peers if observed else None,
        "observed_network": observed.network if observed else None,
        "wider_by": ", ".join(wider) if wider else None,
        "wider": None if wider is None else bool(wider),
    }


def _why(
    placed: Placed, stood: Standing, trust: Trust, sums: dict[str, int], begin: int
) -> str | None:
    """Return why nobody knows what else may have used a rule; None: nothing did."""
    resource, accepts = placed.resource, placed.rule.allows
    share = trust.share(resource, accepts=accepts)
    action = "ACCEPT" if accepts else "REJECT"
    unlisted = trust.unlisted(resource)
    if share is None:
        return "no interface carries it"
    if stood.since >= trust.end or stood.until <= begin:
        return "nobody looked if it was there within the window"
    if unlisted:
        return f"{unlisted} interfaces of its VPC were never listed"
    if share == 0 and trust.share(resource, accepts=not accepts):
        return f"no flow log of its interfaces records {action}"
    if share < ENOUGH:
        return f"completeness {share:.4f} of its interfaces"
    if sums["possible_records"]:
        return f"{sums['possible_records']} records may have used it"
    return None


def _protocol(number: int) -> str:
    return "all" if number == ANY else NAMES.get(number, str(number))


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
