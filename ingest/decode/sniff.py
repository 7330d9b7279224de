"""What the first bytes of an object tell of it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

SNIFFED = 4096
_STAMP = re.compile(
    r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9:]+)|[0-9]{13}) "
)


def peek(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the first piece that is not empty, and all pieces again."""
    for piece in pieces:
        if piece:
            return piece, itertools.chain([piece], pieces)
    return b"", iter(())


def is_binary(start: bytes) -> bool:
    """Whether bytes are no text: a NUL, or hardly any UTF-8."""
    decoded = start[:SNIFFED].decode("utf-8", "replace")
    return "\x00" in decoded or decoded.count("\ufffd") > max(2, len(decoded) // 20)


def is_stamped(line: bytes) -> bool:
    """Whether a line begins with a time, as CloudWatch exports them."""
    return _STAMP.match(line[:64].decode("utf-8", "replace")) is not None
