"""What the log itself proves of a packet, and what was tried to find a cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from transform.policy.way import ACL, FAILS, GROUPS, PASSES, UNASKED, Step

ACCEPT, REJECT = "ACCEPT", "REJECT"
SYN, ACK, TCP = 2, 16, 6
UNDETERMINED = "undetermined"
REASONS = {
    "BPA": "VPC Block Public Access rejected it: the record says so",
    "EC": "VPC Encryption Control rejected it: the record says so",
}
Row = Mapping[str, Any]


def proofs(row: Row, seen: Sequence[Row]) -> list[str]:
    """Return what the records say, whatever was configured.

    Args:
        row: Of the packets that are explained.
        seen: What interfaces recorded of the conversation, either way.
    """
    found = [_told(one) for one in seen if one["is_request"]]
    found += [_told(one) for one in seen if not one["is_request"]]
    if row["reject_reason"] in REASONS:
        found.append(REASONS[row["reject_reason"]])
    if opens(row):
        found.append("it opens a conversation: a SYN without ACK was logged")
    answers = [one for one in seen if not one["is_request"]]
    if row["action"] == REJECT and not answers:
        found.append("no answer to it was recorded within an hour")
    return found


def _told(one: Row) -> str:
    what = "the request" if one["is_request"] else "an answer"
    did = {
        (ACCEPT, "ingress"): f"let {what} in",
        (ACCEPT, "egress"): f"let {what} out",
        (REJECT, "ingress"): f"rejected {what} on its way in",
        (REJECT, "egress"): f"rejected {what} on its way out",
    }.get((one["action"], one["direction"]), f"recorded {what}: {one['action']}")
    role = f", as {one['role']}" if one["role"] else ""
    many = "1 record" if one["records"] == 1 else f"{one['records']} records"
    return f"{one['observer']}{role} {did} ({many}, from {one['first_seen']})"


def opens(row: Row) -> bool:
    """Whether a TCP packet is known to open a conversation."""
    flags = row["tcp_flags"]
    return bool(
        row["protocol"] == TCP and flags is not None and flags & (SYN | ACK) == SYN
    )


def tried(row: Row, mine: Sequence[Step], seen: Sequence[Row]) -> list[dict[str, Any]]:
    """Return what was tried to find the cause of a rejection, in order, and what came.

    Args:
        row: Of the packets that are explained.
        mine: The steps at the end that recorded them.
        seen: What interfaces recorded of the conversation, either way.

    Returns:
        ``what`` was asked, and ``says`` the answer; ``leaves`` a cause that stays
        possible, where it cannot be told.
    """
    if row["action"] != REJECT:
        return []
    return [
        _reason(row),
        *(_step(row, step) for kind in (ACL, GROUPS) for step in mine
          if step.kind == kind),
        *_log(row, seen),
    ]  # fmt: skip


def _reason(row: Row) -> dict[str, Any]:
    told = REASONS.get(row["reject_reason"])
    return _tried("the record's own reason", told or "it gives none")


def _step(row: Row, step: Step) -> dict[str, Any]:
    what = "the network ACL" if step.kind == ACL else "the security groups"
    if step.decision == FAILS:
        rule = str(step.rule)
        if step.kind == GROUPS and not _may_open(row):
            return _tried(what, f"{rule}; but they stop only what opens a conversation")
        return _tried(what, rule)
    if step.decision == PASSES:
        return _tried(what, f"let it pass: {step.rule}")
    if step.decision == UNASKED:
        return _tried(what, f"not asked: {step.rule or 'the interface carries none'}")
    lacks = "; ".join(f"{one.resource}: {one.why}" for one in step.lacks)
    return _tried(what, f"not known: {lacks}", leaves=step.kind)


def _may_open(row: Row) -> bool:
    if row["protocol"] == TCP:
        return opens(row)
    return row["is_request"] is not False


def _log(row: Row, seen: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Yield what the interface's own records of the conversation say."""
    way = row["is_request"] is not False
    back = [
        one
        for one in seen
        if one["observer"] == row["observer"]
        and one["is_request"] != way
        and one["action"] == ACCEPT
    ]
    if back:
        text = (
            f"the interface accepted the other direction from {back[0]['first_seen']}"
        )
    else:
        text = "the interface accepted nothing of the other direction within an hour"
    is_late = row["protocol"] == TCP and not opens(row) and bool(back)
    leaves = "late_packet" if is_late and row["reject_cause"] == UNDETERMINED else None
    yield _tried("the log", text, leaves=leaves)


def _tried(what: str, says: str, *, leaves: str | None = None) -> dict[str, Any]:
    return {"what": what, "says": says, "leaves": leaves}
