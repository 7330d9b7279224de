"""What an API key looks like: ``flk_<id>_<secret><checksum>``.

The checksum lets a scanner of source code tell a leaked key from other text, and the
service refuse a mistyped one before it looks anything up.
"""

from __future__ import annotations

import re
import secrets
import string
import zlib
from dataclasses import dataclass, field

_DIGITS = string.digits + string.ascii_letters
_ID_ALPHABET = string.digits + string.ascii_lowercase  # easy to read out and type
_ID = 10
_SECRET_BYTES = 32
_SECRET = 43  # 62 ** 43 > 256 ** 32
_CHECKSUM = 6  # 62 ** 6 > 2 ** 32
PREFIX = "flk_"
PATTERN = re.compile(
    f"{PREFIX}([0-9a-z]{{{_ID}}})_([0-9A-Za-z]{{{_SECRET}}})([0-9A-Za-z]{{{_CHECKSUM}}})"
)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key, as its holder has it.

    Attributes:
        id: Names it; no secret.
        secret: 32 random bytes in base 62; never shown by ``repr``.
    """

    id: str
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        """The whole key."""
        return f"{PREFIX}{self.id}_{self.secret}{_checksum(self.id, self.secret)}"


def new_key() -> ApiKey:
    """Return a key that nobody has had before."""
    name = "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID))
    number = int.from_bytes(secrets.token_bytes(_SECRET_BYTES))
    return ApiKey(name, _base62(number, _SECRET))


def read_key(text: str) -> ApiKey | None:
    """Return the key that a text is; None if it is none, mistyped or cut."""
    found = PATTERN.fullmatch(text)
    if found is None:
        return None
    name, secret, checksum = found.groups()
    return ApiKey(name, secret) if checksum == _checksum(name, secret) else None


def _checksum(name: str, secret: str) -> str:
    return _base62(zlib.crc32(f"{name}_{secret}".encode()), _CHECKSUM)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
