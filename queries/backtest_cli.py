"""The command that says what changed rules would have let through, or broken."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.compute as pc
import typer

from lake.errors import UsageError, reason
from lake.settings import load_settings
from queries.answers import Answer
from queries.backtest import LIMIT, backtested
from queries.cli import FormatOption, OutputOption, format_of, write_answer
from queries.engine import Engine
from transform.policy.change import Change
from transform.policy.written import read_change, read_changes

ASIDE = ("interface", "interfaces")


def backtest(
    *,
    add: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE",
            help="sg-0a inbound tcp/5432 from sg-0b; "
            "acl-1 inbound 90 allow tcp/443 from 10.0.0.0/8; repeatable",
        ),
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE",
            help="The same; also acl-1 inbound 90, or a rule's own id, sgr-0abc",
        ),
    ] = None,
    changes: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="More changes, as a list in JSON"),
    ] = None,
    since: Annotated[str, typer.Option(help="24h, 7d, 2026-01-31")] = "7d",
    until: Annotated[str, typer.Option(help="now, 2026-01-31T12:00Z")] = "now",
    limit: Annotated[int, typer.Option(min=1, help="The most rows")] = LIMIT,
    format_: FormatOption = None,
    output: OutputOption = None,
) -> None:
    """Say which flows changed rules would have let through or broken, and whose.

    All changes are tried at once, as if they had held for the whole window.
    `allowed`: rejected then, and would have passed. `broken`: accepted then, and
    would have been rejected. `undetermined`: `why` says what is not known.
    """
    kind = format_of(format_, output)
    asked = [read_change(text, adds=True) for text in add or ()]
    asked += [read_change(text, adds=False) for text in remove or ()]
    asked += _read(changes) if changes is not None else []
    with Engine(load_settings()) as engine:
        result = backtested(engine, asked, since=since, until=until, limit=limit)
    write_answer(_brief(result) if kind == "table" else result, kind, output)


def _brief(answer: Answer) -> Answer:
    """Return what fits a screen: no column that says nothing, no interfaces."""
    rows = answer.rows
    says = [n for n in rows.column_names if n not in ASIDE and _says(rows[n])]
    return Answer(answer.meta, rows.select(says or rows.column_names))


def _says(column: pa.ChunkedArray) -> bool:
    """Whether any row has a value there, and not just false."""
    if pa.types.is_boolean(column.type):
        return bool(pc.any(column).as_py())
    return bool(column.null_count < len(column))


def _read(file: Path) -> list[Change]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--changes {file}: {reason(error)}") from None
    try:
        return read_changes(text)
    except UsageError as error:
        raise UsageError(f"--changes {file}: {error}") from None
