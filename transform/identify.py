"""Identity columns: what is known of one side of each record, and how it is known."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from transform.addresses import network
from transform.attribute import Side, fold, subnets_of
from transform.cases import Cases, moved_instance, outside_of_its_time
from transform.codes import NONE, Coded, column_of, last_seen
from transform.inventory import Inventory
from transform.known import (
    HOST_NETWORK,
    NO_IDENTITY,
    NODE_OR_SNAT,
    OUTSIDE,
    UNDECIDED,
    Known,
    either,
)
from transform.observers import Observers
from transform.places import NOWHERE, which_network
from transform.records import EGRESS, Records, numbers
from transform.words import Spread, Words

TO_VIRTUAL_PRIVATE_GATEWAY = 3  # `traffic_path`


class Identified:
    """One side of each record, identified; row by row only what is asked for.

    Args:
        columns: Of `flows`, without the side's prefix; wholly null ones left out.
        codes: Of each case, by name.
        case: Of each row, its case.
        home: Of each row, the VPC that the address lives in.
    """

    def __init__(
        self, columns: dict[str, Any], codes: dict[str, Any], case: Any, home: Any
    ) -> None:
        self.columns = columns
        self.home = home
        self._codes = codes
        self._case = case

    @cached_property
    def eni(self) -> Any:
        """Code of the ENI words."""
        return np.take(self._codes["eni"], self._case)

    @cached_property
    def subnet(self) -> Any:
        """Code of the subnet words."""
        return np.take(self._codes["subnet"], self._case)

    @cached_property
    def vpc(self) -> Any:
        """Code of the VPC words: where it is, a public address by its interface."""
        return np.take(self._codes["vpc"], self._case)

    @cached_property
    def forwards(self) -> Any:
        """Whether it passes on packets: code of that column's words."""
        return np.take(self._codes["forwards"], self._case)

    @cached_property
    def ours(self) -> Any:
        """``OURS``, ``OUTSIDE`` or ``UNDECIDED``; int8."""
        return np.take(self._codes["ours"], self._case)


def _homes(side: Side, learned: Any) -> Any:
    """Return where each row's address lives: a learned one, where it was seen."""
    home = np.take(side.home, side.which)
    if learned is None:
        return home
    return np.where((learned != NONE) & (home == NOWHERE), side.vpc[side.which], home)


def identify(
    side: Side,
    records: Records,
    inventory: Inventory,
    observer: Observers,
    words: dict[str, Words],
    *,
    learned: Any = None,
) -> Identified:
    """Say of one side of each record who it was.

    Args:
        side: As resolved, its own rows known.
        records: The rows.
        inventory: What is known.
        observer: The interfaces that recorded.
        words: The run's words.
        learned: Which recording interface has the address, see `transform.learned`;
            None: nothing was learned.
    """
    told = _told(side, records, inventory, words)
    fold(side, told.values())
    told = {n: codes[side.first] for n, codes in told.items()}
    instance = moved_instance(side, records, observer, words)
    outside = outside_of_its_time(side, records, inventory, observer)
    cases = Cases(side, records, learned, instance, outside)
    known = Known(side, cases, records, inventory, observer, learned)
    places = _places(side, inventory, words, told)
    pair = cases.of(side.which)
    codes = known.named()
    codes |= known.located(places, pair)
    kind, attribution, ours = known.judged(words, places, pair, codes["kind"])
    codes["kind"] = kind
    codes["aws_service"] = either(places["service"][pair], codes["aws_service"])
    codes["network"] = places["network"][pair]
    case = cases.case.astype(np.intp)
    spread = Spread(case)
    columns = {
        column: array
        for column, code in codes.items()
        if column != "forwards"
        and (array := words[column].array(code, spread)) is not None
    }
    groups = _security_groups(inventory, known.interface)
    if groups is not None:
        columns["security_groups"] = groups.take(pa.array(cases.case))
    columns["attribution"] = np.take(attribution, case)
    codes["ours"] = ours
    return Identified(columns, codes, case, _homes(side, learned))


def _told(
    side: Side,
    records: Records,
    inventory: Inventory,
    words: dict[str, Words],
) -> dict[str, Any]:
    """Return what records and the user's labels tell of each distinct address."""
    size = len(side.home)
    name = "src" if side.is_src else "dst"
    service = column_of(records.rows, f"pkt_{name}_aws_service")
    labels = list(inventory.networks.values())
    ranges = [[n] if (n := network(c)) else [] for c in inventory.networks]
    place = which_network(side.addresses, ranges)
    codes = [words["network"].code(label) for label in labels]
    premises = np.zeros(size, np.int8)
    if not side.is_src:
        path = numbers(records.rows, "traffic_path") == TO_VIRTUAL_PRIVATE_GATEWAY
        premises[side.which[path & (records.direction == EGRESS)]] = 1
    return {
        "service": words["aws_service"].of(
            Coded(last_seen(side.which, service.codes, size), service.words)
        ),
        "network": np.array([*codes, NONE], np.int32)[place],
        "premises": premises,
    }


def _places(
    side: Side, inventory: Inventory, words: dict[str, Words], told: dict[str, Any]
) -> dict[str, Any]:
    """Return what the address itself tells, for each distinct one."""
    found = subnets_of(side, inventory, words)
    found["service"], found["network"] = told["service"], told["network"]
    premises = told["premises"] > 0
    kinds = words["kind"].code
    cases = [found["network"] >= 0, found["service"] >= 0, side.is_global,
             premises & side.addresses.valid]  # fmt: skip
    names = [kinds(k) for k in ("network", "aws_service", "internet", "on_premises")]
    found["kind"] = np.select(
        cases, names, np.where(side.addresses.valid, kinds("unknown_private"), NONE)
    )
    is_known = np.logical_or.reduce(cases)
    found["attribution"] = np.where(is_known | ~side.addresses.valid, NONE, NO_IDENTITY)
    found["ours"] = np.where(is_known, OUTSIDE, UNDECIDED)
    return found


def _security_groups(inventory: Inventory, rows: Any) -> Any:
    """Return the groups of each case's interface at that time; None without any."""
    some = rows >= 0
    if not some.any():
        return None
    taken = inventory.security_groups.take(pa.array(rows, mask=~some))
    return None if taken.null_count == len(taken) else taken


def settle_nodes(sides: tuple[Identified, Identified]) -> None:
    """Say of node addresses whether a pod may be behind them: off its VPC it may.

    A pod's packets that leave the VPC carry its node's address; inside the VPC only
    the host's own network does.
    """
    homes = [side.home for side in sides]
    near = (homes[0] == homes[1]) & (homes[0] >= 0)
    for side in sides:
        attribution = side.columns["attribution"]
        away = (attribution == HOST_NETWORK) & ~near
        attribution[away] = NODE_OR_SNAT
