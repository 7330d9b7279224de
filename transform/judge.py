"""Judging a record by itself: its part in a stream, its verdict, who opened it.

What needs a second record is left open, and `settled` is false: see `settle`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from transform import outcome as o
from transform.blame import blame
from transform.codes import chosen, kept
from transform.enrich import Attributed
from transform.known import OURS, OUTSIDE
from transform.outcome import Outcome
from transform.places import NOWHERE
from transform.policy.policy import Policy
from transform.records import ACK, SYN, TCP, UDP, UNKNOWN, is_text, numbers
from transform.refusals import can_open

TUNNELS = (6081, 4789, 8472)  # GENEVE; VXLAN as mirrors and as overlays use it
WELL_KNOWN = 1024
# Registered ports on which servers are found behind a VPC's ends (IANA port registry):
# they decide only against a port that is neither well known nor among them.
REGISTERED = np.array(
    [1433, 1521, 2049, 2379, 2380, 3000, 3306, 3389, 5000, 5432, 5672, 6379, 6443, 8000,
     8080, 8443, 8888, 9000, 9042, 9090, 9092, 9200, 9443, 10250, 11211, 27017]
)  # fmt: skip
RANKS = np.zeros(65_536, np.int8)
RANKS[REGISTERED] = 1
RANKS[1:WELL_KNOWN] = 2
SCOPES = np.full((2, 2), o.NULL, np.int8)  # by whose source and destination are
SCOPES[OURS, OURS], SCOPES[OUTSIDE, OURS] = o.INTERNAL, o.INBOUND
SCOPES[OURS, OUTSIDE], SCOPES[OUTSIDE, OUTSIDE] = o.OUTBOUND, o.EXTERNAL

OPENED_BY = np.full((SYN | ACK) + 1, o.NULL, np.int8)
OPENED_BY[SYN], OPENED_BY[SYN | ACK] = o.BY_SRC, o.BY_DST


def judge(attributed: Attributed, policy: Policy) -> Outcome:
    """Judge every row by its own fields and what is known of its time.

    Args:
        attributed: Rows with both sides identified.
        policy: What was configured, and when.
    """
    rows = attributed.records.rows
    rejected = is_text(rows, "action", "REJECT")
    flags = numbers(rows, "tcp_flags")
    role = role_of(attributed)
    counted, verdict = _counted(attributed, role, rejected)
    refused = np.flatnonzero(rejected)
    opens, _ = can_open(attributed, refused)
    nothing = np.full(len(refused), o.NULL, np.int8)
    why = blame(attributed, policy, refused, seen=nothing, opens=opens)
    initiator, service_port = by_ports(attributed, by_flags(attributed, flags))
    return Outcome(
        direction=np.take(o.DIRECTION, attributed.direction),
        role=role,
        scope=scope_of(attributed),
        counted=counted,
        verdict=verdict,
        initiator=initiator,
        service_port=service_port,
        reject_cause=why.cause,
        reject_evidence=why.evidence,
        also_blocked_by=why.also,
        reject_rule=why.rule,
    )


def role_of(attributed: Attributed) -> Any:
    """Return each record's role by itself; null: an end's own record."""
    rows = attributed.records.rows
    port = numbers(rows, "dstport")
    tunnel = np.flatnonzero(numbers(rows, "protocol") == UDP)
    tunnel = tunnel[np.isin(port[tunnel], TUNNELS)]
    public = nat_public(attributed)
    known = attributed.direction != UNKNOWN
    own = attributed.own_src | attributed.own_dst
    passing = known & (~own | attributed.is_transit | attributed.is_nat)
    role = kept(passing, np.int8(o.TRANSIT))
    role[np.flatnonzero(public)] = o.NAT_PUBLIC
    role[tunnel] = o.ENCAPSULATED
    return role


def nat_public(attributed: Attributed) -> Any:
    """Return the records of a NAT gateway's public side: its own address is in them.

    A regional gateway's interface is not shown; its public side is where neither
    address is private.
    """
    src, dst = attributed.src, attributed.dst
    outside_src, outside_dst = _outside(src), _outside(dst)
    zonal = (attributed.own_src & outside_dst) | (attributed.own_dst & outside_src)
    regional = attributed.is_regional & outside_src & outside_dst
    regional &= attributed.is_global_src & attributed.is_global_dst
    return attributed.is_nat & np.where(attributed.is_regional, regional, zonal)


def _outside(side: Any) -> Any:
    return side.home == NOWHERE


def _counted(attributed: Attributed, role: Any, rejected: Any) -> tuple[Any, Any]:
    """Return `counted` and `verdict`; a destination of ours is believed logged."""
    end = role == o.NULL
    at_dst = end & attributed.own_dst
    at_src = end & attributed.own_src
    near = attributed.dst.ours == OURS
    counted = at_dst | (at_src & (rejected | ~near))
    found = counted.astype(np.int8)
    found[end & (attributed.direction == UNKNOWN)] = o.NULL
    final = chosen(rejected, np.int8(o.REJECTED), np.int8(o.ACCEPTED))
    return found, kept(counted, final)


def scope_of(attributed: Attributed) -> Any:
    """Return which ends are ours; null where that is not known of both."""
    src, dst = attributed.src.ours, attributed.dst.ours
    found = np.take(SCOPES, np.maximum(src, 0) * 2 + np.maximum(dst, 0))
    return kept((src >= 0) & (dst >= 0), found)


def by_flags(attributed: Attributed, flags: Any) -> Any:
    """Return who opened the conversation by TCP flags: bits, never equality."""
    tcp = (numbers(attributed.records.rows, "protocol") == TCP) & (flags >= 0)
    return np.take(OPENED_BY, chosen(tcp, flags & (SYN | ACK), np.int64(0)))


def by_ports(attributed: Attributed, initiator: Any) -> tuple[Any, Any]:
    """Complete who opened it by the service-port rule; return it and the port."""
    rows = attributed.records.rows
    srcport, dstport = numbers(rows, "srcport"), numbers(rows, "dstport")
    protocol = numbers(rows, "protocol")
    with_ports = (protocol == TCP) | (protocol == UDP)
    found = initiator.copy()
    open_ = np.flatnonzero(with_ports & (initiator < 0) & (srcport > 0) & (dstport > 0))
    if len(open_):
        ranks = _rank(srcport[open_]), _rank(dstport[open_])
        found[open_[ranks[1] > ranks[0]]] = o.BY_SRC
        found[open_[ranks[0] > ranks[1]]] = o.BY_DST
    port = chosen(found == o.BY_SRC, dstport, srcport)
    return found, kept(with_ports & (found >= 0), port).astype(np.int32)


def _rank(port: Any) -> Any:
    """Return how much a port looks like a server's: well known, registered, neither."""
    return RANKS[np.clip(port, 0, 65_535)]
