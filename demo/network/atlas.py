"""The ground as arrays: addresses, interfaces, parties, and who is there when."""

from __future__ import annotations

from typing import Any

import numpy as np

from demo.network.ground import Ground

INTERNET = 40_000
INTERNET6 = 2_000
SERVICES = (
    ("S3", "52.216", 120),
    ("DYNAMODB", "52.94", 30),
    ("EC2", "18.232", 30),
)  # AWS service, first octets of its addresses, how many
NOBODY = -1
_SHIFT = 32


class Atlas:
    """A ground's parties, interfaces and addresses by number.

    Attributes:
        addresses: Every address; the others are numbers of these.
        outside: For each pool of addresses that are nobody's here, its numbers.
        service: For each address the number of its AWS service, -1 without.
        public: For each interface the number of its Elastic IP, -1 without.
    """

    def __init__(
        self, ground: Ground, outside: dict[str, list[str]] | None = None
    ) -> None:
        self.ground = ground
        own = sorted(
            {p.address for p in ground.parties}
            | {i.address for i in ground.interfaces}
            | {i.public for i in ground.interfaces if i.public}
        )
        self.addresses = list(own)
        self.outside: dict[str, Any] = {}
        for pool, addresses in (outside or outsiders(ground.seed)).items():
            begin = len(self.addresses)
            self.addresses += addresses
            self.outside[pool] = np.arange(begin, len(self.addresses))
        index = {address: n for n, address in enumerate(own)}
        self.index = index
        self.service = self._services()
        self._interfaces(index)
        self._parties(index)

    def _services(self) -> Any:
        service = np.full(len(self.addresses), NOBODY)
        for number, (name, _, _) in enumerate(SERVICES):
            if name in self.outside:
                service[self.outside[name]] = number
        return service

    def _interfaces(self, index: dict[str, int]) -> None:
        some = self.ground.interfaces
        self.primary = np.array([index[i.address] for i in some])
        self.public = np.array([index[i.public] if i.public else NOBODY for i in some])
        self.regional = np.array([i.resource is not None for i in some])
        self.nitro = np.array([i.nitro for i in some])
        self.v6 = np.array([":" in address for address in self.addresses])

    def _parties(self, index: dict[str, int]) -> None:
        some = self.ground.parties
        self.address = np.array([index[p.address] for p in some])
        self.interface = np.array([p.interface for p in some])
        self.since = np.array([p.since for p in some])
        self.until = np.array([p.until for p in some])
        self.slot = np.array([p.slot for p in some])
        node = np.array([p.node_party for p in some])
        self.node = node
        itself = np.arange(len(some))
        host = np.array([p.host_network for p in some])
        self.holder = np.where(host, node, itself)
        self._order = np.lexsort((self.since, self.slot))
        self._keys = (self.slot[self._order] << _SHIFT) | self.since[self._order]
        self.pools = {k: np.array(v) for k, v in self.ground.pools.items()}
        self._handovers()

    def _handovers(self) -> None:
        """Keep, for each slot, the moments at which its address changes hands."""
        moments = []
        for ends in (self.since, self.until):
            real = (ends > 0) & (ends < 2**31 - 1)
            moments.append((self.slot[real] << _SHIFT) | ends[real])
        low = np.unique(self.slot) << _SHIFT  # so that a search stays in its slot
        high = low | (2**32 - 1)
        self._moments = np.unique(np.concatenate([*moments, low, high]))

    def nearest_handover(self, party: Any, start: Any, end: Any) -> Any:
        """Return the seconds between [start, end] and a change of a party's address.

        Returns:
            Floats; NaN where there is no party or its address never changes hands.
        """
        slot = self.slot[party] << _SHIFT
        after = np.searchsorted(self._moments, slot | start, side="left")
        following, before = self._moments[after], self._moments[after - 1]
        ahead = np.maximum(following - (slot | end), 0).astype(float)
        behind = ((slot | start) - before).astype(float)
        ahead[(following & (2**32 - 1)) == 2**32 - 1] = np.nan
        behind[(before & (2**32 - 1)) == 0] = np.nan
        nearest = np.fmin(ahead, behind)
        nearest[party < 0] = np.nan
        return nearest

    def one(self, vpc: str, role: str, number: int = 0) -> int:
        """Return the party of a role that is always there."""
        slot = self.pools[vpc, role][number]
        at = int(np.searchsorted(self._keys, int(slot) << _SHIFT))
        return int(self._order[at])

    def at(self, slots: Any, moments: Any) -> Any:
        """Return who holds each slot at a moment; -1: nobody."""
        key = (slots << _SHIFT) | moments
        found = np.searchsorted(self._keys, key, side="right") - 1
        party = self._order[np.maximum(found, 0)]
        there = (found >= 0) & (self.slot[party] == slots)
        return np.where(there & (moments < self.until[party]), party, NOBODY)


def outsiders(seed: int) -> dict[str, list[str]]:
    """Return the pools of addresses that no party of the world holds."""
    random = np.random.default_rng([seed, 5])
    numbers = np.unique(random.integers(11 << 24, 45 << 24, INTERNET * 2))
    numbers = numbers[(numbers >> 24) != 18]  # there are AWS's own addresses
    random.shuffle(numbers)
    six = range(4096, 4096 + INTERNET6)
    pools = {
        "internet": _dotted(numbers[:INTERNET]),
        "internet6": [f"2a02:{n >> 8:x}:{n & 255:x}::{n:x}" for n in six],
        "scanner": [f"193.142.146.{n}" for n in range(1, 250)],
        "blocked": [f"45.155.205.{n}" for n in range(1, 250)],
        "partner": [f"10.3.0.{n}" for n in range(10, 110)],
        "partner-far": [f"10.3.128.{n}" for n in range(10, 110)],
        "on-premises": [f"192.168.7.{n}" for n in range(10, 60)],
    }
    for name, octets, count in SERVICES:
        pools[name] = [f"{octets}.{n % 7}.{n + 1}" for n in range(count)]
    return pools


def _dotted(numbers: Any) -> list[str]:
    octets = [(numbers >> shift) & 255 for shift in (24, 16, 8, 0)]
    return [f"{a}.{b}.{c}.{d}" for a, b, c, d in zip(*octets, strict=True)]
