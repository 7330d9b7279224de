"""Records inside JSON: CloudWatch subscriptions, Firehose lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pajson

READ_AHEAD = 16 * 1024 * 1024

_SCHEMA = pa.schema(
    [
        ("messageType", pa.string()),
        ("message", pa.string()),
        ("logEvents", pa.list_(pa.struct([("message", pa.string())]))),
    ]
)


def unwrap(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Turn JSON documents into plain record lines.

    Args:
        pieces: Decompressed text: ``{"messageType", "logEvents": [{"message"}]}``
            documents back to back, or one ``{"message"}`` a line.

    Yields:
        Lines as text objects have them, each with its newline; a document that is
        no JSON comes through as a line of its own, to be quarantined there.

    Source:
        Amazon CloudWatch Logs User Guide, "Log group-level subscription filters".
    """
    pending = b""
    for piece in pieces:
        pending += piece
        if len(pending) < READ_AHEAD:
            continue
        cut = _last_end(pending)
        if cut:
            yield from _messages(pending[:cut])
            pending = pending[cut:]
    if pending.strip():
        yield from _messages(pending)


def _last_end(text: bytes) -> int:
    """Return where the last whole document surely ends, 0 if that is unknown."""
    newline = text.rfind(b"\n{")
    glued = text.rfind(b"}{")
    return max(newline + 1, glued + 1)


def _messages(text: bytes) -> Iterator[bytes]:
    """Read documents in one pass; one by one where that fails."""
    try:
        table = pajson.read_json(
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
        yield from _one_by_one(text.decode("utf-8", "replace"))
        return
    control = pc.equal(pc.fill_null(table["messageType"], ""), "CONTROL_MESSAGE")
    table = table.filter(pc.invert(control))
    events = pc.list_flatten(table["logEvents"].combine_chunks())
    inner = events.field("message") if len(events) else pa.array([], pa.string())
    for column in (table["message"].combine_chunks(), inner):
        lines = pc.utf8_rtrim(column.drop_null(), characters="\r\n")
        if len(lines):
            yield "\n".join(lines.to_pylist()).encode() + b"\n"


def _one_by_one(text: str) -> Iterator[bytes]:
    decoder = json.JSONDecoder()
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        try:
            document, position = decoder.raw_decode(text, position)
        except ValueError:
            end = text.find("\n", position)
            end = len(text) if end < 0 else end + 1
            yield text[position:end].rstrip("\r\n").encode() + b"\n"
            position = end
            continue
        yield from _of_document(document)


def _of_document(document: Any) -> Iterator[bytes]:
    if isinstance(document, dict) and document.get("messageType") == "CONTROL_MESSAGE":
        return
    events = [document] if isinstance(document, dict) else []
    if isinstance(document, dict) and isinstance(document.get("logEvents"), list):
        events = document["logEvents"]
    for event in events:
        message = event.get("message") if isinstance(event, dict) else None
        line = message if isinstance(message, str) else json.dumps(document)
        yield line.rstrip("\r\n").encode() + b"\n"
