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

from transform.codes import NONE, column_of, distinct
from transform.enrich import Attributed

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
    attributed: Attributed,
    logs: Sequence[FlowLog],
    rejected: Any,
    reporting: Sequence[str],
) -> Logged:
    """Say which interfaces are logged, by the inventory and by what they reported.

    Args:
        attributed: All rows at hand.
        logs: Of the inventory.
        rejected: Which rows are rejections.
        reporting: Interfaces that reported nothing but silence.
    """
    words = attributed.words
    heard = _heard(attributed, logs, rejected, reporting)
    since: dict[bool, dict[str, Any]] = {False: {}, True: {}}
    for name in ("eni", "subnet", "vpc"):
        codes = {log.resource: words[name].code(log.resource) for log in logs
                 if _is_of(log.resource, name)}  # fmt: skip
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


def _is_of(resource: str, name: str) -> bool:
    return resource.startswith(f"{name}-")


def _heard(
    attributed: Attributed,
    logs: Sequence[FlowLog],
    rejected: Any,
    reporting: Sequence[str],
) -> dict[bool, Any]:
    """Return the interfaces heard of that no known flow log speaks for.

    A flow log of which only rejections were ever seen logs only these: one of
    everything would have shown some that was accepted.
    """
    records, words = attributed.records, attributed.words
    known = {log.id for log in logs}
    log = column_of(records.rows, "flow_log_id")
    unknown = np.array([*(w not in known for w in log.words.to_pylist()), True])
    only_rejects = np.ones(len(log.words) + 1, dtype=bool)
    only_rejects[log.codes[~rejected]] = False
    eni = np.append(attributed.observer.eni, np.int32(NONE))[records.interface.codes]
    heard = unknown[log.codes] & (eni >= 0)
    silent = [words["eni"].code(text) for text in reporting]
    quiet = np.array(silent, np.int64)
    accepts = np.unique(eni[heard & ~only_rejects[log.codes]])
    return {
        False: np.union1d(accepts, quiet).astype(np.int64),
        True: np.union1d(np.unique(eni[heard]), quiet).astype(np.int64),
    }


def duplicates(attributed: Attributed, logs: Sequence[FlowLog], rejected: Any) -> Any:
    """Return which rows another flow log counts: one for each interface and action.

    The preferred log counts wherever it was writing of the interface and action; what
    lies before its first record there and after its last is left to the next one.
    """
    records = attributed.records
    log = column_of(records.rows, "flow_log_id")
    found = np.zeros(len(records), dtype=bool)
    if len(log.words) < 2:
        return found
    order = {entry.id: place for place, entry in enumerate(logs)}
    names = log.words.to_pylist()
    ranked = sorted(names, key=lambda name: (order.get(name, len(order)), name))
    rank = np.array([*(ranked.index(name) for name in names), len(names)])[log.codes]
    observer = column_of(records.rows, "observer").codes
    spot = distinct(observer, rejected.astype(np.int8))[1]
    begin, end = records.begin, records.end
    for place in range(len(ranked)):
        mine = rank == place
        first = np.full(int(spot.max()) + 1, FAR_FUTURE, np.int64)
        last = np.zeros(int(spot.max()) + 1, np.int64)
        np.minimum.at(first, spot[mine & ~found], begin[mine & ~found])
        np.maximum.at(last, spot[mine & ~found], end[mine & ~found])
        worse = rank > place
        found |= worse & (begin >= first[spot]) & (begin < last[spot])
    return found
