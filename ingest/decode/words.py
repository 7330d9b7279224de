"""Text eight bytes at a time, as one little-endian number: a word; compiled.

Reading a word may reach up to ``PADDING`` bytes past the text asked for, so every
buffer that compiled code reads has that much room behind its end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ingest.decode.machine import inlined

PADDING = 8
MOST_DIGITS = 18

# One byte of each in all eight places of a word.
_HIGH_BITS = np.uint64(0x8080808080808080)
_ABOVE_SPACE = np.uint64(0x2121212121212121)
_ZEROS = np.uint64(0x3030303030303030)
_SIXES = np.uint64(0x0606060606060606)
_HIGH_HALVES = np.uint64(0xF0F0F0F0F0F0F0F0)
_LOW_HALVES = np.uint64(0x0F0F0F0F0F0F0F0F)
_EVEN_BYTES = np.uint64(0x00FF00FF00FF00FF)
_EVEN_PAIRS = np.uint64(0x0000FFFF0000FFFF)

_NONE = np.uint64(0)
_PAIRS, _FOURS, _EIGHTS = (np.uint64(10**n << 8 * n | 1) for n in (1, 2, 4))
_3, _8, _16, _29, _32 = (np.uint64(n) for n in (3, 8, 16, 29, 32))
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, as in Fibonacci hashing
_POWERS = np.array([10**n for n in range(9)], np.uint64)  # of ten, by digits


@intrinsic  # type: ignore[untyped-decorator]  # numba is not read
def load_word(context: Any, text: Any, at: Any) -> Any:
    """Read the eight bytes at ``text[at]`` as one little-endian integer."""

    def generate(target: Any, builder: Any, signature: Any, values: Any) -> Any:
        array = target.make_array(signature.args[0])(target, builder, values[0])
        place = builder.gep(array.data, [values[1]])
        place = builder.bitcast(place, ir.IntType(64).as_pointer())
        return builder.load(place, align=1)

    return types.uint64(text, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is not read
def trailing_zeros(context: Any, word: Any) -> Any:
    """Count the zero bits below the lowest one bit; undefined for zero."""

    def generate(target: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.cttz(values[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


@inlined
def same(text: Any, begin: int, end: int, store: Any, there: int) -> bool:
    """Whether ``text[begin:end]`` and the stored bytes from ``there`` on are equal."""
    left = end - begin
    while left > 8:
        if load_word(text, begin) != load_word(store, there):
            return False
        begin, there, left = begin + 8, there + 8, left - 8
    return left_bytes(load_word(text, begin), left) == left_bytes(
        load_word(store, there), left
    )


@inlined
def bytes_before_space(word: Any) -> Any:
    """Return how many of eight bytes stand before the first blank or control."""
    found = (word - _ABOVE_SPACE) & ~word & _HIGH_BITS
    return np.int64(trailing_zeros(found) >> _3) if found else 8


@inlined
def left_bytes(word: Any, size: int) -> Any:
    """Keep the first ``size`` bytes of a word, at its upper end; 0 to 8 of them."""
    return word << np.uint64(64 - 8 * size) if size else _NONE


@inlined
def eight_digits(word: Any) -> Any:
    """Return the number that eight decimal digits spell: by pairs, fours, all."""
    word = (word & _LOW_HALVES) * _PAIRS >> _8
    word = (word & _EVEN_BYTES) * _FOURS >> _16
    return (word & _EVEN_PAIRS) * _EIGHTS >> _32


@inlined
def is_eight_digits(word: Any) -> Any:
    """Whether all eight bytes are decimal digits: still so with six added to each."""
    return word & (word + _SIXES) & _HIGH_HALVES == _ZEROS


@inlined
def number_at(text: Any, begin: int) -> tuple[int, Any, bool]:
    """Return where a token ends, the number that it spells, and whether it does."""
    at, number, good, size = begin, _NONE, True, 8
    while size == 8:
        word = load_word(text, at)
        size = bytes_before_space(word)
        if size < 8:
            word = left_bytes(word, size) | _ZEROS >> np.uint64(8 * size)
        good &= is_eight_digits(word)
        number = number * _POWERS[size] + eight_digits(word)
        at += size
    return at, np.int64(number), good and 0 < at - begin <= MOST_DIGITS


@inlined
def token_at(text: Any, begin: int) -> tuple[int, Any, bool]:
    """Return where a token ends, its hash, and whether it is ASCII and not empty."""
    at, mixed, seen, size = begin, _NONE, _NONE, 8
    while size == 8:
        word = load_word(text, at)
        size = bytes_before_space(word)
        if size < 8:
            word = left_bytes(word, size)
        seen |= word
        mixed = (mixed ^ word) * _MIX
        mixed ^= mixed >> _29
        at += size
    return at, mixed, at > begin and seen & _HIGH_BITS == _NONE
