"""Packets held against rules: a matrix of those that surely match, or may."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from transform.addresses import Addresses, Network, halves, network
from transform.policy.asked import ALLOWED, DENIED, UNKNOWN
from transform.policy.rules import (
    ANY,
    GROUP,
    LAST_PORT,
    PORTED,
    PREFIX_LIST,
    UNREAD,
    Rule,
)

NO, MAYBE, YES = 0, 1, 2
Entries = Callable[[str], Sequence[str] | None]  # a prefix list's CIDRs, if known


@dataclass(frozen=True, slots=True)
class Packets:
    """Distinct packets, as rules see them.

    Attributes:
        address: The other end's.
        protocol: IANA number, -1 if none was logged.
        port: Destination port, -1 if none was logged.
        inbound: Whether they come in.
        within: Whether the other end may be an interface of ours.
        lent: Groups that may be meant whoever the other end is.
        member: Says of some packets whether their other end carries a group: ``NO``,
            ``MAYBE`` or ``YES``.
    """

    address: Addresses
    protocol: Any
    port: Any
    inbound: Any
    within: Any
    lent: frozenset[str]
    member: Callable[[Packets, Any, str], Any]

    def __len__(self) -> int:
        return len(self.protocol)


class Compiled:
    """Rules as columns, one for each network or group of each rule.

    Args:
        rules: In the order in which they are asked.
        entries: Gives what a prefix list holds.

    Attributes:
        rule: Of each column, the position of its rule.
    """

    def __init__(self, rules: Sequence[Rule], entries: Entries) -> None:
        self.rules = rules
        columns: list[tuple[int, Rule, Network | None, bool]] = []
        for place, rule in enumerate(rules):
            columns += [(place, rule, *peer) for peer in _networks(rule, entries)]
        self.rule = np.array([c[0] for c in columns], np.int64)
        some = [c[1] for c in columns]
        self._protocol = np.array([r.protocol for r in some], np.int16)
        self._low = np.array([r.low for r in some], np.int32)
        self._high = np.array([r.high for r in some], np.int32)
        self._typed = np.array([r.typed for r in some], bool)
        self._ported = np.isin(self._protocol, PORTED)
        self._every = (self._low == 0) & (self._high == LAST_PORT)
        self._groups = [(n, r) for n, r in enumerate(some) if r.kind == GROUP]
        self._unread = np.array([c[3] for c in columns], bool)
        ranges = [c[2] for c in columns]
        self._is_range = np.array([r is not None for r in ranges], bool)
        self._is_v4 = np.array([r is not None and r.is_v4 for r in ranges], bool)
        ends = [(r.first, r.last) if r else (1, 0) for r in ranges]
        self._first, self._last = (
            np.array([halves(end[n]) for end in ends], np.uint64).reshape(-1, 2).T
            for n in (0, 1)
        )

    def __len__(self) -> int:
        return len(self.rule)

    def match(self, packets: Packets, rows: Any) -> tuple[Any, Any, Any]:
        """Hold packets against the rules.

        Args:
            packets: All of them.
            rows: Which of them.

        Returns:
            Matrices of packets by columns: which surely match; which may; and how near
            each comes: 2 by protocol and port, 1 by the other end.
        """
        protocol = packets.protocol[rows][:, None]
        port = packets.port[rows][:, None]
        alike = (self._protocol == ANY) | (self._protocol == protocol) | (protocol < 0)
        within = ((port >= self._low) & (port <= self._high)) | self._every
        vague = self._ported & ~self._every & (port < 0)
        vague |= (self._protocol != ANY) & (protocol < 0)
        what = alike & (~self._ported | within | vague)
        what &= self._ported | (self._low <= self._high)
        who = self._peers(packets, rows)
        sure = what & (who == YES) & ~vague & ~self._typed
        maybe = what & (who > NO) & ~sure
        return sure, maybe, 2 * what.astype(np.int8) + (who == YES)

    def _peers(self, packets: Packets, rows: Any) -> Any:
        address = packets.address.take(rows)
        is_v4 = address.is_v4
        high, low = address.high[:, None], address.low[:, None]
        if is_v4.all():  # the upper words are alike
            inside = (low >= self._first[1]) & (low <= self._last[1]) & self._is_v4
        else:
            inside = _reaches((high, low), self._first)
            inside &= _reaches(self._last, (high, low)) & self._is_range
            inside &= address.valid[:, None] & (self._is_v4 == is_v4[:, None])
        who = np.where(inside, np.int8(YES), np.int8(NO))
        who[:, self._unread] = MAYBE
        ours = np.flatnonzero(packets.within[rows])
        for column, rule in self._groups:
            some = slice(None) if rule.peer in packets.lent else ours
            if rule.peer in packets.lent or len(ours):
                who[some, column] = packets.member(packets, rows[some], rule.peer)
        return who


def first_match(compiled: Compiled, packets: Packets, rows: Any) -> tuple[Any, Any]:
    """Ask a list of entries, of which the first that matches holds, else a denial.

    Returns:
        Of each packet ``ALLOWED``, ``DENIED`` or ``UNKNOWN``; and the place of the
        entry that decides, the number of entries where none does.
    """
    sure, maybe, _ = compiled.match(packets, rows)
    end = len(compiled)
    hit, vague = (_first(matrix, end) for matrix in (sure, maybe))
    entry = np.append(compiled.rule, len(compiled.rules))[hit]
    allows = np.array([*(rule.allows for rule in compiled.rules), False], bool)
    state = np.where(allows[entry], ALLOWED, DENIED).astype(np.int8)
    state[vague < hit] = UNKNOWN
    return state, entry


def any_match(compiled: Compiled, packets: Packets, rows: Any) -> tuple[Any, Any, Any]:
    """Ask the rules of a group, of which any that matches lets in.

    Returns:
        Of each packet ``ALLOWED``, ``DENIED`` or ``UNKNOWN``; the place of the rule
        that comes nearest; and how near that comes, 0: not at all.
    """
    sure, maybe, near = compiled.match(packets, rows)
    choices = [sure.any(axis=1), maybe.any(axis=1)]
    state = np.select(choices, [ALLOWED, UNKNOWN], DENIED).astype(np.int8)
    if len(compiled) == 0:
        nothing = np.zeros(len(rows), np.int8)
        return state, nothing, nothing
    best = near.argmax(axis=1)
    return state, compiled.rule[best], near[np.arange(len(rows)), best]


def _first(matrix: Any, end: int) -> Any:
    """Return in each row the first column that is true; ``end`` where none is."""
    if end == 0:
        return np.zeros(len(matrix), np.int64)
    return np.where(matrix.any(axis=1), matrix.argmax(axis=1), end)


def _reaches(one: Any, other: Any) -> Any:
    """Return where one number of two words is not below another."""
    return (one[0] > other[0]) | ((one[0] == other[0]) & (one[1] >= other[1]))


def _networks(rule: Rule, entries: Entries) -> list[tuple[Network | None, bool]]:
    """Return the networks of a rule; none and whether it may match all the same."""
    if rule.kind == GROUP:
        return [(None, False)]
    cidrs = entries(rule.peer) if rule.kind == PREFIX_LIST else (rule.peer,)
    if cidrs is None or rule.kind == UNREAD:
        return [(None, True)]
    found = [network(cidr) for cidr in cidrs]
    return [(one, one is None) for one in found]
