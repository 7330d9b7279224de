"""Addresses made less than they are: cut to their network, or hashed with a key.

What is stored of them is told apart by its form: ``203.0.113.0/24`` and
``2001:db8:1::/48`` are cut, ``h:`` and 32 hexadecimal digits are hashed.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from transform.addresses import IPV4

V6_KEPT = 48  # bits of the prefix; of IPv4, 24
HASHED = "h:"
_HASH_BYTES = 16


def cut(addresses: pa.Array) -> pa.Array:
    """Return the network that each address lies in; null for what is no address.

    Args:
        addresses: Texts; those of IPv6 are looked at one by one, so each once.
    """
    usual = _each(addresses, _usual)
    networks = pc.replace_substring_regex(usual, r"[.]\d+$", ".0/24")
    return _each(networks, _network_v6, but=r"/24$")


def hashed(addresses: pa.Array, key: bytes) -> pa.Array:
    """Return a keyed hash of each address; null for what is no address.

    It is the first 128 bits of HMAC-SHA-256 (RFC 2104) over the address's usual text:
    without the key nobody can try all addresses.

    Args:
        addresses: Texts, looked at one by one, so each once.
        key: The secret.
    """

    def hash_of(text: str) -> str:
        digest = hmac.digest(key, text.encode(), "sha256")
        return f"{HASHED}{digest[:_HASH_BYTES].hex()}"

    return _each(_each(addresses, _usual), hash_of, but=None)


def _each(
    texts: pa.Array, change: Callable[[str], str | None], *, but: str | None = IPV4
) -> pa.Array:
    """Change texts one by one, but for nulls and those of a pattern."""
    if but is None:
        found = (text and change(text) for text in texts.to_pylist())
        return pa.array(found, pa.string())
    stays = pc.fill_null(pc.match_substring_regex(texts, but), True)
    if pc.all(stays).as_py():
        return texts
    others = texts.filter(pc.invert(stays)).to_pylist()
    changed = pa.array([change(text) for text in others], pa.string())
    return pc.replace_with_mask(texts, pc.invert(stays), changed)


def _usual(text: str) -> str | None:
    """Return an address in its usual spelling; of IPv4 mapped into IPv6, the IPv4."""
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return None
    return str(address.ipv4_mapped or address)


def _network_v6(text: str) -> str:
    return str(ipaddress.IPv6Network((text, V6_KEPT), strict=False))
