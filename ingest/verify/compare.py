"""What became of an object: the recount, beside what the lake holds of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

from ingest.source import SourceObject
from ingest.verify.columns import DaySums
from ingest.verify.held import Held
from ingest.verify.recount import Recount
from lake.datafiles import EPOCH
from lake.errors import SourceChanged, SourceError, SourceMissing
from lake.tables import HEADS, QUARANTINE, SILENCES, SOURCES

LISTED_BEFORE = timedelta(hours=1)  # the listing of a batch, at most, before it began

Outcome = Literal["equal", "missing", "waiting", "differs", "rewritten", "retained",
                  "quarantined_whole", "unreadable", "gone"]  # fmt: skip
Level = Literal["exact", "at_most", "ledger", "none"]
BAD: frozenset[Outcome] = frozenset({"missing", "differs", "rewritten", "unreadable"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One number that should be another.

    Attributes:
        what: What is counted.
        source: By the recount of the object, or by the ledger where that is asked.
        lake: In the lake.
    """

    what: str
    source: int
    lake: int


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of one object.

    Attributes:
        level: ``exact``: lines, records, packets and bytes were counted again;
            ``at_most``: lines were, but as some were refused the lake's records,
            packets and bytes were only held to be no more than those; ``ledger``: it
            cannot be recounted, the lake was only compared with itself; ``none``.
        why: What stood in the way, in words.
        other_etag: The object has been written again; its numbers are as they were.
    """

    source: SourceObject
    outcome: Outcome
    level: Level = "none"
    why: str = ""
    differences: tuple[Difference, ...] = ()
    recount: Recount | None = None
    other_etag: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What is the same for all objects of a comparison.

    Attributes:
        retained: By table, the day before which its days have been dropped.
        begun: When the newest batch of the lake was begun; None: there is none.
        max_quarantine_rows: Rows of `quarantine` that are kept of one object.
    """

    retained: Mapping[str, date]
    begun: datetime | None
    max_quarantine_rows: int


def compare(
    source: SourceObject,
    read: Recount | SourceError | None,
    held: Held,
    facts: Facts,
) -> Checked:
    """Say what became of an object.

    Args:
        source: As it is listed.
        read: What it holds, or why it could not be read; None: it was not.
        held: What the lake has of it.
        facts: What is the same for all.
    """
    row = held.row
    if row is None:
        return _not_known(source, held, facts)
    if isinstance(read, SourceMissing):
        return Checked(source, "gone", why=str(read))
    if isinstance(read, SourceError) and not isinstance(read, SourceChanged):
        return Checked(source, "unreadable", why=str(read))
    if not isinstance(read, Recount):
        return Checked(source, "rewritten", why="while it was being verified")
    level, why = _level(row, read)
    told = {each.what: each for each in _differences(row, read, held, facts, level)}
    found = tuple(told.values())
    changed = row["etag"] not in (None, source.etag)
    # What cannot be counted again is not the same only because nothing differs.
    if changed and (found or level == "ledger"):
        outcome = _changed(source, row)
        why = _written_again(source, row)
        return Checked(source, outcome, level, why, found, read)
    outcome = "differs" if found else _agreeing(row, facts)
    return Checked(source, outcome, level, why, found, read, other_etag=changed)


def _not_known(source: SourceObject, held: Held, facts: Facts) -> Checked:
    records = sum(sums.records for sums in held.heads.values())
    if records:
        found = Difference("rows of sources", 1, 0), Difference("records", 0, records)
        return Checked(source, "differs", "ledger", differences=found)
    day = source.key_time.date() if source.key_time else None
    if day is not None and day < facts.retained[SOURCES.name]:
        return Checked(source, "retained", why="its day has been dropped")
    written = f"written {source.modified:%Y-%m-%dT%H:%M:%SZ}"
    if facts.begun is None:
        return Checked(source, "missing", why=f"{written}; the lake has no object")
    begun = f"the newest batch was begun {facts.begun:%Y-%m-%dT%H:%M:%SZ}"
    late = source.modified > facts.begun - LISTED_BEFORE
    return Checked(source, "waiting" if late else "missing", why=f"{written}; {begun}")


def _level(row: Mapping[str, Any], read: Recount) -> tuple[Level, str]:
    if read.doubt:
        return "ledger", read.doubt
    if row["headers"] is None:
        return "ledger", "its row of sources was made anew from its records alone"
    if row["whole_reason"]:
        return "ledger", f"quarantined whole: {row['whole_reason']}"
    if row["quarantined"]:
        return "at_most", f"{row['quarantined']} lines were refused"
    return "exact", ""


