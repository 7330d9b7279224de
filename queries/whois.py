"""Who an address was: its history, how each end is known, and where it lives."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
import typer

from lake.errors import UsageError
from lake.settings import load_settings
from queries import formats, tables
from queries.engine import Engine
from queries.limits import UNLIMITED, Limits
from queries.output import opened, table_or_json
from queries.rivals import name_of
from queries.says import sentence, within_limits
from queries.special import special
from queries.spelling import iso
from queries.statements import statement
from queries.values import parse_moment

TABLES = ("identities", "configurations")
BESIDE = ("before", "after")  # not at that time
MOST = 200


def whois(
    address: Annotated[str, typer.Argument(help="IPv4 or IPv6, any usual spelling")],
    *,
    at: Annotated[
        str | None, typer.Option(help="At this time: 2026-01-31T12:00Z, 2h; else ever")
    ] = None,
    vpc: Annotated[str | None, typer.Option(help="Only in this VPC")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The most intervals")] = MOST,
    format_: Annotated[
        str | None, typer.Option("--format", help="table or json; table on a terminal")
    ] = None,
) -> None:
    """Say who an address was, from when to when, and how that is known.

    `surely` is what was seen; `possibly` is what nothing speaks against. Identities
    come from `flowlake inventory`.
    """
    kind = table_or_json(format_, "whois is")
    now = datetime.now(UTC)
    moment = parse_moment("at", at, now) if at else None
    known_as = canonical_address(address)
    with Engine(load_settings()) as engine:
        found = look_up(engine, known_as, at=moment, vpc=vpc, limit=limit)
    with opened(None) as out:
        out.write((_text(found) if kind == "table" else as_json(found)).encode())


def look_up(
    engine: Engine,
    address: str,
    *,
    at: datetime | None,
    vpc: str | None,
    limit: int,
    limits: Limits = UNLIMITED,
) -> dict[str, Any]:
    """Return all that is known of an address.

    Args:
        engine: Over the lake.
        address: In its canonical spelling.
        at: Only who can have held it then; UTC. None: at any time.
        vpc: Only in this VPC.
        limit: The most intervals, the newest first.
        limits: Only holders within these; `configurations` are for nobody with limits.

    Returns:
        ``address``, ``at``, ``identities`` (a table), ``nearest`` (if nobody held it
        then, or no pod, who did before and after), ``homes`` (subnets and VPCs whose
        ranges hold it), ``what`` (what the address is by itself, whoever holds it;
        else None), ``listings`` (when the scopes that can know of it were last
        listed, the longest ago first) and ``says``: what came out, in words.
    """
    pinned = engine.pin(list(TABLES))
    plans = [engine.plan(p) for p in pinned.values()]
    given = {"addresses": [address], "vpc": vpc}
    with engine.session(plans, limits) as session:
        rows = session.few(statement("meta/whois"), {**given, "at": at})
        homes = session.few(statement("meta/homes"), given)
        beside = pc.is_in(rows["at_that_time"], pa.array(BESIDE))
        identities, nearest = rows.filter(pc.invert(beside)), rows.filter(beside)
        listings = session.few(
            statement("meta/listings"), _who_knows(identities, nearest, homes, vpc)
        )
    found = {
        "address": address,
        "at": at,
        "what": special(address, homes.to_pylist()),
        "identities": identities,
        "nearest": nearest,
        "homes": homes,
        "listings": listings,
    }
    # Of all, whatever is shown.
    says = sentence(found, vpc) if limits.is_unlimited else within_limits(found)
    if identities.num_rows > limit:
        says += f"; the newest {limit} of {identities.num_rows} are shown"
        found["identities"] = identities.slice(0, limit)
    return {"address": address, "at": at, "says": says, **found}


def canonical_address(text: str) -> str:
    """Return an address as the inventory spells it; IPv4 in IPv6 is that IPv4.

    Raises:
        UsageError: It is none.
    """
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        raise UsageError(f"{text!r} is no IPv4 or IPv6 address") from None
    carried = getattr(address, "ipv4_mapped", None)
    return str(carried or address).partition("%")[0]  # a zone means something on a host


def _who_knows(
    identities: pa.Table, nearest: pa.Table, homes: pa.Table, vpc: str | None
) -> dict[str, list[str]]:
    """Return the scopes that know of an address, and the VPCs it can lie in.

    The scopes that tell who held it; where nobody did, all that know its VPC too.
    """
    scopes = _distinct(pa.concat_tables([identities, nearest])["scope"])
    if identities.num_rows:
        return {"scopes": scopes, "vpcs": []}
    return {"scopes": scopes, "vpcs": [vpc] if vpc else _distinct(homes["vpc"])}


def _distinct(texts: Any) -> list[str]:
    return sorted(filter(None, pc.unique(texts).to_pylist()))


def _filled(rows: pa.Table) -> pa.Table:
    """Return the rows without the columns that are null in all of them."""
    kept = [n for n in rows.column_names if rows[n].null_count < len(rows)]
    return rows.select(kept)


def _text(found: dict[str, Any]) -> str:
    text = f"{found['address']}: {found['says']}\n"
    for rows in (found["identities"], found["nearest"]):
        if rows.num_rows:
            text += tables.rows_text(_brief(rows).to_reader())
    if found["homes"].num_rows:
        text += "\n" + tables.rows_text(found["homes"].to_reader())
    return text


def _brief(rows: pa.Table) -> pa.Table:
    """Return what fits a screen: who, where, from when to when, how known."""

    def column(name: str) -> list[Any]:
        if name not in rows.column_names:
            return [None] * len(rows)
        return list(rows[name].to_pylist())

    places = zip(column("vpc"), column("cluster"), strict=True)
    made = {
        "who": [name_of(row) for row in rows.to_pylist()],
        "kind": column("kind"),
        "workload": column("workload"),
        "in": [vpc or cluster for vpc, cluster in places],
        "held_from": column("held_from"),
        "known_by": column("from_known"),
        "held_until": column("held_until"),
        "seen_until": column("last_seen"),
        "at_that_time": column("at_that_time"),
    }
    return _filled(pa.table(made))


def as_json(found: dict[str, Any]) -> str:
    """Return what `look_up` found as JSON, the same on every surface."""
    return formats.json_text(_plain(found)) + "\n"


def _plain(value: Any) -> Any:
    """Return a value with tables as lists of rows, and times as ISO 8601 with Z."""
    if isinstance(value, pa.Table):
        value = value.to_pylist()
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return iso(value) if isinstance(value, datetime) else value
