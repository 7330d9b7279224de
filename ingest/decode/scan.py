"""The inner loop of text decoding, compiled: lines to columns in one pass.

Each token is read eight bytes at a time, checked against its field's rules, and either
stored as a number or looked up in its field's dictionary. A line that breaks a rule, or
that there is no rule for here, is left to be read with care (``lines.py``): this loop
accepts only what that reading accepts, and stores just what it would store.

Everything is in plain arrays, for the compiler's sake, and places in them are made
unsigned where it counts: of others it asks each time whether they are negative, which
costs a tenth of the time.

``rules``    int64 (fields, 9): KIND, ROW, LOW, HIGH, NEEDED, GROUP (the first field
             with the same dictionary), and three allowed words
``narrow``   int32 (rows of fields, records): 32-bit numbers, and codes of texts
``wide``     int64 (rows of fields, records): 64-bit numbers
``tallies``  int64 (fields, 2): how many were ABSENT, how many texts are DISTINCT
``slots``    int32: a hash table of 1 + entry, 0 where free; a power of two long
``entries``  int64 (texts + 1, 4): HASH, OWNER (its group), CODE there, BEGIN (the
             next begin ends it)
``store``    uint8: the texts' bytes, one after the other
``odd``      int64 (lines, 3): begin, end and number of each line left
``used``     int64 (5): PLACE in the text, LINE there, ROWS, ENTRIES, ODD lines
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ingest.decode.addresses import is_address
from ingest.decode.machine import compiled, inlined
from ingest.decode.words import (
    PADDING,
    left_bytes,
    load_word,
    number_at,
    same,
    token_at,
)

TEXT, ADDRESS, WORD, SKIPPED, INT32, INT64 = range(6)
KIND, ROW, LOW, HIGH, NEEDED, GROUP, WORDS = range(7)
ABSENT, DISTINCT = range(2)
HASH, OWNER, CODE, BEGIN = range(4)
PLACE, LINE, ROWS, ENTRIES, ODD = range(5)

# why a scan returned
DONE, FULL, MAYBE_HEADER = range(3)

ABSENT_CODE = -1  # of a text that is `-`
ABSENT_INT32 = -(2**31)
ABSENT_INT64 = -(2**63)

_SPACE, _NEWLINE, _RETURN, _DASH = ord(" "), ord("\n"), ord("\r"), ord("-")
_A, _Z, _QUOTE = ord("a"), ord("z"), ord('"')
_NAMES = np.zeros(256, np.bool_)
_NAMES[list(b'abcdefghijklmnopqrstuvwxyz0123456789-_, "\r')] = True

_ONE = np.uint64(1)


def word_of(token: str) -> int:
    """Return a token of at most eight bytes as ``rules`` has it."""
    data = token.encode()
    return int.from_bytes(data.rjust(8, b"\0"), "little", signed=True)


def make_ready() -> None:
    """Load what is compiled, or compile it, without reading anything."""
    text = np.frombuffer(bytes(PADDING), np.uint8)
    numbers, cells = np.zeros((1, 9), np.int64), np.zeros((1, 1), np.int32)
    slots, bytes_ = np.zeros(2, np.int32), np.zeros(2, np.uint8)
    used = np.zeros(5, np.int64)
    scan(
        text, 0, numbers, cells, numbers, numbers, slots, numbers, bytes_, numbers,
        used, 0,
    )  # fmt: skip


@compiled
def scan(
    text: Any,
    end: int,
    rules: Any,
    narrow: Any,
    wide: Any,
    tallies: Any,
    slots: Any,
    entries: Any,
    store: Any,
    odd: Any,
    used: Any,
    max_line_bytes: int,
) -> int:
    """Read whole lines from ``used[PLACE]`` on; return why it stopped.

    ``text[:end]`` ends with a newline, and ``PADDING`` bytes follow it. Stops at the
    end, where no room is left, and behind an odd line that may be a header.
    """
    while used[PLACE] < end:
        if (
            used[ROWS] == narrow.shape[1]
            or used[ODD] == len(odd)
            or used[ENTRIES] + len(rules) >= len(entries)
            or len(store) - entries[used[ENTRIES], BEGIN] < 2 * max_line_bytes
        ):
            return FULL
        begin = used[PLACE]
        at = _record(
            text, begin, rules, narrow, wide, tallies, slots, entries, store, used
        )
        good = 0 <= at <= begin + max_line_bytes
        if at < 0:
            at = begin
            while text[at] != _NEWLINE:
                at += 1
        used[PLACE] = at + 1
        used[LINE] += 1
        if good:
            used[ROWS] += 1
        elif not (at == begin or (at == begin + 1 and text[begin] == _RETURN)):
            odd[used[ODD], 0], odd[used[ODD], 1] = begin, at
            odd[used[ODD], 2] = used[LINE] - 1
            used[ODD] += 1
            if _may_be_header(text, begin, at):
                return MAYBE_HEADER
    return DONE


@inlined
def _record(
    text: Any,
    begin: int,
    rules: Any,
    narrow: Any,
    wide: Any,
    tallies: Any,
    slots: Any,
    entries: Any,
    store: Any,
    used: Any,
) -> int:
    """Store one line in the next row; return where it ends, -1 if it is odd."""
    at, row = begin, np.uintp(used[ROWS])
    for place in range(len(rules)):
        field = np.uintp(place)
        if place:
            if text[np.uintp(at)] != _SPACE:
                return -1
            at += 1
        if rules[field, KIND] >= INT32:
            at = _store_number(text, at, field, rules, narrow, wide, tallies, row)
        else:
            at = _store_text(
                text, at, field, rules, narrow, tallies, slots, entries, store, used,
                row,
            )  # fmt: skip
        if at < 0:
            return -1
    if text[np.uintp(at)] == _RETURN:
        at += 1
    return at if text[np.uintp(at)] == _NEWLINE else -1


@inlined
def _store_number(
    text: Any,
    begin: int,
    field: int,
    rules: Any,
    narrow: Any,
    wide: Any,
    tallies: Any,
    row: int,
) -> int:
    """Store a number; return where its token ends, -1 if it breaks a rule."""
    place, is_wide = np.uintp(rules[field, ROW]), rules[field, KIND] == INT64
    at, value, good = number_at(text, begin)
    if at == begin + 1 and text[np.uintp(begin)] == _DASH:
        tallies[field, ABSENT] += 1
        good = not rules[field, NEEDED]
        value = ABSENT_INT64 if is_wide else ABSENT_INT32
    else:
        good &= rules[field, LOW] <= value <= rules[field, HIGH]
    if is_wide:
        wide[place, row] = value
    else:
        narrow[place, row] = value
    return at if good else -1


@inlined
def _store_text(
    text: Any,
    begin: int,
    field: int,
    rules: Any,
    narrow: Any,
    tallies: Any,
    slots: Any,
    entries: Any,
    store: Any,
    used: Any,
    row: int,
) -> int:
    """Store a text's code; return where its token ends, -1 if it breaks a rule."""
    at, token_hash, good = token_at(text, begin)
    if rules[field, KIND] == SKIPPED or not good:
        return at if good else -1
    code = ABSENT_CODE
    if at == begin + 1 and text[np.uintp(begin)] == _DASH:
        tallies[field, ABSENT] += 1
    else:
        code = _code(
            text, begin, at, token_hash, field, rules, tallies, slots, entries, store,
            used,
        )  # fmt: skip
        if code < 0:
            return -1
    narrow[np.uintp(rules[field, ROW]), row] = code
    return at


