"""Options that commands share, and what values mean: times, spans, parts, tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from lake.errors import UsageError
from lake.job_settings import TableName
from lake.tables import SOURCES, TABLES, Table

SinceOption = Annotated[
    str | None, typer.Option(help="Objects by key time from here: 24h, 2026-01-31")
]
UntilOption = Annotated[
    str | None, typer.Option(help="Objects by key time before here")
]
DaysOption = Annotated[
    int | None,
    typer.Option(min=0, help="List only the prefixes of the last days; 0: all"),
]
ShardOption = Annotated[
    str | None, typer.Option(metavar="I/N", help="Only the I-th of N parts")
]

LONGEST_SPAN = timedelta(days=36_500)  # beyond that no calendar can follow
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def parse_time(text: str | None, now: datetime, *, name: str) -> datetime | None:
    """Read a time: ISO 8601 (UTC unless it says otherwise), `now`, `24h` ago.

    Raises:
        UsageError: It is none of these.
    """
    if text is None:
        return None
    if text == "now":
        return now
    if text[-1:] in _UNITS and text[:-1].isdecimal():
        return now - parse_span(text, name=name)
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{name} {text!r} is no time: try 24h, 7d, 2026-01-31 or "
            "2026-01-31T12:00:00Z"
        ) from None


def parse_window(
    since: str | None, until: str | None, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """Read `--since` and `--until`.

    Raises:
        UsageError: One is no time, or the first is later than the last.
    """
    first = parse_time(since, now, name="--since")
    last = parse_time(until, now, name="--until")
    if first is not None and last is not None and first > last:
        raise UsageError(f"--since {since} is later than --until {until}")
    return first, last


def parse_span(text: str, *, name: str) -> timedelta:
    """Read a span such as `90m`, `24h` or `7d`.

    Raises:
        UsageError: It is none.
    """
    unit, count = _UNITS.get(text[-1:]), text[:-1]
    if unit is None or not count.isdecimal():
        raise UsageError(f"{name} {text!r} is no span of time: try 90m, 24h or 7d")
    if len(count) > 9 or int(count) * unit > LONGEST_SPAN:
        raise UsageError(f"{name} {text!r} is longer than {LONGEST_SPAN.days}d")
    return int(count) * unit


def parse_shard(text: str | None) -> tuple[int, int] | None:
    """Read one part of several: `2/4` is the second, (1, 4).

    Raises:
        UsageError: It is none.
    """
    if text is None:
        return None
    part, _, of = text.partition("/")
    if part.isdecimal() and of.isdecimal() and 1 <= int(part) <= int(of):
        return int(part) - 1, int(of)
    raise UsageError(f"--shard {text!r} is not I/N with 1 <= I <= N, such as 2/4")


def kept_days(
    days: int | None, names: list[str] | None, settled: Mapping[TableName, int]
) -> dict[Table, int]:
    """Return how many days to keep of which tables.

    Args:
        days: Of each table; None: as the settings say.
        names: Of the tables; None: all but `sources`, or all that settings name.
        settled: Days by table, as the settings say.

    Raises:
        UsageError: Nothing says how many, or there is no such table.
    """
    if days is not None:
        chosen = names or [name for name in TABLES if name != SOURCES.name]
        return dict.fromkeys(chosen_tables(chosen), days)
    if not settled:
        raise UsageError(
            "how long? Give --days N, or set FLOWLAKE_RETAIN_DAYS, such as "
            '{"flows": 30, "quarantine": 14}'
        )
    by_name: dict[str, int] = dict(settled.items())
    wanted = chosen_tables(names or list(by_name))
    missing = [table.name for table in wanted if table.name not in by_name]
    if missing:
        raise UsageError(
            f"FLOWLAKE_RETAIN_DAYS has no days for {', '.join(missing)}: give --days N"
        )
    return {table: by_name[table.name] for table in wanted}


def chosen_tables(names: list[str] | None) -> list[Table]:
    """Return the tables of some names, in their order; all, without names.

    Raises:
        UsageError: There is no such table.
    """
    unknown = set(names or ()) - set(TABLES)
    if unknown:
        raise UsageError(
            f"no table is called {', '.join(sorted(unknown))}: "
            f"there are {', '.join(TABLES)}"
        )
    return [table for name, table in TABLES.items() if name in (names or TABLES)]
