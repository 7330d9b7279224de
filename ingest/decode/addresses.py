"""Whether a piece of text is an IP address, compiled.

The same answers as Python's ``ipaddress``, without zones: IPv4 in four decimal octets
without leading zeros; IPv6 in groups of one to four hexadecimal digits, ``::`` once
for one group of zeros or more, the last 32 bits as IPv4 if so written (RFC 4291, 2.2).
"""

from __future__ import annotations

from typing import Any

from ingest.decode.machine import compiled

_ZERO, _NINE, _DOT, _COLON = ord("0"), ord("9"), ord("."), ord(":")
_A, _F = ord("a"), ord("f")
_LOWER_CASE = 0x20


@compiled
def is_ipv4(text: Any, begin: int, end: int) -> bool:
    """Whether ``text[begin:end]`` is an IPv4 address."""
    value, digits, dots = 0, 0, 0
    for at in range(begin, end):
        byte = text[at]
        if _ZERO <= byte <= _NINE:
            if digits and value == 0:
                return False
            value = value * 10 + (byte - _ZERO)
            digits += 1
            if value > 255:
                return False
        elif byte == _DOT and digits:
            value, digits, dots = 0, 0, dots + 1
        else:
            return False
    return dots == 3 and digits > 0


@compiled
def is_ipv6(text: Any, begin: int, end: int) -> bool:
    """Whether ``text[begin:end]`` is an IPv6 address without a zone."""
    groups, gaps, at = 0, 0, begin
    if end - begin >= 2 and text[begin] == _COLON and text[begin + 1] == _COLON:
        gaps, at = 1, begin + 2
    while at < end:
        stop = _group_end(text, at, end)
        if stop < end and text[stop] == _DOT:
            if not is_ipv4(text, at, end):
                return False
            groups, stop = groups + 2, end
        elif not at < stop <= at + 4 or (stop < end and text[stop] != _COLON):
            return False
        else:
            groups += 1
        at = stop + 1
        if at == end:
            return False  # one colon at the end
        if at < end and text[at] == _COLON:
            gaps, at = gaps + 1, at + 1
    return groups == 8 if gaps == 0 else gaps == 1 and groups < 8


@compiled
def _group_end(text: Any, begin: int, end: int) -> int:
    """Return where the hexadecimal digits from ``begin`` on end."""
    at = begin
    while at < end and (
        _ZERO <= text[at] <= _NINE or _A <= text[at] | _LOWER_CASE <= _F
    ):
        at += 1
    return at


@compiled
def is_address(text: Any, begin: int, end: int) -> bool:
    """Whether ``text[begin:end]`` is an IPv4 or IPv6 address."""
    return is_ipv4(text, begin, end) or is_ipv6(text, begin, end)
