"""The columns that judging fills, as arrays, and their words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from transform.words import column_of_codes

NULL = -1
ROLES = ("transit", "nat_public", "nat_unsolicited", "encapsulated", "duplicate",
         "unmatched")  # fmt: skip
(TRANSIT, NAT_PUBLIC, NAT_UNSOLICITED, ENCAPSULATED, DUPLICATE,
 UNMATCHED) = range(6)  # fmt: skip
SCOPES = ("internal", "inbound", "outbound", "external")
INTERNAL, INBOUND, OUTBOUND, EXTERNAL = range(4)
VERDICTS = ("accepted", "rejected", "unconfirmed")
ACCEPTED, REJECTED, UNCONFIRMED = range(3)
ENDS = ("src", "dst")
BY_SRC, BY_DST = range(2)
CAUSES = ("security_group", "network_acl", "block_public_access",
          "encryption_control", "late_packet", "idle_timeout",
          "undetermined")  # fmt: skip
(SECURITY_GROUP, NETWORK_ACL, BLOCK_PUBLIC_ACCESS, ENCRYPTION_CONTROL, LATE_PACKET,
 IDLE_TIMEOUT, UNDETERMINED) = range(7)  # fmt: skip
EVIDENCE = ("log", "config", "both")
BY_LOG, BY_CONFIG, BY_BOTH = range(3)
DIRECTIONS = ("ingress", "egress")
DIRECTION = np.array([NULL, 0, 1], np.int8)  # of `records.UNKNOWN`, `INGRESS`, `EGRESS`


@dataclass(slots=True)
class Outcome:
    """What is judged of each row; int8 codes of the words above, -1 is null.

    Attributes:
        counted: 1, 0, or -1 for null.
        service_port: Port, or -1 for null; int32.
        reject_rule: Texts; None: no row has any.
        settled: For all rows alike.
    """

    direction: Any
    role: Any
    scope: Any
    counted: Any
    verdict: Any
    initiator: Any
    service_port: Any
    reject_cause: Any
    reject_evidence: Any
    also_blocked_by: Any
    reject_rule: pa.DictionaryArray | None
    settled: bool = False

    def columns(self) -> dict[str, Any]:
        """Return the columns of `flows`; wholly null ones are left out."""
        found: dict[str, Any] = {}
        for name, words in _WORDS.items():
            column = column_of_codes(getattr(self, name), words)
            if column is not None:
                found[name] = column
        if self.reject_rule is not None:
            found["reject_rule"] = self.reject_rule
        counted = self.counted
        missing = counted < 0
        if not missing.all():
            mask = missing if missing.any() else None
            found["counted"] = pa.array(counted > 0, mask=mask)
        missing = self.service_port < 0
        if not missing.all():
            mask = missing if missing.any() else None
            found["service_port"] = pa.array(self.service_port, pa.int32(), mask=mask)
        found["settled"] = pa.array(np.full(len(counted), self.settled))
        return found


_WORDS = {
    "direction": DIRECTIONS,
    "role": ROLES,
    "scope": SCOPES,
    "verdict": VERDICTS,
    "initiator": ENDS,
    "reject_cause": CAUSES,
    "reject_evidence": EVIDENCE,
    "also_blocked_by": CAUSES,
}
