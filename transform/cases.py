"""The distinct cases of one side: what its identity columns depend on, and no more."""

from __future__ import annotations

from typing import Any

import numpy as np

from transform.attribute import Side
from transform.codes import NONE, distinct, kept
from transform.inventory import Inventory
from transform.observers import Observers
from transform.presence import EVER, NEVER
from transform.records import Records
from transform.words import Words


class Cases:
    """The distinct cases of one side: all that its identity columns depend on.

    Attributes:
        first: One row of each case.
        case: Of each row, its case.
        instance: Of each case, what its records say where its interface had several.
        outside: Whether its time is one at which the interface was not known at all.
        proved: See `Side`.
    """

    def __init__(
        self, side: Side, records: Records, learned: Any, instance: Any, outside: Any
    ) -> None:
        asked = np.zeros(len(side.home), dtype=bool)
        for lookup in side.layers.values():
            asked |= lookup.asked
        code = np.zeros(len(records), np.int64)
        rows = np.flatnonzero(asked[side.which]) if asked.any() else ()
        if len(rows):
            parts = [p for layer in side.layers.values() for p in layer.at(rows)]
            code[rows] = distinct(*parts)[1] + 1
        self.own = kept(side.own, records.interface.codes)
        told = [part for part in (learned, instance, outside) if part is not None]
        proved = side.proved.view(np.int8)
        self.first, self.case = distinct(side.which, self.own, proved, code, *told)
        self.proved = self.of(side.proved)
        nothing = np.full(len(self.first), NONE)
        self.instance = nothing if instance is None else self.of(instance)
        self.outside = (nothing if outside is None else self.of(outside)) > 0

    def of(self, rows: Any) -> Any:
        """Return a row's property for each case."""
        return rows[self.first]

    def ask(self, side: Side, layer: str) -> tuple[Any, Any]:
        """Return what a layer says of each case: who, and the status."""
        return side.layers[layer].at(self.first)


def moved_instance(
    side: Side, records: Records, observer: Observers, words: dict[str, Words]
) -> Any:
    """Return each own row's instance where its interface had several; None: nowhere."""
    interface = records.interface.codes
    if not observer.moved.any():
        return None
    moved = side.own & np.take(np.append(observer.moved, False), interface)
    return kept(moved, words["instance"].of(records.instance)) if moved.any() else None


def outside_of_its_time(
    side: Side, records: Records, inventory: Inventory, observer: Observers
) -> Any:
    """Return which own rows are of a time when no identity of their interface can be.

    None: no row is.
    """
    eni = inventory.columns["eni"].take(observer.identity)
    begin = np.append(inventory.enis_from, NEVER)[eni]
    end = np.append(inventory.enis_until, EVER)[eni]
    if len(records) == 0 or (
        begin.max(initial=NEVER) <= records.begin.min()
        and records.end.max() <= end.min(initial=EVER)
    ):
        return None
    mine = records.interface.codes
    begin, end = np.append(begin, NEVER)[mine], np.append(end, EVER)[mine]
    found = side.own & ((records.begin < begin) | (records.end > end))
    return found.astype(np.int8) if found.any() else None
