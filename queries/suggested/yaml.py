"""YAML written plainly: what every reader of YAML 1.1 or 1.2 reads the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# What no version of YAML takes for anything but the text that it is.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9./_-]*")
_WORDS = {"y", "n", "yes", "no", "true", "false", "on", "off", "null"}


def document(value: Mapping[str, Any]) -> str:
    """Return a mapping as one document: texts, whole numbers, lists and mappings."""
    return "\n".join(_mapping(value, "")) + "\n"


def _mapping(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, item in value.items():
        name = _scalar(key)
        if isinstance(item, Mapping) and item:
            yield f"{indent}{name}:"
            yield from _mapping(item, indent + "  ")
        elif isinstance(item, list) and item:
            yield f"{indent}{name}:"
            yield from _sequence(item, indent + "  ")
        else:
            yield f"{indent}{name}: {_scalar(item)}"


def _sequence(items: Sequence[Any], indent: str) -> Iterator[str]:
    for item in items:
        if isinstance(item, Mapping) and item:
            first, *rest = _mapping(item, indent + "  ")
            yield f"{indent}- {first.lstrip()}"
            yield from rest
        else:
            yield f"{indent}- {_scalar(item)}"


def _scalar(value: Any) -> str:
    """Return a value on its own; a text in the quotes of JSON if it needs any."""
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
        return value if plain else json.dumps(value)
    return json.dumps(value)
