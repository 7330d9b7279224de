"""What a verification found, in numbers that add up."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, get_args

from ingest.summary import Summary
from ingest.verify.compare import BAD, Checked, Level, Outcome

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
LEVELS: tuple[Level, ...] = get_args(Level)


@dataclass(slots=True)
class Report:
    """What became of every object, and what was counted again.

    Attributes:
        show: Bad objects that are kept to be named.
        listing: Counts sources that could not be listed.
        objects: Objects that were looked at; each has one outcome.
        outcomes: How many have which.
        levels: How many of those read again were checked how far.
        other_etag: Objects written again whose numbers are as they were.
        lines: Lines counted again.
        flows: Records that are no silences, as far as they were counted again.
        packets: Their packets.
        bytes: Their bytes.
        snapshots: What was compared with, by head.
        bad: The first of what is wrong.
    """

    show: int = 20
    listing: Summary = field(default_factory=Summary)
    objects: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    levels: Counter[Level] = field(default_factory=Counter)
    other_etag: int = 0
    lines: int = 0
    flows: int = 0
    packets: int = 0
    bytes: int = 0
    snapshots: dict[str, int | None] = field(default_factory=dict)
    elapsed_s: float = 0.0
    bad: list[Checked] = field(default_factory=list)

    def count(self, checked: Checked) -> None:
        """Add one object."""
        self.outcomes[checked.outcome] += 1
        if checked.outcome in BAD and len(self.bad) < self.show:
            self.bad.append(checked)
        if checked.outcome == "gone" and checked.recount is None:
            return  # it was not listed
        self.objects += 1
        self.levels[checked.level] += 1
        self.other_etag += checked.other_etag
        if checked.recount is None or checked.level not in ("exact", "at_most"):
            return
        self.lines += checked.recount.lines
        for sums in checked.recount.by_day.values():
            self.flows += sums.records
            self.packets += sums.packets
            self.bytes += sums.bytes

    @property
    def exit_code(self) -> int:
        """0 nothing is wrong; 1 something is; 3 nothing could be listed."""
        if self.listing.failed and not self.objects:
            return 3
        return 1 if self.listing.failed or any(self.outcomes[o] for o in BAD) else 0

    def as_json(self) -> dict[str, Any]:
        """Return the summary that scripts read."""
        return {
            "objects": self.objects,
            **{name: self.outcomes[name] for name in OUTCOMES},
            "failed": self.listing.failed,
            "levels": {name: self.levels[name] for name in LEVELS},
            "other_etag": self.other_etag,
            "lines": self.lines,
            "flows": self.flows,
            "packets": self.packets,
            "bytes": self.bytes,
            "snapshots": self.snapshots,
            "elapsed_s": self.elapsed_s,
            "bad": [described(checked) for checked in self.bad],
        }


def described(checked: Checked) -> dict[str, Any]:
    """Return one object's outcome for a line of JSON."""
    source, counted = checked.source, checked.recount
    return {
        "object": source.identity,
        "location": source.location,
        "outcome": checked.outcome,
        "level": checked.level,
        "why": checked.why,
        "lines": counted.lines if counted else None,
        "differences": [asdict(each) for each in checked.differences],
    }
