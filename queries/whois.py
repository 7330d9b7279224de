"""Who an address was: its history, how each end is known, and where it lives."""

from __future__ import annotations

import ipaddress
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import pyarrow as pa
import typer

from lake.errors import UsageError
from lake.settings import load_settings
from queries import formats, tables
from queries.engine import Engine
from queries.output import opened
from queries.statements import statement
from queries.values import iso, parse_moment

TABLES = ("identities", "configurations")
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
    kind = format_ or ("table" if sys.stdout.isatty() else "json")
    if kind not in ("table", "json"):
        raise UsageError(f"--format {kind}: whois is table or json")
    now = datetime.now(UTC)
    moment = parse_moment("at", at, now) if at else None
    with Engine(load_settings()) as engine:
        found = look_up(engine, _canonical(address), at=moment, vpc=vpc, limit=limit)
    with opened(None) as out:
        out.write((_text(found) if kind == "table" else _json(found)).encode())


def look_up(
    engine: Engine, address: str, *, at: datetime | None, vpc: str | None, limit: int
) -> dict[str, Any]:
    """Return all that is known of an address.

    Args:
        engine: Over the lake.
        address: In its canonical spelling.
        at: Only who can have held it then; UTC. None: at any time.
        vpc: Only in this VPC.
        limit: The most intervals, the newest first.

    Returns:
        ``address``, ``at``, ``identities`` (a table), ``homes`` (subnets and VPCs whose
        ranges hold it), ``listings`` (when what was last listed) and ``says``: one
        sentence.
    """
    pinned = engine.pin(list(TABLES))
    plans = [engine.plan(p) for p in pinned.values()]
    given = {"addresses": [address]}
    with engine.session(plans) as session:
        identities = session.query(
            statement("meta/whois"), {**given, "at": at, "vpc": vpc, "limit": limit}
        )
        homes = session.query(statement("meta/homes"), given)
        listings = session.query(statement("meta/listings"))
    return {
        "address": address,
        "at": at,
        "says": _sentence(identities, homes, listings, at),
        "identities": _filled(identities),
        "homes": homes,
        "listings": listings,
    }


def _canonical(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        raise UsageError(f"{text!r} is no IPv4 or IPv6 address") from None


def _sentence(
    identities: pa.Table, homes: pa.Table, listings: pa.Table, at: datetime | None
) -> str:
    """Say what came out, and what to do if that is nothing."""
    if identities.num_rows:
        sure = identities["at_that_time"].to_pylist().count("surely")
        if at is None:
            return f"{identities.num_rows} intervals, the newest first"
        if sure == 1:
            return "one held it then"
        return f"{identities.num_rows} can have held it then, {sure} surely did"
    if listings.num_rows == 0:
        return "there is no inventory: `flowlake inventory aws|kubernetes` fills it"
    last = max(row["last_seen"] for row in listings.to_pylist())
    if homes.num_rows:
        place = homes["resource_id"][0].as_py()
        return f"nobody was seen at it; it lies in {place}, last listed {iso(last)}"
    return f"nothing is known of it; the inventory was last listed {iso(last)}"


def _filled(rows: pa.Table) -> pa.Table:
    """Return the rows without the columns that are null in all of them."""
    kept = [n for n in rows.column_names if rows[n].null_count < len(rows)]
    return rows.select(kept)


def _text(found: dict[str, Any]) -> str:
    text = f"{found['address']}: {found['says']}\n"
    if found["identities"].num_rows:
        text += tables.rows_text(_brief(found["identities"]).to_reader())
    if found["homes"].num_rows:
        text += "\n" + tables.rows_text(found["homes"].to_reader())
    return text


def _brief(rows: pa.Table) -> pa.Table:
    """Return what fits a screen: who, where, from when to when, how known."""

    def column(name: str) -> list[Any]:
        if name not in rows.column_names:
            return [None] * len(rows)
        return list(rows[name].to_pylist())

    def first(*names: str) -> list[Any]:
        several = zip(*map(column, names), strict=True)
        return [next((v for v in values if v), None) for values in several]

    made = {
        "who": first("pod", "node", "name", "eni"),
        "kind": column("kind"),
        "workload": column("workload"),
        "in": first("vpc", "cluster"),
        "held_from": column("held_from"),
        "known_by": column("from_known"),
        "held_until": column("held_until"),
        "seen_until": column("last_seen"),
        "at_that_time": column("at_that_time"),
    }
    return _filled(pa.table(made))


def _json(found: dict[str, Any]) -> str:
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
