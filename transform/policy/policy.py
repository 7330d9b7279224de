"""Whether network ACLs and security groups let packets pass, as of their own time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transform.addresses import in_any, networks
from transform.codes import NONE, distinct
from transform.places import PLACES, Places, documents_of
from transform.policy.asked import (
    ALLOWED,
    DENIED,
    NOBODYS,
    NOT_ASKED,
    UNKNOWN,
    Asked,
    Decided,
    Looked,
    alike,
    chunks,
)
from transform.policy.configured import Configured
from transform.policy.match import (
    Compiled,
    Packets,
    any_match,
    first_match,
)
from transform.policy.members import Members
from transform.policy.rules import PREFIX_LIST, Rule, acl_entries, group_rules

# Beside a version's number: no more groups; one that is not known at that time.
NO_MORE, LOST = -1, -2
COMPILED = 4096  # sets of rules that are kept
MOST = 64  # groups of an interface; AWS allows 16


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
        self._group_of = lru_cache(COMPILED)(self._compiled_group)
        self._lists_of = lru_cache(COMPILED)(self._named_lists)
        self._rules_of = lru_cache(COMPILED)(self._read_rules)
        self.acl_of = lru_cache(COMPILED)(self._compiled_acl)
        self._carried = self._carried_groups()
        self._members = Members(self.known, places)
        subnets = [one["subnet"] for one in self.known.interfaces.contents]
        # Of each version of an interface; one more for none.
        self._acl = np.append(self.known.acls.codes(subnets), NONE)
        self._subnet = np.append(self.known.subnets.codes(subnets), NONE)

    @classmethod
    def of(cls, configurations: pa.Table) -> Policy:
        """Return the policy of an inventory that is not made ready otherwise."""
        is_place = pc.is_in(configurations["resource_type"], pa.array(PLACES))
        return cls(
            configurations, Places(documents_of(configurations.filter(is_place)))
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known by which packets could be decided about."""
        return not self.known.interfaces.contents

    def interfaces(self, names: Sequence[str | None]) -> Any:
        """Return the codes of interfaces, -1 of those that are not known."""
        return self.known.interfaces.codes(names)

    def decide(self, asked: Asked, looked: Looked | None = None) -> Decided:
        """Decide about packets, each distinct one once.

        An answer is given only where all that it rests on is known of all the time
        from ``begin`` to ``end``.

        Args:
            asked: The packets.
            looked: What `look_up` says of them, where that is at hand.
        """
        looked = looked or self.look_up(asked)
        lists = self.state_of_lists(looked.groups, asked)
        columns = (looked.own, looked.other, looked.acl, looked.subnet, asked.inbound,
                   asked.peer, asked.protocol, asked.port, lists,
                   *looked.groups.T)  # fmt: skip
        first, case = distinct(*columns)
        decided = Decided(case=case, first=first)
        one_each = looked.take(first)
        packets = self.packets(asked, one_each, first)
        self._ask_acls(decided, packets, one_each)
        self._ask_groups(decided, packets, one_each.groups, asked)
        return decided

    def look_up(self, asked: Asked) -> Looked:
        """Return what was configured throughout the time of each row."""
        own = self.known.interfaces.at(asked.interface, asked.begin, asked.end)
        other = self.known.interfaces.at(asked.other, asked.begin, asked.end)
        return Looked(
            own=own,
            other=np.where(asked.outside, NOBODYS, other),
            acl=self.known.acls.at(self._acl[own], asked.begin, asked.end),
            subnet=self.known.subnets.at(self._subnet[own], asked.begin, asked.end),
            groups=self._groups_at(own, asked),
        )

    def packets(self, asked: Asked, looked: Looked, rows: Any) -> Packets:
        """Return some of the rows as rules see them.

        Args:
            asked: All rows.
            looked: What was configured at the time of the some.
            rows: Which they are.
        """
        return Packets(
            address=asked.addresses.take(asked.peer[rows]),
            protocol=asked.protocol[rows],
            port=asked.port[rows],
            inbound=asked.inbound[rows],
            within=looked.other != NOBODYS,
            lent=self._members.lent,
            member=self._members.of(looked.own, looked.other),
        )

    def rules_of(self, version: int, *, inbound: bool) -> list[Rule]:
        """Return the rules of a version of a group, in the order of the document."""
        return self._rules_of(version, inbound)

    def vague_rules(self, version: int, *, inbound: bool) -> Compiled:
        """Return a group's rules, of which prefix lists may hold anybody."""
        names = self._lists_of(version, inbound)
        return self._group_of(version, inbound, tuple((name, -1) for name in names))

    def groups_of(self, own: Any) -> Any:
        """Return the codes of the groups that versions of interfaces carry.

        Returns:
            A row each; ``NO_MORE``, ``LOST`` of one that nobody ever listed.
        """
        return self._carried[own]

    def acls_of(self, own: Any) -> Any:
        """Return the codes of the ACLs before versions of interfaces; -1: not known."""
        return self._acl[own]

    def state_of_lists(self, groups: Any, asked: Asked) -> Any:
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

    def _ask_acls(self, decided: Decided, packets: Packets, looked: Looked) -> None:
        """Ask the ACLs about what crosses the edge of a subnet of known ranges."""
        acl, subnet = looked.acl, looked.subnet
        crosses = np.zeros(len(packets), bool)
        for rows in alike(np.flatnonzero(subnet >= 0), subnet):
            ranges = networks(self.known.subnets.contents[subnet[rows[0]]])
            within = in_any(packets.address.take(rows), ranges)
            decided.acl[rows[within]] = NOT_ASKED
            crosses[rows[~within]] = bool(ranges)
        wanted = np.flatnonzero(crosses & (acl >= 0))
        for rows in alike(wanted, acl, packets.inbound):
            version, inbound = int(acl[rows[0]]), bool(packets.inbound[rows[0]])
            compiled, base = self.acl_of(version, inbound), len(decided.entries)
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
                for part, compiled in self.compiled(version, inbound, asked,
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
            names = [self.title(int(v)) for v in groups[lot[0]] if v >= 0]
            decided.sets.append(", ".join(names))

    def compiled(
        self, version: int, inbound: bool, asked: Asked, first: Any, lot: Any
    ) -> Iterator[tuple[Any, Compiled]]:
        """Yield a group's rules with the rows for which prefix lists are like that.

        Args:
            version: Of the group.
            inbound: Whether it is asked about what comes in.
            asked: All rows.
            first: Of each distinct packet, one of the rows.
            lot: Some of the distinct packets.
        """
        names = self._lists_of(version, inbound)
        held = self._lists_at(names, asked, first[lot])
        for part in alike(np.arange(len(lot)), *held):
            lists = tuple(int(column[part[0]]) for column in held)
            known = tuple(zip(names, lists, strict=True))
            yield lot[part], self._group_of(version, inbound, known)

    def title(self, version: int) -> str:
        """Return a version of a group as it is shown: its id and its name."""
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
        document = self.known.groups.contents[version]
        ids = self.known.rule_ids.of(str(document["GroupId"]))
        return [
            replace(rule, id=ids.get((inbound, rule)))
            for rule in group_rules(document, inbound=inbound)
        ]

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
