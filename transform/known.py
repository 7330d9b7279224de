"""What is known of each case of one side: its identities, and how they are known."""

from __future__ import annotations

from typing import Any

import numpy as np

from transform.attribute import LOCATION, Side
from transform.cases import Cases
from transform.codes import NONE, column_of
from transform.inventory import OF_ITS_TIME, Inventory
from transform.learned import SEVERAL_CLAIM
from transform.observers import Observers
from transform.places import NOWHERE, SEVERAL
from transform.records import Records
from transform.timeline import AMBIGUOUS, NOT_COVERED
from transform.words import Words

# How an identity is known, or why it is not; `attribution`'s values.
ATTRIBUTIONS = (
    "exact", "learned", "ambiguous", "no_identity", "not_covered", "node_or_snat",
    "host_network", "no_pkt_addr",
)  # fmt: skip
(BY_EXACT, BY_LEARNING, IS_AMBIGUOUS, NO_IDENTITY, IS_NOT_COVERED, NODE_OR_SNAT,
 HOST_NETWORK, NO_PKT_ADDR) = range(8)  # fmt: skip

OURS, OUTSIDE, UNDECIDED = 1, 0, -1
NAT = "nat"  # what a NAT gateway's interface does with packets: a word of `forwards`
# Kinds of interfaces that may be a pod's: of a node, of a branch, of Fargate.
PODS_MAY_HAVE = ("instance", "network_interface")