def _changed(source: SourceObject, row: Mapping[str, Any]) -> Outcome:
    """Return what became of an object that has another etag; see `make_plan`."""
    newer = row["ingested_at"] is None or source.modified > row["ingested_at"]
    at_place = row["location"] == source.location
    return "rewritten" if at_place or newer else "differs"


def _agreeing(row: Mapping[str, Any], facts: Facts) -> Outcome:
    if row["whole_reason"]:
        return "quarantined_whole"
    return "retained" if _dropped(row, facts) else "equal"


def _written_again(source: SourceObject, row: Mapping[str, Any]) -> str:
    if row["location"] == source.location:
        return f"read as {row['etag']}, now {source.etag}"
    return f"read at {row['location']} as {row['etag']}, here {source.etag}"


def _differences(
    row: Mapping[str, Any], read: Recount, held: Held, facts: Facts, level: Level
) -> Iterator[Difference]:
    if len(held.rows) != 1:
        yield Difference("rows of sources", 1, len(held.rows))
    yield from _within_the_lake(row, held, facts)
    if level in ("exact", "at_most"):
        yield from _recounted(row, read)
        yield from _sums(row, read, held, facts, exact=level == "exact")


def _within_the_lake(
    row: Mapping[str, Any], held: Held, facts: Facts
) -> Iterator[Difference]:
    """Compare the ledger with itself, and with what is really there."""
    parts = ("headers", "flows", "silences", "quarantined")
    if row["headers"] is not None:
        yield from _unequal("lines", row["lines"], sum(row[name] for name in parts))
    for head in HEADS:
        wanted = row["flows"] if head.name == row["head"] else 0
        there = held.heads.get(head.name, DaySums()).records
        if not (there < wanted and _dropped(row, facts)):
            yield from _unequal(f"records in {head.name}", wanted, there)
    silent = row["silences"] or 0
    if not (held.silences < silent and _may_be_dropped(row, SILENCES.name, facts)):
        yield from _unequal("rows of silences", silent, held.silences)
    refused = row["quarantined"] or 0
    kept = min(refused, facts.max_quarantine_rows)
    if row["whole_reason"]:
        kept = min(kept, 1)
    found_at = row["ingested_at"]  # which is the day of its rows of `quarantine`
    if found_at is None or found_at.date() < facts.retained[QUARANTINE.name]:
        kept = min(kept, held.quarantine)
    if not kept <= held.quarantine <= refused:
        yield Difference("rows of quarantine", kept, held.quarantine)


def _recounted(row: Mapping[str, Any], read: Recount) -> Iterator[Difference]:
    yield from _unequal("lines", read.lines, row["lines"])
    yield from _unequal("headers", read.headers, row["headers"])
    if not row["quarantined"]:
        yield from _unequal("silences", read.silent, row["silences"])
    elif row["silences"] > read.silent:
        yield Difference("silences", read.silent, row["silences"])
    others = read.lines - read.headers - row["quarantined"] - row["silences"]
    yield from _unequal("flows", others, row["flows"])


def _sums(
    row: Mapping[str, Any], read: Recount, held: Held, facts: Facts, *, exact: bool
) -> Iterator[Difference]:
    """Compare records, packets and bytes of the days that the lake has kept."""
    limit = (facts.retained[row["head"]] - EPOCH.date()).days
    wanted = DaySums()
    for day, sums in read.by_day.items():
        if day is not None and day >= limit:
            wanted = wanted.plus(sums)
    there = held.heads.get(row["head"], DaySums())
    for what in ("records", "packets", "bytes"):
        ours, theirs = getattr(wanted, what), getattr(there, what)
        if ours != theirs and (exact or theirs > ours):
            yield Difference(f"{what} in {row['head']}", ours, theirs)


def _unequal(what: str, source: int, lake: int) -> Iterator[Difference]:
    if source != lake:
        yield Difference(what, source, lake)


def _dropped(row: Mapping[str, Any], facts: Facts) -> bool:
    """Whether days that the object's records lie in have been dropped."""
    first = row["first_start"]
    return first is not None and first.date() < facts.retained[row["head"]]


def _may_be_dropped(row: Mapping[str, Any], table: str, facts: Facts) -> bool:
    """Whether rows may be gone with their days: silences have days of their own."""
    times = [row[name] for name in ("first_start", "key_time") if row[name]]
    return not times or (min(times) - timedelta(days=1)).date() < facts.retained[table]
