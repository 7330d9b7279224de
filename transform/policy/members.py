"""Whose address a security group means, where a rule refers to it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from transform.addresses import in_any
from transform.codes import NONE, distinct
from transform.places import PEERING, Link, Places
from transform.policy.configured import Configured
from transform.policy.match import MAYBE, NO, YES, Packets
from transform.presence import EVER

# With a client's own address it sends on what is for those who let its group in.
BALANCER = "network_load_balancer"

Member = Callable[[Packets, Any, str], Any]


class Members:
    """The interfaces that carry each group, and who can be meant by it across VPCs.

    Args:
        known: What is configured.
        places: VPCs, and what joins them.

    Attributes:
        lent: Groups that may be meant whoever the other end is.

    Source:
        Amazon VPC User Guide, "Security group referencing": by private addresses; in
        the same VPC and across peerings within a Region, across transit gateways in
        inbound rules alone and where the gateway and both attachments support it.
    """

    def __init__(self, known: Configured, places: Places) -> None:
        self._known = known
        self._places = places
        self._carriers: dict[str, list[int]] = {}
        some = known.interfaces.contents
        for place, one in enumerate(some):
            for name in one["groups"]:
                self._carriers.setdefault(name, []).append(place)
        self.lent = frozenset(
            name for one in some if one["type"] == BALANCER for name in one["groups"]
        )
        vpcs = [one["vpc"] for one in some]
        self._vpcs = sorted({*vpcs, ""})
        codes = {name: place for place, name in enumerate(self._vpcs)}
        nowhere = codes[""]
        self._vpc = np.array([*(codes[v] for v in vpcs), nowhere, nowhere], np.int64)

    def of(self, own: Any, other: Any) -> Member:
        """Return what says which of some packets' other ends carry a group.

        Args:
            own: Of each packet, the version of the interface that records it.
            other: Of the other end's.
        """

        @cache
        def carries(group: str) -> Any:
            found = np.full(len(self._known.interfaces.contents) + 2, NO, np.int8)
            found[self._carriers.get(group, [])] = YES
            found[NONE] = MAYBE
            if group in self.lent:
                found[found == NO] = MAYBE
            return found

        def member(packets: Packets, rows: Any, group: str) -> Any:
            found = carries(group)[other[rows]]
            vpc = self._places.vpcs.get(self._known.vpc_of_group.get(group) or "")
            ranges = () if vpc is None or group in self.lent else vpc.networks
            if ranges and (found == MAYBE).any():
                away = ~in_any(packets.address.take(rows), ranges)
                found = np.where(away & (found == MAYBE), NO, found)
            here, there = self._vpc[own[rows]], self._vpc[other[rows]]
            far = np.flatnonzero((found == YES) & (here != there))
            if len(far) == 0:
                return found
            found = found.copy()
            found[far] = self._across(here[far], there[far], packets.inbound[rows[far]])
            return found

        return member

    def _across(self, here: Any, there: Any, inbound: Any) -> Any:
        """Return whether references hold from some VPCs to others."""
        first, which = distinct(here, there, inbound)
        pairs = zip(here[first], there[first], inbound[first], strict=True)
        told = [
            self._refers(self._vpcs[one], self._vpcs[other], inbound=bool(way))
            for one, other, way in pairs
        ]
        return np.array(told, np.int8)[which]

    def _refers(self, here: str, there: str, *, inbound: bool) -> int:
        if not here or not there:
            return YES  # nothing tells that they are two
        vpc = self._places.vpcs.get(here)
        links = vpc.neighbours.get(there, {}) if vpc else {}
        told = {
            self._by(link, here, there, inbound=inbound) if until >= EVER else MAYBE
            for link, until in links.items()
        }
        return told.pop() if len(told) == 1 else MAYBE

    def _by(self, link: Link, here: str, there: str, *, inbound: bool) -> int:
        kind, gateway = link
        if kind == PEERING:
            return NO if link in self._places.far else YES
        if not inbound:
            return NO
        told = [
            self._known.referencing.get((gateway or "", vpc), set())
            for vpc in ("", here, there)
        ]
        if any(one == {"disable"} for one in told):
            return NO
        return YES if all(one == {"enable"} for one in told) else MAYBE
