"""The rules that stood in a window of time, and the interfaces that carried them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from transform.policy.numbers import Numbers
from transform.policy.policy import Policy
from transform.policy.shadows import shadowed_by
from transform.presence import EVER


@dataclass(frozen=True, slots=True)
class Standing:
    """When a rule stood, and what covers it; seconds since 1970.

    Attributes:
        since: From when it surely was there.
        until: Until when it surely was; ``EVER``: nobody saw it go.
        shadow: The number of a rule that covers it wholly; -1: none does.
    """

    since: int
    until: int
    shadow: int

    @property
    def ended(self) -> int | None:
        """Until when it surely was there, if it was seen to go."""
        return None if self.until >= EVER else self.until


def standing(
    policy: Policy, numbers: Numbers, begin: int, end: int
) -> dict[int, Standing]:
    """Return the rules that stood at some time of ``[begin, end)``, by number."""
    found: dict[int, Standing] = {}
    covered: dict[tuple[int, ...], Any] = {}
    for told, since, until, is_acl in _versions(policy, numbers, begin, end):
        key = tuple(told.tolist())
        if key not in covered:
            rules = [numbers.rules[number].rule for number in key]
            covered[key] = shadowed_by(rules, ordered=is_acl)
        for number, place in zip(key, covered[key].tolist(), strict=True):
            before = found.get(number)
            found[number] = Standing(
                since=since if before is None else min(since, before.since),
                until=until if before is None else max(until, before.until),
                shadow=key[place] if place >= 0 else -1,
            )
    return found


def _versions(
    policy: Policy, numbers: Numbers, begin: int, end: int
) -> Iterator[tuple[Any, int, int, bool]]:
    """Yield the numbers of what stood, the oldest first; since, until, if of an ACL."""
    for told, is_acl in ((policy.known.groups, False), (policy.known.acls, True)):
        some = told.within(begin, end)
        for version in some[np.argsort(told.certain[0][some], kind="stable")].tolist():
            over = told.possible[1][version] < EVER
            until = int(told.certain[1][version]) if over else EVER
            for inbound in (True, False):
                of = numbers.of_acl if is_acl else numbers.of_group
                since = int(told.certain[0][version])
                yield of(version, inbound=inbound), since, until, is_acl


@dataclass(frozen=True, slots=True)
class Carriers:
    """Interfaces of a window, and which groups and network ACLs stand at them.

    Attributes:
        names: Ids of the interfaces.
        since, until: Of each, from when until when it surely was there, clipped to
            nothing; seconds since 1970.
        was_before, is_after: Whether it can have been there before the window, and
            after it.
        of: By the id of a group or ACL, positions of its interfaces.
    """

    names: list[str]
    since: Any
    until: Any
    was_before: Any
    is_after: Any
    of: dict[str, Any]


def carriers(policy: Policy, begin: int, end: int) -> Carriers:
    """Return who carried what at some time of ``[begin, end)``."""
    told = policy.known.interfaces
    some = told.within(begin, end)
    keys, place = np.unique(told.key[some], return_inverse=True)
    names = {code: name for name, code in told.keys.items()}
    since, was = (_first(t[0][some], place) for t in (told.certain, told.possible))
    until, will = (_last(t[1][some], place) for t in (told.certain, told.possible))
    of: dict[str, set[int]] = {}
    acls = _acls_by_subnet(policy, begin, end)
    for version, position in zip(some.tolist(), place.tolist(), strict=True):
        content = told.contents[version]
        for name in (*content["groups"], *acls.get(content["subnet"], ())):
            of.setdefault(name, set()).add(position)
    return Carriers(
        names=[names[code] for code in keys.tolist()],
        since=since,
        until=until,
        was_before=was <= begin,
        is_after=will >= end,
        of={name: np.array(sorted(found)) for name, found in of.items()},
    )


def _first(times: Any, place: Any) -> Any:
    """Return the least of times by place."""
    found = np.full(place.max(initial=-1) + 1, EVER, np.int64)
    np.minimum.at(found, place, times)
    return found


def _last(times: Any, place: Any) -> Any:
    return -_first(-times, place)


def _acls_by_subnet(policy: Policy, begin: int, end: int) -> dict[str, set[str]]:
    told = policy.known.acls
    names = {code: name for name, code in told.keys.items()}
    found: dict[str, set[str]] = {}
    for version in told.within(begin, end).tolist():
        subnet = names[int(told.key[version])]
        found.setdefault(subnet, set()).add(told.contents[version]["NetworkAclId"])
    return found
