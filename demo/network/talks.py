"""Conversations of one window: who, with whom, when, by which ports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from demo.network.atlas import NOBODY, Atlas
from demo.network.scenarios import ALL, ICMP, TCP, Scenario

WINDOW_S = 300
INTERVAL_S = 60
TRIES = 8
BANDS = 8  # a tuple comes again after so many windows, not before
CLIENT_PORTS = (32_768, 61_000)
SNAT_PORTS = (1_024, 65_535)
MIRROR_PORTS = (61_000, 65_535)
EDGE = 0.12  # share of talks that begin, and that end, with the life of their pod


@dataclass(slots=True)
class Talks:
    """Conversations of one scenario in one window; arrays of one length.

    Attributes:
        client, server: Parties; -1: outside.
        begin: When the first packet is sent; seconds since 1970.
        span: Seconds until its last.
        intervals: Aggregation intervals that it lasts.
    """

    scenario: Scenario
    number: int
    client: Any
    server: Any
    client_address: Any
    server_address: Any
    begin: Any
    span: Any
    intervals: Any
    client_port: Any = None
    server_port: Any = None
    middle_port: Any = None

    def __len__(self) -> int:
        return len(self.begin)


def talks_of_window(
    atlas: Atlas,
    seed: int,
    window: int,
    begin: int,
    wanted: int,
    scenarios: Mapping[int, Scenario],
) -> list[Talks]:
    """Return the conversations that begin in a window.

    Args:
        atlas: The world.
        seed: With the window it decides everything: windows can be made in any order.
        window: Its number.
        begin: Its first second.
        wanted: About how many; at least one of every scenario that has its turn.
        scenarios: Those that are played, by their number in ``ALL``.
    """
    total = sum(s.weight for s in scenarios.values())
    made = []
    for number, scenario in scenarios.items():
        modulo, rest = scenario.every
        if window % modulo != rest:
            continue
        same = next(
            (n for n, s in enumerate(ALL) if s.name == scenario.same_as), number
        )
        random = np.random.default_rng([seed, window, same])
        count = max(1, round(wanted * scenario.weight / total))
        talks = _draw(atlas, scenario, number, begin, count, random)
        if len(talks):
            made.append(talks)
    _give_ports(atlas, made, seed, window)
    return made


def _draw(
    atlas: Atlas,
    scenario: Scenario,
    number: int,
    begin: int,
    count: int,
    random: Any,
) -> Talks:
    low, high = scenario.intervals
    intervals = random.integers(low, high, count, endpoint=True)
    span = (intervals - 1) * INTERVAL_S + random.integers(0, 50, count)
    tail = scenario.delay[1] + 5 if scenario.after else 0
    moment = begin + random.integers(0, 240, count)
    first, second = scenario.client, scenario.server
    swapped = _moves(atlas, second) and random.random() < 0.5
    if swapped:
        first, second = second, first
    one, one_address = _choose(atlas, first, moment, moment + span + tail, random)
    if scenario.protocol == ICMP:  # it has no ports to tell its tuples apart
        some = atlas.outside[first[1]]
        one_address = some[(begin // WINDOW_S * count + np.arange(count)) % len(some)]
    moment = _to_the_edge(atlas, one, moment, span, tail, begin, random)
    other, other_address = _choose(
        atlas, second, moment, moment + span + tail, random, apart_from=one
    )
    kept = np.flatnonzero(
        _there(atlas, first, one, moment, moment + span + tail)
        & _there(atlas, second, other, moment, moment + span + tail)
    )
    if swapped:
        one, other, one_address, other_address = other, one, other_address, one_address
    return Talks(
        scenario=scenario,
        number=number,
        client=one[kept],
        server=other[kept],
        client_address=one_address[kept],
        server_address=other_address[kept],
        begin=moment[kept],
        span=span[kept],
        intervals=intervals[kept],
    )


def _moves(atlas: Atlas, pool: tuple[str, str]) -> bool:
    return bool(pool[0]) and int(atlas.since[atlas.one(*pool)]) > 0


def _choose(
    atlas: Atlas,
    pool: tuple[str, str],
    since: Any,
    until: Any,
    random: Any,
    apart_from: Any = None,
) -> tuple[Any, Any]:
    """Choose who is there all the time from ``since`` to ``until``; -1: found none."""
    count = len(since)
    if not pool[0]:
        some = atlas.outside[pool[1]]
        return np.full(count, NOBODY), some[random.integers(0, len(some), count)]
    slots = atlas.pools[pool]
    party = np.full(count, NOBODY)
    for _ in range(TRIES):
        drawn = slots[random.integers(0, len(slots), count)]
        found = atlas.at(drawn, since)
        fits = (found >= 0) & (atlas.until[found] > until)
        if apart_from is not None:
            fits &= (apart_from < 0) | (atlas.slot[apart_from] != drawn)
        party = np.where((party < 0) & fits, found, party)
    return party, atlas.address[party]


def _to_the_edge(
    atlas: Atlas, party: Any, moment: Any, span: Any, tail: int, begin: int, random: Any
) -> Any:
    """Move some talks to the first or the last second of their party's life."""
    chance = random.random(len(moment))
    since, until = atlas.since[party], atlas.until[party]
    last = until - 1 - span - tail
    ours = party >= 0
    starts = ours & (chance < EDGE) & (since >= begin) & (since < begin + 240)
    ends = ours & (chance > 1 - EDGE) & (last >= begin) & (last < begin + 240)
    ends &= last >= since
    return np.where(starts, since, np.where(ends, last, moment))


