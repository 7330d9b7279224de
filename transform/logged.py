"""Which interfaces are logged, by which flow logs, and which of these counts.

What the inventory says comes first: it knows of flow logs that had nothing to say.
Without it, an interface that reported is logged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa

from transform.places import OVER_BY
from transform.presence import Presence
from transform.words import Words

EVERYTHING = "ALL"
S3 = "s3"
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
        is_elsewhere: Whether it delivers to something else than S3, or cannot.
    """

    id: str
    resource: str
    traffic: str
    interval: int
    created: int
    deleted: int = FAR_FUTURE
    is_elsewhere: bool = False

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
                is_elsewhere=_is_elsewhere(document),
            )
            before = found.get((log.id, log.resource))
            if before is None or before.deleted <= log.deleted:
                found[log.id, log.resource] = log
    return sorted(found.values(), key=lambda log: log.rank)


def _is_elsewhere(document: Mapping[str, Any]) -> bool:
    """Whether `DescribeFlowLogs` says that nothing comes to S3."""
    to = document.get("LogDestinationType") or S3
    return to != S3 or document.get("DeliverLogsStatus") == "FAILED"


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
        accept, reject: By ``eni``, ``subnet`` and ``vpc``: the times, inclusive, of
            the codes of these words.
    """

    accept: dict[str, Presence]
    reject: dict[str, Presence]

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
            found |= logged_[name].reaches(column, when, when)
        return found


def logged(
    words: Mapping[str, Words],
    logs: Sequence[FlowLog],
    seen: pa.Table,
    reporting: Sequence[Silence],
) -> Logged:
    """Say which interfaces are logged, by the inventory and by what they reported.

    A flow log that delivers elsewhere tells nothing here, unless it was heard.

    Args:
        words: The run's words.
        logs: Of the inventory.
        seen: See `transform.facts.Facts.logs`.
        reporting: Interfaces and the flow logs that reported their silence.
    """
    heard = {*seen["flow_log_id"].to_pylist(), *(log for _, log in reporting)}
    telling = [log for log in logs if not log.is_elsewhere or log.id in heard]
    others = _heard(words["eni"], logs, seen, reporting)
    found: dict[bool, dict[str, Presence]] = {False: {}, True: {}}
    for rejects, name in product((False, True), ("eni", "subnet", "vpc")):
        wanted = EVERYTHING, "REJECT" if rejects else "ACCEPT"
        spans = [
            (words[name].code(log.resource), log.created, log.deleted - 1)
            for log in telling
            if log.resource.startswith(f"{name}-") and log.traffic in wanted
        ]
        if name == "eni":
            spans += [(code, 0, FAR_FUTURE) for code in others[rejects]]
        code, since, until = np.array(spans, np.int64).reshape(-1, 3).T
        found[rejects][name] = Presence(code, since, until)
    return Logged(accept=found[False], reject=found[True])


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
