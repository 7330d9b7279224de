"""What all sightings together tell of a key, by plain rules: the measure of merging.

One key at a time, all evidence at hand, nothing forgotten; written without a look at
how the lake's rows are merged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from ingest.inventory.sighting import Sighting


@dataclass(slots=True)
class _Seen:
    at: datetime
    shown: datetime
    name: Any
    begin: datetime
    earliest: datetime | None
    latest: datetime | None
    ended: bool
    told: bool
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """What is known of a key and a name: surely, and possibly; None is open."""

    key: tuple[str, str]
    name: Any
    surely: tuple[datetime, datetime] | None
    possibly: tuple[datetime | None, datetime | None]


def claims(sightings: Sequence[Sighting]) -> list[Claim]:
    """Return what sightings tell, whatever their order."""
    listings = sorted({s.at for s in sightings if "identities" in s.lists})
    found: dict[tuple[str, str], list[_Seen]] = {}
    for sighting in sightings:
        for row in sighting.identities.to_pylist():
            found.setdefault((row["holder"], row["address"]), []).append(
                _read(row, sighting.at)
            )
    return [c for key, seen in found.items() for c in _of_key(key, seen, listings)]


def _read(row: dict[str, Any], shown: datetime) -> _Seen:
    started, ended, latest = row["started_at"], row["ended_at"], row["latest"]
    gone = latest is not None and ended is None and started is None
    if gone:
        at = latest
    elif ended is not None:
        at = min(ended, shown)
    elif latest is not None:
        at = started
    else:
        at = shown
    return _Seen(
        at=at,
        shown=shown,
        name=row["name"],
        begin=min(started or at, at),
        earliest=row["earliest"],
        latest=latest if ended is None else latest or shown,
        ended=ended is not None,
        told=latest is not None or ended is not None,
        gone=gone,
    )


def _of_key(
    key: tuple[str, str], seen: list[_Seen], listings: list[datetime]
) -> list[Claim]:
    seen = sorted(seen, key=lambda one: (one.at, not one.gone))
    rough: list[list[_Seen]] = []
    for one in seen:
        if rough and _goes_on(rough[-1][-1], one, listings):
            rough[-1].append(one)
        else:
            rough.append([one])
    stints = [part for stint in rough for part in _parted(stint)]
    bounded = []
    before: datetime | None = None
    for stint in stints:
        bounded.append(_begin_of(stint, before, listings))
        before = max((one.at for one in stint if not one.gone), default=before)
    following: datetime | None = None
    found = []
    for stint, (begin, bound) in zip(reversed(stints), reversed(bounded), strict=True):
        end, latest = _end_of(stint, following, listings)
        following = begin or following
        surely = (begin, end) if begin and end else None
        found.append(Claim(key, stint[-1].name, surely, (bound, latest)))
    return found


def _begin_of(
    stint: list[_Seen], before: datetime | None, listings: list[datetime]
) -> tuple[datetime | None, datetime | None]:
    """Return when a stint surely had begun, and before when it cannot have."""
    there = [one for one in stint if not one.gone]
    first = there[0].at if there else None
    told = [one.earliest for one in stint if one.earliest]
    bounds = [t for t in told if not first or t <= first]
    bounds += [t for t in listings if first and t < first][-1:]
    bounds += [before] if before else []
    bound = max(bounds, default=None)
    begins = [o.begin if not bound or o.begin >= bound else o.at for o in there]
    return min(begins, default=None), bound


def _end_of(
    stint: list[_Seen], following: datetime | None, listings: list[datetime]
) -> tuple[datetime | None, datetime | None]:
    """Return until when a stint surely lasted, and when it was over at the latest."""
    end = max((one.at for one in stint if not one.gone), default=None)
    told = [one.latest for one in stint if one.told and one.latest]
    told = [t for t in told if not end or t >= end]
    shown = max(one.shown for one in stint)
    bounds = [min(told)] if told else [t for t in listings if t > shown][:1]
    bounds += [following] if following else []
    return end, min(bounds, default=None)


def _parted(stint: list[_Seen]) -> list[list[_Seen]]:
    """Part a stint where one look says that it began, then where one says it ended."""
    cuts = set()
    for place, one in enumerate(stint):
        after = [
            p for p, o in enumerate(stint) if one.earliest and o.at >= one.earliest
        ]
        cuts |= {p for p in after[:1] if 0 < p <= place}
    return [piece for part in _cut(stint, cuts) for piece in _ended_in(part)]


def _ended_in(stint: list[_Seen]) -> list[list[_Seen]]:
    cuts = set()
    for place, one in enumerate(stint):
        beyond = [p for p, o in enumerate(stint) if one.latest and o.at > one.latest]
        cuts |= {p for p in beyond[:1] if p > place}
    return _cut(stint, cuts)


def _cut(stint: list[_Seen], places: set[int]) -> list[list[_Seen]]:
    edges = [0, *sorted(places), len(stint)]
    return [stint[a:b] for a, b in pairwise(edges)]


def _goes_on(one: _Seen, other: _Seen, listings: list[datetime]) -> bool:
    by = min(other.at, other.shown) if other.gone else other.at
    if one.name != other.name or any(one.shown < t < by for t in listings):
        return False
    if other.earliest and other.earliest > one.at:
        return False
    if one.latest and one.latest < other.at:
        return False
    return not (one.ended and not other.gone and other.begin > one.at)