@inlined
def _code(
    text: Any,
    begin: int,
    end: int,
    token_hash: Any,
    field: int,
    rules: Any,
    tallies: Any,
    slots: Any,
    entries: Any,
    store: Any,
    used: Any,
) -> int:
    """Return the code of a token in its field, a new one if it may be; else -1."""
    mask = np.uint64(len(slots) - 1)
    signed_hash = np.int64(token_hash)
    group = rules[field, GROUP]
    slot = (token_hash + np.uint64(group)) & mask
    while slots[slot]:
        entry = np.uintp(slots[slot] - 1)
        if (
            entries[entry, HASH] == signed_hash
            and entries[entry, OWNER] == group
            and entries[entry + _ONE, BEGIN] - entries[entry, BEGIN] == end - begin
            and same(text, begin, end, store, entries[entry, BEGIN])
        ):
            return entries[entry, CODE]
        slot = (slot + _ONE) & mask
    new = used[ENTRIES]
    there = entries[new, BEGIN]
    fits = end - begin <= len(store) - PADDING - there
    if not (fits and _allowed(text, begin, end, field, rules)):
        return -1
    used[ENTRIES] = new + 1
    slots[slot] = new + 1
    entries[new, HASH], entries[new, OWNER] = signed_hash, group
    code = tallies[group, DISTINCT]
    entries[new, CODE] = code
    tallies[group, DISTINCT] = code + 1
    entries[new + 1, BEGIN] = there + end - begin
    for offset in range(end - begin):
        store[there + offset] = text[begin + offset]
    return code


@compiled
def _allowed(text: Any, begin: int, end: int, field: int, rules: Any) -> bool:
    """Whether a token that was not seen before may stand in its field."""
    if rules[field, KIND] == ADDRESS:
        return bool(is_address(text, begin, end))
    if rules[field, KIND] == WORD:
        if end - begin > 8:
            return False
        word = np.int64(left_bytes(load_word(text, begin), end - begin))
        for place in range(WORDS, rules.shape[1]):
            if rules[field, place] == word:
                return True
        return False
    return True


@compiled
def _may_be_header(text: Any, begin: int, end: int) -> bool:
    """Whether a line has nothing but what field names and commas are made of."""
    for at in range(begin, end):
        if not _NAMES[text[at]]:
            return False
    return _A <= text[begin] <= _Z or text[begin] == _QUOTE
