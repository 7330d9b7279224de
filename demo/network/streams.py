"""Packet streams: what was sent, in which interval, past which interfaces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from demo.network.atlas import Atlas
from demo.network.paths import Ends, Hop, Outcome, nobody
from demo.network.scenarios import TCP, Scenario
from demo.network.talks import INTERVAL_S, Talks

FIN, SYN, RST, SYN_ACK = 1, 2, 4, 18
LABELS = ("source", "destination", "nat_private", "nat_public", "transit",
          "encapsulated")  # fmt: skip
GENEVE_BYTES = 68  # outer IPv4, UDP, GENEVE and the balancer's options
REASONS = (None, "BPA", "EC")


@dataclass(slots=True)
class Window:
    """Everything that was sent in a window, as arrays.

    Attributes:
        streams: One element a stream: its ends, its outcome, its first piece.
        pieces: One a stream and minute: packets, bytes, first, last, flags.
        passes: One a stream and interface passed.
        outcomes: What the streams' ``outcome`` numbers.
    """

    streams: dict[str, Any] = field(default_factory=dict)
    pieces: dict[str, Any] = field(default_factory=dict)
    passes: dict[str, Any] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)


class _Gatherer:
    def __init__(self, atlas: Atlas, random: Any) -> None:
        self.atlas, self.random = atlas, random
        self.parts: dict[str, list[dict[str, Any]]] = {
            "streams": [], "pieces": [], "passes": [],
        }  # fmt: skip
        self.outcomes: list[Outcome] = []
        self.streams = self.pieces = 0

    def window(self) -> Window:
        joined = {
            name: {key: np.concatenate([p[key] for p in parts]) for key in parts[0]}
            for name, parts in self.parts.items()
        }
        return Window(**joined, outcomes=self.outcomes)


def streams_of(atlas: Atlas, made: list[Talks], random: Any) -> Window:
    """Return the streams of some conversations."""
    gatherer = _Gatherer(atlas, random)
    serial = 0
    for talks in made:
        scenario = talks.scenario
        numbers = np.arange(serial, serial + len(talks))
        _direction(gatherer, talks, scenario.request, numbers, reply=False)
        if scenario.second:
            _direction(gatherer, talks, scenario.second, numbers, reply=False)
        if scenario.reply:
            _direction(gatherer, talks, scenario.reply, numbers, reply=True)
        if scenario.after:
            delay = random.integers(*scenario.delay, len(talks))
            _direction(gatherer, talks, scenario.after, numbers, reply=True,
                       delay=delay)  # fmt: skip
        serial += len(talks)
    return gatherer.window()


def _direction(
    gatherer: _Gatherer,
    talks: Talks,
    outcome: Outcome,
    serial: Any,
    *,
    reply: bool,
    delay: Any = None,
) -> None:
    """Add one direction of some conversations: its pieces, streams and passings."""
    scenario = talks.scenario
    once = delay is not None
    lasts = np.ones(len(talks), int) if once else talks.intervals
    talk = np.repeat(np.arange(len(talks)), lasts)
    interval = np.arange(len(talk)) - np.repeat(np.cumsum(lasts) - lasts, lasts)
    pieces = _pieces(gatherer, talks, outcome, talk, interval, reply=reply, delay=delay)
    if scenario.coarse and not once:
        of, count = np.arange(len(talks)), lasts
    else:
        of, count = talk, np.ones(len(talk), int)
    stream = gatherer.streams + np.arange(len(of))
    pieces["stream"] = np.repeat(stream, count)
    ends = _ends(gatherer.atlas, talks, of, serial, reply=reply)
    hops = scenario.way(gatherer.atlas, ends)
    number = len(gatherer.outcomes)
    gatherer.outcomes.append(outcome)
    gatherer.parts["pieces"].append(pieces)
    gatherer.parts["streams"].append(
        {
            "scenario": np.full(len(of), talks.number),
            "outcome": np.full(len(of), number),
            "talk": serial[of],
            "reply": np.full(len(of), reply),
            "source": ends.source,
            "target": ends.target,
            "source_address": ends.source_address
            if not scenario.snat or reply
            else talks.client_address[of],
            "target_address": ends.target_address
            if not scenario.snat or not reply
            else talks.client_address[of],
            "source_port": ends.source_port,
            "target_port": ends.target_port,
            "protocol": np.full(len(of), scenario.protocol),
            "first_piece": gatherer.pieces + np.cumsum(count) - count,
            "count": count,
        }
    )
    passed = passes_of(hops, outcome, stream, scenario.protocol)
    gatherer.parts["passes"].extend(passed)
    gatherer.streams += len(of)
    gatherer.pieces += len(talk)


def _ends(atlas: Atlas, talks: Talks, of: Any, serial: Any, *, reply: bool) -> Ends:
    """Return both ends as the wire shows them: behind SNAT the node's address."""
    client, server = talks.client[of], talks.server[of]
    interface = np.where(client >= 0, atlas.interface[client], -1)
    address = talks.client_address[of]
    holder = np.where(client >= 0, atlas.holder[client], -1)
    if talks.scenario.snat:
        holder = atlas.node[client]
        interface, address = atlas.interface[holder], atlas.address[holder]
    here = (client, holder, interface, address, talks.client_port[of])
    there = (
        server,
        np.where(server >= 0, atlas.holder[server], -1),
        np.where(server >= 0, atlas.interface[server], -1),
        talks.server_address[of],
        talks.server_port[of],
    )
    source, target = (there, here) if reply else (here, there)
    return Ends(
        source=source[0],
        target=target[0],
        source_holder=source[1],
        target_holder=target[1],
        source_interface=source[2],
        target_interface=target[2],
        source_address=source[3],
        target_address=target[3],
        source_port=source[4],
        target_port=target[4],
        middle_port=talks.middle_port[of],
        entry_port=np.full(len(of), talks.scenario.entry),
        reply=reply,
        serial=serial[of],
    )


