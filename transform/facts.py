"""What all records of a time tell together, gathered batch by batch.

Deciding about one conversation needs its own records, and a little of all others: which
interfaces reported and where they are, which flow logs were writing, whose addresses
were seen, who listens. That little grows with interfaces and with the clients of load
balancers, not with records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transform.codes import column_of, distinct
from transform.enrich import Attributed
from transform.parts import Ends, ends_of, together
from transform.presence import joint, seconds_of
from transform.records import (
    ACK,
    SYN,
    TCP,
    UNKNOWN,
    is_blind,
    is_text,
    numbers,
    read_records,
)

MINUTE = 60


@dataclass(slots=True)
class Facts:
    """What has been gathered; in tables for the most part.

    Attributes:
        places: interface, vpc_id, subnet_id, az_id, account_id, instance_id; distinct.
        logs: observer, rejected, flow_log_id, first, last: seconds of its records.
        shown: interface, is_v4, address, records: in which an address was shown.
        claims: vpc, address, interface, begin, end: when an interface showed an
            address as its own; seconds.
        servers: address, port, protocol that answered a SYN.
        ends: Which show a conversation otherwise than others do.
        blind: Whether some record lacks one of the packet's addresses.
    """

    places: pa.Table
    logs: pa.Table
    shown: pa.Table
    claims: pa.Table
    servers: pa.Table
    ends: Ends
    blind: bool


@dataclass(slots=True)
class _Gathered:
    places: list[pa.Table] = field(default_factory=list)
    logs: list[pa.Table] = field(default_factory=list)
    shown: list[pa.Table] = field(default_factory=list)
    claims: list[pa.Table] = field(default_factory=list)
    servers: list[pa.Table] = field(default_factory=list)
    ends: list[Ends] = field(default_factory=list)
    blind: bool = False


PLACES = ("interface_id", "vpc_id", "subnet_id", "az_id", "account_id", "instance_id")
_TEXT = pa.string()
_SCHEMAS = {
    "places": pa.schema([(name, _TEXT) for name in PLACES]),
    "logs": pa.schema(
        [("observer", _TEXT), ("rejected", pa.bool_()), ("flow_log_id", _TEXT),
         ("first", pa.int64()), ("last", pa.int64())]
    ),
    "shown": pa.schema(
        [("interface", _TEXT), ("is_v4", pa.bool_()), ("address", _TEXT),
         ("records", pa.int64())]
    ),
    "claims": pa.schema(
        [("vpc", _TEXT), ("address", _TEXT), ("interface", _TEXT),
         ("begin", pa.int64()), ("end", pa.int64())]
    ),
    "servers": pa.schema(
        [("address", _TEXT), ("port", pa.int64()), ("protocol", pa.int64())]
    ),
}  # fmt: skip


class Gathering:
    """Gathers facts from batches of rows."""

    def __init__(self) -> None:
        self._found = _Gathered()

    def see(self, rows: pa.Table) -> None:
        """Take from a batch what it tells without knowing whose addresses are whose."""
        self._found.places.append(_distinct(_texts(rows, PLACES)))
        self._found.logs.append(_logs(rows))
        self._found.shown.append(_shown(rows))
        self._found.blind |= bool(is_blind(rows).any())

    def learn(self, attributed: Attributed) -> None:
        """Take from a batch whose addresses were seen, who answered, who was balanced.

        All batches have been seen before.
        """
        found = self._found
        found.claims.append(_claims(attributed))
        found.servers.append(_servers(attributed))
        found.ends.append(ends_of(attributed, by_address=not found.blind))

    def facts(self) -> Facts:
        """Return what has been gathered so far."""
        found = self._found
        places = _distinct(_joined("places", found.places))
        logs = (
            _joined("logs", found.logs)
            .group_by(["observer", "rejected", "flow_log_id"])
            .aggregate([("first", "min"), ("last", "max")])
        )
        logs = logs.rename_columns(_SCHEMAS["logs"].names)
        shown = (
            _joined("shown", found.shown)
            .group_by(["interface", "is_v4", "address"])
            .aggregate([("records", "sum")])
        )
        shown = shown.rename_columns(_SCHEMAS["shown"].names)
        claims = _merged_spans(_joined("claims", found.claims))
        servers = _distinct(_joined("servers", found.servers))
        ends = together(found.ends)
        return Facts(places, logs, shown, claims, servers, ends, found.blind)


def _joined(name: str, parts: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables([_SCHEMAS[name].empty_table(), *parts])


def _distinct(rows: pa.Table) -> pa.Table:
    return rows.group_by(rows.column_names).aggregate([])


def _texts(rows: pa.Table, names: Sequence[str]) -> pa.Table:
    """Return text columns, distinct, as plain text; missing ones are null."""
    coded = [column_of(rows, name) for name in names]
    first, _ = distinct(*(column.codes for column in coded))
    return pa.table(
        [_taken(column.words, column.codes[first]) for column in coded],
        names=list(names),
    )


def _taken(words: pa.Array, codes: Any) -> pa.Array:
    return words.cast(_TEXT).take(pa.array(codes, mask=codes < 0))


def _logs(rows: pa.Table) -> pa.Table:
    records = read_records(rows)
    observer, log = column_of(rows, "observer"), column_of(rows, "flow_log_id")
    rejected = is_text(rows, "action", "REJECT")
    first, which = distinct(observer.codes, log.codes, rejected.astype(np.int8))
    begin = np.full(len(first), np.iinfo(np.int64).max)
    end = np.zeros(len(first), np.int64)
    np.minimum.at(begin, which, records.begin)
    np.maximum.at(end, which, records.end)
    return pa.table(
        [_taken(observer.words, observer.codes[first]), pa.array(rejected[first]),
         _taken(log.words, log.codes[first]), pa.array(begin), pa.array(end)],
        schema=_SCHEMAS["logs"],
    )  # fmt: skip


def _shown(rows: pa.Table) -> pa.Table:
    """Count the addresses shown by interfaces whose records tell no direction."""
    records = read_records(rows)
    open_ = (records.direction == UNKNOWN) & (records.interface.codes >= 0)
    if not open_.any():
        return _SCHEMAS["shown"].empty_table()
    for name in ("srcaddr", "dstaddr"):
        open_ = open_ & (column_of(rows, name).codes >= 0)
    some = np.flatnonzero(open_)
    interface = _taken(records.interface.words, records.interface.codes[some])
    parts = []
    for name in ("srcaddr", "dstaddr"):
        column = column_of(rows, name)
        address = _taken(column.words, column.codes[some])
        is_v4 = pc.invert(pc.match_substring(address, ":"))
        parts.append(pa.table([interface, is_v4, address],
                              names=["interface", "is_v4", "address"]))  # fmt: skip
    counted = pa.concat_tables(parts).group_by(["interface", "is_v4", "address"])
    found = counted.aggregate([([], "count_all")])
    return found.rename_columns(_SCHEMAS["shown"].names).cast(_SCHEMAS["shown"])


def _claims(attributed: Attributed) -> pa.Table:
    records = attributed.records
    interface = records.interface
    parts = []
    for own, shown, column in (
        (attributed.own_src, records.shown_src, records.src),
        (attributed.own_dst, records.shown_dst, records.dst),
    ):
        rows = np.flatnonzero(own & (shown == column.codes))
        begin = records.begin[rows] // MINUTE * MINUTE
        end = -(-records.end[rows] // MINUTE) * MINUTE
        first, _ = distinct(
            column.codes[rows], interface.codes[rows], attributed.vpc[rows], begin, end
        )
        some = rows[first]
        vpc, text = attributed.vpc[some], attributed.words["vpc"].text
        names = {code: text(code) for code in np.unique(vpc).tolist()}
        parts.append(
            pa.table(
                [pa.array([names[c] for c in vpc.tolist()], _TEXT),
                 _taken(column.words, column.codes[some]),
                 _taken(interface.words, interface.codes[some]),
                 pa.array(begin[first]), pa.array(end[first])],
                schema=_SCHEMAS["claims"],
            )
        )  # fmt: skip
    return _merged_spans(pa.concat_tables(parts))


def _merged_spans(claims: pa.Table) -> pa.Table:
    """Join spans of one claim that touch."""
    keys = ["vpc", "address", "interface"]
    codes = [column_of(claims, name).codes for name in keys]
    key = distinct(*codes)[1]
    begin, end = np.asarray(claims["begin"]), np.asarray(claims["end"])
    order = np.lexsort((begin, key))
    key, begin, end = key[order], begin[order], end[order]
    if len(key) == 0:
        return claims
    reach = seconds_of(np.maximum.accumulate(joint(key, end)))
    new = np.ones(len(key), dtype=bool)
    new[1:] = (key[1:] != key[:-1]) | (begin[1:] > reach[:-1])
    starts = np.flatnonzero(new)
    ends = np.append(starts[1:], len(key)) - 1
    rows = claims.take(pa.array(order[starts]))
    rows = rows.set_column(3, "begin", pa.array(begin[starts]))
    return rows.set_column(4, "end", pa.array(reach[ends]))


def _servers(attributed: Attributed) -> pa.Table:
    """Return who answered a SYN: address, port, protocol."""
    records = attributed.records
    flags = numbers(records.rows, "tcp_flags")
    protocol = numbers(records.rows, "protocol")
    answered = (protocol == TCP) & (flags >= 0)
    answered &= (flags & (SYN | ACK)) == (SYN | ACK)
    answered &= ~is_text(records.rows, "action", "REJECT")
    rows = np.flatnonzero(answered)
    port = numbers(records.rows, "srcport")[rows]
    first, _ = distinct(records.src.codes[rows], port)
    return pa.table(
        [_taken(records.src.words, records.src.codes[rows][first]),
         pa.array(port[first]), pa.array(protocol[rows][first])],
        schema=_SCHEMAS["servers"],
    )  # fmt: skip
