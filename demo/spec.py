"""What to simulate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

FULL_TRUTH = 5_000_000


@dataclass(frozen=True, slots=True)
class SimulationSpec:
    """What to simulate.

    Attributes:
        records: Flow-log records to write (NODATA and the like come on top).
        out: A directory or ``s3://bucket/prefix``.
        shape: ``large`` 250,000 rows an object, ``small`` 300, ``mixed`` every format,
            ``network`` every path and its truth (records: about so many).
        fields: Format of the clean shapes: v2, v3, v5 or all.
        clean: No silences, late or copied objects.
        faults: Of ``network``: with a VPC in which everything is set up wrongly.
        only: Of ``network``: the scenarios to play; empty: all.
        windows: Of ``network``: how many of five minutes; 0: as the records need.
        truth: full, totals, or auto: full up to five million records.
    """

    records: int
    out: str
    seed: int = 7
    start: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    shape: str = "mixed"
    fields: str = "v5"
    clean: bool = False
    truth: str = "auto"
    workers: int = 0
    faults: bool = False
    only: tuple[str, ...] = ()
    windows: int = 0

    @property
    def full_truth(self) -> bool:
        """Whether each record's truth is written."""
        return self.truth == "full" or (
            self.truth == "auto" and self.records <= FULL_TRUTH
        )
