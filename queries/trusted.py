"""How far silence about a rule can be trusted: who carried it, and was heard of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lake.reading import is_timed
from lake.tables import CONFIGURATIONS, COVERAGE_HOURLY, FLOWS
from queries.engine import Engine
from queries.questions import Question
from queries.statements import statement
from transform.policy.listed import Carriers, carriers
from transform.policy.policy import Policy

INTERFACE = "eni-"


@dataclass(frozen=True, slots=True)
class Trust:
    """What is known of the interfaces of a window.

    Attributes:
        end: Until when records are known, or the window's end; seconds since 1970.
        owners: Of groups and ACLs, their name, VPC and account.
    """

    end: int
    owners: Mapping[str, Mapping[str, Any]]
    _carriers: Carriers
    _there: Any
    _heard: Mapping[bool, Any]
    _unlisted: Mapping[str | None, int]

    def interfaces(self, resource: str) -> int:
        """Return how many interfaces carried a group or stood behind an ACL."""
        return len(self._carriers.of.get(resource, ()))

    def share(self, resource: str, *, accepts: bool) -> float | None:
        """Return of what share of their time these were heard of; None: there are none.

        Args:
            resource: A group or an ACL.
            accepts: By flow logs that record what is accepted, else rejected.
        """
        some = self._carriers.of.get(resource)
        there = 0 if some is None else self._there[some].sum()
        return float(self._heard[accepts][some].sum() / there) if there else None

    def unlisted(self, resource: str) -> int:
        """Return how many interfaces that nobody listed may carry it, by their VPC."""
        vpc = self.owners.get(resource, {}).get("vpc")
        if vpc is None:
            return sum(self._unlisted.values())
        return self._unlisted.get(vpc, 0) + self._unlisted.get(None, 0)


def trust_of(engine: Engine, question: Question, policy: Policy) -> Trust:
    """Return what is known of the interfaces of a question's window.

    An interface was there from when it surely was, or was heard of, and throughout the
    window if it may have been there before and after. Past the last record of the lake
    nothing is asked of it: `meta` says how far records reach.
    """
    window = question.window
    if window is None:
        raise ValueError("the question has no window")
    names = (FLOWS.name, CONFIGURATIONS.name, COVERAGE_HOURLY.name)
    plans = [
        engine.plan(pinned, window if is_timed(pinned.table) else None)
        for pinned in (question.pinned[name] for name in names)
    ]
    with engine.session(plans, window=window) as session:
        given = {"since": window.since, "until": window.until}
        heard = session.query(statement("policy/listened"), given).to_pylist()
        owners = session.query(statement("policy/owners")).to_pylist()
    begin, end = (int(t.timestamp()) for t in (window.since, window.until))
    told = {row["interface"]: row for row in heard}
    through = next((row["through"] for row in heard), end)
    stop = min(end, through)
    idle = {row["resource_id"] for row in owners if row["is_idle"]}
    found = _in_use(carriers(policy, begin, end), idle)
    rows = [told.get(name, _NEVER) for name in found.names]
    first, last = (
        np.array([row[n] if row[n] is not None else absent for row in rows], np.int64)
        for n, absent in (("first_heard", end), ("last_heard", begin))
    )
    since = np.where(found.was_before, begin, np.minimum(found.since, first))
    until = np.where(found.is_after, stop, np.maximum(found.until, last))
    there = np.minimum(until, stop) - np.maximum(since, begin)
    there = np.maximum(there, 0).astype(np.float64)
    seconds = {
        accepts: np.minimum([float(row[name]) for row in rows], there)
        for accepts, name in ((True, "accept_s"), (False, "reject_s"))
    }
    unlisted = Counter(
        row["vpc"] for row in heard
        if row["records"] and (row["interface"] or "").startswith(INTERFACE)
        and row["interface"] not in policy.known.interfaces.keys
    )  # fmt: skip
    by_name = {row["resource_id"]: row for row in owners}
    return Trust(stop, by_name, found, there, seconds, unlisted)


_NEVER: Mapping[str, Any] = {
    "first_heard": None, "last_heard": None, "accept_s": 0, "reject_s": 0,
}  # fmt: skip


def _in_use(some: Carriers, idle: set[str]) -> Carriers:
    """Return who carried what, without interfaces that nothing is attached to."""
    if not idle:
        return some
    used = np.array([name not in idle for name in some.names], bool)
    of = {name: places[used[places]] for name, places in some.of.items()}
    return Carriers(
        names=some.names,
        since=some.since,
        until=some.until,
        was_before=some.was_before,
        is_after=some.is_after,
        of={name: places for name, places in of.items() if len(places)},
    )
