"""What is asked of a policy, and what it decides; in columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from transform.addresses import Addresses
from transform.codes import NONE, distinct
from transform.policy.rules import Rule

UNKNOWN, ALLOWED, DENIED, NOT_ASKED = -1, 0, 1, 2
NOBODYS = -2  # the interface of an address of the internet: it carries no group
CELLS = 2_000_000  # of a matrix of packets by rules, at a time


@dataclass(frozen=True, slots=True)
class Asked:
    """Packets at interfaces of ours; one a row, all columns alike in length.

    Attributes:
        interface: Code of what records them, see `Policy.interfaces`; -1: not known.
        other: Code of the other end's interface; -1: not known.
        inbound: Whether they come in at the interface.
        peer: The other end's address, a position in ``addresses``.
        addresses: As they are in the packets.
        outside: Whether the other end is of the internet, and of no VPC.
        protocol: IANA number; -1: none.
        port: Destination port; -1: none.
        begin, end: From when until before when it may have been; seconds since 1970.
    """

    interface: Any
    other: Any
    inbound: Any
    peer: Any
    addresses: Addresses
    outside: Any
    protocol: Any
    port: Any
    begin: Any
    end: Any

    def __len__(self) -> int:
        return len(self.interface)


@dataclass(frozen=True, slots=True)
class Looked:
    """What was configured when packets passed: versions, -1 where none surely was.

    Attributes:
        own, other: Of the interface that records, and of the other end's; ``NOBODYS``
            where that is of the internet.
        acl, subnet: Of the recording interface's.
        groups: Those that it carries, a row a packet; see `Policy`.
    """

    own: Any
    other: Any
    acl: Any
    subnet: Any
    groups: Any

    def take(self, rows: Any) -> Looked:
        """Return what was at the time of some of the packets."""
        return Looked(*(getattr(self, f.name)[rows] for f in fields(self)))


@dataclass(slots=True)
class Decided:
    """What was decided of distinct packets, and for each row which of them it is.

    Attributes:
        case: Of each row asked about, its distinct packet.
        first: Of each distinct packet, one of the rows.
        acl, group: ``ALLOWED``, ``DENIED``, ``NOT_ASKED`` or ``UNKNOWN``; int8.
        entry: What decided at the ACL, a position in ``entries``; -1: not known.
        set: The groups asked, a position in ``sets``; -1: none.
        nearest: The rule that comes nearest, a position in ``rules``; -1: none does.
        entries: (ACL's id, its entry or None for the end of the list, inbound).
        sets: Names of the groups.
        is_bare: Of each distinct packet, whether its groups have no rule at all.
        rules: (A group's rule, inbound).
    """

    case: Any
    first: Any
    acl: Any = field(init=False)
    group: Any = field(init=False)
    entry: Any = field(init=False)
    set: Any = field(init=False)
    nearest: Any = field(init=False)
    is_bare: Any = field(init=False)
    entries: list[tuple[str, Rule | None, bool]] = field(default_factory=list)
    sets: list[str] = field(default_factory=list)
    rules: list[tuple[Rule, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        size = len(self.first)
        self.acl, self.group = (np.full(size, UNKNOWN, np.int8) for _ in range(2))
        self.is_bare = np.zeros(size, bool)
        self.entry, self.set, self.nearest = (
            np.full(size, NONE, np.int64) for _ in range(3)
        )


def alike(rows: Any, *columns: Any) -> Iterator[Any]:
    """Yield the rows that are alike in all columns, one lot after the other."""
    if len(rows) == 0:
        return
    if not columns:
        yield rows
        return
    _, which = distinct(*(column[rows] for column in columns))
    order = np.argsort(which, kind="stable")
    edges = np.flatnonzero(np.diff(which[order])) + 1
    for some in np.split(order, edges):
        yield rows[some]


def chunks(rows: Any, width: int) -> Iterator[Any]:
    """Yield rows in lots whose matrix with so many columns fits into memory."""
    size = max(CELLS // max(width, 1), 1)
    for begin in range(0, len(rows), size):
        yield rows[begin : begin + size]