def _pieces(
    gatherer: _Gatherer,
    talks: Talks,
    outcome: Outcome,
    talk: Any,
    interval: Any,
    *,
    reply: bool,
    delay: Any,
) -> dict[str, Any]:
    """Return when the packets of each minute were sent, how many, with what flags."""
    random, scenario, count = gatherer.random, talks.scenario, len(talk)
    end = talks.begin[talk] + talks.span[talk]
    if delay is not None:
        first = end + delay[talk]
        last = first + random.integers(0, 3, count)
        small, flags = True, _tail(random, outcome, count)
    else:
        final = interval == talks.intervals[talk] - 1
        first = talks.begin[talk] + interval * INTERVAL_S
        wait = random.integers(0, 2, count) if reply else 0
        first = np.minimum(first + wait, end)
        last = np.where(final, end, first + random.integers(0, 50, count))
        cut = _is_cut(scenario, outcome, reply=reply)
        small = cut
        if outcome is scenario.second:  # the rule changed after the first packet
            first, last = first + 1, np.maximum(last, first + 1)
        flags = _flags(random, scenario, interval == 0, final, cut=cut, reply=reply)
    packets = 1 + (random.integers(0, 3, count) if small else
                   random.geometric(0.08, count))  # fmt: skip
    size = random.integers(40, 61 if small else 1400, count)
    return {
        "first": first,
        "last": last,
        "packets": packets,
        "bytes": packets * size * (3 if reply and not small else 1),
        "flags": flags if scenario.protocol == TCP else np.zeros(count, int),
    }


def _is_cut(scenario: Scenario, outcome: Outcome, *, reply: bool) -> bool:
    """Say whether nobody ever heard an answer: only openings are sent, again."""
    refused = outcome.fate != "accepted"
    unanswered = scenario.reply is None or scenario.reply.fate != "accepted"
    return refused or (unanswered and scenario.second is None)


def _flags(
    random: Any, scenario: Scenario, opens: Any, closes: Any, *, cut: bool, reply: bool
) -> Any:
    opening = SYN_ACK if reply else SYN
    if cut:
        return np.where(opens, opening, 0)
    reset = random.random(len(opens)) < 0.06
    closing = np.where(reset, RST, FIN)
    return np.where(opens, opening, 0) | np.where(closes, closing, 0)


def _tail(random: Any, outcome: Outcome, count: int) -> Any:
    if outcome.cause == "idle_timeout":
        return np.zeros(count, int)
    return random.choice([0, FIN, RST, RST | FIN], size=count)


def passes_of(
    hops: list[Hop], outcome: Outcome, stream: Any, protocol: int
) -> Iterator[dict[str, Any]]:
    """Yield the interfaces that some streams pass, up to where their way ends."""
    stop = outcome.at % len(hops) if hops else 0
    travelled = hops if outcome.fate == "accepted" else hops[: stop + 1]
    for number, hop in enumerate(travelled):
        rejected = outcome.fate == "rejected" and number == stop
        reason = REASONS.index(outcome.reason) if rejected else 0
        count = len(stream)
        yield {
            "stream": stream,
            "interface": hop.interface,
            "egress": np.full(count, hop.egress),
            "source": hop.source,
            "target": hop.target,
            "source_port": hop.source_port,
            "target_port": hop.target_port,
            "source_holder": hop.source_holder,
            "target_holder": hop.target_holder,
            "protocol": np.full(count, 17 if hop.wraps else protocol),
            "wraps": np.full(count, hop.wraps),
            "path": np.full(count, hop.path if hop.egress else 0),
            "label": np.full(count, LABELS.index(hop.label)),
            "reject": np.full(count, rejected),
            "reason": np.full(count, reason),
            "next": _next(travelled, number, count),
        }


def _next(hops: list[Hop], number: int, count: int) -> Any:
    """Return the interface on the other side: the receiver's, or the sender's.

    Source:
        AWS VPC User Guide, "Flow log records": next-hop-interface-id.
    """
    hop = hops[number]
    other = number + 1 if hop.egress else number - 1
    if not 0 <= other < len(hops) or hops[other].egress == hop.egress:
        return nobody(count)
    return hops[other].interface
