"""The kinds of conversation that the world holds."""

from __future__ import annotations

from dataclasses import dataclass

TCP = 6


@dataclass(frozen=True, slots=True)
class Edge:
    """A kind of conversation: who opens it, with whom, on what port, how often."""

    client: str
    server: str
    port: int
    weight: float
    protocol: int = TCP


EDGES = (
    Edge("ingress", "web", 8080, 14),
    Edge("web", "checkout", 8080, 12),
    Edge("checkout", "orders", 9090, 10),
    Edge("web", "cache", 6379, 12),
    Edge("checkout", "payments-db", 5432, 3),  # rejected: no rule allows the pods
    Edge("orders", "legacy", 8443, 2),  # its replies are rejected by the ACL
    Edge("orders", "sts", 443, 3),
    Edge("internet", "ingress", 443, 22),
    Edge("internet", "bastion", 22, 3),  # scanners
    Edge("scanner", "ingress", 0, 6),  # any port
    Edge("scanner", "legacy", 0, 3),
    Edge("web", "internet", 443, 8),  # by the NAT gateway
)
