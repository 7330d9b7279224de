"""How some values are spelled, in what people write and in what they read."""

from __future__ import annotations

from datetime import UTC, datetime

PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "gre": 47, "esp": 50}


def iso(time: datetime) -> str:
    """Return a time as ISO 8601 with ``Z``, as every answer writes it."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def literal(text: str) -> str:
    """Return a text as an SQL literal, for what cannot be bound in a definition."""
    return "'" + text.replace("'", "''") + "'"
