"""Records inside JSON, read by the standard library alone."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any

MOST_HELD = 16 * 1024 * 1024
MESSAGES_AT_ONCE = 65_536
_DECODER = json.JSONDecoder()


class NoEnvelope(Exception):
    """It is no JSON document that holds records."""


def messages(start: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the records of JSON documents that stand back to back, as lines.

    Raises:
        NoEnvelope: Some document is none of CloudWatch's or Firehose's.

    Source:
        Amazon CloudWatch Logs User Guide, "Log group-level subscription filters".
    """
    found: list[str] = []
    for document in _documents(start, pieces):
        found.extend(_records(document))
        if len(found) >= MESSAGES_AT_ONCE:
            yield _as_lines(found)
            found = []
    if found:
        yield _as_lines(found)


def _as_lines(found: list[str]) -> bytes:
    return "".join(f"{text}\n" for text in found).encode("utf-8", "replace")


def _documents(start: bytes, pieces: Iterator[bytes]) -> Iterator[Any]:
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    held = decode(start)
    for piece in pieces:
        held, whole = _cut(held)
        yield from whole
        if len(held) > MOST_HELD:
            raise NoEnvelope("a JSON document of more than 16 MB")
        held += decode(piece)
    held, whole = _cut(held)
    yield from whole
    if held:
        raise NoEnvelope("its JSON is broken, or breaks off")


def _cut(text: str) -> tuple[str, list[Any]]:
    """Return the whole documents at a text's beginning, and what follows them."""
    whole: list[Any] = []
    text = text.lstrip()
    at = 0
    while at < len(text):
        try:
            document, end = _DECODER.raw_decode(text, at)
        except ValueError:
            break
        whole.append(document)
        at = end
        while at < len(text) and text[at].isspace():
            at += 1
    return text[at:], whole


def _records(document: Any) -> list[str]:
    if not isinstance(document, dict):
        raise NoEnvelope("a JSON document that is no object")
    if document.get("messageType") == "CONTROL_MESSAGE":
        return []
    events = document.get("logEvents", [document])
    try:
        return [event["message"].rstrip("\r\n") for event in events]
    except (AttributeError, KeyError, TypeError):
        raise NoEnvelope("a JSON document without messages") from None
