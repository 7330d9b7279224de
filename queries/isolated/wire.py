"""How the service and a query's process talk: a head of JSON, then bytes."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

_SIZES = struct.Struct("!QQ")  # bytes of the head, bytes of the body


class WireError(Exception):
    """What came is more than was agreed on."""


def send(channel: socket.socket, head: Mapping[str, Any], body: bytes = b"") -> None:
    """Send one message.

    Raises:
        OSError: The other end is gone.
    """
    text = json.dumps(head).encode()
    channel.sendall(_SIZES.pack(len(text), len(body)) + text)
    channel.sendall(body)


def receive(
    channel: socket.socket, *, most_head: int, most_body: int
) -> tuple[dict[str, Any], bytearray]:
    """Receive one message.

    Args:
        channel: From whom.
        most_head: Bytes that its head may have.
        most_body: Bytes that its body may have.

    Raises:
        EOFError: The other end is gone.
        WireError: It is larger than it may be.
    """
    head, body = _SIZES.unpack(exactly(channel, _SIZES.size))
    if head > most_head or body > most_body:
        raise WireError(f"{head} and {body} bytes came")
    return json.loads(exactly(channel, head)), exactly(channel, body)


def exactly(channel: socket.socket, count: int) -> bytearray:
    """Receive so many bytes.

    Raises:
        EOFError: The other end is gone.
    """
    data = bytearray(count)
    view = memoryview(data)
    while view:
        got = channel.recv_into(view)
        if not got:
            raise EOFError
        view = view[got:]
    return data
