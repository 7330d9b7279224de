"""Why a packet was rejected, as far as the log alone can tell."""

from __future__ import annotations

from typing import Any

import numpy as np

from transform import outcome as o
from transform.codes import column_of, distinct
from transform.enrich import Attributed
from transform.presence import EVER, Presence
from transform.records import (
    ACK,
    BLUR,
    FIN,
    ICMP,
    ICMPV6,
    RST,
    SYN,
    TCP,
    UDP,
    numbers,
)
from transform.streams import Streams

# How long a security group remembers what it let in, seconds (AWS EC2 guide,
# "Security group connection tracking"); TCP is bounded by what is at hand.
REMEMBERED = {TCP: 3600, UDP: 180, ICMP: 600, ICMPV6: 600}
IDLE_AFTER = 350  # seconds, the shortest of the established TCP timeouts


def causes(
    attributed: Attributed, streams: Streams, rejected: Any, begin: Any, end: Any
) -> tuple[Any, Any]:
    """Return the cause of each rejected row, ``NULL`` where the log does not tell it.

    And which of them answer what the same interface had let pass before.

    Args:
        attributed: All rows at hand.
        streams: Theirs.
        rejected: Which are rejections.
        begin: Seconds.
        end: Seconds, inclusive.

    Source:
        AWS VPC User Guide, "Flow log record examples": a security group lets the
        answers out to what it let in, a network ACL does not know of it.
    """
    found = np.full(len(rejected), o.NULL, np.int8)
    rows = np.flatnonzero(rejected)
    answers = np.zeros(len(rejected), bool)
    if len(rows) == 0:
        return found, answers
    protocol = streams.protocol[rows]
    flags = numbers(attributed.records.rows, "tcp_flags")
    with_flags = (protocol == TCP) & (flags[rows] >= 0)
    answer = (flags[rows] & (SYN | ACK)) == (SYN | ACK)
    late = with_flags & ((flags[rows] & SYN) == 0)
    replies = (with_flags & answer) | np.isin(protocol, (UDP, ICMP, ICMPV6))
    passed = _Passed(attributed, streams, rejected, begin, end)
    acl = replies & passed.request(rows, protocol)
    closed = late & _closed(streams, flags, begin, end, rows, rejected)
    idle = late & ~closed & passed.long_ago(rows)
    found[rows] = np.select(
        [acl, closed, idle], [o.NETWORK_ACL, o.LATE_PACKET, o.IDLE_TIMEOUT], o.NULL
    )
    answers[rows] = passed.answers(rows)
    return found, answers


class _Passed:
    """What was accepted, by interface and tuple."""

    def __init__(
        self, attributed: Attributed, streams: Streams, rejected: Any, begin: Any,
        end: Any,
    ) -> None:  # fmt: skip
        observer = column_of(attributed.records.rows, "observer").codes
        size = len(rejected)
        joined = distinct(
            np.concatenate([observer, observer]),
            np.concatenate([streams.tuple_, streams.reverse]),
        )[1]
        self._ahead, self._back = joined[:size], joined[size:]
        some = ~rejected
        self._begin, self._end = begin, end
        self._there = Presence(self._ahead[some], begin[some], end[some])

    def request(self, rows: Any, protocol: Any) -> Any:
        """Return which rows answer what the same interface accepted before."""
        found = np.zeros(len(rows), dtype=bool)
        for number, remembered in REMEMBERED.items():
            mine = np.flatnonzero(protocol == number)
            some = rows[mine]
            found[mine] = self._there.near(
                self._back[some],
                self._begin[some],
                self._begin[some],
                before=remembered,
                after=BLUR,
            )
        return found

    def answers(self, rows: Any) -> Any:
        """Return which rows answer what the same interface accepted at any time."""
        begin = self._begin[rows]
        return self._there.near(self._back[rows], begin, begin, before=EVER, after=BLUR)

    def long_ago(self, rows: Any) -> Any:
        """Return which rows follow accepted ones of theirs after a long silence."""
        ever = np.zeros(len(rows), dtype=bool)
        lately = np.zeros(len(rows), dtype=bool)
        for key in (self._ahead, self._back):
            some = key[rows], self._begin[rows], self._begin[rows]
            ever |= self._there.near(*some, before=EVER, after=0)
            lately |= self._there.near(*some, before=IDLE_AFTER, after=BLUR)
        return ever & ~lately


def _closed(
    streams: Streams, flags: Any, begin: Any, end: Any, rows: Any, rejected: Any
) -> Any:
    """Return which rows come after a FIN or RST of their conversation."""
    closing = (streams.protocol == TCP) & (flags >= 0) & ((flags & (FIN | RST)) != 0)
    closing &= ~rejected
    conversation = np.minimum(streams.tuple_, streams.reverse)
    there = Presence(conversation[closing], begin[closing], end[closing])
    return there.near(
        conversation[rows], begin[rows], begin[rows], before=IDLE_AFTER, after=0
    )
