"""Addresses and prefixes in one spelling."""

from __future__ import annotations

import ipaddress
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ingest.inventory.aws.columns import TEXT

_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_PLAIN = rf"^{_BYTE}(?:\.{_BYTE}){{3}}$"


def canonical(texts: Any) -> Any:
    """Return addresses as ``ipaddress`` spells them; null where a text is none.

    IPv4 addresses are told by a pattern, the rest is read, each distinct one once.
    """
    plain = pc.match_substring_regex(texts, _PLAIN)
    others = texts.filter(pc.invert(pc.fill_null(plain, True)))
    if len(others) == 0:
        return texts
    read = {word: _address(word) for word in others.unique().to_pylist()}
    return _replaced(texts, plain, read)


def canonical_networks(texts: Any) -> Any:
    """Return CIDRs as ``ipaddress`` spells them; null where a text is none."""
    words = texts.unique().drop_null().to_pylist()
    return _replaced(texts, pa.scalar(False), {word: _network(word) for word in words})


def _replaced(texts: Any, kept: Any, read: dict[str, str | None]) -> Any:
    known = pa.array(list(read.keys()), TEXT)
    values = pa.array(list(read.values()), TEXT)
    found = values.take(pc.index_in(texts, value_set=known, skip_nulls=True))
    return pc.if_else(kept, texts, found)


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return None


def _network(text: str) -> str | None:
    try:
        return str(ipaddress.ip_network(text.strip(), strict=False))
    except ValueError:
        return None
