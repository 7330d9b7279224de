"""Where JSON documents that stand back to back begin and end, compiled."""

from __future__ import annotations

from typing import Any

from ingest.decode.machine import compiled

DEPTH, IN_STRING, ESCAPED = range(3)
STRAY = -1  # in place of a depth: within text that is in no document

_OPEN, _CLOSE, _QUOTE, _BACKSLASH = ord("{"), ord("}"), ord('"'), ord("\\")
_NEWLINE, _SPACE = ord("\n"), ord(" ")


@compiled
def edges(text: Any, begin: int, state: Any, found: Any) -> tuple[int, int]:
    """Find the edges of outermost documents, beginnings and ends in turn.

    Anything else that is not blank is a document of its own, up to the line's end. A
    broken document ends where a newline stands in a string, which JSON does not
    allow, or where the next line begins with another document.

    Args:
        text: uint8.
        begin: Where to go on.
        state: int64 (3): depth of braces, whether in a string, whether behind a
            backslash; kept from call to call.
        found: int64; takes positions.

    Returns:
        How many edges were found, and how far the text was read: not over a last
        newline whose meaning depends on what follows.
    """
    count, at = 0, begin
    while at < len(text) and count + 2 <= len(found):
        byte, here, behind = text[at], 0, 0
        if byte == _NEWLINE and state[DEPTH] > 0 and at + 1 == len(text):
            break
        if byte == _NEWLINE and _ends_early(text, at, state):
            state[DEPTH], state[IN_STRING], state[ESCAPED] = 0, 0, 0
            here = 1
        elif state[DEPTH] > 0:
            behind = _inside(byte, state)
        else:
            here = _outside(byte, state)
        for _ in range(here):
            found[count] = at
            count += 1
        at += 1
        if behind:
            found[count] = at
            count += 1
    return count, at


@compiled
def _ends_early(text: Any, at: int, state: Any) -> bool:
    """Whether the newline at a place ends something that is no whole document."""
    if state[IN_STRING] or state[DEPTH] == STRAY:
        return True
    return state[DEPTH] > 0 and text[at + 1] == _OPEN


@compiled
def _outside(byte: int, state: Any) -> int:
    """Note a byte that is in no document; return how many edges it makes."""
    if byte == _OPEN:
        edges_made = 2 if state[DEPTH] == STRAY else 1
        state[DEPTH] = 1
        return edges_made
    if byte > _SPACE and state[DEPTH] == 0:
        state[DEPTH] = STRAY
        return 1
    return 0


@compiled
def _inside(byte: int, state: Any) -> int:
    """Note a byte of a document; return 1 if the document ends with it."""
    if state[ESCAPED]:
        state[ESCAPED] = 0
    elif state[IN_STRING]:
        state[ESCAPED] = byte == _BACKSLASH
        state[IN_STRING] = byte != _QUOTE
    elif byte == _QUOTE:
        state[IN_STRING] = 1
    elif byte == _OPEN:
        state[DEPTH] += 1
    elif byte == _CLOSE:
        state[DEPTH] -= 1
        return int(state[DEPTH] == 0)
    return 0
