"""From logged columns to all columns: identities of both sides, and the judgement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from transform.addresses import parse
from transform.attribute import Side, resolve
from transform.codes import NONE, column_of
from transform.identify import Identified, identify, settle_nodes
from transform.inventory import Inventory
from transform.known import ATTRIBUTIONS, NAT
from transform.learned import learn, learn_directions
from transform.observers import Observers, Vocabulary, by_row, observers
from transform.own import own_side
from transform.records import (
    EGRESS,
    INGRESS,
    UNKNOWN,
    Records,
    is_blind,
    is_text,
    read_records,
)
from transform.words import Words, column_of_codes


@dataclass(frozen=True, slots=True)
class Taught:
    """What all records of a time tell of interfaces and addresses.

    Attributes:
        places, shown, claims: See `transform.facts.Facts`; claims are None while they
            are being gathered.
    """

    places: pa.Table
    shown: pa.Table
    claims: pa.Table | None = None


@dataclass(slots=True)
class Attributed:
    """Rows with both sides identified.

    Attributes:
        vpc: Of each row, the VPC that it was recorded in; code of the VPC words.
        direction: ``INGRESS``, ``EGRESS`` or ``UNKNOWN``, logged or found; int8.
        own_src, own_dst: Where the address is the recording interface's own.
        is_nat: Recorded at a NAT gateway.
        is_regional: Recorded at a regional one, which has no interface.
        is_transit: Recorded where others' packets pass.
        is_blind: Logged without the packet's addresses.
        is_global_src, is_global_dst: Whose address is of the internet at large.
        observer: The interfaces that recorded.
    """

    records: Records
    words: dict[str, Words]
    observer: Observers
    src: Identified
    dst: Identified
    vpc: Any
    direction: Any
    own_src: Any
    own_dst: Any
    is_nat: Any
    is_regional: Any
    is_transit: Any
    is_blind: Any
    is_global_src: Any
    is_global_dst: Any

    def columns(self) -> dict[str, Any]:
        """Return the identity columns of `flows`; wholly null ones are left out."""
        found: dict[str, Any] = {}
        for name, side in (("src", self.src), ("dst", self.dst)):
            for column, array in side.columns.items():
                if column == "attribution":
                    array = column_of_codes(array, ATTRIBUTIONS)
                if array is not None:
                    found[f"{name}_{column}"] = array
        return found


class Attributor:
    """Attributes rows by an inventory; safe to share between threads.

    Args:
        inventory: What is known.
    """

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self._vocabulary = Vocabulary(inventory)

    def __call__(self, rows: pa.Table, taught: Taught | None = None) -> Attributed:
        """Identify both sides of each row.

        Args:
            rows: Of `flows`, in ``batch_schema``'s types.
            taught: What all records of their time tell.
        """
        inventory = self.inventory
        records = read_records(rows)
        words = self._vocabulary.words()
        places = None if taught is None else taught.places
        seen_by = observers(records, inventory, words, places)
        told = words["vpc"].of(records.vpc)
        vpc = np.where(told >= 0, told, by_row(seen_by, "vpc", records.interface.codes))
        records.direction = _direction(records, inventory, seen_by)
        if taught is not None:
            records.direction = learn_directions(records, taught.shown)
        sides = [
            resolve(records, inventory, vpc, words, is_src=is_src)
            for is_src in (True, False)
        ]
        for side in sides:
            side.own, side.proved = own_side(
                side, records, inventory, seen_by, words["vpc"]
            )
        learned: tuple[Any, Any] = (None, None)
        if taught is not None and taught.claims is not None:
            pair = sides[0], sides[1]
            learned = learn(pair, records, taught.claims, seen_by, words["vpc"])
        identified = [
            identify(side, records, inventory, seen_by, words, learned=known)
            for side, known in zip(sides, learned, strict=True)
        ]
        settle_nodes((identified[0], identified[1]))
        return _attributed(records, words, seen_by, inventory, sides, identified, vpc)


def _direction(records: Records, inventory: Inventory, seen_by: Observers) -> Any:
    """Complete the logged direction: whose of the shown addresses is the observer's."""
    direction = records.direction
    rows = np.flatnonzero((direction == UNKNOWN) & (records.interface.codes >= 0))
    if len(rows) == 0 or len(inventory.owned) == 0:
        return direction
    eni = seen_by.eni[records.interface.codes[rows]]
    owns = []
    for name in ("srcaddr", "dstaddr"):
        column = column_of(records.rows, name)
        words = pa.concat_arrays([column.words, pa.nulls(1, column.words.type)])
        addresses = parse(words)
        owns.append(inventory.owned.has(eni, addresses.take(column.codes[rows])))
    direction = direction.copy()
    direction[rows[owns[0] & ~owns[1]]] = EGRESS
    direction[rows[owns[1] & ~owns[0]]] = INGRESS
    return direction


def _attributed(
    records: Records,
    words: dict[str, Words],
    seen_by: Observers,
    inventory: Inventory,
    sides: list[Side],
    identified: list[Identified],
    vpc: Any,
) -> Attributed:
    forwards = inventory.columns["forwards"].take(np.append(seen_by.identity, -1))
    forwards = np.take(forwards, records.interface.codes)
    size = len(records)
    regional = np.zeros(size, dtype=bool)
    if records.has("resource_id"):
        has_resource = column_of(records.rows, "resource_id").codes >= 0
        regional = (records.interface.codes == NONE) & has_resource
    nat = regional | (forwards == inventory.columns["forwards"].code_of(NAT))
    nat &= (forwards >= 0) | regional
    transit = forwards >= 0
    if records.has("interface_type"):
        nat |= is_text(records.rows, "interface_type", "nat_gateway")
        transit |= is_text(records.rows, "interface_type", "transit_gateway")
    return Attributed(
        records=records,
        words=words,
        observer=seen_by,
        src=identified[0],
        dst=identified[1],
        vpc=vpc,
        direction=records.direction,
        own_src=sides[0].own,
        own_dst=sides[1].own,
        is_nat=nat,
        is_regional=regional,
        is_transit=transit & ~nat,
        is_blind=is_blind(records.rows),
        is_global_src=np.take(sides[0].is_global, sides[0].which),
        is_global_dst=np.take(sides[1].is_global, sides[1].which),
    )
