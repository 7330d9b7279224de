"""Ports and peers of what used each rule, and what the rule allows beyond them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

import numpy as np
import pyarrow as pa

from transform.addresses import MAPPED, MAPPED_BITS, network
from transform.policy.match import Packets
from transform.policy.rules import ANY, CIDR, NAMES, PORTED, Rule

MOST_RANGES = 20  # of ports, in a text
MUCH_SMALLER = 8  # bits of a prefix: a 256th of the addresses
PORTS, PEERS = ("rule", "protocol", "port"), ("rule", "high", "low")


@dataclass(frozen=True, slots=True)
class Observed:
    """What used a rule.

    Attributes:
        ports: Such as ``443, 8000-8002``; of a rule for all traffic ``tcp/443, icmp``.
        port_count: How many ports these are, each of a protocol.
        peers: How many addresses.
        network: The smallest CIDR that holds them all; None: they are of two families.
    """

    ports: str
    port_count: int
    peers: int
    network: str | None

    def wider_by(self, rule: Rule) -> list[str]:
        """Return by what a rule allows more: ``protocols``, ``ports``, ``peers``.

        Peers are fewer than it allows if they all lie in a 256th of its network.
        """
        found = []
        if rule.protocol == ANY:
            found.append("protocols")
        elif rule.protocol in PORTED and rule.high - rule.low + 1 > self.port_count:
            found.append("ports")
        held = network(rule.peer) if rule.kind == CIDR else None
        used = network(self.network) if self.network else None
        if held and used and used.length >= held.length + MUCH_SMALLER:
            found.append("peers")
        return found


class Seen:
    """Distinct ports and peers by the number of a rule."""

    def __init__(self) -> None:
        self._ports = pa.table({name: pa.array([], pa.int64()) for name in PORTS})
        words = [pa.int64(), pa.uint64(), pa.uint64()]
        self._peers = pa.table(
            {n: pa.array([], t) for n, t in zip(PEERS, words, strict=True)}
        )

    def add(self, rule: Any, packets: Packets, case: Any) -> None:
        """Take what rules were used by: of each use its rule's number, its packet."""
        address = packets.address.take(case)
        ports = rule, packets.protocol[case], packets.port[case]
        self._ports = _with(self._ports, PORTS, ports)
        self._peers = _with(self._peers, PEERS, (rule, address.high, address.low))

    def by_rule(self, rules: list[Rule]) -> dict[int, Observed]:
        """Return what was observed of each rule that was used, by its number."""
        ports = {rule: columns for rule, *columns in _by_rule(self._ports, PORTS)}
        found = {}
        for rule, high, low in _by_rule(self._peers, PEERS):
            protocol, port = ports[rule]
            named = rules[rule].protocol == ANY
            found[rule] = Observed(
                ports=_ports_text(protocol, port, named=named),
                port_count=len(port),
                peers=len(high),
                network=_smallest(_number(high, low, 0), _number(high, low, -1)),
            )
        return found


def _with(table: pa.Table, names: tuple[str, ...], columns: Any) -> pa.Table:
    more = pa.table(
        [pa.array(c).cast(f.type) for c, f in zip(columns, table.schema, strict=True)],
        schema=table.schema,
    )
    both = pa.concat_tables([table, more]).group_by(list(names)).aggregate([])
    return both.select(list(names))


def _by_rule(table: pa.Table, names: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    """Yield each rule with its sorted columns."""
    ordered = table.sort_by([(name, "ascending") for name in names])
    rule, *columns = (np.asarray(ordered[name]) for name in names)
    edges = np.flatnonzero(np.diff(rule)) + 1
    for some in np.split(np.arange(len(rule)), edges):
        if len(some):
            yield int(rule[some[0]]), *(column[some] for column in columns)


def _ports_text(protocol: Any, port: Any, *, named: bool) -> str:
    parts = []
    for number in np.unique(protocol).tolist():
        name = NAMES.get(number, f"protocol {number}") if number >= 0 else "unknown"
        if number not in PORTED:
            parts += [name] if named else []
            continue
        some = port[protocol == number]
        for part in np.split(some, np.flatnonzero(np.diff(some) > 1) + 1):
            low, high = part[0], part[-1]
            span = f"{low}" if low == high else f"{low}-{high}"
            parts.append(f"{name}/{span}" if named else span)
    more = f" and more, {len(port)} in all" if len(parts) > MOST_RANGES else ""
    return ", ".join(parts[:MOST_RANGES]) + more


def _number(high: Any, low: Any, place: int) -> int:
    return int(high[place]) << 64 | int(low[place])


def _smallest(first: int, last: int) -> str | None:
    """Return the smallest CIDR that holds two addresses, numbers of 128 bits."""
    is_v4 = [one >> 32 == MAPPED >> 32 for one in (first, last)]
    if is_v4[0] != is_v4[1]:
        return None
    length = 128 - (first ^ last).bit_length()
    if is_v4[0]:
        four = ip_address(first & 0xFFFF_FFFF)
        return str(ip_network(f"{four}/{length - MAPPED_BITS}", strict=False))
    six = ip_address(first.to_bytes(16, "big"))
    return str(ip_network(f"{six}/{length}", strict=False))
