"""Which interfaces are logged, by which flow logs, and which of these counts.

What the inventory says comes first: it knows of flow logs that had nothing to say.
Without it, an interface that reported is logged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from transform.codes import coded, column_of, distinct, merged
from transform.enrich import Attributed
from transform.presence import Presence
from transform.records import BLUR, Records, numbers
from transform.words import Words

EVERYTHING = "ALL"
FAR_FUTURE = 1 << 33


@dataclass(frozen=True, slots=True)
class FlowLog:
    """A flow log as `DescribeFlowLogs` shows it.

    Attributes:
        resource: VPC, subnet or interface.
        traffic: ALL, ACCEPT or REJECT.
        interval: Aggregation interval, seconds.
        created: Seconds since 1970; 0: not known.
    """

    id: str
    resource: str
    traffic: str
    interval: int
    created: int

    @property
    def rank(self) -> tuple[bool, int, int, str]:
        """How it is preferred: everything first, then the finer, then the older."""
        return self.traffic != EVERYTHING, self.interval, self.created, self.id


def flow_logs(documents: Mapping[str, Sequence[dict[str, Any]]]) -> list[FlowLog]:
    """Read the flow logs of an inventory, the preferred first."""
    found = {}
    for document in documents.get("flow_log", ()):
        if document.get("FlowLogId") and document.get("ResourceId"):
            log = FlowLog(
                id=document["FlowLogId"],
                resource=document["ResourceId"],
                traffic=document.get("TrafficType") or EVERYTHING,
                interval=int(document.get("MaxAggregationInterval") or 600),
                created=_seconds(document.get("CreationTime")),
            )
            found[log.id, log.resource] = log
    return sorted(found.values(), key=lambda log: log.rank)


def _seconds(text: str | None) -> int:
    if not text:
        return 0
    try:
        return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())
    except ValueError:
        return 0


@dataclass(slots=True)
class Logged:
    """Since when each action is logged somewhere; ``FAR_FUTURE``: it is not.

    Attributes:
        accept, reject: By code of the words of ``eni``, ``subnet`` and ``vpc``;
            seconds since 1970.
    """

    accept: dict[str, Any]
    reject: dict[str, Any]

    def at(self, codes: Mapping[str, Any], when: Any, *, rejects: bool) -> Any:
        """Return which rows' place is logged at their time.

        Args:
            codes: Of each row, ``eni``, ``subnet`` and ``vpc``; -1: not known.
            when: Seconds since 1970.
            rejects: Whether rejections are asked about, else what was accepted.
        """
        since = self.reject if rejects else self.accept
        found = np.zeros(len(when), dtype=bool)
        for name, column in codes.items():
            found |= np.append(since[name], FAR_FUTURE)[column] <= when
        return found


def logged(
    words: Mapping[str, Words],
    logs: Sequence[FlowLog],
    seen: pa.Table,
    reporting: Sequence[str],
) -> Logged:
    """Say which interfaces are logged, by the inventory and by what they reported.

    Args:
        words: The run's words.
        logs: Of the inventory.
        seen: See `transform.facts.Facts.logs`.
        reporting: Interfaces that reported nothing but silence.
    """
    heard = _heard(words["eni"], logs, seen, reporting)
    since: dict[bool, dict[str, Any]] = {False: {}, True: {}}
    for name in ("eni", "subnet", "vpc"):
        codes = {log.resource: words[name].code(log.resource) for log in logs
                 if log.resource.startswith(f"{name}-")}  # fmt: skip
        for rejects in (False, True):
            column = np.full(len(words[name]), FAR_FUTURE, np.int64)
            wanted = "REJECT" if rejects else "ACCEPT"
            for log in logs:
                if log.resource in codes and log.traffic in (EVERYTHING, wanted):
                    place = codes[log.resource]
                    column[place] = min(column[place], log.created)
            since[rejects][name] = column
    for rejects, enis in heard.items():
        since[rejects]["eni"][enis] = 0
    return Logged(accept=since[False], reject=since[True])


def _heard(
    enis: Words, logs: Sequence[FlowLog], seen: pa.Table, reporting: Sequence[str]
) -> dict[bool, list[int]]:
    """Return the interfaces heard of that no known flow log speaks for.

    A flow log of which only rejections were ever seen logs only these: one of
    everything would have shown some that was accepted.
    """
    known = {log.id for log in logs}
    rows = seen.select(["observer", "flow_log_id", "rejected"]).to_pylist()
    accepting = {row["flow_log_id"] for row in rows if not row["rejected"]}
    quiet = {enis.code(name) for name in reporting}
    found: dict[bool, set[int]] = {False: set(quiet), True: set(quiet)}
    for row in rows:
        if row["flow_log_id"] not in known and row["observer"]:
            code = enis.code(row["observer"])
            found[True].add(code)
            if row["flow_log_id"] in accepting:
                found[False].add(code)
    return {rejects: sorted(codes) for rejects, codes in found.items()}


def duplicates(
    attributed: Attributed, logs: Sequence[FlowLog], rejected: Any, seen: pa.Table
) -> Any:
    """Return which rows another flow log counts: one for each interface and action.

    The preferred log counts wherever it was writing of the interface and action; what
    lies before its first record there and after its last is left to the next one.
    """
    records = attributed.records
    found = np.zeros(len(records), dtype=bool)
    log, theirs = column_of(records.rows, "flow_log_id"), coded(seen["flow_log_id"])
    names = sorted({*log.words.to_pylist(), *theirs.words.to_pylist()})
    if len(names) < 2:
        return found
    order = {entry.id: place for place, entry in enumerate(logs)}
    ranked = sorted(names, key=lambda name: (order.get(name, len(order)), name))
    place_of = {name: place for place, name in enumerate(ranked)}
    rank, ranks = (
        np.array([*(place_of[n] for n in c.words.to_pylist()), len(ranked)])[c.codes]
        for c in (log, theirs)
    )
    observer, observers = column_of(records.rows, "observer"), coded(seen["observer"])
    _, (mine, their) = merged(observer, observers)
    actions = np.asarray(seen["rejected"], dtype=np.int8)
    spots = distinct(
        np.concatenate([mine, their]),
        np.concatenate([rejected.astype(np.int8), actions]),
    )[1]
    spot, known = spots[: len(mine)], spots[len(mine) :]
    size = int(spots.max(initial=-1)) + 1
    for place in np.unique(ranks).tolist():
        first, last = np.full(size, FAR_FUTURE, np.int64), np.zeros(size, np.int64)
        those = np.flatnonzero(ranks == place)
        first[known[those]] = np.asarray(seen["first"])[those]
        last[known[those]] = np.asarray(seen["last"])[those]
        worse = rank > place
        within = (records.begin >= first[spot]) & (records.begin < last[spot])
        found |= worse & within
        # At the ends of its writing each log may show the same packets a blur apart.
        edge = np.flatnonzero(worse & ~found & (last[spot] > 0))
        if len(edge):
            found[edge] = _told_again(
                records, spot, np.flatnonzero(rank == place), edge
            )
    return found


def _told_again(records: Records, spot: Any, rows: Any, edge: Any) -> Any:
    """Return which of the rows at an edge a preferred log has a record of, near by."""
    names = ("srcport", "dstport", "protocol")
    some = np.concatenate([rows, edge])
    key = distinct(
        *(c[some] for c in (spot, records.src.codes, records.dst.codes)),
        *(numbers(records.rows, name)[some] for name in names),
    )[1]
    begin, end = records.begin + BLUR, records.end - 1
    there = Presence(key[: len(rows)], begin[rows], end[rows])
    return there.near(key[len(rows) :], begin[edge], end[edge], before=2 * BLUR)
