"""Identity columns: what is known of one side of each record, and how it is known."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from transform.addresses import network
from transform.attribute import LOCATION, Observers, Side, fold, subnets_of
from transform.codes import NONE, Coded, column_of, distinct, last_seen
from transform.inventory import OF_ITS_TIME, Inventory
from transform.learned import SEVERAL_CLAIM
from transform.places import NOWHERE, SEVERAL, which_network
from transform.presence import EVER, NEVER
from transform.records import EGRESS, Records, numbers
from transform.timeline import AMBIGUOUS, NOT_COVERED
from transform.words import Spread, Words

# How an identity is known, or why it is not; `attribution`'s values.
ATTRIBUTIONS = (
    "exact", "learned", "ambiguous", "no_identity", "not_covered", "node_or_snat",
    "host_network", "no_pkt_addr",
)  # fmt: skip
(BY_EXACT, BY_LEARNING, IS_AMBIGUOUS, NO_IDENTITY, IS_NOT_COVERED, NODE_OR_SNAT,
 HOST_NETWORK, NO_PKT_ADDR) = range(8)  # fmt: skip
TO_VIRTUAL_PRIVATE_GATEWAY = 3  # `traffic_path`

OURS, OUTSIDE, UNDECIDED = 1, 0, -1


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
    def forwards(self) -> Any:
        """Whether it passes on packets: code of that column's words."""
        return np.take(self._codes["forwards"], self._case)

    @cached_property
    def ours(self) -> Any:
        """``OURS``, ``OUTSIDE`` or ``UNDECIDED``; int8."""
        return np.take(self._codes["ours"], self._case)


def _homes(side: Side, learned: Any) -> Any:
    """Return where each row's address lives: a learned one, where it was seen."""
    home = side.home[side.which]
    if learned is None:
        return home
    return np.where((learned != NONE) & (home == NOWHERE), side.vpc[side.which], home)


class Cases:
    """The distinct cases of one side: all that its identity columns depend on.

    Attributes:
        first: One row of each case.
        case: Of each row, its case.
        instance: Of each case, what its records say where its interface had several.
        outside: Whether its time is one at which the interface was not known at all.
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
        self.own = np.where(side.own, records.interface.codes, NONE)
        told = [part for part in (learned, instance, outside) if part is not None]
        self.first, self.case = distinct(side.which, self.own, code, *told)
        nothing = np.full(len(records), NONE)
        self.instance = self.of(nothing if instance is None else instance)
        self.outside = self.of(nothing if outside is None else outside) > 0

    def of(self, rows: Any) -> Any:
        """Return a row's property for each case."""
        return rows[self.first]

    def ask(self, side: Side, layer: str) -> tuple[Any, Any]:
        """Return what a layer says of each case: who, and the status."""
        return side.layers[layer].at(self.first)


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
    instance = _moved_instance(side, records, observer, words)
    outside = _outside(side, records, inventory, observer)
    cases = Cases(side, records, learned, instance, outside)
    known = _Known(side, cases, records, inventory, observer, learned)
    places = _places(side, inventory, words, told)
    pair = cases.of(side.which)
    codes = known.named()
    codes |= known.located(places, pair)
    kind, attribution, ours = known.judged(words, places, pair, codes["kind"])
    codes["kind"] = kind
    codes["aws_service"] = _either(places["service"][pair], codes["aws_service"])
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


