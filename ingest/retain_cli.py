"""The commands that delete: retain and gc."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from ingest.options import kept_days
from ingest.rollup.follower import roll_up
from ingest.unheard import heed_later
from lake.catalog import Lake
from lake.expire import Collected, collect, named_files
from lake.follow import follow_all
from lake.retain import retain as retain_days
from lake.settings import load_settings


def retain(
    days: Annotated[
        int | None,
        typer.Option(
            min=1, help="Keep so many days; else as FLOWLAKE_RETAIN_DAYS says"
        ),
    ] = None,
    tables: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TABLE...]", help="Default: all but sources"),
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what")] = False,
    now: Annotated[
        bool,
        typer.Option("--now", help="Delete the files at once, whatever reads them"),
    ] = False,
) -> None:
    """Drop whole days older than --days, with the snapshots that still hold them.

    Without --days each table keeps what FLOWLAKE_RETAIN_DAYS says of it, such as
    {"flows": 30, "quarantine": 14}. `sources` stays unless it is named: without it,
    objects that are still listed would be read again. It and the inventory are refused
    where flows or tgw_flows are kept for longer: name them too.

    `young` files, which nothing names any more, are deleted by the first gc after
    `young_until`. With --now those that snapshots named go at once: questions that
    read them fail, and runs beside it may have to be run again.
    """
    settings = load_settings()
    kept = kept_days(days, tables, settings.retain_days)
    today = datetime.now(UTC).date()
    with Lake(settings) as lake:
        lake.ensure_all()
        named = named_files(lake) if now and not dry_run else set[str]()
        done = retain_days(
            lake,
            {table: today - timedelta(days=n) for table, n in kept.items()},
            dry_run=dry_run,
            follow=_follow,
        )
        told: dict[str, Any] = {name: asdict(result) for name, result in done.items()}
        if not dry_run:
            told["files"] = _told(collect(lake, min_age=_gc_age(lake), forgotten=named))
    typer.echo(json.dumps(told))


def gc(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count")] = False,
) -> None:
    """Delete the files that no snapshot names any more."""
    with Lake(load_settings()) as lake:
        lake.ensure_all()
        told = _told(collect(lake, min_age=_gc_age(lake), dry_run=dry_run))
    typer.echo(json.dumps(told))


def _follow(lake: Lake) -> None:
    follow_all(lake)
    roll_up(lake)
    heed_later(lake)


def _gc_age(lake: Lake) -> timedelta:
    return timedelta(days=lake.settings.gc_age_days)


def _told(done: Collected) -> dict[str, Any]:
    until = done.young_until
    return {
        **asdict(done),
        "young_until": until and f"{until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
