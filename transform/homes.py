"""Which VPC an address lives in: the observer's, or one that its packets reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from transform.addresses import Addresses
from transform.codes import NONE, distinct
from transform.inventory import Inventory
from transform.places import NOWHERE, SEVERAL, Link, inside
from transform.records import EGRESS, ELSE, INGRESS, Records, as_codes_of, numbers
from transform.routes import KEPT, OUT, PEERED, WAY_BY, WITHIN, Sent
from transform.words import Words

EVERY = WITHIN | PEERED | OUT
# The way out that each `traffic_path` tells: 2, 3 and 6 to 8 are gateways to the
# internet, premises, zones at the edge and AWS's services; other codes tell nothing.
# AWS VPC User Guide, "Flow log records".
_WAYS = np.array([0, WITHIN, OUT, OUT, PEERED, PEERED, OUT, OUT, OUT, 0], np.int8)


@dataclass(frozen=True, slots=True)
class Found:
    """Where distinct addresses live.

    Attributes:
        home: The VPC; ``NOWHERE``, or ``SEVERAL`` where more than one could be meant.
        ways: By which ways out their packets may go for that to hold, as bits.
    """

    home: Any
    ways: Any

    def take(self, rows: Any) -> Found:
        """Return what is found of the addresses at some positions."""
        return Found(self.home[rows], self.ways[rows])


class Homes:
    """Finds homes: the observer's VPC, else one that it reaches.

    What joined VPCs counts if it can have been there to the end of the rows; of route
    tables all count that can have been in force at any time of theirs.

    Args:
        inventory: What is known.
        vpcs: The run's VPC words.
        since: The begin of the rows; seconds since 1970.
        until: Their end.
    """

    def __init__(
        self, inventory: Inventory, vpcs: Words, *, since: int, until: int
    ) -> None:
        self._inventory = inventory
        self._vpcs = vpcs
        self._since, self._until = since, until

    def find(self, vpc: Any, addresses: Addresses, told: Any = None) -> Found:
        """Say which VPC each address lives in.

        Args:
            vpc: Of each, the VPC as seen from; code of the VPC words.
            addresses: Of each.
            told: Of each, the ways out that its records tell, as bits; None: none.
        """
        if told is None:
            told = np.zeros(len(vpc), np.int8)
        found = Found(
            np.full(len(vpc), NOWHERE, np.int32), np.full(len(vpc), EVERY, np.int8)
        )
        for code in np.unique(vpc).tolist():
            mine = np.flatnonzero((vpc == code) & addresses.valid)
            name = self._vpcs.text(code)
            if name is None or len(mine) == 0:
                continue
            is_in = self._is_in(name, addresses.take(mine))
            found.home[mine[is_in]] = code
            others = mine[~is_in]
            some = self._near(name, addresses.take(others), told[others])
            found.home[others], found.ways[others] = some.home, some.ways
        return found

    def _is_in(self, vpc: str, addresses: Addresses) -> Any:
        """Return which addresses lie in a VPC; in one of unknown ranges, are known."""
        place = self._inventory.places.of(vpc)
        found = inside(place, addresses)
        if place.networks or place.subnets:
            return found
        code = np.full(len(addresses), self._inventory.vpc_code(vpc), np.int64)
        known = self._inventory.interfaces.keys.has(code, addresses)
        known |= self._inventory.pods.keys.has(code, addresses)
        return found | known & (code >= 0)

    def _near(self, vpc: str, addresses: Addresses, told: Any) -> Found:
        """Say which of a VPC's neighbours each address lives in."""
        places = self._inventory.places
        joined = places.of(vpc).joined(self._until)
        found = Found(
            np.full(len(addresses), NOWHERE, np.int32),
            np.full(len(addresses), EVERY, np.int8),
        )
        within = [np.flatnonzero(inside(places.of(n), addresses)) for n in joined]
        at = np.concatenate([np.zeros(0, np.intp), *within])
        if len(at) == 0:
            return found
        some, place = np.unique(at, return_inverse=True)
        sent = self._inventory.routes.sent(
            vpc, addresses.take(some), since=self._since, until=self._until
        )
        number = {links: n for n, links in enumerate(dict.fromkeys(joined.values()))}
        judged = [_judged(links, sent, told[some]) for links in number]
        sizes = [len(one) for one in within]
        by = np.repeat([number[links] for links in joined.values()], sizes)
        fits, ways = (np.stack(part)[by, place] for part in zip(*judged, strict=True))
        code = np.repeat([self._vpcs.code(name) for name in joined], sizes)
        kept = np.flatnonzero(fits != NOWHERE)
        _house(found, at[kept], code[kept], fits[kept], ways[kept])
        return found


