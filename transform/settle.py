"""Settling: what needs a second record, decided for all rows of an hour at once.

A pure function of the rows of an hour and its neighbours, and of the inventory: the
order in which rows came does not matter, and settling twice gives the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from transform import outcome as o
from transform.causes import causes
from transform.codes import distinct
from transform.enrich import Attributed, Attributor, Taught
from transform.facts import Facts
from transform.identify import OURS
from transform.initiators import initiators
from transform.judge import by_ports, cause_by_reason, concluded, role_of, scope_of
from transform.logged import Logged, Silence, duplicates, flow_logs, logged
from transform.outcome import Outcome
from transform.places import NOWHERE
from transform.presence import Presence
from transform.records import BLUR, EGRESS, UNKNOWN, is_text
from transform.streams import Streams, streams_of

PAIRED_WITHIN = 660  # seconds: the longest aggregation interval and the blur
NAT_IDLE = 660  # a NAT gateway forgets after 350 s (AWS VPC guide); and the blur


@dataclass
class _Rows:
    """All rows at hand, as settling sees them.

    Attributes:
        begin, end: As logged, seconds, both inclusive.
        passing: Records of packets on their way.
        at_dst: Records at the destination's own interface.
        at_src: Records of accepted packets at the source's own interface.
    """

    attributed: Attributed
    streams: Streams
    logged: Logged
    rejected: Any
    role: Any
    begin: Any
    end: Any
    passing: Any
    at_dst: Any
    at_src: Any

    @cached_property
    def arrived(self) -> Any:
        """Which rows have a record at the destination's own interface, soon or late."""
        return _arrived(self, before=PAIRED_WITHIN)

    @cached_property
    def continued(self) -> Any:
        """Which rows were seen to arrive under a load balancer's other tuple."""
        return _continued(self)

    @cached_property
    def stopped(self) -> Any:
        """Which rows' packets were rejected at an interface that they passed."""
        return _stopped_on_the_way(self)


def settle(
    rows: pa.Table,
    attributor: Attributor,
    facts: Facts,
    *,
    reporting: Sequence[Silence] = (),
) -> dict[str, Any]:
    """Decide everything for rows of whole conversations.

    Args:
        rows: Of `flows`, in ``batch_schema``'s types.
        attributor: Knows the inventory.
        facts: Of all rows of the hour and its neighbours.
        reporting: Interfaces of whose silence flow logs told in that time.

    Returns:
        The derived columns of all the rows; those of the neighbours are not to be
        kept, as their own neighbours are not at hand.
    """
    attributed = attributor(rows, Taught(facts.places, facts.shown, facts.claims))
    here = _read(attributed, attributor, facts, reporting)
    outcome = _decide(here, facts)
    return attributed.columns() | outcome.columns()


def _read(
    attributed: Attributed,
    attributor: Attributor,
    facts: Facts,
    reporting: Sequence[Silence],
) -> _Rows:
    records = attributed.records
    rejected = is_text(records.rows, "action", "REJECT")
    logs = flow_logs(attributor.inventory.documents)
    role = role_of(attributed)
    twice = duplicates(attributed, logs, rejected, facts.logs)
    role = np.where(twice & (role != o.ENCAPSULATED), o.DUPLICATE, role).astype(np.int8)
    known = attributed.direction != UNKNOWN
    end = (role == o.NULL) & known
    begin = records.begin + BLUR
    return _Rows(
        attributed=attributed,
        streams=streams_of(attributed),
        logged=logged(attributed.words, logs, facts.logs, reporting),
        rejected=rejected,
        role=role,
        begin=begin,
        end=np.maximum(records.end - 1, begin),
        passing=role == o.TRANSIT,
        at_dst=end & attributed.own_dst,
        at_src=end & attributed.own_src & ~rejected,
    )


