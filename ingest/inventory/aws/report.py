"""What an inventory could not use, so that nothing is left out in silence."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Missing:
    """A call that AWS did not answer.

    Attributes:
        scope: Where it was made.
        call: The IAM action, such as ``ec2:DescribeFlowLogs``.
        reason: AWS's code for the refusal.
    """

    scope: str
    call: str
    reason: str


@dataclass(slots=True)
class Report:
    """Counts of one look at an inventory.

    Attributes:
        files: JSON files read.
        documents: Documents used, by the name of their list.
        ignored: Files, or lists in them, that flowlake has no use for, by name.
        unreadable: Files that were not read, and why.
        without_region: Files of which no Region is told.
        odd: Values that were left out or could not be joined, by what is odd.
        missing: Calls that failed.
    """

    files: int = 0
    documents: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    unreadable: dict[str, str] = field(default_factory=dict)
    without_region: list[str] = field(default_factory=list)
    odd: Counter[str] = field(default_factory=Counter)
    missing: list[Missing] = field(default_factory=list)

    def note(self, oddity: str, count: int = 1, **facts: object) -> None:
        """Count something odd; log it with what is known of it."""
        if count:
            self.odd[oddity] += count
            log.info("inventory_oddity", oddity=oddity, count=count, **facts)

    def lacks(self, scope: str, call: str, reason: str) -> None:
        """Note a call that failed."""
        self.missing.append(Missing(scope, call, reason))
        log.warning("inventory_call_failed", scope=scope, call=call, reason=reason)

    def cannot_read(self, path: str, reason: str, detail: str = "") -> None:
        """Note a file that is not read; once."""
        if path not in self.unreadable:
            self.unreadable[path] = f"{reason}: {detail}" if detail else reason
            log.warning(
                "inventory_file_skipped", file=path, reason=reason, detail=detail
            )

    def absorb(self, other: Report) -> None:
        """Add another's counts to these."""
        self.files += other.files
        for mine, theirs in (
            (self.documents, other.documents),
            (self.ignored, other.ignored),
            (self.odd, other.odd),
        ):
            mine.update(theirs)
        self.unreadable |= other.unreadable
        self.without_region += other.without_region
        self.missing += other.missing
