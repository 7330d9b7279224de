"""Decompressing: gzip of any number of members, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from isal import isal_zlib

from lake.errors import SourceUnreadable

MAGIC = b"\x1f\x8b"
PIECE = 4 * 1024 * 1024  # decompressed at most at a time: a bomb is met in pieces
GZIP_WINDOW = 31


@dataclass(slots=True)
class Damage:
    """What was wrong with the compression, if anything.

    Attributes:
        code: The quarantine reason.
        detail: What is wrong, in words.
        tail: What stands behind the last whole line.
    """

    code: str = ""
    detail: str = ""
    tail: bytes = b""

    @property
    def breaks_off(self) -> bool:
        """Whether the last line may be cut."""
        return self.code in ("truncated_gzip", "bad_gzip")


def gunzip(chunks: Iterator[bytes], damage: Damage) -> Iterator[bytes]:
    """Decompress gzip members one after the other.

    Args:
        chunks: The compressed bytes.
        damage: Filled in if the stream breaks off, is corrupt, or has something
            behind its last member; what came before is yielded all the same.
    """
    member = isal_zlib.decompressobj(wbits=GZIP_WINDOW)
    for chunk in chunks:
        data = chunk
        while data:
            if member.eof:
                if not data.startswith(MAGIC[: len(data)]):
                    _trailing(data, damage)
                    return
                member = isal_zlib.decompressobj(wbits=GZIP_WINDOW)
            try:
                piece = member.decompress(data, PIECE)
            except isal_zlib.error as error:  # type: ignore[misc]  # untyped module
                damage.code, damage.detail = "bad_gzip", str(error)
                return
            if piece:
                yield piece
            data = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        damage.code = "truncated_gzip"
        damage.detail = "the compressed stream breaks off"


def _trailing(data: bytes, damage: Damage) -> None:
    if data.strip(b"\x00"):  # zero padding is allowed by gzip's own tools
        damage.code = "trailing_garbage"
        damage.detail = f"{len(data)} bytes or more behind the last gzip member"


def limited(chunks: Iterator[bytes], limit: int, location: str) -> Iterator[bytes]:
    """Pass bytes on until they are more than an object may have.

    Raises:
        SourceUnreadable: ``too_large``.
    """
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > limit:
            raise SourceUnreadable(
                location,
                "too_large",
                f"more than {limit:,} bytes decompressed (FLOWLAKE_MAX_OBJECT_BYTES)",
            )
        yield chunk


def joined(pieces: Iterator[bytes], most: int) -> bytes | None:
    """Return all bytes, None if they are more; each gzip member is a piece or more."""
    held: list[bytes] = []
    for piece in pieces:
        held.append(piece)
        most -= len(piece)
        if most < 0:
            return None
    return b"".join(held)
