"""The rules and entries that packets met: surely, or possibly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from transform.addresses import in_any, networks
from transform.codes import distinct
from transform.policy.asked import alike, chunks
from transform.policy.cases import REPLY, Cases
from transform.policy.match import MAYBE, NO, YES, Compiled
from transform.policy.numbers import Numbers
from transform.policy.policy import LOST, Policy
from transform.policy.versions import Versions


@dataclass(frozen=True, slots=True)
class Met:
    """Pairs of a packet and a rule that is for it, each once.

    Attributes:
        case: The packet's position.
        rule: The rule's number.
        is_sure: False: it may be for it.
    """

    case: Any
    rule: Any
    is_sure: Any


class _Found:
    def __init__(self, cases: Cases) -> None:
        self._cases = cases
        self._parts: dict[bool, list[tuple[Any, Any]]] = {True: [], False: []}

    def add(self, case: Any, rule: Any, *, sure: bool) -> None:
        self._parts[sure].append((case, rule))

    def any_of(
        self, compiled: Compiled, rows: Any, numbers: Any, *, sure: bool
    ) -> None:
        """Hold packets against the rules of a group, all of which are asked."""
        for some in chunks(rows, len(compiled)):
            sures, maybes, _ = compiled.match(self._cases.packets, some)
            for matrix, is_sure in ((sures, sure), (maybes, False)):
                row, column = np.nonzero(matrix)
                self.add(some[row], numbers[compiled.rule[column]], sure=is_sure)

    def first_of(
        self, compiled: Compiled, rows: Any, numbers: Any, *, sure: bool
    ) -> None:
        """Hold packets against entries of an ACL, of which the first decides."""
        end = len(compiled)
        for some in chunks(rows, end) if end else ():
            sures, maybes, _ = compiled.match(self._cases.packets, some)
            hit = np.where(sures.any(axis=1), sures.argmax(axis=1), end)
            before = maybes & (np.arange(end) < hit[:, None])
            row, column = np.nonzero(before)
            self.add(some[row], numbers[compiled.rule[column]], sure=False)
            vague = before.any(axis=1) | (not sure)
            for which, is_sure in ((~vague, True), (vague, False)):
                row = np.flatnonzero(which & (hit < end))
                self.add(some[row], numbers[compiled.rule[hit[row]]], sure=is_sure)

    def met(self) -> Met:
        none = np.zeros(0, np.int64)
        case, rule = (
            np.concatenate(
                [none, *(p[n] for s in (True, False) for p in self._parts[s])]
            )
            for n in (0, 1)
        )
        first, _ = distinct(
            case, rule
        )  # of alike pairs the first, which is the sure one
        sure = first < sum(len(part) for part, _ in self._parts[True])
        case = case[first]
        return Met(case, rule[first], sure & self._cases.is_own[case])


def rules_met(policy: Policy, numbers: Numbers, cases: Cases) -> Met:
    """Return the groups' rules that are for packets which open a conversation.

    Of what was configured at a time that is not known, each version may be meant.
    """
    found, inbound = _Found(cases), cases.packets.inbound
    wanted = np.flatnonzero(cases.way != REPLY)
    for column, key in zip(
        cases.looked.groups.T, policy.groups_of(cases.looked.own).T, strict=True
    ):
        for lot in alike(wanted[column[wanted] >= 0], column, inbound):
            version, way = int(column[lot[0]]), bool(inbound[lot[0]])
            told = numbers.of_group(version, inbound=way)
            for part, compiled in policy.compiled(
                version, way, cases.asked, cases.first, lot
            ):
                found.any_of(compiled, part, told, sure=True)
        lost = wanted[(column[wanted] == LOST) & (key[wanted] >= 0)]
        for lot in alike(lost, key, inbound):
            _any_version(policy, numbers, found, lot, {int(key[lot[0]])}, inbound)
    unknown = wanted[(cases.looked.own[wanted] < 0) & (cases.interface[wanted] >= 0)]
    for lot in alike(unknown, cases.interface, inbound):
        some = _versions(policy.known.interfaces, int(cases.interface[lot[0]]))
        keys = {int(key) for key in np.unique(policy.groups_of(some)) if key >= 0}
        _any_version(policy, numbers, found, lot, keys, inbound)
    return found.met()


def _any_version(
    policy: Policy, numbers: Numbers, found: _Found, lot: Any, keys: Iterable[int],
    inbound: Any,
) -> None:  # fmt: skip
    way = bool(inbound[lot[0]])
    for key in keys:
        for version in _versions(policy.known.groups, key).tolist():
            told = numbers.of_group(version, inbound=way)
            rules = policy.vague_rules(version, inbound=way)
            found.any_of(rules, lot, told, sure=False)


def entries_met(policy: Policy, numbers: Numbers, cases: Cases) -> Met:
    """Return the entries of network ACLs that are the first to be for packets."""
    found, inbound = _Found(cases), cases.packets.inbound
    crosses, acl = _crosses(policy, cases), cases.looked.acl
    known = np.flatnonzero((crosses != NO) & (acl >= 0))
    for lot in alike(known, acl, inbound, crosses):
        version, way = int(acl[lot[0]]), bool(inbound[lot[0]])
        told, sure = numbers.of_acl(version, inbound=way), crosses[lot[0]] == YES
        compiled = policy.acl_of(version, way)
        found.first_of(compiled, lot, told, sure=bool(sure))
    lost = np.flatnonzero((crosses != NO) & (acl < 0) & (cases.interface >= 0))
    for lot in alike(lost, cases.interface, cases.looked.own, inbound):
        way = bool(inbound[lot[0]])
        for version in _acls_of(policy, cases, int(lot[0])):
            told = numbers.of_acl(version, inbound=way)
            compiled = policy.acl_of(version, way)
            found.first_of(compiled, lot, told, sure=False)
    return found.met()


def _crosses(policy: Policy, cases: Cases) -> Any:
    """Return which packets cross the edge of their interface's subnet."""
    found = np.full(len(cases), MAYBE, np.int8)
    subnet = cases.looked.subnet
    for rows in alike(np.flatnonzero(subnet >= 0), subnet):
        ranges = networks(policy.known.subnets.contents[subnet[rows[0]]])
        within = in_any(cases.packets.address.take(rows), ranges)
        found[rows] = np.where(within, NO, YES if ranges else MAYBE)
    return found


def _acls_of(policy: Policy, cases: Cases, case: int) -> Iterator[int]:
    """Yield all versions of the ACLs that can have stood before an interface."""
    own = int(cases.looked.own[case])
    versions = [own] if own >= 0 else _versions(
        policy.known.interfaces, int(cases.interface[case])
    )  # fmt: skip
    for key in np.unique(policy.acls_of(np.asarray(versions))).tolist():
        yield from _versions(policy.known.acls, key).tolist()


def _versions(told: Versions, key: int) -> Any:
    return np.flatnonzero(told.key == key)
