"""What `flowlake inventory` did, in one line, and what to know about it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import typer

from ingest.inventory.sighting import Sighting
from ingest.inventory.store import Recorded
from lake.signals.run import note
from lake.tables import CONFIGURATIONS, IDENTITIES


@dataclass(slots=True)
class Told:
    """What a run has done so far."""

    began: float = field(default_factory=time.monotonic)
    scopes: set[str] = field(default_factory=set)
    sightings: int = 0
    ignored: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    opened: int = 0
    closed: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    snapshot: int | None = None

    def take(self, sightings: Sequence[Sighting], done: dict[str, Recorded]) -> None:
        """Count what was recorded."""
        self.scopes |= {s.scope for s in sightings}
        self.sightings += len(sightings)
        for name, recorded in done.items():
            self.rows[name] = recorded.rows
            self.opened += recorded.opened
            self.closed += recorded.closed
            if name == IDENTITIES.name:
                self.snapshot = recorded.snapshot or self.snapshot

    def numbers(self) -> dict[str, Any]:
        """Return what has been done so far."""
        return {
            "scopes": sorted(self.scopes),
            "sightings": self.sightings,
            "identities": self.rows.get(IDENTITIES.name, 0),
            "configurations": self.rows.get(CONFIGURATIONS.name, 0),
            "opened": self.opened,
            "closed": self.closed,
            "ignored": self.ignored,
            "failed": len(self.failures),
            "failures": [
                {"what": what, "why": why} for what, why in self.failures.items()
            ],
            "snapshot": self.snapshot,
        }

    def tell(self) -> int:
        """Print one JSON line; return the exit code."""
        numbers = self.numbers()
        note(**numbers)
        elapsed = round(time.monotonic() - self.began, 3)
        typer.echo(json.dumps({**numbers, "elapsed_s": elapsed}))
        if self.sightings == 0:
            typer.echo(
                "flowlake: nothing of an inventory was found; see `flowlake inventory "
                "aws --help` and `flowlake inventory kubernetes --help`",
                err=True,
            )
            return 3
        return 1 if self.failures else 0


def say_without_region(files: Sequence[str]) -> None:
    """Say which files keep an account's resources apart from those of its Regions."""
    if files:
        count = "one file" if len(files) == 1 else f"{len(files)} files"
        typer.echo(
            f"flowlake: of {count} no Region is told ({files[0]}): what they list is "
            "kept apart as `unknown`, where no look at a Region tells that it is gone; "
            "add --region, or put them into a folder called after it, as eu-west-1",
            err=True,
        )
