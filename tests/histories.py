"""True histories of who held an address under which name, and looks at them.

The truth is in minutes. A stint is a holder's having an address under one name; where
one stint follows another of the same holder without a break, it was renamed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from ingest.inventory.sighting import SIGHTED, Sighting

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
SCOPE = "aws:111111111111:us-east-1"
LAST = 40  # minutes of a history
LITTLE = 0.01  # so long it takes until a begin or an end is sure; minutes
ADDRESSES = ("10.0.0.1", "10.0.0.2")


def at(minute: float) -> datetime:
    """Return a minute of a history as a time."""
    return BEGIN + timedelta(minutes=minute)


def listing(
    scope: str, minute: float, rows: Iterable[dict[str, Any]], *, whole: bool = True
) -> Sighting:
    """Return a look that shows some identities at a minute, all there are if whole."""
    blank = dict.fromkeys(SIGHTED.names)
    return Sighting(
        scope,
        at(minute),
        pa.Table.from_pylist([blank | row for row in rows], schema=SIGHTED),
        lists=frozenset({"identities"} if whole else ()),
    )


@dataclass(frozen=True, slots=True)
class Stint:
    """A holder had an address under a name from a minute until another, exclusive."""

    holder: str
    address: str
    name: str
    since: int
    until: int


@st.composite
def histories(draw: Any) -> list[Stint]:
    """Return who held two addresses, at most one at a time each."""
    found = []
    for address in ADDRESSES:
        now = draw(st.integers(0, 5))
        for _ in range(draw(st.integers(1, 6))):
            # Mostly one holder under one name, that comes and goes: there it is
            # hardest to say what is the same and what is not.
            holder = draw(st.sampled_from(["h0", "h0", "h0", "h1"]))
            until = now + draw(st.integers(1, 12))
            name = draw(st.sampled_from("aaab"))
            found.append(Stint(holder, address, name, now, until))
            now = until + draw(st.sampled_from([0, 0, 2, 2, 5]))
            if now >= LAST:
                break
    return found


@dataclass(frozen=True, slots=True)
class Look:
    """What is seen of a history at a minute.

    Attributes:
        minute: In the middle of which.
        told: What is told of a stint's begin: nothing, ``start`` (and that it was not
            before) or ``earliest`` alone.
        complete: Whether absence means gone.
        parts: Also what has ended since an earlier minute, as a watch tells it:
            ``ended`` with the end, ``latest`` only that it has gone (where it was
            there but once).
        since: That minute.
    """

    minute: int
    told: str
    complete: bool = True
    parts: str = ""
    since: int = 0

    def of(self, history: Sequence[Stint]) -> Sighting:
        """Return the sighting."""
        there = [s for s in history if s.since <= self.minute < s.until]
        rows = [self._row(s) for s in there]
        shown = set(map(_key, there))
        for stint in history if self.parts else ():
            if self.since < stint.until <= self.minute and _key(stint) not in shown:
                row = self._row(stint)
                row["latest"] = at(stint.until)
                others = [s for s in history if _key(s) == _key(stint)]
                if self.parts == "ended" or len(others) > 1:
                    row["ended_at"] = at(stint.until - LITTLE)
                rows.append(row)
        return listing(SCOPE, self.minute + 0.5, rows, whole=self.complete)

    def _row(self, stint: Stint) -> dict[str, Any]:
        row: dict[str, Any] = {"source": "aws", "holder": stint.holder}
        row |= {
            "address": stint.address,
            "vpc": "vpc-1",
            "eni": stint.holder,
            "name": stint.name,
        }
        if self.told == "start":
            row["started_at"] = at(stint.since + LITTLE)
        if self.told in ("start", "earliest"):
            row["earliest"] = at(stint.since)
        return row


def _key(stint: Stint) -> tuple[str, str]:
    return stint.holder, stint.address


TOLD = ("nothing", "start", "earliest")


@st.composite
def looks(draw: Any, told: Sequence[str] = TOLD, *, mixed: bool = True) -> list[Look]:
    """Return looks at different minutes, in any order.

    Args:
        told: What may be told of begins.
        mixed: Whether one look may tell more of them than another.
    """
    if not mixed:
        told = [draw(st.sampled_from(told))]
    one = st.builds(
        Look,
        st.integers(0, LAST),
        st.sampled_from(told),
        st.booleans(),
        st.sampled_from(["", "", "ended", "latest"]),
        st.integers(0, LAST),
    )
    unique = st.lists(one, min_size=1, max_size=9, unique_by=lambda look: look.minute)
    return list(draw(unique))


def in_turns(seen: Sequence[Look]) -> list[Look]:
    """Return looks in order of time, each telling what has gone since the last."""
    ordered = sorted(seen, key=lambda look: look.minute)
    before = [0, *(look.minute for look in ordered)]
    return [
        replace(look, since=max(look.since, last))
        for look, last in zip(ordered, before, strict=False)
    ]
