"""Public addresses of ours, by which packets are sent to private ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from transform.addresses import Addresses
from transform.codes import NONE
from transform.enrich import Attributed
from transform.identify import Identified
from transform.known import NAT, OURS
from transform.places import NOWHERE
from transform.records import Records

ODD = np.uint64(0x9E3779B97F4A7C15)
_NUMBERS = np.uint64, np.int64, bool, bool


def public_ends(attributed: Attributed) -> tuple[Any, Any]:
    """Return which rows show an interface of ours by its public address.

    Not its own record, nor that of a regional NAT gateway, which shows no other.

    Returns:
        As source; as destination.
    """
    found = []
    for side, is_global, own in (
        (attributed.src, attributed.is_global_src, attributed.own_src),
        (attributed.dst, attributed.is_global_dst, attributed.own_dst),
    ):
        known = is_global & ~own & ~attributed.is_regional
        if known.any():
            known &= (side.home == NOWHERE) & (side.ours == OURS) & (side.eni >= 0)
        found.append(np.asarray(known))
    return found[0], found[1]


def is_nat(attributed: Attributed, side: Identified) -> Any:
    """Return which rows' address of a side is a NAT gateway's."""
    return side.forwards == attributed.words["forwards"].code(NAT)


@dataclass(frozen=True, slots=True)
class Publics:
    """The ends of conversations in which a public address of ours is shown.

    Attributes:
        address: Distinct uint64 numbers, sorted; a few for each interface.
        eni: Whose each is: code of the inventory's ENI words.
        is_public: Whether it is a public one.
        is_nat: Whether it is a NAT gateway's.
    """

    address: Any
    eni: Any
    is_public: Any
    is_nat: Any

    def spoken(self, records: Records) -> Any:
        """Return for each row a number of who speaks; None: no row shows such one.

        Two interfaces with public addresses, or what is spoken to from behind a NAT
        gateway; -1 where no public address of ours is shown.
        """
        sides = zip((records.src, records.dst), records.addresses, strict=True)
        ends = [self._of(mixed(known), column.codes) for column, known in sides]
        (src, src_public, src_nat), (dst, dst_public, dst_nat) = ends
        public = (src_public | dst_public) & (records.interface.codes >= 0)
        if not public.any():
            return None
        own, other = (
            np.where(dst_public, src, dst),
            np.where(dst_public, dst, src),
        )
        both = np.isin(own, self.eni[self.is_public])
        found = np.where(both, own + other, other)
        found = np.where(src_nat, dst, np.where(dst_nat, src, found))
        return np.where(public, np.maximum(found, 0), NONE)

    def _of(self, numbers: Any, codes: Any) -> tuple[Any, Any, Any]:
        """Return of each row's address whose it is, if public, if a gateway's."""
        place = _places(self.address, numbers)[codes]
        told = (self.eni, NONE), (self.is_public, False), (self.is_nat, False)
        eni, public, nat = (np.append(values, none)[place] for values, none in told)
        return eni, public, nat


def publics_of(attributed: Attributed) -> Publics:
    """Return who speaks by public addresses of ours in some rows."""
    records = attributed.records
    shown = public_ends(attributed)
    some = np.flatnonzero(shown[0] | shown[1])
    parts = [
        Publics(
            mixed(known)[column.codes[some]],
            side.eni[some].astype(np.int64),
            public[some],
            is_nat(attributed, side)[some],
        )
        for side, column, known, public in zip(
            (attributed.src, attributed.dst), (records.src, records.dst),
            records.addresses, shown, strict=True,
        )
    ]  # fmt: skip
    return united(parts)


def united(parts: Sequence[Publics]) -> Publics:
    """Put together what parts of the rows tell; of one address what is told most."""
    names = Publics.__slots__
    columns = [
        np.concatenate([np.array([], kind), *(getattr(p, name) for p in parts)])
        for name, kind in zip(names, _NUMBERS, strict=True)
    ]
    order = np.lexsort(columns[::-1])
    address, *_ = columns = [column[order] for column in columns]
    last = np.append(address[1:] != address[:-1], True)[: len(address)]
    return Publics(*(column[last] for column in columns))


def mixed(known: Addresses) -> Any:
    """Return addresses as numbers, and one more for none; uint64."""
    return np.append(known.high * ODD ^ known.low, np.uint64(0))


def among(known: Any, asked: Any) -> Any:
    """Return which numbers are among sorted ones."""
    return _places(known, asked) != NONE


def _places(known: Any, asked: Any) -> Any:
    """Return where numbers are among sorted ones, ``NONE`` where not."""
    if len(known) == 0:
        return np.full(len(asked), NONE)
    place = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    return np.where(known[place] == asked, place, NONE)
