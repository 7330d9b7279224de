"""What becomes of packets, and what the logs can tell of it: by construction."""

from __future__ import annotations

from demo.network.paths import Outcome

ACCEPTED = Outcome()

NO_RULE = Outcome(
    "rejected", "rejected", -1, "security_group", "no inbound rule",
    why="the destination's REJECT is logged",
)  # fmt: skip
AT_SOURCE = Outcome(
    "rejected", "rejected", 0, "security_group", "no outbound rule",
    why="the source's own REJECT is logged",
)  # fmt: skip
CLOSED = Outcome(
    "rejected", "rejected", -1, "late_packet", "connection closed",
    why="packets after the connection's end are REJECT at their destination",
)  # fmt: skip
IDLE = Outcome(
    "rejected", "rejected", -1, "idle_timeout", "tracking expired",
    why="packets of a connection that is no longer tracked are REJECT there",
)  # fmt: skip
LOST = Outcome(
    "dropped", "unmatched", 0, "dropped", "route or appliance between",
    why="both ends are logged for both actions, and the destination says nothing",
)  # fmt: skip
LOST_IN_SKIP = Outcome(
    "accepted", "unmatched",
    why="they arrived, but the destination's records of that time were skipped",
)  # fmt: skip
GATE_DROPPED = Outcome(
    "nat_dropped", "unconfirmed", -1, "nat_unsolicited", "no mapping",
    why="the gateway's interface accepts what the gateway then drops",
)  # fmt: skip
UNSEEN = Outcome(
    "accepted", "invisible", why="no flow log holds either interface"
)  # fmt: skip
UNKNOWN_REJECT = Outcome(
    "rejected", "accepted", -1, "security_group", "no inbound rule",
    why="only the source is logged; an unlogged destination is not known to refuse",
)  # fmt: skip
SILENT_REJECT = Outcome(
    "rejected", "unconfirmed", -1, "security_group", "no inbound rule",
    why="the destination logs ACCEPT alone, and has none: refused, or lost between",
)  # fmt: skip
UNSEEN_REJECT = Outcome(
    "rejected", "invisible", -1, "security_group", "no inbound rule",
    why="the source is not logged, and the destination logs ACCEPT alone",
)  # fmt: skip
UNSEEN_AT_SOURCE = Outcome(
    "rejected", "invisible", 0, "security_group", "no outbound rule",
    why="the source logs ACCEPT alone, and they never left it",
)  # fmt: skip


def acl(name: str, side: str, rule: int, at: int = -1) -> Outcome:
    """Return a rejection by a rule of a network ACL."""
    rules = f"acl-{name}: {side} {rule}"
    return Outcome(
        "rejected", "rejected", at, "network_acl", rules,
        why="the REJECT of the subnet's ACL is logged at the interface",
    )  # fmt: skip


def bpa() -> Outcome:
    """Return a rejection by VPC Block Public Access: its records carry no bytes."""
    return Outcome(
        "rejected", "rejected", -1, "block_public_access", "BPA", "BPA",
        why="the record says so itself",
    )  # fmt: skip


def encryption() -> Outcome:
    """Return a rejection by a VPC's encryption control at an endpoint."""
    return Outcome(
        "rejected", "rejected", -1, "encryption_control", "EC", "EC",
        why="the record says so itself",
    )  # fmt: skip