def _decide(here: _Rows, facts: Facts) -> Outcome:
    attributed = here.attributed
    size = len(attributed.records)
    counted = np.zeros(size, np.int8)
    verdict = np.full(size, o.NULL, np.int8)
    role = here.role.copy()

    def count(which: Any, what: int) -> None:
        counted[which] = 1
        verdict[which] = what

    count(here.at_dst & ~here.rejected, o.ACCEPTED)
    count(here.at_dst & here.rejected, o.REJECTED)
    own_rejects = (role == o.NULL) & attributed.own_src & here.rejected
    count(own_rejects & (attributed.direction == EGRESS), o.REJECTED)
    for which, what in _sent(here):
        if what == o.NULL:
            role[which] = o.UNMATCHED
        else:
            count(which, what)
    for which, what in _passed(here):
        count(which, what)
    unsolicited, answered = _at_nat(here)
    role[unsolicited] = o.NAT_UNSOLICITED
    count(unsolicited & here.rejected, o.REJECTED)
    count(unsolicited & ~here.rejected, o.UNCONFIRMED)
    count(answered & here.rejected, o.REJECTED)
    undecidable = (attributed.direction == UNKNOWN) & (here.role == o.NULL)
    counted[undecidable] = o.NULL
    cause, evidence = _causes(here)
    opened = initiators(attributed, here.streams, facts.servers)
    initiator, port = by_ports(attributed, opened)
    return Outcome(
        direction=o.DIRECTION[attributed.direction],
        role=role,
        scope=scope_of(attributed),
        counted=counted,
        verdict=verdict,
        initiator=initiator,
        service_port=port,
        reject_cause=cause,
        reject_evidence=evidence,
        settled=True,
    )


def _sent(here: _Rows) -> list[tuple[Any, int]]:
    """Decide what sources let go: which rows count, and with which verdict.

    Returns:
        Masks and verdicts; ``NULL`` where a record is missing that should be there.
    """
    attributed = here.attributed
    near = attributed.dst.ours == OURS
    near &= attributed.dst.home != NOWHERE
    place = _place(attributed, is_src=False)
    shows_accepts = near & here.logged.at(place, here.begin, rejects=False)
    shows_rejects = near & here.logged.at(place, here.begin, rejects=True)
    both = shows_accepts & shows_rejects
    known = here.at_src & ~here.stopped
    lost = known & both & ~here.arrived
    lost &= ~here.continued
    unlogged = _behind_unlogged(here, lost)
    absent = known & ~_arrived(here, before=BLUR)
    only_accepts = absent & shows_accepts & ~shows_rejects
    rest = absent & ~shows_accepts
    return [
        (lost & ~unlogged, o.NULL),
        (lost & unlogged, o.ACCEPTED),
        (only_accepts & ~here.continued, o.UNCONFIRMED),
        (rest & ~here.continued, o.ACCEPTED),
    ]


def _arrived(here: _Rows, *, before: int) -> Any:
    """Return which rows have a record at the destination's own interface."""
    streams = here.streams
    there = Presence(
        streams.key[here.at_dst], here.begin[here.at_dst], here.end[here.at_dst]
    )
    found = there.near(streams.key, here.begin, here.end, before=before)
    # Where the destination's VPC is not known, the tuple alone must do.
    lost = np.flatnonzero(~found & (streams.zone < 0))
    if len(lost):
        anywhere = Presence(
            streams.tuple_[here.at_dst], here.begin[here.at_dst], here.end[here.at_dst]
        )
        found[lost] = anywhere.near(
            streams.tuple_[lost], here.begin[lost], here.end[lost], before=BLUR
        )
    return found | _arrived_unseen(here, before=before)


def _arrived_unseen(here: _Rows, *, before: int) -> Any:
    """Return which rows have a record at the destination that hides its pod.

    Without packet addresses an end shows its interface's own address on its side:
    where one of two records lacks them, interfaces and ports must do.
    """
    attributed, streams = here.attributed, here.streams
    blind = attributed.is_blind
    if not blind.any():
        return blind
    src, dst = attributed.src.eni, attributed.dst.eni
    key = distinct(src, dst, streams.srcport, streams.dstport, streams.protocol)[1]
    known = (src >= 0) & (dst >= 0)
    found = np.zeros(len(blind), dtype=bool)
    for asked, ends in ((blind, known), (~blind, known & blind)):
        some = here.at_dst & ends
        there = Presence(key[some], here.begin[some], here.end[some])
        near = there.near(key, here.begin, here.end, before=before)
        found |= asked & known & near
    return found


def _stopped_on_the_way(here: _Rows) -> Any:
    """Return which rows' packets were rejected at an interface that they passed."""
    streams = here.streams
    stops = here.passing & here.rejected
    if not stops.any():
        return np.zeros(len(here.begin), dtype=bool)
    there = Presence(streams.tuple_[stops], here.begin[stops], here.end[stops])
    return there.near(streams.tuple_, here.begin, here.end, before=BLUR)


