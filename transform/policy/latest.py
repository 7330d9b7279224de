"""What is configured as far as anybody knows: the last word of each resource."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transform.addresses import NOT_GLOBAL, network
from transform.places import PEERING, Places, documents_of
from transform.policy.policy import Policy
from transform.policy.rules import acl_entries
from transform.presence import EVER

AT = 2_000_000_000  # seconds since 1970: any time within what `latest` claims
_ALWAYS = datetime(1970, 1, 2, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_TIMES = ("valid_from", "valid_until", "earliest", "latest", "last_seen")
_TIME = pa.timestamp("us", tz="UTC")


def newest(configurations: pa.Table, *, scoped: bool = False) -> pa.Table:
    """Return the row of each resource that was seen last, of those that are not over.

    Args:
        configurations: Rows of the table of that name.
        scoped: Whether ids mean something only within their scope.
    """
    is_open = pc.and_(*(pc.is_null(configurations[n]) for n in _TIMES[1:4:2]))
    rows = configurations.filter(is_open).sort_by(
        [("last_seen", "descending"), ("valid_from", "descending")]
    )
    names = ["resource_type", "resource_id", *(["scope"] if scoped else [])]
    keys = pc.binary_join_element_wise(*(rows[n] for n in names), "\n")
    keys = keys.combine_chunks()
    _, first = np.unique(
        np.asarray(keys.dictionary_encode().indices), return_index=True
    )
    return rows.take(pa.array(np.sort(first)))


def timeless(rows: pa.Table) -> pa.Table:
    """Return rows as if they had been so always, and were for good."""
    begin, end = _ALWAYS
    for name in _TIMES:
        value = {"valid_from": begin, "earliest": begin, "last_seen": end}.get(name)
        column = pa.repeat(pa.scalar(value, _TIME), rows.num_rows)
        rows = rows.set_column(rows.schema.get_field_index(name), name, column)
    return rows


@dataclass(slots=True)
class Latest:
    """The last word of an inventory, to be asked about packets and who carries what.

    Args:
        configurations: Rows of the table of that name.

    Attributes:
        policy: Decides by it, at ``AT``.
        groups: Of each interface, the groups that it carries.
        carriers: Of each group, the interfaces that carry it.
        neighbours: Of each ACL, the interfaces of its subnets.
        addresses: Of each interface, its private addresses and the ranges that are
            given to it, as far as anybody told.
        accounts: Of each group, whose it is.
        since: Of each resource by id, since when it surely is so; UTC, or None.
    """

    configurations: pa.Table
    policy: Policy = field(init=False)
    groups: dict[str, tuple[str, ...]] = field(init=False)
    carriers: dict[str, frozenset[str]] = field(init=False)
    neighbours: dict[str, frozenset[str]] = field(init=False)
    addresses: dict[str, frozenset[str]] = field(init=False)
    accounts: dict[str, str | None] = field(init=False)
    since: dict[str, datetime | None] = field(init=False)
    _places: Places = field(init=False)
    _acls: dict[str, str] = field(init=False)  # by interface
    _begins: dict[tuple[str, bool], frozenset[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = newest(self.configurations)
        self._places = Places(documents_of(timeless(rows)))
        self.policy = Policy(timeless(rows), self._places)
        interfaces = _contents(self.policy.known.interfaces)
        known = self.policy.known.groups.keys
        self.groups = {
            name: tuple(g for g in one["groups"] if g in known)
            for name, one in interfaces.items()
        }
        self.carriers = _inverse(
            (name, group) for name, some in self.groups.items() for group in some
        )
        acls = _contents(self.policy.known.acls)
        self._acls = {
            name: acls[one["subnet"]]["NetworkAclId"]
            for name, one in interfaces.items()
            if one["subnet"] in acls
        }
        self.neighbours = _inverse(self._acls.items())
        mine = pc.equal(rows["resource_type"], "network_interface")
        some = map(json.loads, rows.filter(mine)["document"].to_pylist())
        self.addresses = {
            str(one.get("NetworkInterfaceId")): frozenset(_addresses(one))
            for one in some
            if isinstance(one, dict)
        }
        names, times = rows["resource_id"].to_pylist(), rows["valid_from"].to_pylist()
        self.since = dict(zip(names, times, strict=True))
        self.accounts = dict(zip(names, rows["account"].to_pylist(), strict=True))

    def may_refer(self, group: str, peer: str) -> bool:
        """Whether a rule of a group may refer to another: of its VPC or a peered one.

        Source:
            Amazon VPC User Guide, "Security group rules": a peer VPC's, if the peering
            is active and both are of one Region; through a transit gateway only as its
            owner allows.
        """
        vpcs = self.policy.known.vpc_of_group
        one, other = vpcs.get(group), vpcs.get(peer)
        if not one or not other:
            return False
        links = self._places.of(one).joined(EVER).get(other, ())
        return one == other or any(
            link[0] == PEERING and link not in self._places.far for link in links
        )

    def is_private(self, vpc: str, address: str | None) -> bool:
        """Whether an address is one of a VPC's ranges: what groups can mean.

        Of a VPC whose ranges nobody told: whether the internet has no such address.

        Source:
            Amazon VPC User Guide, "Security group referencing": a group stands for
            the private addresses of its interfaces, and never for Elastic IPs.
        """
        one, place = network(address or ""), self._places.of(vpc)
        some = place.networks or [n for s in place.subnets for n in s.networks]
        ranges = some or NOT_GLOBAL
        return one is not None and any(n.first <= one.first <= n.last for n in ranges)

    def entries_of(self, acl: str) -> dict[str, Any] | None:
        """Return the document of a network ACL; None: it is not known."""
        contents = self.policy.known.acls.contents
        return next((c for c in contents if c["NetworkAclId"] == acl), None)

    def port_begins(self, interface: str, *, inbound: bool) -> frozenset[int]:
        """Return ports at which the entries of an interface's ACL begin, or are over.

        Between two of them each entry is for all ports or for none.
        """
        key = self._acls.get(interface, ""), inbound
        if key not in self._begins:
            rules = [*acl_entries(self.entries_of(key[0]) or {}, inbound=inbound)]
            ends = {port for r in rules for port in (r.low, r.high + 1)}
            self._begins[key] = frozenset(ends)
        return self._begins[key]

    def known_since(self, names: Iterable[str]) -> datetime | None:
        """Return since when all of these resources surely are as they are."""
        times = [self.since.get(name) for name in names]
        return max(filter(None, times), default=None)


def _contents(versions: Any) -> dict[str, Any]:
    """Return what each key is at ``AT``."""
    names = list(versions.keys)
    size = len(names)
    at = versions.at(np.arange(size), np.full(size, AT), np.full(size, AT + 1))
    places = zip(names, at.tolist(), strict=True)
    return {name: versions.contents[place] for name, place in places if place >= 0}


def _addresses(interface: dict[str, Any]) -> Iterator[str]:
    """Yield the private addresses of an interface's document, and its prefixes.

    Source:
        Amazon EC2 API Reference, "NetworkInterface".
    """
    for name, key in (
        ("PrivateIpAddresses", "PrivateIpAddress"), ("Ipv6Addresses", "Ipv6Address"),
        ("Ipv4Prefixes", "Ipv4Prefix"), ("Ipv6Prefixes", "Ipv6Prefix"),
    ):  # fmt: skip
        listed = interface.get(name)
        for item in listed if isinstance(listed, list) else ():
            if isinstance(item, dict) and isinstance(item.get(key), str):
                yield item[key]


def _inverse(pairs: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for one, other in pairs:
        found.setdefault(other, set()).add(one)
    return {name: frozenset(some) for name, some in found.items()}