def _there(
    atlas: Atlas, pool: tuple[str, str], party: Any, since: Any, until: Any
) -> Any:
    if not pool[0]:
        return np.ones(len(party), bool)
    alive = (atlas.since[party] <= since) & (atlas.until[party] > until)
    return (party >= 0) & alive


def _give_ports(atlas: Atlas, made: list[Talks], seed: int, window: int) -> None:
    """Give every conversation ports that no other of these hours has with its ends."""
    random = np.random.default_rng([seed, window, 999])
    for talks in made:
        scenario, count = talks.scenario, len(talks)
        swept = random.integers(1, 10_000, count)
        talks.server_port = swept if scenario.sweep else np.full(count, scenario.port)
    client = np.concatenate([_wire_address(atlas, t) for t in made])
    server = np.concatenate([_spoken_to(t) for t in made])
    realm = np.concatenate([np.full(len(t), _realm(t.scenario)) for t in made])
    port = np.concatenate([t.server_port for t in made])
    rank = _rank(realm, client, server, port)
    begin = 0
    for talks in made:
        end = begin + len(talks)
        talks.client_port = _port(talks.scenario, rank[begin:end], server[begin:end],
                                  window)  # fmt: skip
        talks.middle_port = np.zeros(len(talks), int)
        begin = end
    _middle_ports(made, window)


def _wire_address(atlas: Atlas, talks: Talks) -> Any:
    if not talks.scenario.snat:
        return talks.client_address
    return atlas.address[atlas.node[talks.client]]


def _spoken_to(talks: Talks) -> Any:
    """Return what a client sees as its server: a balancer stands for its targets."""
    entry = talks.scenario.entry
    return np.full(len(talks), -entry) if entry else talks.server_address


def _realm(scenario: Scenario) -> int:
    """Return a number of the VPC in which a scenario's addresses mean something."""
    return sum((scenario.client[0] or scenario.server[0]).encode())


def _port(scenario: Scenario, rank: Any, server: Any, window: int) -> Any:
    if scenario.protocol == ICMP:
        return np.zeros(len(rank), int)
    low, high = SNAT_PORTS if scenario.snat else CLIENT_PORTS
    if scenario.same_as or scenario.name == "same_tuple_lost":
        low, high = MIRROR_PORTS
    width = (high - low) // BANDS
    spread = (server * 2_654_435_761 + rank) % width
    return low + (window % BANDS) * width + spread


def _middle_ports(made: list[Talks], window: int) -> None:
    """Give what a NAT gateway or a balancer writes in place of the client's port."""
    some = [t for t in made if t.scenario.protocol == TCP]
    server = np.concatenate([t.server_address for t in some])
    port = np.concatenate([t.server_port for t in some])
    rank = _rank(server, port)
    low, high = SNAT_PORTS
    width = (high - low) // BANDS
    begin = 0
    for talks in some:
        end = begin + len(talks)
        spread = (server[begin:end] * 40_503 + rank[begin:end]) % width
        talks.middle_port = low + (window % BANDS) * width + spread
        begin = end


def _rank(*keys: Any) -> Any:
    """Return the number of each row among those with the same keys."""
    order = np.lexsort(keys)
    same = np.ones(len(order), bool)
    same[:1] = False
    for key in keys:
        ordered = key[order]
        same[1:] &= ordered[1:] == ordered[:-1]
    position = np.arange(len(order))
    begin = np.maximum.accumulate(np.where(same, 0, position))
    rank = np.empty(len(order), int)
    rank[order] = position - begin
    return rank