def _continued(here: _Rows) -> Any:
    """Return which rows were seen to arrive under a load balancer's other tuple.

    One that preserves the client's address changes only the server's: the client's
    address and port tell the stream.
    """
    attributed = here.attributed
    found = np.zeros(len(here.begin), dtype=bool)
    to = attributed.dst.forwards >= 0
    if to.any():
        found |= to & _same_end(here, here.at_dst & ~to, is_src=True)
    back = here.at_dst & (attributed.src.forwards >= 0)
    if back.any():
        found |= _same_end(here, back, is_src=False)
    return found


def _same_end(here: _Rows, others: Any, *, is_src: bool) -> Any:
    """Return which rows share an end's address, port and protocol with one of some."""
    streams = here.streams
    end = (streams.src, streams.srcport) if is_src else (streams.dst, streams.dstport)
    key = distinct(*end, streams.protocol)[1]
    there = Presence(key[others], here.begin[others], here.end[others])
    return there.near(key, here.begin, here.end, before=PAIRED_WITHIN)


def _behind_unlogged(here: _Rows, rows: Any) -> Any:
    """Return which rows went on from a load balancer to a target that is not logged."""
    attributed = here.attributed
    through = here.passing & (attributed.direction == EGRESS) & ~here.rejected
    to = rows & (attributed.dst.forwards >= 0)
    if not (through.any() and to.any()):
        return np.zeros(len(rows), dtype=bool)
    return to & _same_end(here, through, is_src=True)


def _passed(here: _Rows) -> list[tuple[Any, int]]:
    """Decide which records of passing packets count.

    A rejection on the way ends there; what was let through counts at the hop nearest
    to the destination if neither end is logged.
    """
    attributed = here.attributed
    passing = here.passing & ~here.rejected
    src, dst = (_place(attributed, is_src=is_src) for is_src in (True, False))
    from_logged = here.logged.at(src, here.begin, rejects=False)
    from_logged |= _left(here)
    to_logged = here.logged.at(dst, here.begin, rejects=False)
    to_logged |= here.arrived
    open_ = passing & ~from_logged & ~to_logged & ~here.stopped
    near_end = (attributed.vpc == attributed.dst.home) & (attributed.dst.home >= 0)
    rank = near_end * 2 + (attributed.direction == EGRESS)
    key = here.streams.tuple_
    best = np.full(int(key.max()) + 1 if len(key) else 0, -1, np.int64)
    np.maximum.at(best, key[open_], rank[open_])
    nearest = open_ & (rank == best[key])
    return [(nearest, o.ACCEPTED), (here.passing & here.rejected, o.REJECTED)]


def _left(here: _Rows) -> Any:
    """Return which rows have a record at the source's own interface."""
    streams = here.streams
    there = Presence(
        streams.tuple_[here.at_src], here.begin[here.at_src], here.end[here.at_src]
    )
    return there.near(streams.tuple_, here.begin, here.end, before=PAIRED_WITHIN)


def _at_nat(here: _Rows) -> tuple[Any, Any]:
    """Return what came to NAT gateways unasked for, and what was an answer."""
    attributed, streams = here.attributed, here.streams
    public = here.role == o.NAT_PUBLIC
    inward = public & (attributed.direction != EGRESS)
    outward = public & (attributed.direction == EGRESS)
    there = Presence(streams.tuple_[outward], here.begin[outward], here.end[outward])
    asked = there.near(
        streams.reverse, here.begin, here.end, before=NAT_IDLE, after=BLUR
    )
    return inward & ~asked, inward & asked


def _place(attributed: Attributed, *, is_src: bool) -> dict[str, Any]:
    """Return interface, subnet and VPC of one side of each row, as far as known."""
    side = attributed.src if is_src else attributed.dst
    return {
        "eni": side.eni,
        "subnet": side.subnet,
        "vpc": np.maximum(side.home, -1),
    }


def _causes(here: _Rows) -> tuple[Any, Any]:
    """Return why each rejected row was, and by what evidence."""
    attributed = here.attributed
    told = cause_by_reason(attributed, here.rejected)
    seen = causes(attributed, here.streams, here.rejected, here.begin, here.end)
    return concluded(np.where(told >= 0, told, seen), here.rejected)
