"""Packet streams: which records are of the same packets, or of their answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from transform.codes import distinct, merged
from transform.enrich import Attributed
from transform.records import numbers


@dataclass(slots=True)
class Streams:
    """What each row's packets are, as codes.

    Attributes:
        src, dst: Addresses, in one numbering.
        srcport, dstport, protocol: As logged; -1 is null.
        zone: The VPC in which the destination lives; -1: not known.
        key: The stream: addresses, ports, protocol and zone.
        tuple_: The same without the zone.
        reverse: The ``tuple_`` of the packets the other way; -1: there are none.
    """

    src: Any
    dst: Any
    srcport: Any
    dstport: Any
    protocol: Any
    zone: Any
    key: Any
    tuple_: Any
    reverse: Any


def streams_of(attributed: Attributed) -> Streams:
    """Number the streams of some rows."""
    records = attributed.records
    _, (src, dst) = merged(records.src, records.dst)
    srcport, dstport = (numbers(records.rows, n) for n in ("srcport", "dstport"))
    protocol = numbers(records.rows, "protocol")
    zone = np.where(attributed.own_dst, attributed.vpc, attributed.dst.home)
    zone = np.maximum(zone, -1)
    size = len(records)
    ahead = (src, dst, srcport, dstport, protocol)
    back = (dst, src, dstport, srcport, protocol)
    pairs = zip(ahead, back, strict=True)
    both = distinct(*(np.concatenate(pair) for pair in pairs))[1]
    tuple_, reverse = both[:size], both[size:]
    return Streams(
        src=src,
        dst=dst,
        srcport=srcport,
        dstport=dstport,
        protocol=protocol,
        zone=zone,
        key=distinct(tuple_, zone)[1],
        tuple_=tuple_,
        reverse=reverse,
    )
