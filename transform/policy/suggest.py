"""The least that would have to be configured for observed edges to pass."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from transform.policy.change import Change
from transform.policy.cover import LEAST, PAIRS_TOLD, Grant, Opened, grants
from transform.policy.edges import INTERNET, Edge
from transform.policy.entries import Entry, entries
from transform.policy.latest import Latest
from transform.policy.needs import PORTLESS, Need, Stance, port_of, stances
from transform.policy.rules import CIDR, GROUP, LAST_PORT, PORTED, Rule

BY_RULES = frozenset({"security_group", "network_acl"})  # causes that rules can change
ACCEPTED, POD = "accepted", "pod"
OF_PODS = "pods' addresses change: --prefer groups names the groups of their interfaces"
PROTOCOL_UNKNOWN = "protocol_unknown", "of which protocol it was is not known"
USUAL_ENTRIES = 20  # of a network ACL, a direction; AWS's quota unless it is raised


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One rule more, and what it is for.

    Attributes:
        edges: What it lets pass; observed, every one.
        opened: What it opens beside them.
        is_reply: It lets replies go back to clients, at any port of theirs.
        notes: What to know, in sentences.
        peer_account: Whose the group is that it names.
        account: Whose the group is that has it; None: not known, or of no group.
    """

    change: Change
    edges: tuple[Edge, ...]
    opened: Opened
    is_reply: bool = False
    notes: tuple[str, ...] = ()
    peer_account: str | None = None
    account: str | None = None

    @property
    def label(self) -> str:
        """What stands in its description: on how much it rests, and of what time."""
        return label(self.edges)

    @property
    def id(self) -> str:
        """What names it: the same for the same change."""
        text = json.dumps(self.change.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class NotSuggested:
    """An edge for which nothing is suggested, or not all.

    Attributes:
        reason: One word: ``client_outside``, ``cause``, ``protocol_unknown``,
            ``no_service_port``, ``configuration_unknown``, ``already_allowed``,
            ``no_room`` …
        says: The reason as a sentence.
    """

    edge: Edge
    reason: str
    says: str


@dataclass(frozen=True, slots=True)
class Suggested:
    """What would let edges pass, and for which edges there is nothing."""

    suggestions: tuple[Suggestion, ...]
    not_suggested: tuple[NotSuggested, ...]


def suggest(
    latest: Latest, edges: Sequence[Edge], *, prefer: str = LEAST, anew: bool = False
) -> Suggested:
    """Return the least rules that let observed edges pass, and no others' if possible.

    Args:
        latest: What is configured.
        edges: What was observed.
        prefer: When a rule names a group; see `cover.grants`.
        anew: As if no group had a rule: what groups allow now is suggested too.
    """
    refused = [(edge, no_evidence(edge)) for edge in edges]
    rest = [NotSuggested(edge, *why) for edge, why in refused if why]
    kept = [edge for edge, why in refused if not why]
    found = stances(latest, kept, anew=anew)
    for edge, stance in zip(kept, found, strict=True):
        rest += _without_needs(latest, edge, stance)
    needs = [need for stance in found for need in stance.needs]
    rules, unmet = grants(latest, needs, _observed(latest, kept), prefer=prefer)
    rest += [_no_group(kept[needs[place].edge], needs[place]) for place in unmet]
    made = [_of_group(latest, grant, needs, kept) for grant in rules]
    for entry in entries(latest, needs):
        some = _edges(entry.needs, needs, kept)
        if entry.number is None:
            rest += [NotSuggested(edge, *_no_room(entry)) for edge in some]
        else:
            made.append(_of_acl(latest, entry, some, needs))
    made.sort(key=_order)
    return Suggested(tuple(made), tuple(rest))


def _order(one: Suggestion) -> tuple[Any, ...]:
    change, rule = one.change, one.change.rule
    what = rule.protocol, rule.low, rule.high, rule.peer
    return change.resource, not change.inbound, rule.number or 0, *what


def label(edges: Sequence[Edge]) -> str:
    """Return on how many records of what time edges rest, in words.

    They are words that AWS lets stand in a description.
    """
    first = min(edge.first for edge in edges)
    last = max(edge.last for edge in edges)
    records = sum(edge.records for edge in edges)
    word = "record" if records == 1 else "records"
    return (
        f"observed only: {records} {word}, {first:%Y-%m-%dT%H:%M:%SZ}.."
        f"{last:%Y-%m-%dT%H:%M:%SZ}"
    )


def no_evidence(edge: Edge) -> tuple[str, str] | None:
    """Return why no rule can rest on an edge; None: one can."""
    if edge.client.kind == INTERNET or edge.client.address is None:
        return "client_outside", (
            "the client is of the internet: which of it may come in is no question of "
            "what was seen"
        )
    if edge.verdict != ACCEPTED and edge.cause not in BY_RULES:
        cause = edge.cause or "unknown"
        return "cause", f"its cause is {cause}: no rule is known to have denied it"
    if edge.protocol is None:
        return PROTOCOL_UNKNOWN
    if not edge.is_opener_known:
        return "opener_unknown", "which end opened the conversation is not known"
    if edge.port is None and edge.protocol in PORTED:
        return "no_service_port", "at which port the server listens is not known"
    return None


def _without_needs(
    latest: Latest, edge: Edge, stance: Stance
) -> Iterator[NotSuggested]:
    if stance.unknown or not stance.asked:
        where = " and ".join(stance.unknown) or "either end"
        more = "; it may be denied there too" if stance.needs else ""
        says = f"what is configured at {where} is not known, or does not decide{more}"
        yield NotSuggested(edge, "configuration_unknown", says)
    elif not stance.needs:
        names = [*stance.asked, *(g for i in stance.asked for g in latest.groups[i])]
        since = latest.known_since(names)
        when = f" seen at {since:%Y-%m-%dT%H:%M:%SZ}" if since else ""
        says = f"already allowed since the configuration{when}"
        yield NotSuggested(edge, "already_allowed", says)


def _no_group(edge: Edge, need: Need) -> NotSuggested:
    says = f"no group of {need.interface} is known that could have the rule"
    return NotSuggested(edge, "no_group", says)


def _no_room(entry: Entry) -> tuple[str, str]:
    return "no_room", f"{entry.acl} has no number left before rule {entry.before}"


def _observed(
    latest: Latest, edges: Sequence[Edge]
) -> Iterator[tuple[bool, int, int, str, str]]:
    """Yield who was seen with whom at each interface, by interface and by address.

    By an address that no group means, nobody was seen as an interface.
    """
    for edge in edges:
        ways = ((edge.server, edge.client, True), (edge.client, edge.server, False))
        for own, peer, inbound in ways:
            is_meant = peer.vpc is None or latest.is_private(peer.vpc, peer.address)
            for name in (peer.interface if is_meant else None, peer.address):
                if own.interface and name:
                    what = edge.number, port_of(edge)
                    yield inbound, *what, own.interface, name


def _edges(
    places: frozenset[int], needs: Sequence[Need], edges: Sequence[Edge]
) -> tuple[Edge, ...]:
    return tuple(edges[n] for n in sorted({needs[place].edge for place in places}))


def _of_group(
    latest: Latest, grant: Grant, needs: Sequence[Need], edges: Sequence[Edge]
) -> Suggestion:
    kind = GROUP if grant.is_group else CIDR
    low, high = (0, LAST_PORT) if grant.ports[0] == PORTLESS else grant.ports
    rule = Rule(grant.protocol, low, high, False, kind, grant.peer)
    is_pods = any(needs[place].peer.kind == POD for place in grant.needs)
    return Suggestion(
        change=Change(grant.group, grant.inbound, rule),
        edges=_edges(grant.needs, needs, edges),
        opened=grant.opened,
        notes=() if grant.is_group or not is_pods else (OF_PODS,),
        peer_account=latest.accounts.get(grant.peer) if grant.is_group else None,
        account=latest.accounts.get(grant.group),
    )


def _of_acl(
    latest: Latest, entry: Entry, edges: tuple[Edge, ...], needs: Sequence[Need]
) -> Suggestion:
    low, high = (0, LAST_PORT) if entry.ports[0] == PORTLESS else entry.ports
    rule = Rule(entry.protocol, low, high, False, CIDR, entry.cidr, entry.number)
    notes = []
    if entry.passed:
        passed = ", ".join(map(str, entry.passed))
        notes.append(
            f"no number is left right before rule {entry.before}: it stands before "
            f"{passed} too"
        )
    if entry.total > USUAL_ENTRIES:
        notes.append(
            f"{entry.total} entries a direction: AWS allows {USUAL_ENTRIES} unless the "
            "quota is raised"
        )
    if entry.is_reply:
        any_port = "" if entry.ports[0] == PORTLESS else ", to any port of a client's"
        notes.append(f"replies{any_port}: ACLs are stateless")
    seen = {(needs[n].interface, needs[n].peer.address) for n in entry.needs}
    return Suggestion(
        change=Change(entry.acl, entry.inbound, rule),
        edges=edges,
        opened=_beside(latest, entry.acl, seen),
        is_reply=entry.is_reply,
        notes=tuple(notes),
    )


def _beside(latest: Latest, acl: str, seen: set[tuple[str, str | None]]) -> Opened:
    """Return what an entry opens besides: it is for all interfaces of its subnets."""
    there = latest.neighbours.get(acl, frozenset())
    peers = sorted({str(peer) for _, peer in seen})
    pairs = ((i, p) for p in peers for i in sorted(there) if (i, p) not in seen)
    some = frozenset(p for p, _ in zip(pairs, range(PAIRS_TOLD), strict=False))
    count = len(there) * len(peers) - len({p for p in seen if p[0] in there})
    return Opened(len(there - {i for i, _ in seen}), 0, count, some)
