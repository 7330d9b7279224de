"""What the world lets through: its own small evaluation, kept apart from any other.

Security groups are lists of who may reach a port; the strict network ACL lets requests
in and their replies not out.
"""

from __future__ import annotations

from dataclasses import dataclass

ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, slots=True)
class Rule:
    """An inbound rule: protocol and port from a group or a CIDR."""

    id: str
    protocol: int
    port: int
    source: str


@dataclass(frozen=True, slots=True)
class Ruling:
    """What happened to a packet stream, and which rule or lack of one decided."""

    request: str
    reply: str
    cause: str | None = None
    rule: str | None = None


GROUPS: dict[str, tuple[Rule, ...]] = {
    "sg-node": (
        Rule("sgr-web", 6, 8080, "sg-lb"),
        Rule("sgr-pods", 6, 9090, "sg-node"),
        Rule("sgr-shop", 6, 8080, "sg-node"),
    ),
    "sg-lb": (Rule("sgr-https", 6, 443, ANYWHERE),),
    "sg-db": (Rule("sgr-wrong", 6, 5432, "sg-bastion"),),  # the pods were forgotten
    "sg-cache": (Rule("sgr-cache", 6, 6379, "sg-node"),),
    "sg-lambda": (),
    "sg-endpoint": (Rule("sgr-sts", 6, 443, "sg-node"),),
    "sg-legacy": (Rule("sgr-legacy", 6, 8443, "sg-node"),),
    "sg-bastion": (Rule("sgr-ssh", 6, 22, "198.51.100.0/24"),),
}


def decide(
    *,
    source_groups: tuple[str, ...],
    server_groups: tuple[str, ...],
    server_acl: str,
    protocol: int,
    port: int,
) -> Ruling:
    """Decide a packet stream between two ends; no groups means from the internet."""
    sources = source_groups or (ANYWHERE,)
    for group in server_groups:
        for rule in GROUPS[group]:
            if (rule.protocol, rule.port) == (protocol, port) and (
                rule.source in sources or rule.source == ANYWHERE
            ):
                if server_acl == "strict":
                    return Ruling("ACCEPT", "REJECT", "network_acl", "acl-strict:*")
                return Ruling("ACCEPT", "ACCEPT", rule=rule.id)
    group = ",".join(server_groups)
    return Ruling("REJECT", "", "security_group", f"{group}: no inbound rule")
