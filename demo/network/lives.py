"""How long things live: addresses are handed on after seconds."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np

from demo.network.ground import Ground

SHORTEST, LONGEST = 120, 2400  # a pod's life
BEFORE = 900  # the world is older than its first window


def lives(
    ground: Ground,
    slot: int,
    shortest: int = SHORTEST,
    longest: int = LONGEST,
    rest: tuple[int, int] = (1, 60),
) -> Iterator[tuple[int, int, int]]:
    """Yield (number, since, until) of those who hold a slot one after the other.

    Args:
        ground: The world.
        slot: The slot; a life depends on it and the seed alone.
        shortest: Of a life; seconds.
        longest: Of a life; seconds.
        rest: How long an address is nobody's; half of the rests are under five seconds.
    """
    random = np.random.default_rng([ground.seed, 77, slot])
    at = ground.begin - BEFORE - int(random.integers(0, longest))
    number = 0
    while at < ground.end:
        span = shortest * (longest / shortest) ** float(random.random())
        until = at + int(span)
        if until > ground.begin - BEFORE:
            yield number, at, until
        number += 1
        short = random.random() < 0.5
        low, high = rest
        most = min(5, high) if short else high
        at = until + int(random.integers(low, most, endpoint=True))


def number_of(*parts: object) -> int:
    """Return a number that is the same for the same parts."""
    return zlib.crc32("/".join(map(str, parts)).encode())
