"""The interface at the other side, where records tell it (version 11)."""

from __future__ import annotations

from typing import Any

import numpy as np

from transform.addresses import Addresses
from transform.codes import NONE, column_of
from transform.inventory import Inventory
from transform.records import EGRESS, INGRESS, Records
from transform.words import Words


def next_hops(records: Records, enis: Words, *, is_src: bool) -> Any:
    """Return the interface that a packet came from or went to, by row.

    It stands for the far side's address only where nothing changed that on its way: of
    what an interface sent, the destination's; of what it got, the source's.

    Args:
        records: The rows.
        enis: The words of interfaces.
        is_src: The source side, else the destination.

    Returns:
        Codes of ``enis``, ``NONE`` where it is not told; None: it nowhere is.

    Source:
        AWS VPC User Guide, "Flow log records": next-hop-interface-id.
    """
    if not records.has("next_hop_interface_id"):
        return None
    hop = enis.of(column_of(records.rows, "next_hop_interface_id"))
    shown = records.shown_src if is_src else records.shown_dst
    packet = records.src.codes if is_src else records.dst.codes
    far = records.direction == (INGRESS if is_src else EGRESS)
    far &= (shown == packet) | (shown == NONE)
    return np.where(far, hop, NONE) if (far & (hop >= 0)).any() else None


def homes_by_hop(hop: Any, addresses: Addresses, inventory: Inventory) -> Any:
    """Return the VPC of each address that its next hop is known to have had.

    A next hop that never had the address only passes packets on: it says nothing of
    where they end.

    Returns:
        Codes of the inventory's VPC words, ``NONE`` without proof.
    """
    known = (hop >= 0) & (hop < len(inventory.vpc_of_eni))
    eni = np.where(known, hop, NONE)
    vpc = np.append(inventory.vpc_of_eni, NONE)[eni]
    has_it = inventory.owned.has(eni, addresses) & (vpc >= 0)
    has_it &= inventory.interfaces.keys.has(vpc, addresses)
    return np.where(has_it, vpc, NONE)