def _house(found: Found, at: Any, code: Any, fits: Any, ways: Any) -> None:
    """Say where addresses live that neighbours can have; of several, in none of them.

    Args:
        found: Of all addresses, changed.
        at: Positions, one for each neighbour that can have it.
        code: Of the neighbour.
        fits: ``KEPT``, or ``SEVERAL`` where it can be somebody else's.
        ways: The ways out that lead there.
    """
    sole = (np.bincount(at, minlength=len(found.home))[at] == 1) & (fits == KEPT)
    found.home[at] = np.where(sole, code, SEVERAL)
    found.ways[at] = np.where(sole, ways, 0)


def _judged(links: tuple[Link, ...], sent: Sent | None, told: Any) -> tuple[Any, Any]:
    """Say which addresses can be of a neighbour by what joins it, by which ways out."""
    onward = np.zeros(len(told), dtype=bool) if sent is None else sent.passed_on()
    ways = _ways_of(links, onward)
    fits = _agrees(told, ways)
    if sent is None:
        return fits, ways
    led = sent.leads(links, told)
    return np.where((fits == KEPT) | (led == NOWHERE), led, fits), ways


def _ways_of(links: tuple[Link, ...], onward: Any) -> Any:
    """Return the ways out that lead to a neighbour by what joins it, as bits.

    What is passed on within the VPC first may be peered only after that.
    """
    ways = np.bitwise_or.reduce([WAY_BY[kind] for kind, _ in links])
    return np.where(onward, ways | WITHIN, ways).astype(np.int8)


def _agrees(told: Any, ways: Any) -> Any:
    """Return whether the ways that records tell are all, partly or not at all these."""
    against = (told & ~ways) != 0
    return np.select(
        [against & ((told & ways) != 0), against], [SEVERAL, NOWHERE], KEPT
    )


def ways_told(records: Records, which: Any, ways: Any, *, is_src: bool) -> Any:
    """Return the ways out that rows tell of their far side where that matters.

    What an interface sent tells it of the destination. A source that it heard is told
    of by what it sent back, in the same conversation.

    Args:
        records: The rows.
        which: Of each row, its distinct address.
        ways: See `Found`.
        is_src: The source side, else the destination.

    Returns:
        Bits of each row; none where nothing is told, or nothing else than ``ways``.
        None: no row tells anything.
    """
    if not records.has("traffic_path") or (ways == EVERY).all():
        return None
    path = numbers(records.rows, "traffic_path", absent=0)
    told = np.take(_WAYS, np.clip(path, 0, len(_WAYS) - 1))
    told[records.direction != EGRESS] = 0
    if is_src:
        asked = (ways != EVERY)[which] & (records.direction == INGRESS)
        told = _sent_back(records, np.flatnonzero(asked), told)
    told[(told & ~np.take(ways, which)) == 0] = 0
    return told if told.any() else None


def _sent_back(records: Records, asked: Any, told: Any) -> Any:
    """Return what the other direction of some rows' conversations tells, as bits."""
    found = np.zeros(len(records), np.int8)
    src, dst = records.src.codes, as_codes_of(records.src, records.dst)
    is_far = np.zeros(len(records.src.words) + 2, dtype=bool)  # `ELSE`, `NONE` last
    is_far[src[asked]] = True
    is_far[[NONE, ELSE]] = False
    sent = np.flatnonzero((told != 0) & is_far[dst])
    if len(sent) == 0:
        return found
    ports = [numbers(records.rows, name) for name in ("srcport", "dstport")]
    both = records.interface.codes, numbers(records.rows, "protocol")
    ends = zip((src, dst, *ports), (dst, src, *reversed(ports)), strict=True)
    _, key = distinct(
        *(np.concatenate([part[asked], part[sent]]) for part in both),
        *(np.concatenate([one[asked], other[sent]]) for one, other in ends),
    )
    by_key = np.zeros(len(key), np.int8)
    np.bitwise_or.at(by_key, key[len(asked) :], told[sent])
    found[asked] = by_key[key[: len(asked)]]
    return found
