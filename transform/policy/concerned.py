"""Whom changes concern: interfaces, and packets that the changed rules may be for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transform.policy.asked import Asked
from transform.policy.change import Change
from transform.policy.match import MAYBE, NO, Compiled, Packets
from transform.policy.members import BALANCER
from transform.policy.rules import ANY, GROUP, PORTED, PREFIX_LIST

Document = dict[str, Any]


class Concerned:
    """What changes can reach, whatever else was configured.

    Args:
        configurations: Rows of the table of that name.
        changes: With what they name written out.
    """

    def __init__(self, configurations: pa.Table, changes: Sequence[Change]) -> None:
        self.changes = changes
        groups = {c.resource for c in changes if not c.is_of_acl}
        peers = {c.rule.peer for c in changes if c.rule.kind == GROUP}
        acls = {c.resource for c in changes if c.is_of_acl}
        subnets = _subnets_of(configurations, acls)
        self._interfaces: dict[str, set[str]] = {}
        self._lent: set[str] = set()
        wanted = [*groups, *peers, *subnets]
        for one in _documents(configurations, "network_interface", wanted):
            name = str(one.get("NetworkInterfaceId"))
            for group in _ids(one.get("Groups"), "GroupId"):
                self._interfaces.setdefault(group, set()).add(name)
                if one.get("InterfaceType") == BALANCER:
                    self._lent.add(group)
            for acl in subnets.get(str(one.get("SubnetId")), ()):
                self._interfaces.setdefault(acl, set()).add(name)
        self._cidrs = _lists(configurations, changes)

    def interfaces(self, *, inbound: bool) -> set[str]:
        """Return the interfaces that changes of a direction reach at any time.

        Args:
            inbound: Of what comes in there; else of what goes out.
        """
        some = (c.resource for c in self.changes if c.inbound == inbound)
        return set().union(*(self._interfaces.get(name, ()) for name in some))

    @property
    def protocols(self) -> list[int] | None:
        """Protocols that the changed rules are for; None: any."""
        found = {change.rule.protocol for change in self.changes}
        return None if ANY in found else sorted(found)

    @property
    def ports(self) -> tuple[int, int]:
        """The lowest and the highest port that the changed rules are for."""
        rules = [c.rule for c in self.changes if c.rule.protocol in (*PORTED, ANY)]
        return (
            min((rule.low for rule in rules), default=0),
            max((rule.high for rule in rules), default=0),
        )

    @property
    def actions(self) -> list[str]:
        """The actions of records whose fate can be another after the changes."""
        found = {"REJECT" if change.relaxes else "ACCEPT" for change in self.changes}
        return sorted(found)

    @property
    def replies(self) -> bool:
        """Whether answers are concerned too: ACLs are asked about them."""
        return any(change.is_of_acl for change in self.changes)

    def touched(self, asked: Asked, packets: pa.Table, *, relaxes: bool) -> Any:
        """Return which packets a changed rule may be for, at an interface it reaches.

        Args:
            asked: The packets.
            packets: The same, with ``interface`` and ``peer_interface``.
            relaxes: By changes that let more pass; else less.
        """
        found = np.zeros(len(asked), bool)
        for change in self.changes:
            if change.relaxes != relaxes:
                continue
            names = pa.array(sorted(self._interfaces.get(change.resource, ())))
            here = _truth(pc.is_in(packets["interface"], names.cast(pa.string())))
            rows = np.flatnonzero(here & (asked.inbound == change.inbound) & ~found)
            if len(rows):
                compiled = Compiled([change.rule], self._cidrs.get)
                sure, maybe, _ = compiled.match(self._packets(asked, packets), rows)
                found[rows[(sure | maybe).any(axis=1)]] = True
        return found

    def _packets(self, asked: Asked, packets: pa.Table) -> Packets:
        def member(of: Packets, rows: Any, group: str) -> Any:
            del of
            names = pa.array(sorted(self._interfaces.get(group, ())), pa.string())
            others = packets["peer_interface"].take(pa.array(rows))
            can = _truth(pc.or_(pc.is_null(others), pc.is_in(others, names)))
            return np.where(can | (group in self._lent), MAYBE, NO)

        return Packets(
            address=asked.addresses.take(asked.peer),
            protocol=asked.protocol,
            port=asked.port,
            inbound=asked.inbound,
            within=~asked.outside,
            lent=frozenset(self._lent),
            member=member,
        )


def _subnets_of(configurations: pa.Table, acls: set[str]) -> dict[str, set[str]]:
    """Return the ACLs among some that subnets ever had, by subnet."""
    found: dict[str, set[str]] = {}
    for one in _documents(configurations, "network_acl", acls):
        name = str(one.get("NetworkAclId"))
        if name in acls:
            for subnet in _ids(one.get("Associations"), "SubnetId"):
                found.setdefault(subnet, set()).add(name)
    return found


def _lists(configurations: pa.Table, changes: Sequence[Change]) -> dict[str, list[str]]:
    """Return all that the prefix lists of changed rules ever held."""
    names = {c.rule.peer for c in changes if c.rule.kind == PREFIX_LIST}
    found: dict[str, set[str]] = {}
    for one in _documents(configurations, "prefix_list", names):
        held = found.setdefault(str(one.get("PrefixListId")), set())
        held.update(_ids(one.get("Entries"), "Cidr"))
    return {name: sorted(cidrs) for name, cidrs in found.items()}


def _documents(
    configurations: pa.Table, kind: str, names: Iterable[str]
) -> Iterator[Document]:
    """Yield the distinct documents of a kind that name any of some resources."""
    rows = configurations.filter(pc.equal(configurations["resource_type"], kind))
    texts = pc.unique(rows["document"].cast(pa.string()))
    wanted = set(names)
    if len(wanted) == 1:
        texts = texts.filter(pc.match_substring(texts, *wanted))
    for text in texts.to_pylist() if wanted else ():
        document = json.loads(text)
        if isinstance(document, dict):
            yield document


def _ids(items: Any, name: str) -> Iterator[str]:
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and isinstance(item.get(name), str):
            yield item[name]


def _truth(column: Any) -> Any:
    return np.asarray(pc.fill_null(column, False), dtype=bool)
