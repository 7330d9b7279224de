"""What is asked on a packet's way, step by step: groups, ACLs, routes."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from transform.policy.asked import Asked, Decided, Looked
from transform.policy.considered import MAYBE, YES, of_acl, of_groups
from transform.policy.lacks import Lack, lacking
from transform.policy.policy import Policy
from transform.policy.sending import route
from transform.policy.texts import acl_texts, group_texts
from transform.policy.way import (
    ACL,
    FAILS,
    GROUPS,
    PASSES,
    ROUTES,
    UNASKED,
    UNKNOWN,
    WORDS,
    End,
    Step,
    Way,
    asked_about,
)


def steps(policy: Policy, way: Way, *, answers: bool = False) -> list[Step]:
    """Return what is asked about a packet, from its source to its target.

    Nothing is asked at an end that is outside of what the inventory knows.

    Args:
        policy: What is configured.
        way: Of the packet.
        answers: It is the reply to one that went the other way.
    """
    found: list[Step] = []
    if not way.source.is_outside:
        groups, acl = _filters(policy, way, inbound=False)
        found += [groups, acl, route(policy, way, answers=answers)]
    if way.source.is_outside and not answers:
        found += _from_internet(way.target)
    if not way.target.is_outside:
        groups, acl = _filters(policy, way, inbound=True)
        found += [acl, groups]
    return found


def _from_internet(target: End) -> list[Step]:
    """Return whether the internet can know an end at all; of IPv6 it can."""
    if target.has_public or ":" in target.address:
        return []
    if target.has_public is False:
        rule = "the interface has no public address that the internet could reach"
        return [Step("target", ROUTES, None, target.interface, FAILS, rule)]
    why = "whether the internet knows it by an address of its own is not known"
    lack = (Lack(target.address, why),)
    return [Step("target", ROUTES, None, target.interface, UNKNOWN, None, lacks=lack)]


def _filters(policy: Policy, way: Way, *, inbound: bool) -> tuple[Step, Step]:
    """Return what the groups and the ACL of one end say."""
    own, peer = (way.target, way.source) if inbound else (way.source, way.target)
    at = "target" if inbound else "source"
    asked = asked_about(policy, [way], inbound=inbound)
    looked = policy.look_up(asked)
    decided = policy.decide(asked, looked)
    if own.interface is None:
        lack = (Lack(own.address, "no inventory tells which interface has it"),)
        return tuple(  # type: ignore[return-value]
            Step(at, kind, None, None, UNKNOWN, None, lacks=lack)
            for kind in (GROUPS, ACL)
        )
    span = int(asked.begin[0]), int(asked.end[0])
    groups = _groups(policy, asked, looked, decided, peer.text())
    acl = _acl(policy, asked, looked, decided)
    return tuple(  # type: ignore[return-value]
        replace(
            step,
            at=at,
            interface=own.interface,
            lacks=_lacks(policy, step, own.interface, span),
        )
        for step in (groups, acl)
    )


def _groups(
    policy: Policy, asked: Asked, looked: Looked, decided: Decided, peer: str
) -> Step:
    considered = of_groups(policy, asked, looked, 0)
    decision = WORDS.get(int(decided.group[0]), UNKNOWN)
    names = ", ".join(policy.title(v) for v in looked.groups[0].tolist() if v >= 0)
    rule = None
    if decision == FAILS:
        [rule] = group_texts(decided, asked, [0], pa.array([peer])).to_pylist()
    elif decision == PASSES:
        one = next(c for c in considered if c.matches == YES)
        rule = f"{one.resource}: {one.rule}"
    return Step("", GROUPS, names or None, None, decision, rule, tuple(considered))


def _acl(policy: Policy, asked: Asked, looked: Looked, decided: Decided) -> Step:
    decision = WORDS.get(int(decided.acl[0]), UNKNOWN)
    version = int(looked.acl[0])
    name = None if version < 0 else policy.known.acls.contents[version]["NetworkAclId"]
    if decision == UNASKED:
        return Step("", ACL, name, None, UNASKED, "both ends are in one subnet")
    considered = of_acl(policy, asked, looked, 0)
    rule = None
    if decision == FAILS:
        [rule] = acl_texts(decided, [0]).to_pylist()
    elif decision == PASSES:
        way = "inbound" if asked.inbound[0] else "outbound"
        rule = f"{name}: {way} rule {considered[-1].rule}"
    return Step("", ACL, name, None, decision, rule, tuple(considered))


def _lacks(
    policy: Policy, step: Step, interface: str, span: tuple[int, int]
) -> tuple[Lack, ...]:
    if step.decision != UNKNOWN:
        return ()
    found = [*lacking(policy, interface, *span, of_acl=step.kind == ACL)]
    found += [
        Lack(one.resource, f"{one.rule}: {one.why}")
        for one in step.considered
        if one.matches == MAYBE
    ]
    return tuple(found)
