"""What users write for a value, read into the type of its field."""

from __future__ import annotations

import ipaddress
import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime

from queries.filters.tree import FieldType, Operator, Value
from queries.spelling import PROTOCOLS

_TAKES: Mapping[FieldType, str] = {
    "string": "text in quotes",
    "int": "a whole number from -2147483648 to 2147483647",
    "long": "a whole number of 64 bits",
    "double": "a number",
    "bool": "true or false",
    "date": 'a day in quotes such as "2026-01-31"',
    "timestamp": 'a time in quotes such as "2026-01-31T12:00:00Z"',
    "strings": "text in quotes",
    "address": "an IPv4 or IPv6 address in quotes",
    "port": "a port from 0 to 65535",
    "protocol": f"{', '.join(PROTOCOLS)} or a number from 0 to 255",
}
_PATTERN = "a pattern in quotes: % is any text, _ one character"
_NETWORK = 'a network in quotes such as "10.0.0.0/8" or "2001:db8::/32"'
ESCAPES = (
    "a backslash goes before a quote, a backslash, n, r, t or u and four digits; in a "
    "pattern also before % and _"
)

_WHOLE = re.compile(r"-?[0-9]{1,19}")
_NUMBER = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?")
_ESCAPED = re.compile(r"\\(u[0-9a-fA-F]{4}|[\s\S])")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_ESCAPES |= {character: character for character in "\\/\"'"}
_WILD = "\\%_"  # what a pattern keeps a backslash before, to stand for itself


def takes(type_: FieldType, operator: str) -> str:
    """Say what may be written for a value."""
    if operator.endswith("LIKE"):
        return _PATTERN
    return _NETWORK if operator.endswith("CIDR") else _TAKES[type_]


def is_quoted(literal: str) -> bool:
    """Whether a literal stands in quotes."""
    return literal.startswith(('"', "'"))


def read(literal: str, type_: FieldType, operator: Operator) -> Value:
    """Read one literal, as it stands in the filter.

    Raises:
        ValueError: It is none of those that `takes` tells of.
    """
    if operator in ("LIKE", "NOT LIKE"):
        return _text(literal, _meant_in_pattern)
    if operator in ("CIDR", "NOT CIDR"):
        return _network(_text(literal))
    return _READERS[type_](literal)


def quoted(text: str, operator: Operator = "=") -> str:
    """Write a text as a literal that is read as the same."""
    literal = json.dumps(text, ensure_ascii=False)
    # A pattern's backslashes are there already.
    return literal.replace("\\\\", "\\") if operator.endswith("LIKE") else literal


def _meant(escape: re.Match[str]) -> str:
    what = escape[1]
    if len(what) > 1:
        return chr(int(what[1:], 16))
    if what not in _ESCAPES:
        raise ValueError(what)
    return _ESCAPES[what]


def _meant_in_pattern(escape: re.Match[str]) -> str:
    character = escape[1] if escape[1] in _WILD else _meant(escape)
    return f"\\{character}" if character in _WILD else character


def _text(literal: str, meant: Callable[[re.Match[str]], str] = _meant) -> str:
    if not is_quoted(literal):
        raise ValueError(literal)
    quote = literal[0]
    text = _ESCAPED.sub(meant, literal[1:-1].replace(quote * 2, quote))
    if "\0" in text:
        raise ValueError(literal)
    # Two escapes may be the halves of one character; a half alone is refused.
    return text.encode("utf-16", "surrogatepass").decode("utf-16")


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(literal: str) -> int:
        if not _WHOLE.fullmatch(literal) or not least <= int(literal) <= most:
            raise ValueError(literal)
        return int(literal)

    return parse


def _double(literal: str) -> float:
    if not _NUMBER.fullmatch(literal) or not math.isfinite(float(literal)):
        raise ValueError(literal)
    return float(literal) + 0.0  # -0.0 is 0.0


def _bool(literal: str) -> bool:
    if literal.lower() not in ("true", "false"):
        raise ValueError(literal)
    return literal.lower() == "true"


def _date(literal: str) -> date:
    return date.fromisoformat(_text(literal))


def _time(literal: str) -> datetime:
    time = datetime.fromisoformat(_text(literal))
    try:
        return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(literal) from error


def _address(literal: str) -> str:
    return str(ipaddress.ip_address(_without_zone(_text(literal))))


def _network(text: str) -> str:
    return str(ipaddress.ip_network(_without_zone(text), strict=False))


def _without_zone(text: str) -> str:
    """Refuse a zone, as in ``fe80::1%eth0``: no flow log tells one."""
    if "%" in text:
        raise ValueError(text)
    return text


def _protocol(literal: str) -> int:
    word = _text(literal) if is_quoted(literal) else literal
    number = PROTOCOLS.get(word.lower())
    return _whole(0, 255)(literal) if number is None else number


_READERS: Mapping[FieldType, Callable[[str], Value]] = {
    "string": _text,
    "int": _whole(-(2**31), 2**31 - 1),
    "long": _whole(-(2**63), 2**63 - 1),
    "double": _double,
    "bool": _bool,
    "date": _date,
    "timestamp": _time,
    "strings": _text,
    "address": _address,
    "port": _whole(0, 65_535),
    "protocol": _protocol,
}
