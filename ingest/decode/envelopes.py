"""Records inside JSON: CloudWatch subscriptions, Firehose lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pajson

from ingest.decode.documents import edges

MOST_HELD = 16 * 1024 * 1024  # of one document; CloudWatch's have some MB at most
EDGES_AT_ONCE = 65_536
CONTROL = "CONTROL_MESSAGE"

_SCHEMA = pa.schema(
    [
        ("messageType", pa.string()),
        ("message", pa.string()),
        ("logEvents", pa.list_(pa.struct([("message", pa.string())]))),
    ]
)


def unwrap(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Turn JSON documents into plain record lines, in bounded memory.

    Args:
        pieces: Decompressed text: ``{"messageType", "logEvents": [{"message"}]}``
            documents back to back, or one ``{"message"}`` a line.

    Yields:
        Lines as text objects have them, each with its newline. What is no such
        document comes through as a line of its own, to be quarantined there; one
        that is larger than any is comes in parts.

    Source:
        Amazon CloudWatch Logs User Guide, "Log group-level subscription filters".
    """
    held, unread = b"", 0  # a document whose end is still to come
    state = np.zeros(3, np.int64)
    found = np.empty(EDGES_AT_ONCE, np.int64)
    for piece in pieces:
        text, at, begun = held + piece, len(held) - unread, bool(state[0])
        count = len(found)
        while count + 2 > len(found):  # there was no room for more
            count, at = edges(np.frombuffer(text, np.uint8), at, state, found)
            places = [0] * begun + found[:count].tolist()
            yield from _lines(text, places[::2], places[1::2])
            begun = len(places) % 2 == 1
            cut = places[-1] if begun else at
            text, at = text[cut:], at - cut
        held, unread = text, len(text) - at
        if len(held) > MOST_HELD:
            yield _as_line(held)
            held, unread = b"", 0
    if held.strip():
        yield _as_line(held)


def _lines(text: bytes, begins: list[int], ends: list[int]) -> Iterator[bytes]:
    """Read whole documents in one pass; one by one where some are no envelopes."""
    if not ends:
        return
    table = _parsed(text[begins[0] : ends[-1]])
    if table is not None and table.num_rows == len(ends):
        messages = _messages(table)
        if messages is not None:
            if len(messages):
                yield "\n".join(messages.to_pylist()).encode() + b"\n"
            return
    for begin, end in zip(begins, ends, strict=False):
        yield from _of_document(text[begin:end])


def _parsed(text: bytes) -> pa.Table | None:
    try:
        return pajson.read_json(
            pa.BufferReader(text),
            read_options=pajson.ReadOptions(
                use_threads=False, block_size=max(len(text) + 1, 4096)
            ),
            parse_options=pajson.ParseOptions(
                explicit_schema=_SCHEMA,
                newlines_in_values=True,
                unexpected_field_behavior="ignore",
            ),
        )
    except pa.ArrowInvalid:
        return None


def _messages(table: pa.Table) -> Any:
    """Return the records of parsed documents, None if some document has none."""
    control = pc.equal(pc.fill_null(table["messageType"], ""), CONTROL)
    table = table.filter(pc.invert(control)).combine_chunks()
    single, events = table["message"], table["logEvents"]
    inner = pc.struct_field(pc.list_flatten(events), "message")
    neither = pc.and_(pc.is_null(single), pc.is_null(events))
    if inner.null_count or pc.any(neither).as_py():
        return None
    both = pa.chunked_array([*single.drop_null().chunks, *inner.chunks], pa.string())
    return pc.utf8_rtrim(both, characters="\r\n")


def _of_document(text: bytes) -> Iterator[bytes]:
    """Yield the records of one document; itself if it is no envelope."""
    try:
        document = json.loads(text)
    except ValueError:
        yield _as_line(text)
        return
    if not isinstance(document, dict) or document.get("messageType") == CONTROL:
        if not isinstance(document, dict):
            yield _as_line(text)
        return
    events = document.get("logEvents")
    for event in events if isinstance(events, list) else [document]:
        message = event.get("message") if isinstance(event, dict) else None
        if isinstance(message, str):
            yield _as_line(message.encode("utf-8", "replace"))
        else:
            yield _as_line(json.dumps(event).encode())


def _as_line(text: bytes) -> bytes:
    """Return what may be several lines as one, with its newline."""
    return text.strip(b"\r\n").replace(b"\n", b" ") + b"\n"
