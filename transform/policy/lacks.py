"""What is missing to be sure: of which resource, and when that was last known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from transform.policy.policy import Policy
from transform.policy.versions import Version, Versions
from transform.presence import EVER, NEVER


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that is not known of a time.

    Attributes:
        resource: An id.
        why: In words.
    """

    resource: str
    why: str


def lacking(
    policy: Policy, interface: str | None, begin: int, end: int, *, of_acl: bool
) -> Iterator[Lack]:
    """Yield what is not known of an interface's groups, or of its network ACL.

    Args:
        policy: What is configured.
        interface: Its id; None: nobody knows which it is.
        begin: From when, seconds since 1970.
        end: Until before when.
        of_acl: Of its subnet and network ACL; else of its groups.
    """
    known = policy.known
    if interface is None:
        yield Lack("interface", "whose address it was is not known")
        return
    version = known.interfaces.one(interface, begin, end)
    if version is None:
        yield Lack(interface, why_not(known.interfaces, interface, begin, end))
        return
    subnet = version.content["subnet"]
    wanted = (
        [(known.subnets, subnet, subnet), (known.acls, subnet, f"ACL of {subnet}")]
        if of_acl
        else [(known.groups, name, name) for name in version.content["groups"]]
    )
    for versions, name, called in wanted:
        if versions.one(name, begin, end) is None:
            yield Lack(called, why_not(versions, name, begin, end))


def why_not(versions: Versions, name: str, begin: int, end: int) -> str:
    """Say why it is not known what something was throughout a time."""
    history = versions.history(name)
    if not history:
        return "no inventory lists it"
    near = [v for v in history if v.possible[0] < end and v.possible[1] > begin]
    for one, other in pairwise(near):
        return f"it changed between {_seen(one)} and {moment(other.certain[0])}"
    last = (near or history)[-1]
    if last.certain[0] >= EVER:
        return "it was never surely so"
    if begin < last.certain[0]:
        return f"first seen {moment(last.certain[0])}, after that"
    return f"last seen {moment(last.certain[1])}, before that"


def _seen(one: Version) -> str:
    return moment(one.certain[1] if one.certain[0] < EVER else one.possible[0])


def moment(seconds: int) -> str:
    """Return a time as ISO 8601 with ``Z``; what is open as such."""
    if seconds >= EVER:
        return "now"
    if seconds <= NEVER:
        return "ever"
    text = datetime.fromtimestamp(seconds, UTC).isoformat()
    return text.replace("+00:00", "Z")
