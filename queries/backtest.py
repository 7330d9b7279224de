"""Back-test: the flows that changed rules would have let through, or broken."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lake.datafiles import DAY
from lake.errors import UsageError
from lake.reading import Plan
from lake.tables import COVERAGE_HOURLY, FLOWS
from queries.answers import Answer, Question, pose
from queries.catalogue import find_report
from queries.engine import ORIENTED, Engine, Pinned
from queries.known import facts_for
from queries.meta import meta_of
from queries.policies import configured, policy_of
from queries.statements import statement
from queries.values import Window, cut
from transform.policy.backtest import Backtest
from transform.policy.change import Change
from transform.policy.resolved import resolved

LIMIT = 100
CONFIGURATIONS = "configurations"
MOST_PORTS = 20  # of rows alike that stand for themselves, as in reports
LIKE = "accepted_traffic"  # a report whose window has what is known of this one's
NAMES = ("client", "client_namespace", "client_owner", "server", "server_namespace",
         "server_owner", "service_port", "protocol", "effect", "why",
         "stage")  # fmt: skip
_FOLD = [("records", "sum"), ("packets", "sum"), ("bytes", "sum"),
         ("first_seen", "min"), ("last_seen", "max")]  # fmt: skip
_ORDER = [(name, "ascending") for name in NAMES]
COLUMNS = ("effect", *NAMES[:7], "many_ports", "protocol", "stage", "why",
           "interface", "interfaces", "records", "packets", "bytes", "first_seen",
           "last_seen")  # fmt: skip
_RANK = {"broken": 0, "allowed": 1, "undetermined": 2}


@dataclass(frozen=True, slots=True)
class Posed:
    """What a back-test is of, made definite.

    Attributes:
        changes: With what they name written out.
        notes: What to know of them.
        like: A report's question of the same window, pinned.
        configurations: The table, pinned.
    """

    changes: Sequence[Change]
    notes: Sequence[str]
    like: Question
    configurations: Pinned
    test: Backtest

    @property
    def window(self) -> Window:
        """The window; UTC."""
        if self.like.window is None:
            raise AssertionError(LIKE)
        return self.like.window

    @property
    def reached(self) -> dict[bool, list[str]]:
        """The interfaces that the changes reach, by whether packets come in there."""
        of = self.test.concerned.interfaces
        return {inbound: sorted(of(inbound=inbound)) for inbound in (True, False)}


def backtested(
    engine: Engine,
    changes: Sequence[Change],
    *,
    since: str = "7d",
    until: str = "now",
    limit: int | None = LIMIT,
    now: datetime | None = None,
) -> Answer:
    """Return what changes would have made of the flows of a window.

    Args:
        engine: Over the lake.
        changes: Rules and entries, added and taken away; all of them at once.
        since: As reports take it: ``7d``, ``2026-01-31``; UTC.
        until: The same; the window is half-open.
        limit: The most rows; None: all.
        now: What relative times count from; UTC.

    Returns:
        A row for each client, server, their owners, service port (one row for more
        than 20 ports), protocol, effect (``broken``, ``allowed``, ``undetermined``),
        reason and stage, with records, packets and bytes. `meta` has, beside what it
        always has, the ``changes`` in words, the sums of each effect (``effects``) and
        how many ``interfaces`` the changes reach, and were heard of.

    Raises:
        UsageError: No change is given, or one does not fit what is configured.
    """
    begun = time.perf_counter()
    posed = pose_backtest(engine, changes, since=since, until=until, now=now)
    parts = [_folded(found) for found in effects(engine, posed)]
    rows = _ranked(_folded(pa.concat_tables(parts)))
    meta = _meta(engine, posed, rows)
    shown = rows if limit is None else rows.slice(0, limit)
    meta["more"] = len(shown) < len(rows)
    meta["elapsed_ms"] = round((time.perf_counter() - begun) * 1000, 1)
    return Answer(meta, shown)


def pose_backtest(
    engine: Engine,
    changes: Sequence[Change],
    *,
    since: str = "7d",
    until: str = "now",
    now: datetime | None = None,
) -> Posed:
    """Fix what a back-test is of; arguments and errors as of `backtested`."""
    if not changes:
        raise UsageError(
            "no change is given: --add RULE, --remove RULE or --changes FILE"
        )
    given = {"since": [since], "until": [until]}
    like = pose(engine, find_report(LIKE), given, now=now or datetime.now(UTC))
    pinned = engine.pin([CONFIGURATIONS])[CONFIGURATIONS]
    rows = configured(engine, pinned)
    if rows.num_rows == 0:
        raise UsageError(
            "nothing is known of what is configured: `flowlake inventory aws` reads it"
        )
    definite, notes = resolved(rows, changes)
    test = Backtest(rows, definite, policy_of(engine, pinned, rows))
    return Posed(definite, notes, like, pinned, test)


def effects(engine: Engine, posed: Posed) -> Iterator[pa.Table]:
    """Yield, day by day, the distinct packets that the changes have an effect on.

    Returns:
        Rows of ``policy/effects`` with ``effect``, ``why`` and ``stage``; a table
        without rows at least.
    """
    for window in cut(posed.window, DAY):
        plan = engine.plan(posed.like.pinned[FLOWS.name], window)
        with engine.session([plan], views=[ORIENTED]) as session:
            packets = session.query(statement("policy/effects"), _bound(posed, window))
        yield posed.test.judge(packets)


def _bound(posed: Posed, window: Window) -> dict[str, Any]:
    concerned = posed.test.concerned
    low, high = concerned.ports
    return {
        "since": window.since,
        "until": window.until,
        "actions": concerned.actions,
        "inward": posed.reached[True] or [""],
        "outward": posed.reached[False] or [""],
        "protocols": concerned.protocols,
        "low": low,
        "high": high,
        "replies": concerned.replies,
    }


def _folded(rows: pa.Table) -> pa.Table:
    """Return packets, or rows like these, added up by who, what and effect."""
    grouped = rows.group_by([*NAMES, "interface"]).aggregate(_FOLD)
    names = {f"{name}_{how}": name for name, how in _FOLD}
    return grouped.rename_columns([names.get(n, n) for n in grouped.column_names])


def _ranked(rows: pa.Table) -> pa.Table:
    """Return one row for all interfaces, what breaks first, then by records."""
    rows = _ports_folded(rows)
    fold = [*_FOLD, ("interface", "min"), ("interface", "count_distinct")]
    grouped = rows.group_by([*NAMES, "many_ports"]).aggregate(fold)
    names = {f"{name}_{how}": name for name, how in [*_FOLD, ("interface", "min")]}
    names["interface_count_distinct"] = "interfaces"
    grouped = grouped.rename_columns([names.get(n, n) for n in grouped.column_names])
    kinds = pc.index_in(grouped["effect"], pa.array(list(_RANK)))
    ranked = grouped.append_column("rank", kinds)
    order = [("rank", "ascending"), ("records", "descending"), *_ORDER]
    return ranked.sort_by(order).select(COLUMNS)


def _ports_folded(rows: pa.Table) -> pa.Table:
    """Return rows without the ports of those alike that have more than `MOST_PORTS`.

    As in reports, ``many_ports`` then tells it from a port that nobody knows.
    """
    port = rows["service_port"]
    alike = [name for name in NAMES if name != "service_port"]
    numbered = rows.append_column("row", pa.array(range(len(rows)), pa.int64()))
    grouped = numbered.group_by(alike).aggregate(
        [("service_port", "count_distinct"), ("row", "list")]
    )
    is_many = pc.greater(grouped["service_port_count_distinct"], MOST_PORTS)
    places = pc.list_flatten(grouped.filter(is_many)["row_list"])
    many = pc.is_in(numbered["row"], places)
    place = rows.schema.get_field_index("service_port")
    port = pc.if_else(many, pa.scalar(None, port.type), port)
    return rows.set_column(place, "service_port", port).append_column(
        "many_ports", many
    )


def _meta(engine: Engine, posed: Posed, rows: pa.Table) -> dict[str, Any]:
    like = posed.like
    read = [
        engine.plan(like.pinned[FLOWS.name], posed.window),
        engine.plan(posed.configurations),
    ]
    meta = meta_of(like, read, read[0].snapshot, facts_for(engine, like))
    sums = _sums(rows)
    reached = {name for names in posed.reached.values() for name in names}
    unheard = _unheard(engine, posed, sorted(reached))
    meta["warnings"] = [*posed.notes, *meta["warnings"], *_warnings(reached, unheard)]
    return {
        **meta,
        "report": "backtest",
        "parameters": {
            "since": meta["parameters"]["since"],
            "until": meta["parameters"]["until"],
            "changes": [change.to_json() for change in posed.changes],
        },
        "changes": [change.text() for change in posed.changes],
        "interfaces": {
            "reached": len(reached),
            "heard": None if unheard is None else len(reached) - len(unheard),
        },
        "effects": sums,
    }


def _sums(rows: pa.Table) -> dict[str, dict[str, int]]:
    """Return records, packets and bytes of each effect, of rows left out too."""
    names = ("records", "packets", "bytes")
    found = {effect: dict.fromkeys(names, 0) for effect in _RANK}
    grouped = rows.group_by("effect").aggregate([(name, "sum") for name in names])
    for row in grouped.to_pylist():
        found[row["effect"]] = {name: row[f"{name}_sum"] for name in names}
    return found


def _unheard(engine: Engine, posed: Posed, reached: list[str]) -> list[str] | None:
    """Return which of some interfaces nobody heard of; None: it is not known."""
    plan: Plan = engine.plan(posed.like.pinned[COVERAGE_HOURLY.name], posed.window)
    if not plan.rows:
        return None
    window = posed.window
    given: Mapping[str, Any] = {"since": window.since, "until": window.until,
                                "interfaces": reached}  # fmt: skip
    with engine.session([plan]) as session:
        heard = session.query(statement("policy/heard"), given)["observer"]
    return sorted({*reached} - {*heard.to_pylist()})


def _warnings(reached: set[str], unheard: list[str] | None) -> Iterator[str]:
    if not reached:
        yield "the changes reach no interface that any inventory has listed"
    elif unheard:
        more = f" and {len(unheard) - 3} more" if len(unheard) > 3 else ""
        yield (
            f"of {len(reached)} interfaces that the changes reach, {len(unheard)} were "
            f"not heard of in the window: {', '.join(unheard[:3])}{more}"
        )
