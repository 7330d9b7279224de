"""Distinct packets at interfaces, with how often each was recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transform.codes import NONE, distinct
from transform.policy.asked import Asked, Looked
from transform.policy.match import Packets
from transform.policy.packets import COLUMNS as ASKED
from transform.policy.packets import asked_of
from transform.policy.policy import Policy

REQUEST, REPLY, EITHER = 1, 0, -1
COUNTED = ("records", "packets", "bytes")
# What a table of packets must have.
COLUMNS = (*ASKED, "is_accepted", "is_request", "is_own", *COUNTED)


@dataclass(frozen=True, slots=True)
class Cases:
    """Distinct packets, of what was configured and what became of them; in columns.

    Attributes:
        asked: All rows, as a policy is asked about them.
        first: Of each packet, one of the rows.
        looked: What was configured when it passed.
        packets: As rules see it.
        interface: Code of what recorded it; -1: never listed.
        is_accepted: Whether it passed.
        way: ``REQUEST`` of who opened the conversation, ``REPLY``, or ``EITHER``.
        is_own: Whether the interface surely is its own end.
        counts: ``COUNTED``, of all its records together.
        last: When it was last recorded; seconds since 1970.
    """

    asked: Asked
    first: Any
    looked: Looked
    packets: Packets
    interface: Any
    is_accepted: Any
    way: Any
    is_own: Any
    counts: dict[str, Any]
    last: Any

    def __len__(self) -> int:
        return len(self.first)


def cases_of(policy: Policy, packets: pa.Table) -> Cases:
    """Return the distinct packets of a table with ``COLUMNS``."""
    asked = asked_of(policy, packets)
    looked = policy.look_up(asked)
    accepted, own = (_flags(packets[name]) == 1 for name in ("is_accepted", "is_own"))
    way = _flags(packets["is_request"])
    unlisted = np.where(looked.own < 0, asked.interface, NONE)
    lists = policy.state_of_lists(looked.groups, asked)
    first, case = distinct(
        looked.own, looked.other, looked.acl, looked.subnet, unlisted, asked.inbound,
        asked.peer, asked.protocol, asked.port, lists, accepted, own, way,
        *looked.groups.T,
    )  # fmt: skip
    one_each = looked.take(first)
    last = np.zeros(len(first), np.int64)
    np.maximum.at(last, case, _numbers(packets["end"]))
    return Cases(
        asked=asked,
        first=first,
        looked=one_each,
        packets=policy.packets(asked, one_each, first),
        interface=asked.interface[first],
        is_accepted=accepted[first],
        way=way[first],
        is_own=own[first],
        counts={name: _added(case, packets[name], len(first)) for name in COUNTED},
        last=last,
    )


def _flags(column: Any) -> Any:
    """Return truths as 1 and 0, -1 where null."""
    return np.asarray(pc.fill_null(column.cast(pa.int8()), EITHER), np.int8)


def _added(case: Any, column: Any, size: int) -> Any:
    found = np.zeros(size, np.int64)
    np.add.at(found, case, _numbers(column))
    return found


def _numbers(column: Any) -> Any:
    return np.asarray(pc.fill_null(column.cast(pa.int64()), 0))
