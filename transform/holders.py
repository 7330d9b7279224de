"""Which key of a timeline an address in a VPC has."""

from __future__ import annotations

from typing import Any

import numpy as np

from transform.addresses import Addresses
from transform.timeline import NOBODY, Found, Spans, Timeline

HOST = 128
_ODD = tuple(
    np.uint64(n)
    for n in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9,
              0xBF58476D1CE4E5B9)
)  # fmt: skip


class Keys:
    """Distinct (VPC, network) pairs, found by address.

    Args:
        vpc: Code of each; -1: the address means this everywhere.
        addresses: The first address of each network.
        length: Of its prefix, in 128 bits; ``HOST`` for a single address.

    Attributes:
        of_rows: The key of each row given; -1 for one of a pair that cannot be told
            from another, which then nobody finds.
    """

    def __init__(self, vpc: Any, addresses: Addresses, length: Any) -> None:
        mixed = _mixed(vpc, addresses, length)
        self._mixed, first, inverse = np.unique(
            mixed, return_index=True, return_inverse=True
        )
        self._vpc = vpc[first]
        self._addresses = addresses.take(first)
        self._length = length[first]
        self.of_rows = np.where(self._is(inverse, vpc, addresses, length), inverse, -1)
        self._lengths = sorted({int(n) for n in np.unique(length)}, reverse=True)

    def __len__(self) -> int:
        return len(self._mixed)

    def find(self, vpc: Any, addresses: Addresses) -> Any:
        """Return the keys of each address in its VPC, -1 without one.

        Returns:
            A row for each length of prefix, the longest first; int64.
        """
        found = np.full((len(self._lengths), len(addresses)), -1)
        some = np.flatnonzero(addresses.valid) if len(self) else ()
        valid = addresses.take(some)
        for place, length in enumerate(self._lengths if len(some) else ()):
            masked = valid if length == HOST else valid.masked(length)
            found[place, some] = self._exact(vpc[some], masked, length)
        return found

    def has(self, vpc: Any, addresses: Addresses) -> Any:
        """Return which addresses have a key in their VPC."""
        return (self.find(vpc, addresses) >= 0).any(axis=0)

    def _exact(self, vpc: Any, addresses: Addresses, length: int) -> Any:
        mixed = _mixed(vpc, addresses, np.full(len(addresses), length, np.uint64))
        place = np.minimum(np.searchsorted(self._mixed, mixed), len(self._mixed) - 1)
        same = self._is(place, vpc, addresses, length)
        return np.where(same, place, -1)

    def _is(self, place: Any, vpc: Any, addresses: Addresses, length: Any) -> Any:
        """Return whether the keys at some places are those of these pairs."""
        same = (self._vpc[place] == vpc) & (self._length[place] == length)
        same &= self._addresses.high[place] == addresses.high
        return same & (self._addresses.low[place] == addresses.low)


def _mixed(vpc: Any, addresses: Addresses, length: Any) -> Any:
    """Return a number that hardly two pairs share; what is found is compared whole."""
    mixed = addresses.high * _ODD[0] ^ (addresses.low * _ODD[1])
    mixed ^= (vpc.astype(np.int64) + 7).astype(np.uint64) * _ODD[2]
    mixed ^= length.astype(np.uint64) * _ODD[3]
    mixed ^= mixed >> np.uint64(29)
    mixed *= _ODD[3]
    return mixed ^ (mixed >> np.uint64(32))


class Layer:
    """Identities of one kind of source: pods, interfaces, nodes.

    Args:
        rows: Positions in the inventory, one an interval.
        vpc: Code of each.
        addresses: The first address of each.
        length: Of its prefix, in 128 bits.
        certain: See `Timeline`.
        possible: See `Timeline`.
        watcher: See `Timeline`.
        spans: See `Timeline`.
        whose: See `Timeline`.
    """

    def __init__(
        self,
        rows: Any,
        vpc: Any,
        addresses: Addresses,
        length: Any,
        *,
        certain: tuple[Any, Any],
        possible: tuple[Any, Any],
        watcher: Any,
        spans: Spans,
        whose: Any,
    ) -> None:
        self.rows = rows
        self.keys = Keys(vpc, addresses, length)
        key = self.keys.of_rows
        self._timeline = Timeline(
            np.where(key < 0, len(self.keys), key),
            certain,
            possible,
            watcher=watcher,
            spans=spans,
            whose=whose,
        )

    def find(self, vpc: Any, addresses: Addresses) -> Any:
        """Return the keys of each address in its VPC (see `Keys.find`)."""
        return self.keys.find(vpc, addresses)

    def at(self, keys: Any, begin: Any, end: Any) -> Found:
        """Say who held each address throughout ``[begin, end)``; inventory's rows.

        A network counts where nobody can have held a closer one: an address that once
        stood alone may lie in a prefix now.

        Args:
            keys: Of each address, the closest network first (see `find`).
            begin: Seconds.
            end: Seconds.
        """
        size = keys.shape[1]
        who, status = np.full(size, -1), np.full(size, NOBODY, np.int8)
        for key in keys:
            open_ = np.flatnonzero((status == NOBODY) & (key >= 0))
            found = self._timeline.at(key[open_], begin[open_], end[open_])
            who[open_], status[open_] = found.who, found.status
        who[who >= 0] = self.rows[who[who >= 0]]
        return Found(who, status)
