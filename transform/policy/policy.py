"""Whether network ACLs and security groups let packets pass, as of their own time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from transform.addresses import in_any, networks
from transform.codes import NONE, distinct
from transform.places import Places, documents_of
from transform.policy.asked import (
    ALLOWED,
    DENIED,
    NOT_ASKED,
    UNKNOWN,
    Asked,
    Decided,
    alike,
    chunks,
)
from transform.policy.configured import Configured
from transform.policy.match import (
    MAYBE,
    NO,
    YES,
    Compiled,
    Packets,
    any_match,
    first_match,
)
from transform.policy.rules import PREFIX_LIST, Rule, acl_entries, group_rules

# Beside a version's number: no more groups; one that is not known at that time.
NO_MORE, LOST = -1, -2
NOBODYS = -2  # the interface of an address of the internet: it carries no group
COMPILED = 4096  # sets of rules that are kept
MOST = 64  # groups of an interface; AWS allows 16
# With a client's own address it sends on what is for those who let its group in.
BALANCER = "network_load_balancer"


class Policy:
    """Decides about packets; safe to share between threads.

    Args:
        configurations: Rows of the table of that name.
        places: VPCs and subnets.

    Source:
        Amazon VPC User Guide, "Security group rules", "Network ACL rules": a group's
        rules are a union, an ACL's first match holds, and it is asked at the edge of a
        subnet alone.
    """

    def __init__(self, configurations: pa.Table, places: Places) -> None:
        self.known = Configured(configurations)
        self._places = places
        self._group_of = lru_cache(COMPILED)(self._compiled_group)
        self._lists_of = lru_cache(COMPILED)(self._named_lists)
        self._rules_of = lru_cache(COMPILED)(self._read_rules)
        self._acl_of = lru_cache(COMPILED)(self._compiled_acl)
        self._carried = self._carried_groups()
        self._carriers: dict[str, list[int]] = {}
        for place, one in enumerate(self.known.interfaces.contents):
            for name in one["groups"]:
                self._carriers.setdefault(name, []).append(place)
        self._lent = frozenset(
            name
            for one in self.known.interfaces.contents
            if one["type"] == BALANCER
            for name in one["groups"]
        )
        subnets = [one["subnet"] for one in self.known.interfaces.contents]
        # Of each version of an interface; one more for none.
        self._acl = np.append(self.known.acls.codes(subnets), NONE)
        self._subnet = np.append(self.known.subnets.codes(subnets), NONE)

    @classmethod
    def of(cls, configurations: pa.Table) -> Policy:
        """Return the policy of an inventory that is not made ready otherwise."""
        return cls(configurations, Places(documents_of(configurations)))

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known by which packets could be decided about."""
        return not self.known.interfaces.contents

    def interfaces(self, names: Sequence[str | None]) -> Any:
        """Return the codes of interfaces, -1 of those that are not known."""
        return self.known.interfaces.codes(names)

    def decide(self, asked: Asked) -> Decided:
        """Decide about packets, each distinct one once.

        An answer is given only where all that it rests on is known of all the time
        from ``begin`` to ``end``.
        """
        own = self.known.interfaces.at(asked.interface, asked.begin, asked.end)
        other = self.known.interfaces.at(asked.other, asked.begin, asked.end)
        other = np.where(asked.outside, NOBODYS, other)
        acl = self.known.acls.at(self._acl[own], asked.begin, asked.end)
        subnet = self.known.subnets.at(self._subnet[own], asked.begin, asked.end)
        groups = self._groups_at(own, asked)
        lists = self._state_of_lists(groups, asked)
        columns = (own, other, acl, subnet, asked.inbound, asked.peer, asked.protocol,
                   asked.port, lists, *groups.T)  # fmt: skip
        first, case = distinct(*columns)
        decided = Decided(case=case, first=first)
        packets = Packets(
            address=asked.addresses.take(asked.peer[first]),
            protocol=asked.protocol[first],
            port=asked.port[first],
            inbound=asked.inbound[first],
            within=other[first] != NOBODYS,
            lent=self._lent,
            member=self._membership(other[first]),
        )
        self._ask_acls(decided, packets, acl[first], subnet[first])
        self._ask_groups(decided, packets, groups[first], asked)
        return decided

    def _state_of_lists(self, groups: Any, asked: Asked) -> Any:
        """Return what the prefix lists were that the groups of rows name, as a code."""
        some = np.unique(groups[groups >= 0]).tolist()
        ways = np.unique(asked.inbound).tolist()
        named = (self._lists_of(version, way) for version in some for way in ways)
        names = sorted({name for found in named for name in found})
        columns = self._lists_at(names, asked, np.arange(len(asked)))
        if not columns:
            return np.zeros(len(asked), np.int64)
        return distinct(*columns)[1]

    def _carried_groups(self) -> Any:
        """Return the codes of each interface version's groups; a row more for none."""
        some = [one["groups"] for one in self.known.interfaces.contents]
        keys = self.known.groups.keys
        most = max((len(names) for names in some if len(names) <= MOST), default=0)
        found = np.full((len(some) + 1, max(most, 1)), NO_MORE, np.int64)
        for place, names in enumerate(some):
            if len(names) > MOST:
                found[place] = LOST
            else:
                found[place, : len(names)] = [keys.get(name, LOST) for name in names]
        found[-1] = LOST
        return found

    def _groups_at(self, own: Any, asked: Asked) -> Any:
        """Return the versions of each row's groups, ``NO_MORE`` or ``LOST``."""
        keys = self._carried[own]
        found = np.empty_like(keys)
        for place, key in enumerate(keys.T):
            version = self.known.groups.at(key, asked.begin, asked.end)
            lost = (key != NO_MORE) & (version < 0)
            found[:, place] = np.where(lost, LOST, version)
        return found

    def _membership(self, other: Any) -> Any:
        """Return what says which of the other ends carry a group."""

        @cache
        def carries(group: str) -> Any:
            found = np.full(len(self.known.interfaces.contents) + 2, NO, np.int8)
            found[self._carriers.get(group, [])] = YES
            found[NONE] = MAYBE
            if group in self._lent:
                found[found == NO] = MAYBE
            return found

        def member(packets: Packets, rows: Any, group: str) -> Any:
            found = carries(group)[other[rows]]
            vpc = self._places.vpcs.get(self.known.vpc_of_group.get(group) or "")
            ranges = () if vpc is None or group in self._lent else vpc.networks
            if ranges and (found == MAYBE).any():
                away = ~in_any(packets.address.take(rows), ranges)
                found = np.where(away & (found == MAYBE), NO, found)
            return found

        return member

    def _ask_acls(
        self, decided: Decided, packets: Packets, acl: Any, subnet: Any
    ) -> None:
        """Ask the ACLs about what crosses the edge of a subnet of known ranges."""
        crosses = np.zeros(len(packets), bool)
        for rows in alike(np.flatnonzero(subnet >= 0), subnet):
            ranges = networks(self.known.subnets.contents[subnet[rows[0]]])
            within = in_any(packets.address.take(rows), ranges)
            decided.acl[rows[within]] = NOT_ASKED
            crosses[rows[~within]] = bool(ranges)
        wanted = np.flatnonzero(crosses & (acl >= 0))
        for rows in alike(wanted, acl, packets.inbound):
            version, inbound = int(acl[rows[0]]), bool(packets.inbound[rows[0]])
            compiled, base = self._acl_of(version, inbound), len(decided.entries)
            name = self.known.acls.contents[version]["NetworkAclId"]
            decided.entries += [(name, r, inbound) for r in (*compiled.rules, None)]
            for some in chunks(rows, len(compiled)):
                state, entry = first_match(compiled, packets, some)
                decided.acl[some] = state
                decided.entry[some] = base + entry

    def _ask_groups(
        self, decided: Decided, packets: Packets, groups: Any, asked: Asked
    ) -> None:
        """Ask the groups of interfaces all of whose groups are known, one by one."""
        decided.group[(groups == NO_MORE).all(axis=1)] = NOT_ASKED
        open_ = (decided.group != NOT_ASKED) & (groups != LOST).all(axis=1)
        decided.group[open_] = DENIED
        rows = np.flatnonzero(open_)
        count = np.zeros(len(packets), np.int64)
        score = np.zeros(len(packets), np.int8)
        for group in groups.T:
            for lot in alike(rows[group[rows] >= 0], group, packets.inbound):
                version, inbound = int(group[lot[0]]), bool(packets.inbound[lot[0]])
                for part, compiled in self._compiled(version, inbound, asked,
                                                     decided.first, lot):  # fmt: skip
                    base = len(decided.rules)
                    decided.rules += [(rule, inbound) for rule in compiled.rules]
                    count[part] += len(compiled.rules)
                    for some in chunks(part, len(compiled)):
                        state, near, how = any_match(compiled, packets, some)
                        decided.group[some] = _either(decided.group[some], state)
                        better = how > score[some]
                        score[some[better]] = how[better]
                        decided.nearest[some[better]] = base + near[better]
        decided.is_bare = open_ & (count == 0)
        for lot in alike(rows, *groups.T):
            decided.set[lot] = len(decided.sets)
            names = [self._title(int(v)) for v in groups[lot[0]] if v >= 0]
            decided.sets.append(", ".join(names))

    def _compiled(
        self, version: int, inbound: bool, asked: Asked, first: Any, lot: Any
    ) -> Iterator[tuple[Any, Compiled]]:
        """Yield a group's rules with the rows for which prefix lists are like that."""
        names = self._lists_of(version, inbound)
        held = self._lists_at(names, asked, first[lot])
        for part in alike(np.arange(len(lot)), *held):
            lists = tuple(int(column[part[0]]) for column in held)
            known = tuple(zip(names, lists, strict=True))
            yield lot[part], self._group_of(version, inbound, known)

    def _title(self, version: int) -> str:
        document = self.known.groups.contents[version]
        name = document.get("GroupName")
        return f"{document['GroupId']} ({name})" if name else str(document["GroupId"])

    def _lists_at(self, names: Sequence[str], asked: Asked, rows: Any) -> list[Any]:
        """Return the versions of prefix lists at the time of some rows."""
        told, times = self.known.lists, (asked.begin[rows], asked.end[rows])
        return [told.at(np.full(len(rows), code), *times) for code in told.codes(names)]

    def _compiled_group(
        self, version: int, inbound: bool, lists: tuple[tuple[str, int], ...]
    ) -> Compiled:
        cidrs = {n: self.known.lists.contents[v] for n, v in lists if v >= 0}
        return Compiled(self._rules_of(version, inbound), cidrs.get)

    def _read_rules(self, version: int, inbound: bool) -> list[Rule]:
        return [*group_rules(self.known.groups.contents[version], inbound=inbound)]

    def _named_lists(self, version: int, inbound: bool) -> list[str]:
        rules = self._rules_of(version, inbound)
        return sorted({rule.peer for rule in rules if rule.kind == PREFIX_LIST})

    def _compiled_acl(self, version: int, inbound: bool) -> Compiled:
        document = self.known.acls.contents[version]
        return Compiled([*acl_entries(document, inbound=inbound)], lambda _: None)


def _either(one: Any, other: Any) -> Any:
    """Return what several groups say: any may let in, else any may leave it open."""
    states = [ALLOWED, UNKNOWN]
    return np.select([(one == s) | (other == s) for s in states], states, DENIED)
