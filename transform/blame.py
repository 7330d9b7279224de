"""The cause of each rejection: what the record, the configuration and the log tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from transform import outcome as o
from transform.enrich import Attributed
from transform.policy.asked import DENIED
from transform.policy.policy import Policy
from transform.records import EGRESS, is_text
from transform.refusals import refusals


@dataclass(frozen=True, slots=True)
class Blame:
    """Columns of `flows`, as `transform.outcome.Outcome` has them."""

    cause: Any
    evidence: Any
    also: Any
    rule: pa.DictionaryArray | None


def blame(
    attributed: Attributed, policy: Policy, rows: Any, *, seen: Any, opens: Any
) -> Blame:
    """Say why rejected rows were.

    The record's own word holds; then the configuration of its time: the network ACL
    for any packet, the security groups for one that can open a conversation; then the
    log alone, unless the configuration speaks against it.

    Args:
        attributed: Rows with both sides identified.
        policy: What was configured, and when.
        rows: Which of them are rejections.
        seen: Of each of these, the cause that the log alone tells; ``NULL`` for none.
        opens: Which of them can open a conversation.
    """
    told = by_reason(attributed, rows)
    found = refusals(attributed, policy, rows)
    free = told == o.NULL
    by_acl = free & (found.acl == DENIED)
    denied = opens & (found.group == DENIED)
    # What goes out meets the groups first.
    first = attributed.direction[rows] == EGRESS
    by_group = free & denied & (found.acl_lets | (first & ~by_acl))
    by_log = np.where((seen == o.NETWORK_ACL) & found.acl_lets, o.NULL, seen)
    cause = np.select(
        [~free, by_acl, by_group, by_log != o.NULL],
        [told, o.NETWORK_ACL, o.SECURITY_GROUP, by_log],
        o.UNDETERMINED,
    )
    evidence = np.select(
        [by_acl & (seen == o.NETWORK_ACL), by_acl | by_group, cause != o.UNDETERMINED],
        [o.BY_BOTH, o.BY_CONFIG, o.BY_LOG],
        o.NULL,
    )
    also = np.where(by_acl & denied, o.SECURITY_GROUP, o.NULL)
    size = len(attributed.records)

    def spread(codes: Any) -> Any:
        column = np.full(size, o.NULL, np.int8)
        column[rows] = codes
        return column

    return Blame(
        cause=spread(cause),
        evidence=spread(evidence),
        also=spread(also),
        rule=found.rules(by_acl, by_group, rows, size),
    )


def by_reason(attributed: Attributed, rows: Any) -> Any:
    """Return the cause that rejected records themselves name."""
    cause = np.full(len(rows), o.NULL, np.int8)
    if attributed.records.has("reject_reason"):
        table = attributed.records.rows
        cause[is_text(table, "reject_reason", "BPA")[rows]] = o.BLOCK_PUBLIC_ACCESS
        cause[is_text(table, "reject_reason", "EC")[rows]] = o.ENCRYPTION_CONTROL
    return cause
