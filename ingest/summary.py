"""What a run did, in numbers that add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ingest.source import Tally
from lake.errors import SourceError
from lake.signals.run import note, tell

FAILURES_KEPT = 1000  # to name; a long run would gather them without end
QUANTILES = (0.5, 0.95, 1.0)
NUMBERS = ("objects", "skipped", "failed", "whole", "lines", "headers", "flows",
           "silences", "quarantined", "copies", "differing", "rewritten",
           "outside_window", "ignored", "snapshot")  # fmt: skip
LAG_DIGITS = 3  # so that a run of any length keeps few


@dataclass(slots=True)
class Summary:
    """What a run did; the first ten are the JSON line that scripts read.

    Attributes:
        failed: Times that an object, a listing, a message or a queue failed.
        differing: Copies that are not what was read; see ``Plan``.
        ignored: Events on a queue that say of no new log.
        failures: The last of what failed.
        lags: Objects by the seconds from their last record to their commit, rounded.
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
    lags: Counter[int] = field(default_factory=Counter)

    def count(self, tallies: Sequence[Tally]) -> None:
        """Add the objects of a committed batch."""
        self.objects += len(tallies)
        self.whole += sum(t.whole_reason is not None for t in tallies)
        for name in ("lines", "headers", "flows", "silences", "quarantined",
                     "outside_window"):  # fmt: skip
            total = getattr(self, name) + sum(getattr(t, name) for t in tallies)
            setattr(self, name, total)
        now = datetime.now(UTC)
        ends = (t.last_end for t in tallies if t.last_end is not None)
        self.lags.update(_rounded((now - end).total_seconds()) for end in ends)

    def lag(self, quantile: float) -> int | None:
        """Return the lag that so large a share of the objects read do not exceed."""
        wanted, found = quantile * self.lags.total(), 0
        for seconds in sorted(self.lags):
            found += self.lags[seconds]
            if found >= wanted:
                return seconds
        return None

    def tell(self) -> None:
        """Let the run say it: in its last log line and as metrics."""
        numbers = {name: getattr(self, name) for name in NUMBERS}
        note(**numbers, lag_p95_s=self.lag(0.95))
        for result, number in _by_result(numbers):
            tell("flowlake_ingest_objects", number, result)
        for name in ("headers", "flows", "silences", "quarantined"):
            tell("flowlake_ingest_lines", numbers[name], name)
        for quantile in QUANTILES:
            seconds = self.lag(quantile)
            if seconds is not None:
                tell("flowlake_ingest_lag_seconds", seconds, f"{quantile:g}")

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


def _by_result(numbers: dict[str, Any]) -> list[tuple[str, int]]:
    return [
        ("read", numbers["objects"]),
        ("known", numbers["skipped"]),
        ("failed", numbers["failed"]),
        ("quarantined_whole", numbers["whole"]),
    ]


def _rounded(seconds: float) -> int:
    """Round to three digits: a backlog's lags are as many as its objects."""
    whole = round(max(seconds, 0))
    return round(whole, min(LAG_DIGITS - len(str(whole)), 0))
