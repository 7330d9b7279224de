"""What `flowlake whois` found, in words: who, where, how fresh, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa

from queries.rivals import called, kind_of, of_places
from queries.special import is_public
from queries.spelling import iso

Row = Mapping[str, Any]
MOST = 5  # VPCs, and holders in one, that are named


def sentence(found: Row, vpc: str | None) -> str:
    """Say what came out, how fresh it is, and what to do if that is nothing.

    Args:
        found: As `whois.look_up` returns it.
        vpc: The VPC that was asked for.
    """
    listings = found["listings"].to_pylist()
    held, nearest = found["identities"], found["nearest"].to_pylist()
    if not held.num_rows and not nearest:
        if found["what"]:
            return f"it is {found['what']}"
        if is_public(found["address"]) and not found["homes"].num_rows and not vpc:
            return "; ".join(_public(listings))
    if not listings:
        return _nothing_listed(vpc)
    parts = [_held(held, found["at"]) if held.num_rows else _nobody(found)]
    if nearest and held.num_rows:
        parts.append(f"no {_either(map(kind_of, nearest))} was seen at it then")
    parts += [*_beside(nearest), *_home(found), _freshness(listings)]
    if nearest or not held.num_rows:
        parts.append(_next(found["at"], listings))
    return "; ".join(parts)


def within_limits(found: Row) -> str:
    """Say what came out for those with limits: nothing of others, nor how fresh it is.

    Args:
        found: As `whois.look_up` returns it.
    """
    held, nearest = found["identities"], found["nearest"].to_pylist()
    who = (
        _held(held, found["at"]) if held.num_rows else "nobody known is in your limits"
    )
    return "; ".join([who, *_beside(nearest)])


def counted(count: int, word: str) -> str:
    """Return a count of things, one or several."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def _public(listings: list[Row]) -> Iterator[str]:
    """Say of a public address that it is nobody's who was listed."""
    if not listings:
        yield "it is a public address"
        yield "there is no inventory that knows which are yours"
    else:
        yield "it is a public address that nobody listed has: of the internet"
        yield _freshness(listings)


def _nothing_listed(vpc: str | None) -> str:
    if vpc:
        return f"nothing is known of {vpc}: `flowlake inventory aws` lists its account"
    return "there is no inventory: `flowlake inventory aws|kubernetes` fills it"


def _held(identities: pa.Table, at: datetime | None) -> str:
    if at is not None:
        return held(identities.to_pylist())
    if identities.num_rows == 1:
        return "one interval"
    return f"{counted(identities.num_rows, 'interval')}, the newest first"


def held(rows: Iterable[Row]) -> str:
    """Say who held an address at a time, VPC by VPC."""
    places = of_places(rows)
    told = [_of_place(place, places) for place in sorted(places, key=str)]
    if len(told) > MOST:
        told = [
            *told[:MOST],
            f"likewise in {counted(len(told) - MOST, 'other VPC')}",
        ]
    return "; ".join(told)


def _of_place(
    place: str | None, places: Mapping[str | None, Mapping[str, bool]]
) -> str:
    """Say who held it in one VPC, and which of them surely did."""
    where = f"in {place} " if place and len(places) > 1 else ""
    holders = places[place]
    if len(holders) == 1:
        ((who, is_sure),) = holders.items()
        how = "held it then" if is_sure else "can have held it then, but not surely"
        return f"{where}{who} {how}"
    ordered = sorted(holders.items(), key=lambda told: (not told[1], told[0]))
    texts = [
        f"{who} {'surely' if sure else 'possibly'}" for who, sure in ordered[:MOST]
    ]
    if len(ordered) > MOST:
        texts.append(f"{counted(len(ordered) - MOST, 'other')}")
    return f"{where}{len(holders)} can have held it then: {', '.join(texts)}"


def _nobody(found: Row) -> str:
    if found["nearest"].num_rows:
        return "nobody was seen at it then"
    return (
        "nobody was seen at it" if found["homes"].num_rows else "nothing is known of it"
    )


def _beside(nearest: list[Row]) -> Iterator[str]:
    """Say who held it before, until when, and after, from when."""
    for side, which, ends in (
        ("before", "until", ("held_until", "last_seen", "latest")),
        ("after", "from", ("held_from", "earliest")),
    ):
        told = [
            f"{called(row)} {which} {_first(row, ends)}"
            for row in nearest
            if row["at_that_time"] == side
        ]
        if told:
            yield f"{side} that {', '.join(told)}"


def _first(row: Row, names: tuple[str, ...]) -> str:
    return next((iso(row[name]) for name in names if row.get(name)), "an unknown time")


def _home(found: Row) -> Iterator[str]:
    """Say in which subnets nobody was seen, or VPCs if no subnet is known."""
    homes = found["homes"].to_pylist()
    if homes and not found["identities"].num_rows:
        smallest = homes[0]["resource_type"]
        places = (h["resource_id"] for h in homes if h["resource_type"] == smallest)
        yield f"it lies in {_either(places)}"


def _either(texts: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(texts))


def _freshness(listings: list[Row]) -> str:
    """Say when the scope that was listed the longest ago was; it comes first."""
    scope, last = listings[0]["scope"], listings[0]["last_seen"]
    listed = f"last listed {iso(last)}" if last else "never listed completely"
    if len(listings) == 1:
        return f"{scope} was {listed}"
    return f"of {len(listings)} scopes {scope} is the stalest, {listed}"


def _next(at: datetime | None, listings: list[Row]) -> str:
    """Say what may bring more to light."""
    scope, last = listings[0]["scope"], listings[0]["last_seen"]
    if at and last and at <= last:
        return (
            "leave --at out to see every interval, or add what was saved of that time "
            "with `flowlake inventory … --from`"
        )
    return f"`flowlake inventory {scope.partition(':')[0]}` looks again"
