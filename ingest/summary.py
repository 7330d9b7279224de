"""What a run did, in numbers that add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ingest.source import Tally
from lake.errors import SourceError

FAILURES_KEPT = 1000  # to name; a long run would gather them without end


@dataclass(slots=True)
class Summary:
    """What a run did; the first ten are the JSON line that scripts read.

    Attributes:
        failed: Times that an object, a listing, a message or a queue failed.
        differing: Copies that are not what was read; see ``Plan``.
        ignored: Events on a queue that say of no new log.
        failures: The last of what failed.
    """

    objects: int = 0
    skipped: int = 0
    failed: int = 0
    lines: int = 0
    headers: int = 0
    flows: int = 0
    silences: int = 0
    quarantined: int = 0
    snapshot: int | None = None
    elapsed_s: float = 0.0
    whole: int = 0
    copies: int = 0
    differing: int = 0
    rewritten: int = 0
    outside_window: int = 0
    ignored: int = 0
    failures: list[SourceError] = field(default_factory=list)

    def count(self, tallies: Sequence[Tally]) -> None:
        """Add the objects of a committed batch."""
        self.objects += len(tallies)
        self.whole += sum(t.whole_reason is not None for t in tallies)
        for name in ("lines", "headers", "flows", "silences", "quarantined",
                     "outside_window"):  # fmt: skip
            total = getattr(self, name) + sum(getattr(t, name) for t in tallies)
            setattr(self, name, total)

    def fail(self, *errors: SourceError) -> None:
        """Add what failed."""
        self.failed += len(errors)
        self.failures.extend(errors)
        del self.failures[:-FAILURES_KEPT]

    @property
    def exit_code(self) -> int:
        """0 done; 1 done but something failed or was quarantined whole; 3 nothing."""
        if not (self.failed or self.whole):
            return 0
        return 1 if self.objects or self.skipped else 3
