"""What stands in the way of edges now, at either end, of requests and of replies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from transform.policy.asked import ALLOWED, DENIED, NOT_ASKED, Decided
from transform.policy.edges import Edge, End
from transform.policy.latest import AT, Latest
from transform.policy.packets import asked_of
from transform.policy.rules import EPHEMERAL, LAST_NUMBER, PORTED

PORTLESS = -1


@dataclass(frozen=True, slots=True)
class Need:
    """Packets of an edge that something must let pass at an interface.

    Attributes:
        edge: Its position.
        interface: Where.
        inbound: Whether they come in there.
        peer: The other end.
        protocol: IANA number.
        port: Destination port; ``PORTLESS`` without one.
        acl: The network ACL that denies; None: the interface's groups do.
        before: Of an ACL the number of the entry that denies; None: its list ends.
        is_reply: Of an ACL: what goes back to a client, at any of its ports.
    """

    edge: int
    interface: str
    inbound: bool
    peer: End
    protocol: int
    port: int
    acl: str | None = None
    before: int | None = None
    is_reply: bool = False


@dataclass(frozen=True, slots=True)
class _Ask:
    """One packet of an edge at one interface."""

    edge: int
    own: End
    peer: End
    inbound: bool
    protocol: int
    port: int
    is_reply: bool = False


@dataclass(frozen=True, slots=True)
class Stance:
    """What the configuration says of an edge.

    Attributes:
        needs: What denies it.
        unknown: Interfaces at which it is open what is decided; of an end in a VPC
            whose interface is not known, its address.
        asked: Interfaces at which anything was decided.
    """

    needs: tuple[Need, ...]
    unknown: tuple[str, ...]
    asked: tuple[str, ...]


def stances(latest: Latest, edges: Sequence[Edge], *, anew: bool) -> list[Stance]:
    """Ask the configuration about each edge, at both ends and both ways.

    Args:
        latest: What is configured.
        edges: What is to pass.
        anew: As if groups had no rules: all of them are needed.
    """
    found = [_Found(edge) for edge in edges]
    asks = [a for place, edge in enumerate(edges) for a in _asks(latest, place, edge)]
    if asks:
        decided = _decided(latest, asks)
        for ask, case in zip(asks, decided.case.tolist(), strict=True):
            found[ask.edge].take(ask, decided, case, anew=anew)
    return [one.stance() for one in found]


class _Found:
    """What has been decided of an edge so far; dicts for the order."""

    def __init__(self, edge: Edge) -> None:
        self.needs: dict[Need, None] = {}
        self.known: dict[str, None] = {}
        ends = (edge.client, edge.server)
        nowhere = (e.address for e in ends if e.interface is None and e.vpc)
        self.unknown: dict[str, None] = dict.fromkeys(filter(None, nowhere))

    def take(self, ask: _Ask, decided: Decided, case: int, *, anew: bool) -> None:
        acl, group = int(decided.acl[case]), int(decided.group[case])
        if ask.is_reply:  # groups let replies pass
            group = NOT_ASKED
        elif anew and group == ALLOWED:
            group = DENIED
        is_sure = {acl, group} <= {ALLOWED, DENIED, NOT_ASKED}
        (self.known if is_sure else self.unknown)[str(ask.own.interface)] = None
        if group == DENIED:
            self.needs[_need(ask)] = None
        if acl == DENIED:
            self.needs[_of_acl(ask, decided, case)] = None

    def stance(self) -> Stance:
        return Stance(tuple(self.needs), tuple(self.unknown), tuple(self.known))


def port_of(edge: Edge) -> int:
    """Return the port that rules tell apart; ``PORTLESS``: they tell none."""
    known = edge.port is not None and edge.protocol in PORTED
    return int(edge.port or 0) if known else PORTLESS


def _asks(latest: Latest, place: int, edge: Edge) -> Iterator[_Ask]:
    """Yield the packets of an edge at each of its interfaces."""
    port = port_of(edge)
    ways = ((edge.server, edge.client, True), (edge.client, edge.server, False))
    for own, peer, inbound in ways:
        if own.interface is None or peer.address is None:
            continue
        yield _Ask(place, own, peer, inbound, edge.number, port)
        for reply in _reply_ports(latest, edge, own.interface, inbound=not inbound):
            yield _Ask(place, own, peer, not inbound, edge.number, reply, True)


def _reply_ports(
    latest: Latest, edge: Edge, interface: str, *, inbound: bool
) -> list[int]:
    """Return ports of the client's, one of each range that an ACL's entries make."""
    if edge.protocol not in PORTED:
        return [PORTLESS]
    low, high = edge.replies or EPHEMERAL
    begins = latest.port_begins(interface, inbound=inbound)
    return sorted({low, high} | {port for port in begins if low < port <= high})


def _decided(latest: Latest, asks: Sequence[_Ask]) -> Decided:
    def column(values: Iterator[object], type_: pa.DataType) -> pa.Array:
        return pa.array(list(values), type_)

    text, number = pa.string(), pa.int64()
    # With an address that no group means it is, to groups, nobody's interface.
    peers = [
        ask.peer
        if ask.peer.vpc is None or latest.is_private(ask.peer.vpc, ask.peer.address)
        else replace(ask.peer, interface=None, vpc=None)
        for ask in asks
    ]
    packets = pa.table(
        {
            "interface": column((a.own.interface for a in asks), text),
            "inbound": column((a.inbound for a in asks), pa.bool_()),
            "peer_address": column((a.peer.address for a in asks), text),
            "peer_interface": column((p.interface for p in peers), text),
            "peer_vpc": column((p.vpc for p in peers), text),
            "protocol": column((a.protocol for a in asks), number),
            "port": column((a.port for a in asks), number),
            "begin": column((AT for _ in asks), number),
            "end": column((AT for _ in asks), number),
        }
    )
    return latest.policy.decide(asked_of(latest.policy, packets))


def _need(ask: _Ask) -> Need:
    name = str(ask.own.interface)
    return Need(ask.edge, name, ask.inbound, ask.peer, ask.protocol, ask.port)


def _of_acl(ask: _Ask, decided: Decided, case: int) -> Need:
    acl, entry, _ = decided.entries[int(decided.entry[case])]
    number = None if entry is None else entry.number
    before = None if number is None or number > LAST_NUMBER else number
    port = min(EPHEMERAL[0], ask.port) if ask.is_reply else ask.port
    name = str(ask.own.interface)
    return Need(
        ask.edge, name, ask.inbound, ask.peer, ask.protocol, port, acl, before,
        ask.is_reply,
    )  # fmt: skip
