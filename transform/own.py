"""Which addresses are the recording interface's own, and of which that is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from transform.attribute import Side
from transform.codes import NONE, distinct
from transform.inventory import Inventory
from transform.observers import Observers
from transform.places import NOWHERE
from transform.records import EGRESS, INGRESS, Records
from transform.words import Words


def own_side(
    side: Side,
    records: Records,
    inventory: Inventory,
    observer: Observers,
    vpcs: Words,
) -> tuple[Any, Any]:
    """Return which rows' address on this side is the recording interface's own.

    On egress that is the source unless the interface passes on what others sent; an
    address other than the one shown beside it belongs to the interface (a secondary
    address, a pod) unless something says that it does not.

    Args:
        side: As resolved.
        records: The rows.
        inventory: What is known.
        observer: The interfaces that recorded.
        vpcs: The run's VPC words.

    Returns:
        Whether it is its own; whether that is proved, which it is too where it is not.
    """
    interface = records.interface.codes
    wanted = EGRESS if side.is_src else INGRESS
    shown = records.shown_src if side.is_src else records.shown_dst
    packet = records.src.codes if side.is_src else records.dst.codes
    own = (records.direction == wanted) & (interface >= 0) & (packet >= 0)
    proved = np.ones(len(records), dtype=bool)
    open_ = np.flatnonzero(own & (shown != packet) & (shown != NONE))
    if len(open_):
        first, which = _alike(side, records, open_)
        some = open_[first]
        had = _listed(side, inventory, observer, interface[some], some)
        had |= _has_pod(side, records, inventory, observer, some)
        foreign = _is_foreign(side, records, inventory, observer, some)
        foreign |= ~had & _may_be_passed_on(
            side, inventory, observer, vpcs, interface[some], some
        )
        own[open_] = np.take(~foreign, which)
        proved[open_] = np.take(had | foreign, which)
    return own, proved


def _alike(side: Side, records: Records, rows: Any) -> tuple[Any, Any]:
    """Return one row of those of which all is alike that is asked here; see `distinct`.

    An address with more than one holder is asked row by row.
    """
    pair = side.which[rows]
    apart = side.layers["pods"].asked[pair] | side.layers["interfaces"].asked[pair]
    alone = np.where(apart, np.arange(len(rows)), NONE) if apart.any() else None
    named = records.instance.codes[rows] < 0
    parts = (named, pair, records.interface.codes[rows])
    return distinct(*parts, *(() if alone is None else (alone,)))


def _listed(
    side: Side, inventory: Inventory, observer: Observers, interface: Any, rows: Any
) -> Any:
    """Return of which rows' addresses any listing says that the observer had it."""
    addresses = side.addresses.take(side.which[rows])
    return inventory.owned.has(observer.eni[interface], addresses)


def _has_pod(
    side: Side, records: Records, inventory: Inventory, observer: Observers, rows: Any
) -> Any:
    """Return of which rows' addresses a pod on the observer's instance has it."""
    interface = records.interface.codes[rows]
    eni, instance = observer.eni[interface], observer.facts["instance"][interface]
    pod, _ = side.layers["pods"].at(rows)
    its_instance = inventory.columns["instance"].take(pod)
    its_eni = inventory.columns["eni"].take(pod)
    found = (its_instance >= 0) & (its_instance == instance)
    return found | ((its_eni >= 0) & (its_eni == eni))


def _is_foreign(
    side: Side, records: Records, inventory: Inventory, observer: Observers, rows: Any
) -> Any:
    """Return which of some rows' addresses on this side cannot be the observer's."""
    interface = records.interface.codes[rows]
    identity = observer.identity[interface]
    pair = side.which[rows]
    home, vpc = np.take(side.home, pair), np.take(side.vpc, pair)
    who, _ = side.layers["interfaces"].at(rows)
    eni = inventory.columns["eni"].take(who)
    foreign = inventory.columns["forwards"].take(identity) >= 0
    foreign |= (home != vpc) & ((home != NOWHERE) | np.take(side.is_global, pair))
    foreign |= (eni >= 0) & (eni != observer.eni[interface])
    if records.has("instance_id"):  # requester-managed interfaces have no instance
        foreign |= (records.instance.codes[rows] < 0) & (identity < 0)
    return foreign


def _may_be_passed_on(
    side: Side,
    inventory: Inventory,
    observer: Observers,
    vpcs: Words,
    interface: Any,
    rows: Any,
) -> Any:
    """Return which rows' addresses are others' if the observer never had them.

    Those outside of its VPC's ranges are, and all of an interface that AWS lets pass
    on what it has no address for: a router, a firewall, a VPN server.
    """
    pair = side.which[rows]
    bounded = [
        code
        for code in np.unique(side.vpc).tolist()
        if inventory.places.of(vpcs.text(code) or "").networks
    ]
    outside = np.isin(side.vpc[pair], bounded) & (side.home[pair] == NOWHERE)
    eni = inventory.columns["eni"].take(observer.identity[interface])
    return outside | np.append(inventory.unchecked, False)[eni]
