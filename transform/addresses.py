"""Addresses and networks as numbers, compared in columns.

An address is 128 bits in two unsigned words, ``high`` and ``low``; IPv4 is mapped into
IPv6 (``::ffff:a.b.c.d``, RFC 4291 2.5.5.2), so both kinds sort and compare alike.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MAPPED = 0xFFFF << 32
MAPPED_BITS = 96  # what IPv4 begins with, mapped into IPv6
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
IPV4 = rf"^{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}$"
_WORD = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses as numbers.

    Attributes:
        high: The upper 64 bits, uint64.
        low: The lower 64 bits, uint64.
        valid: Which texts were addresses, bool.
    """

    high: Any
    low: Any
    valid: Any

    def __len__(self) -> int:
        return len(self.high)

    def take(self, rows: Any) -> Addresses:
        """Return the addresses at some positions."""
        return Addresses(self.high[rows], self.low[rows], self.valid[rows])

    def masked(self, length: int) -> Addresses:
        """Return the addresses with all but the first ``length`` of 128 bits zero."""
        mask = (1 << 128) - (1 << (128 - length))
        high, low = np.uint64(mask >> 64), np.uint64(mask & _WORD)
        return Addresses(self.high & high, self.low & low, self.valid)

    @property
    def is_v4(self) -> Any:
        """Which are IPv4."""
        return (self.high == 0) & ((self.low >> np.uint64(32)) == 0xFFFF)


def parse(texts: pa.Array) -> Addresses:
    """Read addresses from texts; a text that is none is invalid, never an error."""
    count = len(texts)
    high = np.zeros(count, np.uint64)
    low = np.zeros(count, np.uint64)
    is_v4 = np.asarray(
        pc.fill_null(pc.match_substring_regex(texts, pattern=IPV4), False), dtype=bool
    )
    valid = is_v4.copy()
    if is_v4.any():
        some = texts if is_v4.all() else texts.filter(pa.array(is_v4))
        octets = pc.list_flatten(pc.split_pattern(some, "."))
        parts = np.asarray(octets.cast(pa.uint32())).reshape(-1, 4).astype(np.uint64)
        shifts = np.array([24, 16, 8, 0], np.uint64)
        low[is_v4] = (parts << shifts).sum(axis=1, dtype=np.uint64) | np.uint64(MAPPED)
    for position in np.flatnonzero(~is_v4).tolist():
        number = _v6(texts[position].as_py())
        if number is not None:
            high[position], low[position] = number >> 64, number & _WORD
            valid[position] = True
    return Addresses(high, low, valid)


def _v6(text: str | None) -> int | None:
    try:
        found = ipaddress.IPv6Address(text or "")
    except ValueError:
        return None
    return None if found.scope_id else int(found)


@dataclass(frozen=True, slots=True)
class Network:
    """A CIDR as the first and last of its 128-bit numbers.

    Attributes:
        length: Of its prefix, in 128 bits.
    """

    first: int
    last: int
    length: int

    @property
    def is_v4(self) -> bool:
        """Whether it is of IPv4."""
        return self.length >= MAPPED_BITS and self.first >> 32 == MAPPED >> 32

    def holds(self, addresses: Addresses) -> Any:
        """Return which of the addresses lie in it."""
        first_high, first_low = halves(self.first)
        last_high, last_low = halves(self.last)
        high, low = addresses.high, addresses.low
        if first_high == last_high:
            inside = (high == first_high) & (low >= first_low) & (low <= last_low)
        else:
            inside = (high >= first_high) & (high <= last_high)
        return inside & addresses.valid


def halves(number: int) -> tuple[Any, Any]:
    """Return a number of 128 bits as its upper and its lower word."""
    return np.uint64(number >> 64), np.uint64(number & _WORD)


@lru_cache(65_536)  # rules and routes of an estate name the same ones
def network(text: str) -> Network | None:
    """Read a CIDR, or an address as its own network; None if it is neither."""
    try:
        found = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None
    first, last = int(found.network_address), int(found.broadcast_address)
    length = found.prefixlen
    if found.version == 4:
        first, last, length = first | MAPPED, last | MAPPED, length + 96
    return Network(first, last, length)


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Read CIDRs, leaving out what is none."""
    return tuple(found for text in texts if (found := network(text)) is not None)


def in_any(addresses: Addresses, some: Sequence[Network]) -> Any:
    """Return which of the addresses lie in one of the networks."""
    inside = np.zeros(len(addresses), dtype=bool)
    for one in some:
        inside |= one.holds(addresses)
    return inside


# IANA IPv4 and IPv6 special-purpose address registries: what is not globally reachable.
NOT_GLOBAL = networks(
    (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15",
        "240.0.0.0/4", "::/128", "::1/128", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip


def is_global(addresses: Addresses) -> Any:
    """Return which addresses belong to the internet at large.

    Documentation ranges count as global: they stand for the internet in examples.

    Source:
        IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890).
    """
    return addresses.valid & ~in_any(addresses, NOT_GLOBAL)
