"""Edges: who spoke to whom at which port, as often as it was observed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

_ENDS = ("interface", "address", "vpc", "kind", "cluster", "namespace", "workload")
INTERNET = "internet"


@dataclass(frozen=True, slots=True)
class End:
    """One end of an edge.

    Attributes:
        interface: Its own; None: it has none of ours, or none is known.
        address: As in the packets; None: of several.
        vpc: Where it lies; None: in none that is known.
        kind: What it is, such as ``pod`` or ``internet``.
        cluster, namespace, workload: Of a pod.
    """

    interface: str | None
    address: str | None
    vpc: str | None = None
    kind: str | None = None
    cluster: str | None = None
    namespace: str | None = None
    workload: str | None = None

    def text(self) -> str:
        """Return it in words: ``10.0.0.1 (pod shop/web)``."""
        where = self.address or self.kind or "unknown"
        if self.kind == "pod" and self.workload:
            return f"{where} (pod {self.namespace}/{self.workload})"
        return f"{where} ({self.interface})" if self.interface else where


@dataclass(frozen=True, slots=True)
class Edge:
    """A client and a server at a port, and what was seen of them.

    Attributes:
        protocol: IANA number; None: not known.
        port: The server's; None: of none, or not known.
        replies: The lowest and highest port of the client's.
        is_opener_known: Whether it is known that the client opened it; else the client
            is who sent.
        verdict: What became of the packets.
        cause: Of rejections.
        first, last: Times of the records; UTC.
    """

    client: End
    server: End
    protocol: int | None
    port: int | None
    replies: tuple[int, int] | None
    is_opener_known: bool
    verdict: str | None
    cause: str | None
    records: int
    bytes: int
    first: datetime
    last: datetime

    @property
    def number(self) -> int:
        """Its protocol's number; -1, which no protocol has, if it is not known."""
        return -1 if self.protocol is None else self.protocol

    def to_json(self) -> dict[str, Any]:
        """Return it as values of JSON."""
        return {
            "client": self.client.text(),
            "server": self.server.text(),
            "protocol": self.protocol,
            "port": self.port,
            "verdict": self.verdict,
            "cause": self.cause,
            "records": self.records,
            "bytes": self.bytes,
            "first": self.first,
            "last": self.last,
        }


def edges_of(rows: pa.Table) -> Iterator[Edge]:
    """Yield the edges of a table that has a column for each attribute.

    Args:
        rows: ``client_interface``, ``server_vpc`` … for both ends, and the rest.
    """
    for row in rows.to_pylist():
        low, high = row["first_reply_port"], row["last_reply_port"]
        yield Edge(
            client=_end(row, "client"),
            server=_end(row, "server"),
            protocol=row["protocol"],
            port=row["port"],
            replies=None if low is None else (low, high),
            is_opener_known=row["is_opener_known"],
            verdict=row["verdict"],
            cause=row["cause"],
            records=row["records"],
            bytes=row["bytes"],
            first=row["first_seen"],
            last=row["last_seen"],
        )


def _end(row: dict[str, Any], side: str) -> End:
    return End(*(row[f"{side}_{name}"] for name in _ENDS))
