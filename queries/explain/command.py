"""``flowlake explain``: why was this rejected, or would this pass."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from lake.errors import UsageError
from lake.settings import load_settings
from queries import formats
from queries.cli import FilterOption, WhereOption, given_filters
from queries.engine import Engine
from queries.explain.asked import explain as explained
from queries.explain.asked import of_row
from queries.explain.shown import text_of
from queries.explain.trail import events_in, with_events
from queries.output import opened, table_or_json


def explain(
    *,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from", help="Would it pass? pod/NAME, workload/…, eni-…, 10.0.…"
        ),
    ] = None,
    to: Annotated[str | None, typer.Option(help="To whom, likewise")] = None,
    src: Annotated[str | None, typer.Option(help="Source address of records")] = None,
    dst: Annotated[str | None, typer.Option(help="Destination address")] = None,
    port: Annotated[
        str | None, typer.Option(help="Destination port; the server's with --to")
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="tcp, udp, icmp …; tcp with --to")
    ] = None,
    client_port: Annotated[
        str | None, typer.Option(help="With --to: the client's; else any ephemeral")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="At this time: 2026-01-31T12:00Z; with --to: now")
    ] = None,
    since: Annotated[str | None, typer.Option(help="24h, 7d, 2026-01-31")] = None,
    until: Annotated[str | None, typer.Option(help="now, 2026-01-31T12:00Z")] = None,
    where: WhereOption = None,
    filter_: FilterOption = None,
    row: Annotated[
        Path | None,
        typer.Option(help="A report's JSON, or a row of it; - is stdin"),
    ] = None,
    cloudtrail: Annotated[
        Path | None,
        typer.Option(help="Events, to say who made a change: a file or a directory"),
    ] = None,
    number: Annotated[int, typer.Option(min=0, help="Which row of --row")] = 0,
    format_: Annotated[
        str | None, typer.Option("--format", help="table or json; table on a terminal")
    ] = None,
) -> None:
    """Say why packets were rejected, by which rule, and what is missing to be sure.

    Of the records that fit the filters, or are a report's row, the packets that most
    are of, rejected ones first. With --from and --to: whether packets that nobody has
    sent would pass, where they would be stopped and by which rule, and their reply.
    """
    kind = table_or_json(format_, "explain is")
    given = of_row(_text(row), number) if row else {}
    ported = "port" if from_ or to else "dstport"
    options = {
        "from": from_, "to": to, "src": src, "dst": dst, ported: port,
        "protocol": protocol, "client_port": client_port, "at": at, "since": since,
        "until": until, "filter": filter_,
    }  # fmt: skip
    if at and "since" in given:
        given = {n: t for n, t in given.items() if n not in ("since", "until")}
    given |= given_filters((), **options)
    for name, texts in given_filters(where or ()).items():
        given[name] = [*given.get(name, ()), *texts]
    if not given:
        raise UsageError(
            "what is to be explained? --src, --dst, --port, --where, --filter or --row "
            "for records; --from and --to for packets that nobody has sent"
        )
    events = events_in(cloudtrail) if cloudtrail else None
    with Engine(load_settings()) as engine:
        found = explained(engine, given, now=datetime.now(UTC))
    if events is not None and "changes" in found:
        found["changes"] = with_events(found["changes"], events)
    with opened(None) as out:
        text = text_of(found) if kind == "table" else formats.json_text(found) + "\n"
        out.write(text.encode())


def _text(path: Path) -> str:
    if str(path) == "-":
        return sys.stdin.read()
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--row {path}: {error}") from None
