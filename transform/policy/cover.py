"""The fewest rules of security groups that let just what was observed pass.

A rule stands in a group that others may carry, and may name a group that others carry:
each candidate opens the pairs of all these carriers. Candidates are taken greedily: the
one first that opens least beyond what was observed, for each need that it meets, of
these the one that meets most. What the others let pass as well is left out at the end.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from transform.policy.latest import Latest
from transform.policy.needs import Need
from transform.policy.spans import by_cidr, grouped, ranges

LEAST, GROUPS, ADDRESSES = PREFERENCES = ("least", "groups", "addresses")
PAIRS_TOLD = 10_000
# What hands packets on: its interfaces' groups are not those of who sent them.
BETWEEN = frozenset({
    "load_balancer", "nat_gateway", "regional_nat_gateway", "transit_gateway",
    "gateway_load_balancer_endpoint", "vpc_endpoint", "internet", "elastic_ip",
})  # fmt: skip

Candidate = tuple[str, str, bool]  # a group, whom it names, whether that is one too
Pair = tuple[str, str]  # an interface and its peer's, else its peer's address


@dataclass(frozen=True, slots=True)
class Opened:
    """What a rule opens beside what was observed.

    Attributes:
        targets: How many interfaces that carry its group were not among the edges.
        sources: How many interfaces that carry the group it names were not.
        count: Of pairs of interfaces, or of one and an address, not among the edges.
        pairs: The first of them.
    """

    targets: int = 0
    sources: int = 0
    count: int = 0
    pairs: frozenset[Pair] = frozenset()

    def __or__(self, other: Opened) -> Opened:
        pairs = self.pairs | other.pairs
        return Opened(
            max(self.targets, other.targets),
            max(self.sources, other.sources),
            max(self.count, other.count, len(pairs)),
            pairs,
        )


@dataclass(frozen=True, slots=True)
class Grant:
    """A rule of a group, and what it is for.

    Attributes:
        group: Whose rule it is.
        peer: A group or a CIDR.
        ports: First and last.
        needs: Positions of what it lets pass.
    """

    group: str
    inbound: bool
    peer: str
    is_group: bool
    protocol: int
    ports: tuple[int, int]
    needs: frozenset[int]
    opened: Opened


@dataclass(slots=True)
class _Class:
    """What needs one port and protocol in one direction, and what was seen of it."""

    latest: Latest
    observed: dict[str, set[str]]  # peers' interfaces or addresses by own interface
    needs: Sequence[tuple[int, Need]]
    opened: dict[Candidate, Opened] = field(default_factory=dict)

    def candidates(self) -> dict[Candidate, set[int]]:
        """Return groups with groups or addresses, and which needs they meet."""
        found: dict[Candidate, set[int]] = {}
        for place, need in self.needs:
            for group in self.latest.groups.get(need.interface, ()):
                if need.peer.address is not None:
                    key = group, need.peer.address, False
                    found.setdefault(key, set()).add(place)
                for peer in self._references(need, group):
                    found.setdefault((group, peer, True), set()).add(place)
        return found

    def _references(self, need: Need, group: str) -> Iterator[str]:
        peer = need.peer
        if peer.interface is None or peer.kind in BETWEEN or peer.vpc is None:
            return
        if not self.latest.is_private(peer.vpc, peer.address):
            return
        for name in self.latest.groups.get(peer.interface, ()):
            if self.latest.may_refer(group, name):
                yield name

    def clients(self, key: Candidate) -> int:
        """Return how many observed peers carry the group that a candidate names."""
        seen = set().union(*(self.observed.get(i, set()) for i in self._targets(key)))
        return len(seen & self.latest.carriers.get(key[1], frozenset()))

    def is_free(self, key: Candidate, places: Iterable[int]) -> bool:
        """Whether to name a group opens no more than its carriers' addresses would."""
        by_place = dict(self.needs)
        peers = {by_place[place].peer.interface for place in places}
        return self.excess(key).count == 0 or self.latest.carriers[key[1]] <= peers

    def is_wide(self, key: Candidate) -> bool:
        """Whether a group means other addresses too of the interfaces that were seen.

        Such as other pods of a node. Addresses of the other family are the same host's.
        """
        for seen in (self.observed.get(i, set()) for i in self._targets(key)):
            for peer in seen & self.latest.carriers.get(key[1], frozenset()):
                own = self.latest.addresses.get(peer, frozenset())
                families = {":" in name for name in own & seen}
                if any("/" in o or (":" in o) in families for o in own - seen):
                    return True
        return False

    def _targets(self, key: Candidate) -> frozenset[str]:
        return self.latest.carriers.get(key[0], frozenset())

    def excess(self, key: Candidate) -> Opened:
        """Return what a candidate opens that was not observed."""
        if key not in self.opened:
            self.opened[key] = self._excess(key)
        return self.opened[key]

    def _excess(self, key: Candidate) -> Opened:
        _, peer, is_group = key
        targets = self._targets(key)
        carriers = self.latest.carriers.get(peer, frozenset())
        sources = carriers if is_group else frozenset({peer})
        seen = {i: self.observed.get(i, set()) & sources - {i} for i in targets}
        own = len(targets & sources)  # nobody speaks to itself by its interface
        count = len(targets) * len(sources) - own - sum(map(len, seen.values()))
        found = (
            (one, other)
            for one in sorted(targets)
            for other in sorted(sources - seen[one] - {one})
        )
        pairs = frozenset(p for p, _ in zip(found, range(PAIRS_TOLD), strict=False))
        met = set().union(*seen.values())
        return Opened(
            targets=sum(not some for some in seen.values()),
            sources=len(sources - met) if is_group else 0,
            count=count,
            pairs=pairs,
        )


