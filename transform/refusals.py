"""Why packets were rejected by what was configured at their time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transform.addresses import Addresses
from transform.codes import NONE, Coded, coded, distinct
from transform.enrich import Attributed
from transform.identify import Identified
from transform.policy.asked import ALLOWED, NOT_ASKED, UNKNOWN, Asked, Decided
from transform.policy.policy import Policy
from transform.policy.texts import acl_texts, group_texts
from transform.records import ACK, BLUR, INGRESS, SYN, TCP, Records, numbers
from transform.records import UNKNOWN as UNKNOWN_WAY

NAMED = ("namespace", "pod", "name")  # what tells who an end was


@dataclass(frozen=True, slots=True)
class Refusals:
    """What configurations tell of rejected rows.

    Attributes:
        acl, group: Of each ``ALLOWED``, ``DENIED``, ``NOT_ASKED`` or ``UNKNOWN``.
        found: What was decided; None: about none could be asked.
    """

    acl: Any
    group: Any
    found: _Found | None = None

    @property
    def acl_lets(self) -> Any:
        """Which an ACL surely did not reject."""
        return (self.acl == ALLOWED) | (self.acl == NOT_ASKED)

    def rules(
        self, by_acl: Any, by_group: Any, rows: Any, size: int
    ) -> pa.DictionaryArray | None:
        """Return the rule, or the absence of one, as a column; None: none has any.

        Args:
            by_acl: Which rows an ACL rejected.
            by_group: Which security groups did, and no ACL.
            rows: Where these rows are in the column.
            size: How long that is.
        """
        if self.found is None or not (by_acl | by_group).any():
            return None
        codes = np.full(size, NONE, np.int32)
        texts = self.found.rules(by_acl, by_group, rows, codes)
        places = texts.indices.take(pa.array(codes, mask=codes < 0))
        return pa.DictionaryArray.from_arrays(places, texts.dictionary)


@dataclass(frozen=True, slots=True)
class _Found:
    """About which of the rejected rows what was asked, and decided.

    Attributes:
        some: Which of the rejected rows.
    """

    attributed: Attributed
    some: Any
    asked: Asked
    decided: Decided

    def rules(self, by_acl: Any, by_group: Any, rows: Any, codes: Any) -> Any:
        """Return texts, and write into ``codes`` which is whose."""
        parts: list[pa.Array] = []
        size = 0
        for which, texts in ((by_acl, self._acls), (by_group, self._groups)):
            mine = np.flatnonzero(which[self.some])
            place = rows[self.some[mine]]
            found, codes_of = texts(mine, place)
            codes[place] = size + codes_of
            parts.append(found)
            size += len(found)
        return pa.concat_arrays(parts).dictionary_encode()

    def _acls(self, mine: Any, rows: Any) -> tuple[pa.Array, Any]:
        del rows
        cases, which = np.unique(self.decided.case[mine], return_inverse=True)
        return acl_texts(self.decided, cases), which

    def _groups(self, mine: Any, rows: Any) -> tuple[pa.Array, Any]:
        """Return the texts: an address may be of one pod now, of another then."""
        cases, inward = self.decided.case[mine], self.asked.inbound[mine]
        first, which = distinct(cases, *_holders(self.attributed, rows))
        peers = _peers(self.attributed, rows[first], inward[first])
        return group_texts(self.decided, self.asked, cases[first], peers), which


def refusals(attributed: Attributed, policy: Policy, rows: Any) -> Refusals:
    """Ask the configurations about rejected rows that interfaces tell of themselves.

    Args:
        attributed: Rows with both sides identified.
        policy: What was configured, and when.
        rows: Which of them are rejections.
    """
    acl, group = (np.full(len(rows), UNKNOWN, np.int8) for _ in range(2))
    if policy.is_empty or len(rows) == 0:
        return Refusals(acl, group)
    records, direction = attributed.records, attributed.direction[rows]
    inward = direction == INGRESS
    own = np.where(inward, attributed.own_dst[rows], attributed.own_src[rows])
    known = (own | attributed.is_nat[rows]) & (direction != UNKNOWN_WAY)
    known &= ~attributed.is_transit[rows]
    known &= np.where(
        inward,
        *(
            _is_address(column, read, rows)
            for column, read in zip(
                (records.src, records.dst), records.addresses, strict=True
            )
        ),
    )
    some = np.flatnonzero(known)
    if len(some) == 0:
        return Refusals(acl, group)
    asked = _asked(attributed, policy, rows[some], inward[some])
    decided = policy.decide(asked)
    acl[some], group[some] = decided.acl[decided.case], decided.group[decided.case]
    return Refusals(acl, group, _Found(attributed, some, asked, decided))


def _is_address(column: Coded, read: Addresses, rows: Any) -> Any:
    return np.append(read.valid, False)[column.codes[rows]]


def can_open(attributed: Attributed, rows: Any) -> tuple[Any, Any]:
    """Return which rows' packets open a conversation, and of which nothing tells.

    A SYN without ACK opens one; TCP without SYN, or whose flags were not logged, is not
    known to. Of other protocols no record tells.
    """
    table = attributed.records.rows
    protocol = numbers(table, "protocol")[rows]
    flags = numbers(table, "tcp_flags")[rows]
    syn = (protocol == TCP) & (flags >= 0) & ((flags & (SYN | ACK)) == SYN)
    return syn, (protocol >= 0) & (protocol != TCP)


def _asked(attributed: Attributed, policy: Policy, rows: Any, inward: Any) -> Asked:
    records = attributed.records
    names = policy.interfaces(records.interface.words.to_pylist())
    own = np.append(names, NONE)[records.interface.codes[rows]]
    sides = attributed.src, attributed.dst
    other = np.where(inward, *(_interfaces(attributed, policy, s, rows) for s in sides))
    begin = records.begin[rows]
    count = len(records.src.words)
    peer = np.where(inward, records.src.codes[rows], records.dst.codes[rows] + count)
    return Asked(
        interface=own,
        other=other,
        inbound=inward,
        peer=peer,
        addresses=_together(records),
        outside=np.where(inward, *(_is_outside(attributed, s, rows) for s in sides)),
        protocol=numbers(records.rows, "protocol")[rows],
        port=numbers(records.rows, "dstport")[rows],
        begin=begin,
        end=np.maximum(records.end[rows], begin + 2 * BLUR + 1),
    )


def _interfaces(
    attributed: Attributed, policy: Policy, side: Identified, rows: Any
) -> Any:
    words = attributed.words["eni"]
    codes, which = np.unique(side.eni[rows], return_inverse=True)
    return policy.interfaces([words.text(code) for code in codes.tolist()])[which]


def _is_outside(attributed: Attributed, side: Identified, rows: Any) -> Any:
    """Return where a side is an IPv4 address of the internet, and of no VPC."""
    is_src = side is attributed.src
    of_all = attributed.is_global_src if is_src else attributed.is_global_dst
    column = attributed.records.src if is_src else attributed.records.dst
    is_v4 = attributed.records.addresses[0 if is_src else 1].is_v4
    return of_all[rows] & (side.home[rows] < 0) & is_v4[column.codes[rows]]


def _together(records: Records) -> Addresses:
    one, other = records.addresses
    pairs = ((getattr(one, n), getattr(other, n)) for n in ("high", "low", "valid"))
    return Addresses(*(np.concatenate(pair) for pair in pairs))


def _holders(attributed: Attributed, rows: Any) -> Iterator[Any]:
    """Yield who is named in the rules of some rows, as codes."""
    for side in (attributed.src, attributed.dst):
        for name in NAMED:
            if name in side.columns:
                yield coded(side.columns[name]).codes[rows]


def _peers(attributed: Attributed, rows: Any, inward: Any) -> pa.Array:
    """Return the other end of some rows in words: its address, and who it was."""
    records = attributed.records
    source = _label(attributed.src, records.src, rows, inward)
    target = _label(attributed.dst, records.dst, rows, ~inward)
    return pc.coalesce(source, target)


def _label(side: Identified, column: Coded, rows: Any, which: Any) -> pa.Array:
    """Return one side of some rows in words; null where it is not which is meant."""
    codes = np.where(which, column.codes[rows], NONE)
    address = column.words.cast(pa.string()).take(pa.array(codes, mask=codes < 0))

    def told(what: str) -> pa.Array:
        found = side.columns.get(what)
        if found is None:
            return pa.nulls(len(rows), pa.string())
        return found.take(pa.array(rows)).cast(pa.string())

    namespace, pod, name = map(told, NAMED)
    pod = pc.binary_join_element_wise("pod ", namespace, "/", pod, "")
    who = pc.coalesce(pod, name)
    named = pc.binary_join_element_wise(address, " (", who, ")", "")
    return pc.coalesce(named, address)
