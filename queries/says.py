"""What `flowlake whois` found, in words: who, where, how fresh, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa

from queries.values import iso

Row = Mapping[str, Any]
_NAMES = ("pod", "node", "name", "eni")


def sentence(found: Row, vpc: str | None) -> str:
    """Say what came out, how fresh it is, and what to do if that is nothing.

    Args:
        found: As `whois.look_up` returns it.
        vpc: The VPC that was asked for.
    """
    listings = found["listings"].to_pylist()
    if not listings:
        return _nothing_listed(vpc)
    held = found["identities"]
    parts = [_held(held, found["at"])] if held.num_rows else [*_nobody(found)]
    parts.append(_freshness(listings))
    if not held.num_rows:
        parts.append(_next(found, listings))
    return "; ".join(parts)


def name_of(row: Row) -> str | None:
    """Return what a holder is called."""
    return next((row[name] for name in _NAMES if row.get(name)), None)


def _nothing_listed(vpc: str | None) -> str:
    if vpc:
        return f"nothing is known of {vpc}: `flowlake inventory aws` lists its account"
    return "there is no inventory: `flowlake inventory aws|kubernetes` fills it"


def _held(identities: pa.Table, at: datetime | None) -> str:
    if at is None:
        return f"{identities.num_rows} intervals, the newest first"
    sure = identities["at_that_time"].to_pylist().count("surely")
    if sure == 1:
        return "one held it then"
    return f"{identities.num_rows} can have held it then, {sure} surely did"


def _nobody(found: Row) -> Iterator[str]:
    """Say that nobody was seen, where it lies, and who was at other times."""
    nearest, homes = found["nearest"].to_pylist(), found["homes"].to_pylist()
    if not nearest and not homes:
        yield "nothing is known of it"
        return
    yield "nobody was seen at it" + (" then" if nearest else "")
    for row in sorted(nearest, key=lambda row: row["at_that_time"], reverse=True):
        yield _beside(row)
    if homes:
        smallest = homes[0]["resource_type"]
        places = [h["resource_id"] for h in homes if h["resource_type"] == smallest]
        yield f"it lies in {' or '.join(dict.fromkeys(places))}"


def _beside(row: Row) -> str:
    """Say who held it before, until when, or after, from when."""
    who = f"{name_of(row) or 'somebody'} ({row.get('kind') or 'unknown'})"
    if row["at_that_time"] == "after":
        begin = row.get("held_from") or row.get("earliest")
        return f"after that {who} from {_time(begin)}"
    end = row.get("held_until") or row.get("last_seen") or row.get("latest")
    return f"before that {who} until {_time(end)}"


def _freshness(listings: list[Row]) -> str:
    """Say when the scope that was listed the longest ago was; it comes first."""
    scope, last = listings[0]["scope"], listings[0]["last_seen"]
    listed = f"last listed {iso(last)}" if last else "never listed completely"
    if len(listings) == 1:
        return f"{scope} was {listed}"
    return f"of {len(listings)} scopes {scope} is the stalest, {listed}"


def _next(found: Row, listings: list[Row]) -> str:
    """Say what may bring more to light."""
    scope, last, at = listings[0]["scope"], listings[0]["last_seen"], found["at"]
    if at and last and at <= last:
        return (
            "leave --at out to see every interval, or add what was saved of that time "
            "with `flowlake inventory … --from`"
        )
    return f"`flowlake inventory {scope.partition(':')[0]}` looks again"


def _time(time: datetime | None) -> str:
    return iso(time) if time else "an unknown time"