def grants(
    latest: Latest,
    needs: Sequence[Need],
    observed: Iterable[tuple[bool, int, int, str, str]],
    *,
    prefer: str,
) -> tuple[list[Grant], list[int]]:
    """Return the rules that let needs of security groups pass.

    Args:
        latest: What is configured.
        needs: What groups deny; those of network ACLs are passed over.
        observed: All that was observed: whether inbound, protocol, port, interface,
            and peer, once by its interface and once by its address.
        prefer: ``LEAST``: a group is named only where that opens nothing that was not
            observed, or no more than addresses would; ``GROUPS``: also where several
            observed peers carry it; ``ADDRESSES``: never.

    Returns:
        The rules, and the positions of needs for which there is none.
    """
    seen: dict[tuple[bool, int, int], dict[str, set[str]]] = {}
    for inbound, protocol, port, one, other in observed:
        by_own = seen.setdefault((inbound, protocol, port), {})
        by_own.setdefault(one, set()).add(other)
    mine = [(place, need) for place, need in enumerate(needs) if need.acl is None]
    units: list[Grant] = []
    for key, some in grouped(mine, _class_of):
        units += _covered(_Class(latest, seen.get(key, {}), some), key, prefer)
    met = set().union(*(unit.needs for unit in units))
    return _joined(units), [place for place, _ in mine if place not in met]


def _class_of(item: tuple[int, Need]) -> tuple[bool, int, int]:
    _, need = item
    return need.inbound, need.protocol, need.port


def _covered(one: _Class, key: tuple[bool, int, int], prefer: str) -> Iterator[Grant]:
    """Yield units for one port: greedily, what opens least first."""
    candidates = one.candidates()
    open_ = {place for place, _ in one.needs}
    allowed = [c for c, some in candidates.items() if _is_allowed(one, c, some, prefer)]

    def rank(candidate: Candidate) -> tuple[Any, ...]:
        """Return how bad one is now: worse and worse while others meet its needs."""
        left = len(candidates[candidate] & open_)
        last = prefer == GROUPS and not candidate[2]
        return last, one.excess(candidate).count / left, -left, not candidate[2]

    heap = [(rank(candidate), candidate) for candidate in allowed]
    heapq.heapify(heap)
    picked: list[Candidate] = []
    while heap and open_:
        told, candidate = heapq.heappop(heap)
        if not candidates[candidate] & open_:
            continue
        if (now := rank(candidate)) == told:
            picked.append(candidate)
            open_ -= candidates[candidate]
        else:
            heapq.heappush(heap, (now, candidate))
    inbound, protocol, port = key
    for candidate in _needed(picked, candidates):
        group, peer, is_group = candidate
        yield Grant(
            group, inbound, peer, is_group, protocol, (port, port),
            frozenset(candidates[candidate]), one.excess(candidate),
        )  # fmt: skip


def _is_allowed(
    one: _Class, candidate: Candidate, places: set[int], prefer: str
) -> bool:
    """Whether it may be suggested: an address always, a group as is preferred."""
    if not candidate[2]:
        return True
    if prefer == ADDRESSES:
        return False
    if prefer == LEAST:
        return one.is_free(candidate, places) and not one.is_wide(candidate)
    return one.is_free(candidate, places) or one.clients(candidate) >= 2


def _needed(
    picked: Sequence[Candidate], candidates: dict[Candidate, set[int]]
) -> list[Candidate]:
    """Return those without which something would not be met."""
    times: dict[int, int] = {}
    for candidate in picked:
        for place in candidates[candidate]:
            times[place] = times.get(place, 0) + 1
    kept = list(picked)
    for candidate in sorted(picked, key=lambda c: len(candidates[c])):
        if all(times[place] > 1 for place in candidates[candidate]):
            kept.remove(candidate)
            for place in candidates[candidate]:
                times[place] -= 1
    return kept


def _joined(units: Sequence[Grant]) -> list[Grant]:
    """Return units with adjacent ports, then adjacent addresses, put together."""
    by_port: list[Grant] = []
    for _, some in grouped(units, lambda u: (u.group, u.inbound, u.peer, u.protocol)):
        for low, high in ranges(unit.ports[0] for unit in some):
            parts = [unit for unit in some if low <= unit.ports[0] <= high]
            by_port.append(_join(parts, parts[0].peer, (low, high)))
    found: list[Grant] = []
    for _, some in grouped(by_port, _but_address):
        if some[0].is_group:
            found += some
            continue
        for cidr, parts in by_cidr(some, lambda unit: unit.peer):
            found.append(_join(parts, cidr, parts[0].ports))
    return found


def _but_address(one: Grant) -> tuple[Any, ...]:
    peer = one.peer if one.is_group else None
    return one.group, one.inbound, peer, one.protocol, one.ports


def _join(parts: Sequence[Grant], peer: str, ports: tuple[int, int]) -> Grant:
    first = parts[0]
    needs = frozenset().union(*(part.needs for part in parts))
    opened = Opened()
    for part in parts:
        opened |= part.opened
    return Grant(
        first.group, first.inbound, peer, first.is_group, first.protocol, ports, needs,
        opened,
    )  # fmt: skip