class Known:
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
        self.observer["instance"] = either(cases.instance, self.observer["instance"])
        self._owner = np.append(observer.identity, -1)[own]
        self._lent = (self.interface < 0) & (self._owner >= 0)
        self._outside = cases.outside
        self._is_learned = ~self.own & (own >= 0)
        shown = records.shown_src if side.is_src else records.shown_dst
        packet = records.src.codes if side.is_src else records.dst.codes
        shown, packet = cases.of(shown), cases.of(packet)
        self._shown = (shown == packet) | (shown == NONE)
        self._unseen = cases.of(_packet_addresses(records, side)) < 0
        self.node = cases.ask(side, "nodes")[0]
        self._refuse_contradictions()
        self.node = np.where((self.pod >= 0) | self._contradicted, -1, self.node)
        self._unproved = self.own & ~cases.proved
        self._withhold_unproved()
        self._home = side.home[cases.of(side.which)]
        public, public_status = cases.ask(side, "publics")
        pods, interfaces = self._pod_status, self._interface_status
        self._status = np.where(_is_open(pods), pods, interfaces)
        # What the address is beside a pod: of the interface that has it, of the one
        # that recorded it as its own, or by its public address.
        beside = np.where(self.interface >= 0, self.interface, self._owner)
        self.base = np.where(beside >= 0, beside, public)
        told = (self.base >= 0) | (self.pod >= 0) | (self._home != NOWHERE)
        told |= self.own | self._is_learned
        self._open_public = _is_open(public_status) & ~told
        self._status = np.where(self._open_public, public_status, self._status)
        self._tell_apart()

    def _refuse_contradictions(self) -> None:
        """Name none whom the interface's own instance, id or kind speaks against."""
        pod_instance = self._of("instance", self.pod)
        pod_eni = self._of("eni", self.pod)
        instance = self._of("instance", self.interface)
        lent = either(self.observer["instance"], self._lends("instance"))
        instance = np.where(self.own, either(lent, instance), instance)
        eni = np.where(self.own, self.observer["eni"], self._of("eni", self.interface))
        wrong = (pod_instance >= 0) & (instance >= 0) & (pod_instance != instance)
        wrong |= (pod_eni >= 0) & (eni >= 0) & (pod_eni != eni)
        wrong &= self.pod >= 0
        wrong |= self._is_of_another_kind() & ((self.pod >= 0) | (self.node >= 0))
        self._contradicted = wrong
        self.pod = np.where(wrong, -1, self.pod)
        self._pod_status = np.where(wrong, AMBIGUOUS, self._pod_status)

    def _tell_apart(self) -> None:
        """Say who is a task, who a node, and what of an interface is nobody's name.

        On one that can have pods an address that is neither is some pod's.
        """
        known, hosts = self.base >= 0, self._hosts()
        is_pod = self.pod >= 0
        self._is_task = self.own & (self.observer["told_task"] >= 0) & ~is_pod
        primary = np.where(
            self.interface >= 0,
            self._inventory.is_primary(self.interface),
            (self.own & self._shown) | self._is_learned,
        )
        # A pod's branch interface carries the instance too, but is not attached to it.
        kind = self._of("kind", self.base)
        attached = kind == self._inventory.columns["kind"].code_of("instance")
        by_place = hosts & primary & attached & (kind >= 0)
        self._is_node = ~is_pod & ((self.node >= 0) | by_place) & ~self._contradicted
        unnamed = known & (hosts | self._contradicted | self._unproved)
        self._is_unnamed = unnamed & ~is_pod & ~self._is_task & ~self._is_node

    def _is_of_another_kind(self) -> Any:
        """Return where AWS lists an interface that is no instance's, nor any pod's."""
        kinds = self._inventory.columns["kind"]
        may = [kinds.code_of(kind) for kind in PODS_MAY_HAVE]
        found = (self.interface >= 0) & (self._of("instance", self.interface) < 0)
        return found & ~np.isin(self._of("kind", self.interface), [NONE, *may])

    def _withhold_unproved(self) -> None:
        """Lend what may not be the interface's own its place, and no name of its."""
        for name, codes in self.observer.items():
            if name.startswith("told_"):
                self.observer[name] = np.where(self._unproved, NONE, codes)

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
        found = {}
        for n in ("cluster", "owner"):
            beside = np.where(self._contradicted, NONE, self._beside(n))
            found[n] = either(self._of(n, names), beside)
        name = np.where(self._is_unnamed, NONE, self._beside("name"))
        found["name"] = either(self._of("name", names), name)
        withheld = self._is_unnamed | self._hosts()
        for n in ("namespace", "workload", "pod", "node", "k8s_service"):
            sole = np.where(withheld, NONE, self._beside(n))
            found[n] = either(self._of(n, names), sole)
        # What the record tells is of the interface, not of a pod; a task it proves.
        alone = (names < 0) & (~self._contradicted | self._is_task)
        for n in ("cluster", "owner", "workload"):
            told = np.where(alone, self.observer[f"told_{n}"], NONE)
            found[n] = either(found[n], told)
        called = either(self.observer["told_task"], self.observer["told_tag"])
        alone &= ~self._is_unnamed
        found["name"] = either(found["name"], np.where(alone, called, NONE))
        found["kind"] = self._of("kind", self.base)
        sure = np.where(self._contradicted, -1, self.base)
        found["aws_service"] = self._of("aws_service", sure)
        found["forwards"] = self._of("forwards", self.base)
        instance = either(self.observer["instance"], self._of("instance", names))
        found["instance"] = either(instance, self._beside("instance"))
        found["eni"] = self._eni()
        return found

    def _eni(self) -> Any:
        eni = either(self.observer["eni"], self._of("eni", self.base))
        return either(eni, self._of("eni", self.pod))

    def _hosts(self) -> Any:
        lends_nothing = self._lent & self._outside
        return self._inventory.can_host_pods(self.base) & ~lends_nothing

    def located(self, places: dict[str, Any], pair: Any) -> dict[str, Any]:
        """Return the codes of where the address was, a public one: its interface."""
        found = {
            n: either(either(self.observer[n], self._of(n, self.base)), places[n][pair])
            for n in LOCATION
        }
        vpcs, eni = self._inventory.vpc_of_eni, self._eni()
        known = np.where(eni < len(vpcs), eni, NONE)
        found["vpc"] = either(found["vpc"], np.append(vpcs, NONE)[known])
        return found

    def judged(
        self, words: dict[str, Words], places: dict[str, Any], pair: Any, kind: Any
    ) -> tuple[Any, Any, Any]:
        """Return the kind, how it is known, and whether the address is ours."""
        kinds = words["kind"].code
        hosts, known = self._hosts(), self.base >= 0
        is_pod, is_task, is_node = self.pod >= 0, self._is_task, self._is_node
        unnamed = self._is_unnamed
        learned = self.own & ~known & self._shown | self._is_learned & ~known
        learned &= ~is_pod & ~is_node
        blind = self.own & self._unseen & ~is_pod & (~known | hosts)
        ours = self.own | known | is_pod | is_node | (self._home != NOWHERE)
        ours |= self.learned != NONE
        # An Elastic IP of ours, but whose is not known, or not if it still was.
        maybe = self._open_public & (places["kind"][pair] == kinds("internet"))
        ours |= maybe & (self._status == AMBIGUOUS)
        outside = ~ours & ~maybe
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
        side = np.select([ours, maybe], [OURS, UNDECIDED], places["ours"][pair])
        side = side.astype(np.int8)
        return kind, attribution, side

    def _learned_kind(self, words: dict[str, Words]) -> Any:
        kinds = words["kind"].code
        plain = np.where(
            self.observer["instance"] >= 0,
            kinds("instance"),
            kinds("network_interface"),
        )
        return either(self.observer["told_kind"], plain)


def _is_open(status: Any) -> Any:
    """Return where somebody can have had an address, but who is not known."""
    return (status == AMBIGUOUS) | (status == NOT_COVERED)


def either(first: Any, second: Any) -> Any:
    """Return the first codes, the second where those are null."""
    return np.where(first >= 0, first, second)


def _packet_addresses(records: Records, side: Side) -> Any:
    """Return codes of the packet's address as logged on this side; -1: it was not."""
    name = "pkt_srcaddr" if side.is_src else "pkt_dstaddr"
    return column_of(records.rows, name).codes
