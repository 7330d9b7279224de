"""What stands for a local file's content, as an entity tag does for an object's."""

from __future__ import annotations

import mmh3


class ContentHash:
    """A hash of bytes, piece by piece: it tells a rewritten file, not a forged one.

    MurmurHash3 of 128 bits takes a fifth of the time of SHA-256, and each file is
    hashed twice: as it is listed, and as it is read.
    """

    def __init__(self) -> None:
        self._hash = mmh3.mmh3_x64_128()

    def update(self, piece: bytes | memoryview) -> None:
        """Take the next bytes."""
        self._hash.update(piece)

    def etag(self) -> str:
        """Return the hash of all bytes taken: 32 hexadecimal digits."""
        return self._hash.digest().hex()
