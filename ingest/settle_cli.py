"""The commands that decide again: settle, attribute, compact."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ingest.enriching import Inventories
from ingest.memory import settle_memory
from ingest.networks import read_networks
from ingest.options import chosen_tables, parse_window
from ingest.rollup.follower import roll_up
from ingest.settling import Settler
from lake.catalog import Lake
from lake.compact import compact as compact_table
from lake.follow import follow_all
from lake.rewrite import Rewritten
from lake.settings import load_settings
from lake.tables import FLOWS


def settle(
    *,
    since: Annotated[
        str | None, typer.Option(help="Settle again all hours from here: 24h, a time")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Only hours before here")] = None,
) -> None:
    """Decide what needs a second record: what counts, verdicts, clients, causes.

    Without options, the hours that are old enough (FLOWLAKE_LATENESS_MINUTES) and
    have records that are not settled; `ingest` does that too. With --since or --until,
    every such hour of the window again.
    """
    now = datetime.now(UTC)
    window = parse_window(since, until, now)
    with _settler() as settler:
        settler.attribute(now=now)
        if window == (None, None):
            _tell(lambda: settler.settle_due(now=now))
        else:
            first, last = window
            _tell(lambda: settler.settle(since=first, until=last, now=now))


def attribute(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Every hour, not only those concerned")
    ] = False,
) -> None:
    """Attribute again the hours of which the inventory knows more than before.

    `ingest` does it too. --all is for changed settings: networks, the owner's key.
    """
    with _settler() as settler:
        _tell(lambda: settler.attribute(now=datetime.now(UTC), everything=everything))


def compact(
    tables: Annotated[
        list[str] | None, typer.Argument(metavar="[TABLE...]", help="Default: all")
    ] = None,
    *,
    since: Annotated[str | None, typer.Option(help="Only hours from here on")] = None,
    until: Annotated[str | None, typer.Option(help="Only hours before this")] = None,
) -> None:
    """Merge the small files of each hour into few (of ledgers and roll-ups each day).

    Hours of flows are attributed and settled in the same pass where they are old
    enough for that (FLOWLAKE_LATENESS_MINUTES).
    """
    now = datetime.now(UTC)
    first, last = parse_window(since, until, now)
    chosen = chosen_tables(tables)
    done: dict[str, Rewritten] = {}
    if FLOWS in chosen:
        with _settler() as settler:
            done[FLOWS.name] = settler.compact(since=first, until=last, now=now)
    with Lake(load_settings()) as lake:
        lake.ensure_all()
        for table in chosen:
            if table is not FLOWS:
                done[table.name] = compact_table(lake, table, since=first, until=last)
    typer.echo(json.dumps({name: asdict(each) for name, each in done.items()}))


@contextmanager
def _settler() -> Iterator[Settler]:
    settle_memory()
    settings = load_settings()
    with Lake(settings) as lake, _bar() as advance:
        lake.ensure_all()
        follow_all(lake)
        inventories = Inventories(lake, read_networks(settings.networks))
        yield Settler(lake, inventories, progress=advance)
        roll_up(lake, progress=advance)


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """Show hours done on a terminal, nothing elsewhere."""
    columns = TextColumn("hours"), BarColumn(), MofNCompleteColumn()
    with Progress(
        *columns, console=Console(stderr=True), disable=not sys.stderr.isatty()
    ) as progress:
        task = progress.add_task("hours", total=None)

        def advance(done: int, wanted: int) -> None:
            progress.update(task, completed=done, total=wanted)

        yield advance


def _tell(work: Callable[[], Rewritten]) -> None:
    """Do it, and print one JSON line of what was rewritten."""
    began = time.monotonic()
    done = work()
    line = {
        "hours": done.added,
        "rows": done.rows,
        "files_removed": done.removed,
        "files_added": done.added,
        "elapsed_s": round(time.monotonic() - began, 3),
    }
    typer.echo(json.dumps(line))
