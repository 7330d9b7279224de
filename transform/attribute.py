"""Attribution: who an address was at the time of a record, or why nobody is named.

Work is done once for each distinct (VPC, address) of a run; only where an address had
more than one holder within the run's time is each record asked for itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from transform.addresses import Addresses, is_global
from transform.codes import (
    NONE,
    distinct,
)
from transform.holders import Layer
from transform.homes import Homes, ways_told
from transform.hops import homes_by_hop, next_hops
from transform.inventory import Inventory
from transform.places import NOWHERE, which_network
from transform.records import Records
from transform.timeline import EXACT, NOBODY, Found
from transform.words import Words

LOCATION = ("subnet", "vpc", "az", "account")
LAYERS = ("pods", "nodes", "interfaces")


@dataclass(slots=True)
class Lookup:
    """What a layer says: of each distinct address, and of rows that were asked apart.

    Attributes:
        which: Of each row, its distinct address.
        whole: Of each distinct address, over all of the run's time.
        asked: Of each distinct address, whether its rows were asked one by one.
        rows: Those rows, ascending.
        found: Of each of them.
    """

    which: Any
    whole: Found
    asked: Any
    rows: Any
    found: Found

    def at(self, rows: Any) -> tuple[Any, Any]:
        """Return who (row of the inventory, -1: nobody) and status for some rows."""
        pairs = np.take(self.which, rows)
        who, status = np.take(self.whole.who, pairs), np.take(self.whole.status, pairs)
        apart = np.flatnonzero(self.asked[pairs])
        if len(apart):
            place = np.searchsorted(self.rows, rows[apart])
            who[apart] = self.found.who[place]
            status[apart] = self.found.status[place]
        return who, status


@dataclass(slots=True)
class Side:
    """One side of each record, resolved.

    Attributes:
        is_src: The source side, else the destination.
        which: The distinct (VPC, address) of each row; where the next hop or the way
            out matters, with that.
        vpc: Of each distinct one, the VPC as seen from; code of the VPC words.
        home: Of each distinct one, the VPC that it lives in; ``NOWHERE``, or
            ``SEVERAL`` where more than one could be meant.
        addresses: Of each distinct one.
        is_global: Of each distinct one.
        layers: By layer, what it says of each row.
        own: Rows whose address is the recording interface's own.
        proved: Rows of which that is known, or which are not its own.
        first: Once folded, of each distinct one the one that stands for it.
    """

    is_src: bool
    which: Any
    vpc: Any
    home: Any
    addresses: Addresses
    is_global: Any
    layers: dict[str, Lookup] = field(default_factory=dict)
    own: Any = None
    proved: Any = None
    first: Any = None


def resolve(
    records: Records,
    inventory: Inventory,
    vpc: Any,
    words: dict[str, Words],
    *,
    is_src: bool,
) -> Side:
    """Resolve one side's addresses: where each lives, and who held it when.

    Args:
        records: The rows.
        inventory: What is known.
        vpc: Of each row, the VPC that it was recorded in; code of the VPC words.
        words: The run's words.
        is_src: The source side, else the destination.
    """
    column = records.src if is_src else records.dst
    numbers = records.addresses[0 if is_src else 1]
    hop = next_hops(records, words["eni"], is_src=is_src)
    first, which = distinct(vpc, column.codes, *(() if hop is None else (hop,)))
    code = column.codes[first]
    addresses = Addresses(
        *(np.append(part, part.dtype.type(0))[code] for part in
          (numbers.high, numbers.low, numbers.valid))
    )  # fmt: skip
    begin, end = records.span
    homes = Homes(inventory, words["vpc"], since=begin, until=end)
    found = homes.find(vpc[first], addresses)
    ways = ways_told(records, which, found.ways, is_src=is_src)
    if ways is not None:
        first, apart = distinct(which, ways)
        addresses, found = addresses.take(which[first]), found.take(which[first])
        again, which = np.flatnonzero(ways[first]), apart
        more = homes.find(vpc[first[again]], addresses.take(again), ways[first[again]])
        found.home[again] = more.home
    side = Side(
        is_src=is_src,
        which=which,
        vpc=vpc[first],
        home=found.home,
        addresses=addresses,
        is_global=is_global(addresses),
    )
    if hop is not None:
        proved = homes_by_hop(hop[first], addresses, inventory)
        side.home = np.where((side.home < 0) & (proved >= 0), proved, side.home)
    for name in LAYERS:
        layer: Layer = getattr(inventory, name)
        keys = _keys(layer, side, inventory, words["vpc"])
        side.layers[name] = _ask(layer, keys, side.which, records)
    outside = np.where(side.home == NOWHERE, -1, -2)  # public addresses have no VPC
    keys = inventory.publics.find(outside, side.addresses)
    side.layers["publics"] = _ask(inventory.publics, keys, side.which, records)
    return side


def fold(side: Side, labels: Any) -> None:
    """Let addresses of which nothing is known but what they are alike stand as one.

    Most of a run's distinct addresses are of the internet: all that is said of them
    is that.

    Args:
        side: As resolved.
        labels: Of each distinct address, codes of whatever else tells them apart.
    """
    plain = side.home == NOWHERE
    for lookup in side.layers.values():
        plain &= (lookup.whole.status == NOBODY) & ~lookup.asked
    alike = np.where(plain, 0, np.arange(1, len(plain) + 1))
    first, which = distinct(
        alike, side.vpc, side.is_global.astype(np.int8), side.addresses.valid, *labels
    )
    side.first = first
    side.which = np.take(which, side.which)
    side.vpc, side.home = side.vpc[first], side.home[first]
    side.is_global, side.addresses = side.is_global[first], side.addresses.take(first)
    for lookup in side.layers.values():
        lookup.which = side.which
        lookup.whole = Found(lookup.whole.who[first], lookup.whole.status[first])
        lookup.asked = lookup.asked[first]


def _keys(layer: Layer, side: Side, inventory: Inventory, vpcs: Words) -> Any:
    """Return the keys of each distinct address in its home (see `Keys.find`)."""
    homes = np.where(side.home >= 0, side.home, NOWHERE)
    codes = np.full(len(homes), -1, np.int64)
    for code in np.unique(homes[homes >= 0]).tolist():
        codes[homes == code] = inventory.vpc_code(vpcs.text(code))
    some = np.flatnonzero(codes >= 0)
    found = layer.find(codes[some], side.addresses.take(some))
    keys = np.full((len(found), len(homes)), -1)
    keys[:, some] = found
    return keys


def _ask(layer: Layer, keys: Any, which: Any, records: Records) -> Lookup:
    """Ask for each distinct address over all of the run, then where that is open."""
    size = keys.shape[1]
    begin, end = records.span
    whole = layer.at(keys, np.full(size, begin), np.full(size, end))
    asked = (whole.status != EXACT) & (whole.status != NOBODY)
    rows = np.flatnonzero(asked[which]) if asked.any() else np.zeros(0, np.int64)
    found = layer.at(keys[:, which[rows]], records.begin[rows], records.end[rows])
    return Lookup(which, whole, asked, rows, found)


def subnets_of(
    side: Side, inventory: Inventory, words: dict[str, Words]
) -> dict[str, Any]:
    """Return subnet, VPC, zone and account of each distinct address by its home."""
    size = len(side.home)
    found = {n: np.full(size, NONE, np.int32) for n in LOCATION}
    for code in np.unique(side.home[side.home >= 0]).tolist():
        mine = np.flatnonzero(side.home == code)
        vpc = inventory.places.of(words["vpc"].text(code) or "")
        found["vpc"][mine] = code
        found["account"][mine] = words["account"].code(vpc.account)
        place = which_network(
            side.addresses.take(mine), [s.networks for s in vpc.subnets]
        )
        for name, field_ in (("subnet", "id"), ("az", "az")):
            codes = [words[name].code(getattr(s, field_)) for s in vpc.subnets]
            found[name][mine] = np.array([*codes, NONE], np.int32)[place]
    return found
