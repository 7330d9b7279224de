"""A packet's way between two ends: what is asked on it, in order, and what it says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from transform.addresses import NOT_GLOBAL, network
from transform.policy.asked import ALLOWED, DENIED, NOT_ASKED, Asked
from transform.policy.considered import Considered
from transform.policy.lacks import Lack
from transform.policy.packets import asked_of
from transform.policy.policy import Policy

GROUPS, ACL, ROUTES = "security_group", "network_acl", "route_table"
PASSES, FAILS, UNASKED, UNKNOWN = "passes", "fails", "not_asked", "unknown"
WORDS = {ALLOWED: PASSES, DENIED: FAILS, NOT_ASKED: UNASKED}


@dataclass(frozen=True, slots=True)
class End:
    """One end of a packet's way.

    Attributes:
        address: Of the packet.
        interface, subnet, vpc: Where that lives; None: not known, or nobody's of ours.
        name: Who it is, in words.
        has_public: Whether the internet knows it by an address of its own; None: it is
            not known.
    """

    address: str
    interface: str | None = None
    subnet: str | None = None
    vpc: str | None = None
    name: str | None = None
    has_public: bool | None = None

    def text(self) -> str:
        """Return the address and who it is."""
        return f"{self.address} ({self.name})" if self.name else self.address

    @property
    def is_outside(self) -> bool:
        """Whether it is of the internet, and of no VPC."""
        return self.vpc is None and not is_private(self.address)


@dataclass(frozen=True, slots=True)
class Way:
    """A packet from one end to another.

    Attributes:
        port: Destination port; None: it has none, or it is not known.
        begin, end: First and last second of it, by the clock of flow logs.
    """

    source: End
    target: End
    protocol: int | None
    port: int | None
    begin: int
    end: int

    def back(self, port: int | None) -> Way:
        """Return the way of a reply to a port."""
        return replace(self, source=self.target, target=self.source, port=port)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is asked on a packet's way.

    Attributes:
        at: ``source`` or ``target``: whose interface or subnet it is.
        kind: ``GROUPS``, ``ACL`` or ``ROUTES``.
        resource: What is asked, by id; None: it is not known.
        interface: At which.
        decision: ``PASSES``, ``FAILS``, ``UNASKED`` or ``UNKNOWN``.
        rule: What decided, in words, or that nothing does.
        considered: Rules or routes, in the order in which they are asked.
        lacks: What is missing to be sure.
    """

    at: str
    kind: str
    resource: str | None
    interface: str | None
    decision: str
    rule: str | None
    considered: tuple[Considered, ...] = ()
    lacks: tuple[Lack, ...] = ()


def asked_about(policy: Policy, ways: Iterable[Way], *, inbound: bool) -> Asked:
    """Return packets as one of their ends asks about them: the target if inbound."""
    rows = [_row(way, inbound=inbound) for way in ways]
    return asked_of(policy, pa.Table.from_pylist(rows, schema=_SCHEMA))


_SCHEMA = pa.schema(
    {
        "interface": pa.string(), "inbound": pa.bool_(), "peer_address": pa.string(),
        "peer_interface": pa.string(), "peer_vpc": pa.string(),
        "protocol": pa.int64(), "port": pa.int64(),
        "begin": pa.int64(), "end": pa.int64(),
    }
)  # fmt: skip


def _row(way: Way, *, inbound: bool) -> dict[str, Any]:
    own, peer = (way.target, way.source) if inbound else (way.source, way.target)
    return {
        "interface": own.interface,
        "inbound": inbound,
        "peer_address": peer.address,
        "peer_interface": peer.interface,
        "peer_vpc": peer.vpc,
        "protocol": way.protocol,
        "port": way.port,
        "begin": way.begin,
        "end": way.end,
    }


def is_private(address: str) -> bool:
    """Whether an address is not one of the internet at large."""
    one = network(address)
    return one is None or any(n.first <= one.first <= n.last for n in NOT_GLOBAL)
