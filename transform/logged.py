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

from transform.places import OVER_BY
from transform.words import Words

EVERYTHING = "ALL"
Silence = tuple[str, str | None]  # an interface, and the flow log that had nothing
Skipped = tuple[str, int, int]  # an interface, begin and end in seconds, both inclusive
FAR_FUTURE = 1 << 33


@dataclass(frozen=True, slots=True)
class Silences:
    """What flow logs said of windows without records.

    Attributes:
        reporting: Who had nothing, or was skipped.
        skipped: Whose records AWS left out, and when.
    """

    reporting: Sequence[Silence] = ()
    skipped: Sequence[Skipped] = ()


NO_SILENCES = Silences()


@dataclass(frozen=True, slots=True)
class FlowLog:
    """A flow log as `DescribeFlowLogs` shows it.

    Attributes:
        resource: VPC, subnet or interface.
        traffic: ALL, ACCEPT or REJECT.
        interval: Aggregation interval, seconds.
        created: Seconds since 1970; 0: not known.
        deleted: By then it was; ``FAR_FUTURE``: it is still there.
    """

    id: str
    resource: str
    traffic: str
    interval: int
    created: int
    deleted: int = FAR_FUTURE

    @property
    def rank(self) -> tuple[bool, int, int, str]:
        """How it is preferred: everything first, then the finer, then the older."""
        return self.traffic != EVERYTHING, self.interval, self.created, self.id


def flow_logs(documents: Mapping[str, Sequence[dict[str, Any]]]) -> list[FlowLog]:
    """Read the flow logs of an inventory, the preferred first."""
    found: dict[tuple[str, str], FlowLog] = {}
    for document in documents.get("flow_log", ()):
        if document.get("FlowLogId") and document.get("ResourceId"):
            log = FlowLog(
                id=document["FlowLogId"],
                resource=document["ResourceId"],
                traffic=document.get("TrafficType") or EVERYTHING,
                interval=int(document.get("MaxAggregationInterval") or 600),
                created=_seconds(document.get("CreationTime")),
                deleted=document.get(OVER_BY, FAR_FUTURE),
            )
            before = found.get((log.id, log.resource))
            if before is None or before.deleted <= log.deleted:
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
    """From when until when each action is logged somewhere.

    Attributes:
        accept, reject: By code of the words of ``eni``, ``subnet`` and ``vpc``, begin
            and end; seconds since 1970, the begin ``FAR_FUTURE`` where it never is.
    """

    accept: dict[str, tuple[Any, Any]]
    reject: dict[str, tuple[Any, Any]]

    def at(self, codes: Mapping[str, Any], when: Any, *, rejects: bool) -> Any:
        """Return which rows' place is logged at their time.

        Args:
            codes: Of each row, ``eni``, ``subnet`` and ``vpc``; -1: not known.
            when: Seconds since 1970.
            rejects: Whether rejections are asked about, else what was accepted.
        """
        logged_ = self.reject if rejects else self.accept
        found = np.zeros(len(when), dtype=bool)
        for name, column in codes.items():
            since, until = logged_[name]
            there = np.append(since, FAR_FUTURE)[column] <= when
            found |= there & (when < np.append(until, 0)[column])
        return found


def logged(
    words: Mapping[str, Words],
    logs: Sequence[FlowLog],
    seen: pa.Table,
    reporting: Sequence[Silence],
) -> Logged:
    """Say which interfaces are logged, by the inventory and by what they reported.

    Args:
        words: The run's words.
        logs: Of the inventory.
        seen: See `transform.facts.Facts.logs`.
        reporting: Interfaces and the flow logs that reported their silence.
    """
    heard = _heard(words["eni"], logs, seen, reporting)
    spans: dict[bool, dict[str, tuple[Any, Any]]] = {False: {}, True: {}}
    for name in ("eni", "subnet", "vpc"):
        codes = {log.resource: words[name].code(log.resource) for log in logs
                 if log.resource.startswith(f"{name}-")}  # fmt: skip
        for rejects in (False, True):
            since = np.full(len(words[name]), FAR_FUTURE, np.int64)
            until = np.zeros(len(words[name]), np.int64)
            wanted = "REJECT" if rejects else "ACCEPT"
            for log in logs:
                if log.resource in codes and log.traffic in (EVERYTHING, wanted):
                    place = codes[log.resource]
                    since[place] = min(since[place], log.created)
                    until[place] = max(until[place], log.deleted)
            spans[rejects][name] = since, until
    for rejects, enis in heard.items():
        since, until = spans[rejects]["eni"]
        since[enis], until[enis] = 0, FAR_FUTURE
    return Logged(accept=spans[False], reject=spans[True])


def _heard(
    enis: Words, logs: Sequence[FlowLog], seen: pa.Table, reporting: Sequence[Silence]
) -> dict[bool, list[int]]:
    """Return the interfaces heard of that no known flow log speaks for.

    A flow log of which only rejections were ever seen logs only these: one of
    everything would have shown some that was accepted. Silence tells no more.
    """
    known = {log.id for log in logs}
    rows = seen.select(["observer", "flow_log_id", "rejected"]).to_pylist()
    accepting = {row["flow_log_id"] for row in rows if not row["rejected"]}
    found: dict[bool, set[int]] = {False: set(), True: set()}
    quiet = [{"observer": name, "flow_log_id": log} for name, log in reporting]
    for row in (*rows, *quiet):
        if row["flow_log_id"] not in known and row["observer"]:
            code = enis.code(row["observer"])
            found[True].add(code)
            if row["flow_log_id"] in accepting:
                found[False].add(code)
    return {rejects: sorted(codes) for rejects, codes in found.items()}
