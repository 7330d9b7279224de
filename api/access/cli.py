"""The command that makes, lists and revokes API keys: `flowlake keys`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from api.access.keys import Keys
from api.access.keystore import StoredKey
from api.access.principal import Scope
from lake.errors import UsageError
from lake.settings import load_settings
from queries.limits import Limits

LONGEST = timedelta(days=3650)
_SPAN = re.compile(r"([0-9]{1,5})([hd])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1)}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")
_ACCOUNT = re.compile(r"[0-9]{12}")
_VPC = re.compile(r"vpc-[0-9a-z]{4,32}")
_NAMESPACE = re.compile(r"([A-Za-z0-9._:@-]+/)?[a-z0-9-]{1,63}")

keys = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Make, list and revoke the API keys of REST. Once there is a key, `flowlake "
    "serve` answers nobody without one.",
)


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Who it is for; at most two alive")],
    *,
    scope: Annotated[
        list[Scope] | None, typer.Option(help="What it may be used for; repeatable")
    ] = None,
    account: Annotated[
        list[str] | None,
        typer.Option(help="Account it may see; repeatable, none: all"),
    ] = None,
    vpc: Annotated[
        list[str] | None, typer.Option(help="VPC it may see; repeatable, none: all")
    ] = None,
    namespace: Annotated[
        list[str] | None,
        typer.Option(
            help="Namespace it may see, as NAME or CLUSTER/NAME; repeatable, none: all"
        ),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="How long it lives: 12h, 90d; default 90d")
    ] = None,
    no_expiry: Annotated[
        bool, typer.Option("--no-expiry", help="It lives until it is revoked")
    ] = False,
) -> None:
    """Make a key and show it, once: what is stored cannot be turned back into it.

    To change a key, make a second one of the same name, hand it out, and revoke the
    first.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    _must_fit("NAME", [name], _NAME, "letters, digits and ._@-")
    if not scope:
        known = " ".join(f"--scope {s}" for s in Scope)
        raise UsageError(f"a key without a scope opens nothing: add some of {known}")
    limits = _limits(account or (), vpcs=vpc or (), namespaces=namespace or ())
    ends = _expiry(expires, no_expiry=no_expiry, now=now)
    with closing(Keys(load_settings())) as known_keys:
        key, stored = known_keys.create(
            name, frozenset(scope), limits=limits, now=now, expires=ends
        )
    if sys.stdout.isatty():
        typer.echo(key.text)
        typer.echo(f"{_sentence(stored)} This is the only time it is shown.", err=True)
    else:
        typer.echo(json.dumps({"key": key.text, **_told(stored, now)}, indent=2))


@keys.command("list")
def list_() -> None:
    """List the keys: what each is for, may see, and how long it lives; no secrets."""
    now = datetime.now(UTC)
    with closing(Keys(load_settings())) as known_keys:
        told = [_told(stored, now) for stored in known_keys.list()]
    if not sys.stdout.isatty():
        typer.echo(json.dumps(told, indent=2))
    elif told:
        typer.echo(_table(told), nl=False)
    else:
        typer.echo("no keys yet: `flowlake keys create NAME --scope reports` makes one")


@keys.command()
def revoke(
    id_: Annotated[
        str, typer.Argument(metavar="ID", help="As `flowlake keys list` shows it")
    ],
) -> None:
    """End a key at once, also for servers that run."""
    now = datetime.now(UTC).replace(microsecond=0)
    with closing(Keys(load_settings())) as known_keys:
        stored = known_keys.revoke(id_, now)
    if sys.stdout.isatty():
        typer.echo(f"revoked: {stored.id}, {stored.name}")
    else:
        typer.echo(json.dumps(_told(stored, now), indent=2))


def _limits(
    accounts: Iterable[str], *, vpcs: Iterable[str], namespaces: Iterable[str]
) -> Limits:
    _must_fit("--account", accounts, _ACCOUNT, "12 digits")
    _must_fit("--vpc", vpcs, _VPC, "an id such as vpc-0a1b2c3d")
    _must_fit("--namespace", namespaces, _NAMESPACE, "NAME or CLUSTER/NAME")
    return Limits(frozenset(accounts), frozenset(vpcs), frozenset(namespaces))


def _must_fit(
    option: str, texts: Iterable[str], wanted: re.Pattern[str], words: str
) -> None:
    for text in texts:
        if not wanted.fullmatch(text):
            raise UsageError(f"{option} {text!r} is not {words}")


def _expiry(text: str | None, *, no_expiry: bool, now: datetime) -> datetime | None:
    if no_expiry:
        if text is not None:
            raise UsageError("--expires and --no-expiry: choose one")
        return None
    found = _SPAN.fullmatch(text or "90d")
    span = int(found[1]) * _UNITS[found[2]] if found else timedelta(0)
    if not timedelta(0) < span <= LONGEST:
        raise UsageError(
            f"--expires {text!r} is no span up to {LONGEST.days}d: try 12h or 90d, or "
            "--no-expiry"
        )
    return now + span


def _told(key: StoredKey, now: datetime) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "state": key.state(now),
        "scopes": sorted(key.scopes),
        "accounts": sorted(key.limits.accounts),
        "vpcs": sorted(key.limits.vpcs),
        "namespaces": sorted(key.limits.namespaces),
        "created": _iso(key.created),
        "expires": _iso(key.expires),
        "revoked_at": _iso(key.revoked_at),
        "last_used": _iso(key.last_used),
    }


def _sentence(key: StoredKey) -> str:
    """Say what a key is for."""
    limits = key.limits
    sees = ", ".join(sorted({*limits.accounts, *limits.vpcs, *limits.namespaces}))
    ends = f"expires {_iso(key.expires)}" if key.expires else "never expires"
    return (
        f"{key.id} for {key.name}: scopes {', '.join(sorted(key.scopes))}, sees "
        f"{sees or 'everything'}, {ends}."
    )


def _table(told: list[dict[str, Any]]) -> str:
    import pyarrow as pa

    from queries.tables import rows_text

    columns: dict[str, Callable[[dict[str, Any]], str]] = {
        "id": lambda t: t["id"],
        "name": lambda t: t["name"],
        "state": lambda t: t["state"],
        "scopes": lambda t: ", ".join(t["scopes"]),
        "sees": lambda t: (
            ", ".join(t["accounts"] + t["vpcs"] + t["namespaces"]) or "everything"
        ),
        "expires": lambda t: (t["expires"] or "never")[:10],
        "last used": lambda t: (t["last_used"] or "not yet")[:10],
    }
    rows = {name: [cell(t) for t in told] for name, cell in columns.items()}
    return rows_text(pa.table(rows).to_reader())


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
