"""Which objects of a listing are recounted: all, a fraction, or so many."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ingest.source import SourceObject
from lake.errors import UsageError

HASH_BYTES = 8
HASHES = 2.0 ** (8 * HASH_BYTES)


@dataclass(frozen=True, slots=True)
class Sample:
    """A choice by the objects' names: the same again, but for another seed.

    Attributes:
        fraction: Of the objects.
        most: So many objects; None: all that ``fraction`` leaves.
        seed: Another word draws others.
    """

    fraction: float = 1.0
    most: int | None = None
    seed: str = ""

    def of(self, pages: Iterable[list[SourceObject]]) -> Iterator[list[SourceObject]]:
        """Choose among pages; of so many objects, held at once, all are listed first.

        One identity is chosen in all of its places, or in none.
        """
        if self.most is not None:
            yield self._lowest(pages, self.most)
            return
        limit = self.fraction * HASHES
        for page in pages:
            chosen = [source for source in page if self._hash(source) < limit]
            if chosen:
                yield chosen

    def _lowest(
        self, pages: Iterable[list[SourceObject]], most: int
    ) -> list[SourceObject]:
        ranked = (
            (self._hash(source), source.location, source.etag, source)
            for page in pages
            for source in page
        )
        chosen = heapq.nsmallest(most, ranked, key=lambda each: each[:3])
        return [source for *_, source in chosen]

    def _hash(self, source: SourceObject) -> int:
        named = f"{self.seed}\0{source.identity}".encode()
        digest = hashlib.blake2b(named, digest_size=HASH_BYTES).digest()
        return int.from_bytes(digest)


def parse_sample(text: str | None, seed: str) -> Sample:
    """Read `--sample`: `500` objects, `0.01` or `1%` of them.

    Raises:
        UsageError: It is neither.
    """
    if text is None:
        return Sample()
    try:
        if text.isdecimal() and int(text):
            return Sample(most=int(text), seed=seed)
        percent = text.endswith("%")
        fraction = float(text.removesuffix("%")) / (100 if percent else 1)
        if 0 < fraction <= 1:
            return Sample(fraction=fraction, seed=seed)
    except ValueError:
        pass
    raise UsageError(
        f"--sample {text!r} is neither a number of objects nor a part of them: try "
        "500, 0.01 or 1%"
    )