class _Known:
    """What each case's identities are; all arrays have one element a case."""

    def __init__(
        self,
        side: Side,
        cases: Cases,
        records: Records,
        inventory: Inventory,
        observer: Observers,
        learned: Any,
    ) -> None:
        self._inventory = inventory
        own = cases.of(cases.own)
        self.interface, self._interface_status = cases.ask(side, "interfaces")
        self.pod, self._pod_status = cases.ask(side, "pods")
        self.own = own >= 0
        self.learned = np.full(len(own), NONE)
        if learned is not None:
            self.learned = cases.of(learned)
            free = ~self.own & (self.interface < 0)
            own = np.where(free & (self.learned >= 0), self.learned, own)
        self.observer = {
            name: np.append(codes, np.int32(NONE))[own]
            for name, codes in observer.facts.items()
        }
        self.observer["eni"] = np.append(observer.eni, np.int32(NONE))[own]
        self.observer["instance"] = _either(cases.instance, self.observer["instance"])
        self._owner = np.append(observer.identity, -1)[own]
        self._lent = (self.interface < 0) & (self._owner >= 0)
        self._outside = cases.outside
        self._is_learned = ~self.own & (own >= 0)
        shown = records.shown_src if side.is_src else records.shown_dst
        packet = records.src.codes if side.is_src else records.dst.codes
        shown, packet = cases.of(shown), cases.of(packet)
        self._shown = (shown == packet) | (shown == NONE)
        self._unseen = cases.of(_packet_addresses(records, side)) < 0
        self._refuse_contradictions()
        self.node = np.where(self.pod >= 0, -1, cases.ask(side, "nodes")[0])
        self._home = side.home[cases.of(side.which)]
        public = cases.ask(side, "publics")[0]
        open_ = (self._pod_status == AMBIGUOUS) | (self._pod_status == NOT_COVERED)
        self._status = np.where(open_, self._pod_status, self._interface_status)
        # What the address is beside a pod: of the interface that has it, of the one
        # that recorded it as its own, or by its public address.
        beside = np.where(self.interface >= 0, self.interface, self._owner)
        self.base = np.where(beside >= 0, beside, public)

    def _refuse_contradictions(self) -> None:
        """Name no pod that the interface's own instance or id speaks against."""
        pod_instance = self._of("instance", self.pod)
        pod_eni = self._of("eni", self.pod)
        instance = self._of("instance", self.interface)
        lent = _either(self.observer["instance"], self._lends("instance"))
        instance = np.where(self.own, _either(lent, instance), instance)
        eni = np.where(self.own, self.observer["eni"], self._of("eni", self.interface))
        wrong = (pod_instance >= 0) & (instance >= 0) & (pod_instance != instance)
        wrong |= (pod_eni >= 0) & (eni >= 0) & (pod_eni != eni)
        wrong &= self.pod >= 0
        self._contradicted = wrong
        self.pod = np.where(wrong, -1, self.pod)
        self._pod_status = np.where(wrong, AMBIGUOUS, self._pod_status)

    def _of(self, name: str, rows: Any) -> Any:
        return self._inventory.columns[name].take(rows)

    def _lends(self, name: str) -> Any:
        """Return what the interface that recorded lends of itself.

        What may be another at another time it lends only if it never was, as far as
        is known, and the interface can have been there.
        """
        codes = np.where(self._lent, self._of(name, self._owner), NONE)
        if name not in OF_ITS_TIME:
            return codes
        eni = self._inventory.columns["eni"].take(self._owner)
        passing = np.append(self._inventory.passing[name], False)[eni]
        return np.where(passing | self._outside, NONE, codes)

    def _beside(self, name: str) -> Any:
        """Return what is known of the address beside a pod or a node."""
        return np.where(self._lent, self._lends(name), self._of(name, self.base))

    def named(self) -> dict[str, Any]:
        """Return the codes of what identities alone tell."""
        names = np.where(self.pod >= 0, self.pod, self.node)
        found = {
            n: _either(self._of(n, names), self._beside(n))
            for n in ("cluster", "owner", "name")
        }
        for n in ("namespace", "workload", "pod", "node", "k8s_service"):
            sole = np.where(self._hosts(), NONE, self._beside(n))
            found[n] = _either(self._of(n, names), sole)
        alone = names < 0  # what the record tells is of the interface, not of a pod
        for n in ("cluster", "owner", "workload"):
            told = np.where(alone, self.observer[f"told_{n}"], NONE)
            found[n] = _either(found[n], told)
        called = _either(self.observer["told_task"], self.observer["told_tag"])
        found["name"] = _either(found["name"], np.where(alone, called, NONE))
        found["kind"] = self._of("kind", self.base)
        found["aws_service"] = self._of("aws_service", self.base)
        found["forwards"] = self._of("forwards", self.base)
        instance = _either(self.observer["instance"], self._of("instance", names))
        found["instance"] = _either(instance, self._beside("instance"))
        eni = _either(self.observer["eni"], self._of("eni", self.base))
        found["eni"] = _either(eni, self._of("eni", self.pod))
        return found

    def _hosts(self) -> Any:
        lends_nothing = self._lent & self._outside
        return self._inventory.can_host_pods(self.base) & ~lends_nothing

    def located(self, places: dict[str, Any], pair: Any) -> dict[str, Any]:
        """Return the codes of where the address was."""
        return {
            n: _either(
                _either(self.observer[n], self._of(n, self.base)), places[n][pair]
            )
            for n in LOCATION
        }

    def judged(
        self, words: dict[str, Words], places: dict[str, Any], pair: Any, kind: Any
    ) -> tuple[Any, Any, Any]:
        """Return the kind, how it is known, and whether the address is ours."""
        kinds = words["kind"].code
        hosts, known = self._hosts(), self.base >= 0
        primary = np.where(
            self.interface >= 0,
            self._inventory.is_primary(self.interface),
            (self.own & self._shown) | self._is_learned,
        )
        is_pod = self.pod >= 0
        is_node = ~is_pod & ((self.node >= 0) | (known & hosts & primary))
        is_node &= ~self._contradicted
        unnamed = known & (hosts | self._contradicted) & ~is_pod & ~is_node
        learned = self.own & ~known & self._shown | self._is_learned & ~known
        learned &= ~is_pod & ~is_node
        blind = self.own & self._unseen & ~is_pod & (~known | hosts)
        ours = self.own | known | is_pod | is_node | (self._home != NOWHERE)
        ours |= self.learned != NONE
        outside = ~ours
        is_task = self.own & (self.observer["told_task"] >= 0) & ~is_pod
        kind = np.select(
            [is_pod, is_task, is_node, unnamed, learned, known, outside],
            [kinds("pod"), kinds("ecs_task"), kinds("node"), NONE,
             self._learned_kind(words), kind, places["kind"][pair]],
            NONE,
        ).astype(np.int32)  # fmt: skip
        why = np.select(
            [self._status == AMBIGUOUS, self._home == SEVERAL,
             self.learned == SEVERAL_CLAIM, self._status == NOT_COVERED],
            [IS_AMBIGUOUS, IS_AMBIGUOUS, IS_AMBIGUOUS, IS_NOT_COVERED],
            NO_IDENTITY,
        )  # fmt: skip
        attribution = np.select(
            [is_pod, is_task, blind, is_node, unnamed,
             learned | self._is_learned | (self._lent & self._outside), known, outside],
            [BY_EXACT, BY_EXACT, NO_PKT_ADDR, HOST_NETWORK, why, BY_LEARNING, BY_EXACT,
             places["attribution"][pair]],
            why,
        ).astype(np.int8)  # fmt: skip
        side = np.where(ours, OURS, places["ours"][pair]).astype(np.int8)
        return kind, attribution, side

    def _learned_kind(self, words: dict[str, Words]) -> Any:
        kinds = words["kind"].code
        plain = np.where(
            self.observer["instance"] >= 0,
            kinds("instance"),
            kinds("network_interface"),
        )
        return _either(self.observer["told_kind"], plain)


def _moved_instance(
    side: Side, records: Records, observer: Observers, words: dict[str, Words]
) -> Any:
    """Return each own row's instance where its interface had several; None: nowhere."""
    interface = records.interface.codes
    moved = side.own & np.append(observer.moved, False)[interface]
    if not moved.any():
        return None
    return np.where(moved, words["instance"].of(records.instance), NONE)


def _outside(
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


def _either(first: Any, second: Any) -> Any:
    return np.where(first >= 0, first, second)


def _packet_addresses(records: Records, side: Side) -> Any:
    """Return codes of the packet's address as logged on this side; -1: it was not."""
    name = "pkt_srcaddr" if side.is_src else "pkt_dstaddr"
    return column_of(records.rows, name).codes


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
