"""The interfaces that recorded: what records and the inventory say of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from transform.codes import (
    NONE,
    Coded,
    column_of,
    last_seen,
    nothing,
)
from transform.inventory import OF_ITS_TIME, Inventory
from transform.records import Records
from transform.tags import NAME, tagged
from transform.words import Index, Words

LOGGED = {"vpc": "vpc_id", "subnet": "subnet_id", "az": "az_id",
          "account": "account_id", "instance": "instance_id"}  # fmt: skip
# What only the record tells of its interface; the kinds by AWS's names for them.
TOLD = {"cluster": "ecs_cluster_name", "workload": "ecs_service_name",
        "task": "ecs_task_id", "kind": "interface_type"}  # fmt: skip
KINDS = {"network_load_balancer": "load_balancer",
         "regional_nat_gateway": "nat_gateway"}  # fmt: skip
SEVERAL_TOLD = "several instances"


@dataclass(slots=True)
class Observers:
    """The interfaces that recorded a run, and each one's facts as codes.

    Attributes:
        eni: For each word of the interface column, its code among the ENI words.
        identity: Some identity of that interface, -1 without one.
        facts: By column, codes for each word of the interface column.
        moved: Whether records tell of more than one instance that had it.
        names: The words of the interface column, and interfaces known besides.
    """

    eni: Any
    identity: Any
    facts: dict[str, Any]
    moved: Any
    names: list[str]


class Vocabulary:
    """The inventory's words by output column, made once for all runs."""

    def __init__(self, inventory: Inventory) -> None:
        self.indexes = {
            name: Index(column.words) for name, column in inventory.columns.items()
        }
        self.indexes["network"] = Index(pa.array([], pa.string()))

    def words(self) -> dict[str, Words]:
        """Return words that a run may add to."""
        return {name: Words(index) for name, index in self.indexes.items()}


def observers(
    records: Records,
    inventory: Inventory,
    words: dict[str, Words],
    places: pa.Table | None = None,
) -> Observers:
    """Gather what records and the inventory say of the recording interfaces.

    An interface's id, VPC, subnet and zone never change, so that these hold at any
    time; what a record says comes first.

    Args:
        records: The rows.
        inventory: What is known.
        words: The run's words.
        places: What other records told of interfaces (see `transform.facts`); its
            interfaces come after those of the rows.
    """
    interface = records.interface
    names = interface.words.to_pylist()
    told = {} if places is None else _told(places)
    names += [name for name in told if name not in set(names)]
    eni = np.array([words["eni"].code(text) for text in names], np.int32)
    known = eni < len(inventory.enis)
    identity = np.full(len(eni), -1, np.int64)
    identity[known] = inventory.enis[eni[known]]
    facts: dict[str, Any] = {}
    first = _first_rows(interface.codes, len(eni))
    for name, logged in LOGGED.items():
        column = column_of(records.rows, logged)
        found = column.take(first)
        if len(column.words) and (found[first >= 0] < 0).any():
            found = last_seen(interface.codes, column.codes, len(eni))
        found = words[name].of(Coded(found, column.words))
        others = [told.get(n, {}).get(logged) for n in names]
        more = np.array([words[name].code(text) for text in others], np.int32)
        facts[name] = np.where(more >= 0, more, found)
        if name not in OF_ITS_TIME:
            by_inventory = inventory.columns[name].take(identity)
            facts[name] = np.where(facts[name] >= 0, facts[name], by_inventory)
    moved = _moved(records, told, names)
    facts["instance"] = np.where(moved, NONE, facts["instance"])
    for name, column in _told_alone(records, inventory).items():
        found = last_seen(interface.codes, column.codes, len(eni))
        kept = words["name" if name in ("task", "tag") else name]
        facts[f"told_{name}"] = kept.of(Coded(found, column.words))
    return Observers(eni, identity, facts, moved, names)


def _moved(records: Records, told: dict[str, dict[str, str]], names: list[str]) -> Any:
    """Return which interfaces records show at more than one instance."""
    interface, instance = records.interface.codes, records.instance.codes
    moved = np.array([SEVERAL_TOLD in told.get(name, {}) for name in names], bool)
    last = np.append(last_seen(interface, instance, len(names)), NONE)
    other = (interface >= 0) & (instance >= 0) & (np.take(last, interface) != instance)
    moved[interface[other]] = True
    return moved


def _told_alone(records: Records, inventory: Inventory) -> dict[str, Coded]:
    """Return what only records tell of their interface: ECS tasks, tags, its kind."""
    rows = records.rows
    found = {name: column_of(rows, logged) for name, logged in TOLD.items()}
    kinds = [KINDS.get(w or "", w) for w in found["kind"].words.to_pylist()]
    found["kind"] = Coded(found["kind"].codes, pa.array(kinds, pa.string()))
    nobody = nothing(rows.num_rows)
    logs = inventory.documents.get("flow_log", ())
    found["tag"] = tagged(rows, logs, NAME) or nobody
    key = inventory.owner_key
    found["owner"] = (tagged(rows, logs, key) if key else None) or nobody
    return found


def _first_rows(keys: Any, size: int) -> Any:
    """Return one row of each key, -1 for a key without a row."""
    rows = np.full(size + 1, -1, np.int64)
    rows[keys] = np.arange(len(keys))
    return rows[:size]


def _told(places: pa.Table) -> dict[str, dict[str, str]]:
    """Return what was told of each interface; of several values the least."""
    found: dict[str, dict[str, str]] = {}
    for row in places.to_pylist():
        name = row.pop("interface_id")
        if name is None:
            continue
        facts = found.setdefault(name, {})
        for key, value in row.items():
            if value is None:
                continue
            if key == LOGGED["instance"] and facts.get(key, value) != value:
                facts[SEVERAL_TOLD] = value
            facts[key] = min(value, facts.get(key, value))
    return found


def by_row(observers_: Observers, name: str, interface_codes: Any) -> Any:
    """Return a fact of each row's observer, ``NONE`` without one."""
    return np.take(np.append(observers_.facts[name], np.int32(NONE)), interface_codes)
