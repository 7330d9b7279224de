"""Packet streams and the records that AWS would write of them; vectorised."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from demo.edges import EDGES, TCP, Edge
from demo.rules import Ruling, decide
from demo.world import Endpoint, World

INTERNET = 40_000  # distinct addresses outside
WINDOW = timedelta(minutes=5)
RECORD_SECONDS = 60
SYN, SYN_ACK, FIN = 2, 18, 1


@dataclass(slots=True)
class Legs:
    """Records as parallel arrays; one element a record.

    Attributes:
        eni: Index of the recording interface.
        src, dst, pkt_src, pkt_dst: Indexes into the world's addresses.
        stream: Which packet stream it belongs to.
        source, target: Indexes of the true endpoints, -1 for the internet.
        cause: Index into ``CAUSES``.
    """

    columns: dict[str, Any]

    def __len__(self) -> int:
        return len(self.columns["eni"])


CAUSES: tuple[tuple[str | None, str | None], ...] = (
    (None, None),
    ("security_group", "no inbound rule"),
    ("network_acl", "acl-strict:*"),
)
_CAUSE_INDEX = {None: 0, "security_group": 1, "network_acl": 2}


class Plant:
    """The world as arrays: addresses, interfaces, who is alive when."""

    def __init__(self, world: World) -> None:
        self.world = world
        own = sorted(
            {e.address for e in world.endpoints} | {i.address for i in world.interfaces}
        )
        random = np.random.default_rng(world.seed)
        self.addresses = own + _public_addresses(random, INTERNET)
        self._index = {address: n for n, address in enumerate(own)}
        self.first_public = len(own)
        self.endpoints = world.endpoints
        self._enis = {i.id: n for n, i in enumerate(world.interfaces)}
        epoch = [
            (
                e.since.timestamp() if e.since else -np.inf,
                e.until.timestamp() if e.until else np.inf,
            )
            for e in world.endpoints
        ]
        self.since = np.array([s for s, _ in epoch])
        self.until = np.array([u for _, u in epoch])
        self.address = np.array([self._index[e.address] for e in world.endpoints])
        self.eni = np.array([self._enis[e.interface.id] for e in world.endpoints])
        self.primary = np.array(
            [self._index[i.address] for i in world.interfaces], dtype=np.int64
        )
        self._groups: dict[tuple[str, str], Any] = {}
        for n, endpoint in enumerate(world.endpoints):
            key = (world.vpc_of(endpoint.interface).name, endpoint.workload)
            self._groups.setdefault(key, []).append(n)
        self._groups = {k: np.array(v) for k, v in self._groups.items()}

    def alive(self, vpc: str, workload: str, at: datetime) -> Any:
        """Return the endpoints of a workload that hold their address all the window."""
        some = self._groups[vpc, workload]
        begin, end = at.timestamp() - 60, (at + WINDOW).timestamp() + 60
        there = (self.since[some] <= begin) & (self.until[some] >= end)
        return some[there] if there.any() else some[:0]

    def ruling(self, edge: Edge, server: int, client: int) -> Ruling:
        """Return what the world does with a stream of this edge."""
        target: Endpoint = self.endpoints[server]
        groups = self.endpoints[client].interface.groups if client >= 0 else ()
        return decide(
            source_groups=groups,
            server_groups=target.interface.groups,
            server_acl=target.interface.subnet.acl,
            protocol=edge.protocol,
            port=edge.port,
        )


def _public_addresses(random: Any, count: int) -> list[str]:
    """Return distinct public addresses: 1.0.0.0/8 to 9.0.0.0/8, and some IPv6."""
    numbers = np.unique(random.integers(1 << 24, 10 << 24, count * 2))[:count]
    random.shuffle(numbers)
    octets = [(numbers >> shift) & 255 for shift in (24, 16, 8, 0)]
    return [f"{a}.{b}.{c}.{d}" for a, b, c, d in zip(*octets, strict=True)]


def records_of_window(
    plant: Plant, vpc: str, at: datetime, wanted: int, random: Any
) -> Legs:
    """Return at least ``wanted`` records of one VPC and one delivery window.

    Args:
        plant: The world.
        vpc: The VPC's name.
        at: Begin of the window; UTC.
        wanted: Records.
        random: The window's own generator, so that windows can be made in any order.
    """
    weights = np.array([edge.weight for edge in EDGES])
    streams = int(wanted / 2.6) + 16
    chosen = random.choice(len(EDGES), size=streams, p=weights / weights.sum())
    parts: list[dict[str, Any]] = []
    first = 0
    for number, edge in enumerate(EDGES):
        count = int((chosen == number).sum())
        if count:
            parts.extend(_edge_records(plant, vpc, edge, at, count, random, first))
            first += count
    columns = {
        name: np.concatenate([part[name] for part in parts]) for name in parts[0]
    }
    order = random.permutation(len(columns["eni"]))
    return Legs({name: column[order] for name, column in columns.items()})


def _edge_records(
    plant: Plant,
    vpc: str,
    edge: Edge,
    at: datetime,
    count: int,
    random: Any,
    first: int,
) -> list[dict[str, Any]]:
    outside = ("internet", "scanner")
    clients = None if edge.client in outside else plant.alive(vpc, edge.client, at)
    servers = None if edge.server in outside else plant.alive(vpc, edge.server, at)
    if (clients is not None and not len(clients)) or (
        servers is not None and not len(servers)
    ):
        return []
    base = _Streams(plant, edge, at, count, random, first)
    source = base.ends(clients)
    target = base.ends(servers)
    if servers is None:
        return base.by_nat(vpc, source)
    return base.direct(source, target)


class _Streams:
    """Streams of one edge in one window, and their records."""

    def __init__(
        self,
        plant: Plant,
        edge: Edge,
        at: datetime,
        count: int,
        random: Any,
        first: int,
    ) -> None:
        self.plant, self.edge, self.count, self.random = plant, edge, count, random
        scanning = edge.port == 0
        self.client_port = random.integers(32768, 61000, count)
        self.port = (
            random.integers(1, 10_000, count) if scanning else np.full(count, edge.port)
        )
        begin = int(at.timestamp())
        self.start = begin + random.integers(0, 240, count)
        self.end = self.start + random.integers(1, RECORD_SECONDS, count)
        self.packets = 1 + random.geometric(0.08, count)
        self.bytes = self.packets * random.integers(40, 1400, count)
        self.stream = np.arange(first, first + count)
        self.outside = plant.first_public + random.integers(0, INTERNET, count)

    def ends(self, some: Any) -> Any:
        """Choose an endpoint for each stream; -1 is the internet."""
        if some is None:
            return np.full(self.count, -1)
        return some[self.random.integers(0, len(some), self.count)]

    def direct(self, source: Any, target: Any) -> list[dict[str, Any]]:
        """Records at the ends' own interfaces: each end's leg of both directions."""
        ruling = self.plant.ruling(self.edge, int(target[0]), int(source[0]))
        accepted = ruling.request == "ACCEPT"
        cause = 0 if accepted else _CAUSE_INDEX[ruling.cause]
        reply_cause = _CAUSE_INDEX[ruling.cause] if ruling.reply == "REJECT" else 0
        ours = source >= 0
        legs = []
        if ours.any():
            legs.append(self._leg(source, target, at_source=True, reject=0))
        legs.append(self._leg(source, target, at_source=False, reject=cause))
        if accepted:
            legs.append(
                self._leg(
                    target, source, at_source=True, reject=reply_cause, reply=True
                )
            )
            if ours.any() and not reply_cause:
                legs.append(
                    self._leg(target, source, at_source=False, reject=0, reply=True)
                )
        return legs

    def by_nat(self, vpc: str, source: Any) -> list[dict[str, Any]]:
        """Records of a way out: at the client's interface and at the gateway's."""
        gateway = self.plant._groups[vpc, "nat"]
        nat = np.full(self.count, gateway[0])
        nobody = np.full(self.count, -1)
        legs = [
            self._leg(source, nobody, at_source=True, reject=0),
            self._leg(nobody, source, at_source=False, reject=0, reply=True),
            self._leg(source, nobody, at_source=True, reject=0, through=nat),
            self._leg(nat, nobody, at_source=True, reject=0, owner=source),
            self._leg(nobody, nat, at_source=False, reject=0, reply=True, owner=source),
        ]
        return legs

    def _leg(
        self,
        source: Any,
        target: Any,
        *,
        at_source: bool,
        reject: int,
        reply: bool = False,
        through: Any = None,
        owner: Any = None,
    ) -> dict[str, Any]:
        plant = self.plant
        packet_source = np.where(source >= 0, plant.address[source], self.outside)
        packet_target = np.where(target >= 0, plant.address[target], self.outside)
        if through is not None:
            eni, at_source = plant.eni[through], False
            seen_source, seen_target = packet_source, plant.primary[eni]
        else:
            eni = plant.eni[source if at_source else target]
            primary = plant.primary[eni]
            seen_source = primary if at_source else packet_source
            seen_target = packet_target if at_source else primary
        tcp = self.edge.protocol == TCP
        flags = (SYN_ACK if reply else SYN) | (0 if reject else FIN)
        ports = (
            (self.port, self.client_port) if reply else (self.client_port, self.port)
        )
        outward = at_source & (target < 0)
        factor = 3 if reply else 1
        return {
            "eni": eni,
            "src": seen_source,
            "dst": seen_target,
            "pkt_src": packet_source,
            "pkt_dst": packet_target,
            "srcport": ports[0],
            "dstport": ports[1],
            "protocol": np.full(self.count, self.edge.protocol),
            "packets": self.packets if not reject else np.ones(self.count, np.int64),
            "bytes": self.bytes * factor if not reject else np.full(self.count, 40),
            "start": self.start,
            "end": self.end,
            "reject": np.full(self.count, reject),
            "flags": np.full(self.count, flags if tcp else 0),
            "egress": np.full(self.count, at_source),
            "path": np.where(outward, 8, np.where(at_source, 1, 0)),
            "stream": self.stream,
            "source": source if owner is None or reply else owner,
            "target": target if owner is None or not reply else owner,
        }
