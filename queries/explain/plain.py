"""What explains a packet, as values that JSON has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from transform.policy.lacks import Lack, moment
from transform.policy.preceding import Changed
from transform.policy.reply import Replied
from transform.policy.way import FAILS, UNKNOWN, End, Step

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# What VPC flow logs can never show, whatever the question.
NEVER_SHOWN = (
    "drops by a Kubernetes NetworkPolicy, or by any firewall of a host: they happen on "
    "the node, after the interface has let the packet in",
    "traffic between pods of one node: it does not pass the node's interface",
    "drops by routing: no route, a blackhole, what a transit gateway or an appliance "
    "drops; nobody records a REJECT",
    "requests to Amazon's DNS, metadata, time and DHCP services, and to reserved "
    "addresses of subnets",
)
# What lies between two ends, or before them, and is not asked.
NOT_FOLLOWED = (
    "VPC Block Public Access and Encryption Control",
    "the route tables of transit gateways, and what firewalls and appliances do",
    "listeners and targets of load balancers, policies of endpoints",
)
PASSES, UNDETERMINED, DEPENDS = "passes", "undetermined", "depends_on_client_port"


def step_of(step: Step) -> dict[str, Any]:
    """Return a step with every rule that was considered."""
    return {
        **_values(step),
        "considered": [_values(one) for one in step.considered],
        "lacks": [_values(one) for one in step.lacks],
    }


def _values(one: DataclassInstance) -> dict[str, Any]:
    """Return the values of a dataclass, those within it as they are."""
    return {field.name: getattr(one, field.name) for field in fields(one)}


def lack_of(lack: Lack) -> dict[str, Any]:
    """Return what is missing."""
    return {"resource": lack.resource, "why": lack.why}


def end_of(end: End) -> dict[str, Any]:
    """Return an end, who and where it is."""
    return {n: v for n, v in _values(end).items() if n != "has_public"}


def verdict_of_reply(replied: Replied) -> str:
    """Return what becomes of a reply: where nothing of ours is asked, it passes."""
    return verdict_of(replied.steps) if replied.steps else PASSES


def reply_of(replied: Replied) -> dict[str, Any]:
    """Return what becomes of the reply to some ports."""
    return {
        "client_ports": list(replied.ports) if replied.ports else None,
        "verdict": verdict_of_reply(replied),
        "steps": [step_of(step) for step in replied.steps],
    }


def change_of(changed: Changed) -> dict[str, Any]:
    """Return a change, its times as ISO 8601."""
    found = _values(changed)
    found |= {"after": moment(changed.after), "by": moment(changed.by)}
    found |= {n: list(found[n]) for n in ("names", "removed", "added")}
    return found


def verdict_of(steps: Iterable[Step]) -> str:
    """Return what comes of some steps: the first that surely fails decides."""
    told = [step.decision for step in steps]
    if FAILS in told:
        return FAILS
    return UNDETERMINED if UNKNOWN in told or not told else PASSES


def verdict_of_replies(replies: Iterable[Replied]) -> str:
    """Return what becomes of the reply, whatever port the client has."""
    told = {verdict_of_reply(one) for one in replies}
    return told.pop() if len(told) == 1 else DEPENDS


def missing_of(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """Return what is missing to be sure of some steps, each once."""
    found = {(one.resource, one.why): one for step in steps for one in step.lacks}
    return [lack_of(one) for one in found.values()]
