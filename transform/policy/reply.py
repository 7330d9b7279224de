"""The reply to a packet: what is asked about it, for all ports a client may use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from transform.policy.policy import Policy
from transform.policy.rules import (
    ANY,
    EPHEMERAL,
    LAST_PORT,
    PORTED,
    Rule,
    acl_entries,
    group_rules,
)
from transform.policy.walk import steps
from transform.policy.way import (
    GROUPS,
    PASSES,
    UNASKED,
    Step,
    Way,
    asked_about,
)

EVERYWHERE = {True: "0.0.0.0/0", False: "::/0"}  # by whether it is of IPv4
# What AWS tracks whatever the rules say is behind interfaces of other types.
UNTRACKABLE = ("interface", "branch", "trunk", "efa", "")


@dataclass(frozen=True, slots=True)
class Replied:
    """What becomes of the reply to some ports of the client.

    Attributes:
        ports: The first and the last; None: the protocol has none.
        steps: What is asked, from the server back to the client.
    """

    ports: tuple[int, int] | None
    steps: tuple[Step, ...]


def replies(
    policy: Policy, request: Way, ports: tuple[int, int] | None = None
) -> list[Replied]:
    """Return what becomes of the reply, for each range of ports with one answer.

    Args:
        policy: What is configured.
        request: The packet that is answered.
        ports: Those that the client may use; None: all that are ephemeral.
    """
    if request.protocol not in PORTED:
        return [Replied(None, _steps(policy, request, None))]
    found: list[Replied] = []
    for low, high in _ranges(policy, request, ports or EPHEMERAL):
        told = _steps(policy, request, low)
        if found and _same(found[-1].steps, told):
            before = found.pop()
            low, told = (before.ports or (low, low))[0], before.steps
        found.append(Replied((low, high), told))
    return found


def _steps(policy: Policy, request: Way, port: int | None) -> tuple[Step, ...]:
    """Return the steps of a reply: groups let it pass, since they are stateful."""
    return answer_steps(policy, request.back(port), request)


def answer_steps(policy: Policy, answer: Way, request: Way) -> tuple[Step, ...]:
    """Return what is asked about a packet that answers another.

    Args:
        policy: What is configured.
        answer: Its way.
        request: That of the packet that it answers.
    """
    tracked = is_tracked(policy, request)
    back = steps(policy, answer, answers=True)
    return tuple(_stateful(s, tracked=tracked) if s.kind == GROUPS else s for s in back)


def _stateful(step: Step, *, tracked: bool) -> Step:
    rule = "stateful: a reply passes, whatever the rules of its own direction say"
    if not tracked:
        rule = (
            "not tracked, for both directions are open to everybody: the reply passes "
            "by the rule of its own direction, and ends when that is taken away"
        )
    decision = step.decision if step.decision == UNASKED else PASSES
    return replace(step, decision=decision, rule=rule, considered=(), lacks=())


def _same(one: Sequence[Step], other: Sequence[Step]) -> bool:
    return [(s.kind, s.decision, s.rule) for s in one] == [
        (s.kind, s.decision, s.rule) for s in other
    ]


def _ranges(
    policy: Policy, request: Way, ports: tuple[int, int]
) -> Iterator[tuple[int, int]]:
    """Yield the ranges of ports within which no entry of an ACL begins or ends."""
    edges = {ports[0], ports[1] + 1}
    for inbound in (True, False):
        asked = asked_about(policy, [request], inbound=inbound)
        version = int(policy.look_up(asked).acl[0])
        if version >= 0:
            document = policy.known.acls.contents[version]
            for entry in acl_entries(document, inbound=not inbound):
                edges |= {entry.low, entry.high + 1}
    inside = sorted(e for e in edges if ports[0] <= e <= ports[1] + 1)
    for low, beyond in pairwise(inside):
        yield low, beyond - 1


def is_tracked(policy: Policy, request: Way) -> bool:
    """Whether a conversation that the groups let in is tracked, at every end of ours.

    Source:
        Amazon EC2 User Guide, "Security group connection tracking": TCP and UDP are
        not tracked where a rule lets in everybody, another answers everybody on all
        ports, and nothing else of the way demands it.
    """
    if request.protocol not in PORTED:
        return True
    return not any(_is_open(policy, request, inbound=way) for way in (True, False))


def _is_open(policy: Policy, request: Way, *, inbound: bool) -> bool:
    asked = asked_about(policy, [request], inbound=inbound)
    looked = policy.look_up(asked)
    own = int(looked.own[0])
    if own < 0 or policy.known.interfaces.contents[own]["type"] not in UNTRACKABLE:
        return False
    versions = [v for v in looked.groups[0].tolist() if v >= 0]
    documents = [policy.known.groups.contents[v] for v in versions]

    everybody = EVERYWHERE[":" not in request.source.address]

    def open_to_all(way: bool, port: int | None) -> bool:
        rules = (r for d in documents for r in group_rules(d, inbound=way))
        some = (rule for rule in rules if rule.peer == everybody)
        return any(_is_for(rule, request.protocol, port) for rule in some)

    return open_to_all(inbound, request.port) and open_to_all(not inbound, None)


def _is_for(rule: Rule, protocol: int | None, port: int | None) -> bool:
    """Whether a rule is for a protocol, and a port or (None) all ports."""
    if rule.protocol not in (ANY, protocol):
        return False
    if port is None:
        return (rule.low, rule.high) == (0, LAST_PORT)
    return rule.low <= port <= rule.high
