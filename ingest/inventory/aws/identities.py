"""Identities: which interface, gateway or Elastic IP holds which address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.inventory.aws.addresses import canonical, canonical_networks
from ingest.inventory.aws.columns import every, fields_of, items_of, where
from ingest.inventory.aws.interfaces import Interfaces
from ingest.inventory.aws.report import Report
from ingest.inventory.sighting import SIGHTED


@dataclass(slots=True)
class _Rows:
    """Addresses of interfaces, block by block; the first of two equal ones counts."""

    parents: list[Any] = field(default_factory=list)
    addresses: list[Any] = field(default_factory=list)
    primary: list[Any] = field(default_factory=list)
    public: list[Any] = field(default_factory=list)
    lost: int = 0

    def add(
        self,
        parents: Any,
        texts: Any,
        *,
        primary: Any = None,
        public: bool = False,
        spell: Callable[[Any], Any] = canonical,
    ) -> None:
        """Add one block.

        Args:
            parents: The interface of each.
            texts: Addresses or prefixes as AWS spells them; null: there is none.
            primary: Which are their interface's primary address.
            public: They are the internet's names for it.
            spell: Brings texts into one spelling.
        """
        given = np.flatnonzero(np.asarray(pc.is_valid(texts)))
        spelled = spell(texts.take(pa.array(given)))
        kept = np.asarray(pc.is_valid(spelled))
        self.lost += len(kept) - int(kept.sum())
        places = given[kept]
        self.parents.append(np.asarray(parents)[places])
        self.addresses.append(spelled.drop_null())
        self.public.append(np.full(len(places), public))
        none = np.zeros(len(places), dtype=bool)
        self.primary.append(none if primary is None else np.asarray(primary)[places])


def identities_of(interfaces: Interfaces, report: Report) -> tuple[pa.Table, Any]:
    """Return every address that interfaces hold.

    Primary and secondary addresses, IPv6, delegated prefixes as CIDRs, public and
    carrier addresses; in a state of whatever instance, attached or not.

    Args:
        interfaces: Of one scope.
        report: Counts addresses that are none, interfaces without an id or a VPC.

    Returns:
        ``SIGHTED``'s columns (scope null), and for each row the place of its interface.
    """
    rows = _rows_of(interfaces)
    report.note("addresses_that_are_none", rows.lost)
    parents = np.concatenate(rows.parents)
    addresses = pa.concat_arrays(rows.addresses)
    primary, public = np.concatenate(rows.primary), np.concatenate(rows.public)
    kept = _kept(interfaces, parents, addresses, public, report)
    return _table(
        interfaces, parents[kept], addresses.take(kept), primary[kept], public[kept]
    )


def _rows_of(interfaces: Interfaces) -> _Rows:
    documents, rows = interfaces.documents, _Rows()
    every = np.arange(len(documents))
    own = fields_of(documents, "PrivateIpAddress")
    items, parents = items_of(fields_of(documents, "PrivateIpAddresses"))
    private = fields_of(items, "PrivateIpAddress")
    is_own = pc.equal(private, own.take(pa.array(parents)))
    primary = pc.fill_null(pc.coalesce(fields_of(items, "Primary"), is_own), False)
    rows.add(parents, private, primary=primary)
    rows.add(every, own, primary=np.ones(len(every), dtype=bool))
    six, parents_six = items_of(fields_of(documents, "Ipv6Addresses"))
    is_first = pc.fill_null(fields_of(six, "IsPrimaryIpv6"), False)
    rows.add(parents_six, fields_of(six, "Ipv6Address"), primary=is_first)
    for version in ("4", "6"):
        some, of = items_of(fields_of(documents, f"Ipv{version}Prefixes"))
        texts = fields_of(some, f"Ipv{version}Prefix")
        rows.add(of, texts, spell=canonical_networks)
    for name in ("PublicIp", "CarrierIp"):
        rows.add(parents, fields_of(items, "Association", name), public=True)
        rows.add(every, fields_of(documents, "Association", name), public=True)
    return rows


def _kept(
    interfaces: Interfaces, parents: Any, addresses: Any, public: Any, report: Report
) -> Any:
    """Return the rows to keep: one of each address, and none that means nothing.

    A private address means something only inside a VPC.
    """
    codes = np.asarray(addresses.dictionary_encode().indices, np.int64)
    keys = parents.astype(np.int64) * (int(codes.max(initial=0)) + 1) + codes
    once = np.sort(np.unique(keys, return_index=True)[1])
    place = pa.array(parents[once])
    held = np.asarray(pc.is_valid(interfaces.columns["holder"].take(place)))
    homed = np.asarray(pc.is_valid(interfaces.columns["vpc"].take(place)))
    homed |= public[once]
    report.note("addresses_without_interface_id", int((~held).sum()))
    report.note("private_addresses_without_vpc", int((held & ~homed).sum()))
    return once[held & homed]


def _table(
    interfaces: Interfaces, parents: Any, addresses: Any, primary: Any, public: Any
) -> tuple[pa.Table, Any]:
    place = pa.array(parents)
    taken = {n: column.take(place) for n, column in interfaces.columns.items()}
    private = pa.array(~public)
    taken["vpc"] = where(private, taken["vpc"])
    since = where(pa.array(primary), interfaces.started_at.take(place))
    taken |= {
        "address": addresses,
        "is_primary": pa.array(primary),
        "started_at": since,
        "source": every("aws", len(addresses)),
    }
    return as_sighted(taken, len(addresses)), parents


def as_sighted(columns: dict[str, Any], count: int) -> pa.Table:
    """Return columns as ``SIGHTED``; those that are missing are null."""
    arrays = [
        columns[f.name].cast(f.type) if f.name in columns else pa.nulls(count, f.type)
        for f in SIGHTED
    ]
    return pa.Table.from_arrays(arrays, names=SIGHTED.names)
