"""The commands that read: report, sql, status."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import typer

from lake.errors import UsageError
from lake.settings import load_settings
from lake.signals.run import run_of
from queries import alerting, formats, tables
from queries.answers import Answer, Question, answer, pose
from queries.catalogue import describe, find_report, load_catalogue
from queries.contract import Report
from queries.engine import Engine
from queries.output import check_writable, opened
from queries.shell import run_shell
from queries.sqldoor import SqlDoor
from queries.status import check_status, lake_status, status_lines

FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format", help="table, json, csv, parquet or arrow; table on a terminal"
    ),
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write here, not to the terminal")
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(metavar="FIELD=VALUE", help="Repeatable; one field: any of them"),
]
FilterOption = Annotated[
    str | None,
    typer.Option(
        "--filter",
        metavar="EXPRESSION",
        help="Such as: src_namespace = 'payments' AND dstport = 5432",
    ),
]


def report(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="None: the catalogue")
    ] = None,
    *,
    since: Annotated[str | None, typer.Option(help="24h, 7d, 2026-01-31")] = None,
    until: Annotated[str | None, typer.Option(help="now, 2026-01-31T12:00Z")] = None,
    by: Annotated[
        str | None, typer.Option(help="What client and server are called by")
    ] = None,
    server_by: Annotated[
        str | None, typer.Option(help="What the server is called by, if otherwise")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="How long before the window is compared: 7d")
    ] = None,
    explode: Annotated[
        bool, typer.Option("--explode", help="A row for each security group of a set")
    ] = False,
    where: WhereOption = None,
    filter_: FilterOption = None,
    limit: Annotated[str | None, typer.Option(help="The most rows")] = None,
    describe_: Annotated[
        bool, typer.Option("--describe", help="Say what NAME takes and returns")
    ] = False,
    sql_: Annotated[
        str | None,
        typer.Option(
            "--sql",
            metavar="DIALECT",
            help="Print the statement instead: duckdb, spark or trino (Athena)",
        ),
    ] = None,
    indicators: Annotated[
        Path | None,
        typer.Option(help="List of addresses and CIDRs; else FLOWLAKE_INDICATORS"),
    ] = None,
    new_since_last: Annotated[
        bool,
        typer.Option("--new-since-last", help="Only rows that the last run had not"),
    ] = False,
    state: Annotated[
        Path | None,
        typer.Option(help="Where the last run is remembered; else in ~/.local/state"),
    ] = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 4 if there are rows")
    ] = False,
    format_: FormatOption = None,
    output: OutputOption = None,
) -> None:
    """Answer a question about the traffic in a window of time.

    Without NAME the questions are listed; --describe says what one takes. To be told
    of what is new, run the same with --new-since-last --exit-code: 4 says that there
    are rows, 0 that there are none; the first run tells every row.
    """
    kind = format_of(format_, output)
    if name is None:
        _show_catalogue(kind, output)
        return
    found = find_report(name)
    if describe_:
        _describe(found, kind, output)
        return
    given = given_filters(
        where or (),
        since=since,
        until=until,
        by=by,
        server_by=server_by,
        baseline=baseline,
        explode="true" if explode else None,
        filter=filter_,
        limit=limit,
    )
    if state is not None and not new_since_last:
        raise UsageError("--state is where --new-since-last remembers: add that")
    listed = None if indicators is None else str(indicators)
    with Engine(load_settings(indicators=listed)) as engine:
        now = datetime.now(UTC)
        if sql_ is not None:
            question = pose(engine, found, given, now=now)
            _write_text(statement_for(question, sql_), output)
            return
        if new_since_last:
            told = alerting.tell_new(engine, found, given, now=now, file=state)
            write_answer(told.answer, kind, output)
            told.remember()
            rows = told.answer.rows
        else:
            result = answer(engine, pose(engine, found, given, now=now))
            write_answer(result, kind, output)
            rows = result.rows
    if exit_code and rows.num_rows:
        raise typer.Exit(alerting.EXIT_ROWS)


def sql(
    query: Annotated[
        str | None, typer.Argument(metavar="[QUERY]", help="None: stdin, or a shell")
    ] = None,
    *,
    since: Annotated[
        str | None, typer.Option(help="See only records from here on")
    ] = None,
    until: Annotated[str | None, typer.Option(help="See only records before")] = None,
    attach: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a DuckDB database of views instead"),
    ] = None,
    format_: FormatOption = None,
    output: OutputOption = None,
) -> None:
    """Ask in SQL, read-only: tables, and every report as `FROM name(since := …)`."""
    kind = format_of(format_, output)
    if attach is not None and (query or output or format_):
        raise UsageError("--attach writes a database: leave query and output out")
    with Engine(load_settings()) as engine:
        door = SqlDoor(engine, now=datetime.now(UTC), since=since, until=until)
        if attach is not None:
            door.write_database(attach)
            typer.echo(
                f"wrote {attach}: views and macros of this snapshot, see its "
                "flowlake_meta; any DuckDB client opens it",
                err=True,
            )
            return
        with door.opened() as session:
            if query is None and sys.stdin.isatty():
                run_shell(session, sys.stdout)
                return
            with session.stream(query or sys.stdin.read()) as reader:
                _write_rows(reader, kind, output)


def status(
    *,
    check: Annotated[
        bool,
        typer.Option("--check", help="Exit with 1 if an objective is missed"),
    ] = False,
    format_: FormatOption = None,
    output: OutputOption = None,
) -> None:
    """Say what the lake holds, how fresh and complete it is, what could not be read.

    With --check, for a scheduler: exit code 0 if every objective (FLOWLAKE_SLO_…) is
    met, 1 if one is missed, 3 if the lake cannot be read; metrics go where
    FLOWLAKE_METRICS_DIR or FLOWLAKE_PUSHGATEWAY say.
    """
    kind = format_of(format_, output)
    if kind not in ("table", "json"):
        raise UsageError(f"--format {kind}: status is table or json")
    if not check:
        _show_status(kind, output)
        return
    with run_of("status"):
        raise typer.Exit(check_status(_show_status(kind, output)))


def _show_status(kind: str, output: Path | None) -> dict[str, Any]:
    with Engine(load_settings()) as engine:
        found = lake_status(engine, now=datetime.now(UTC))
    if kind == "json":
        _write_text(formats.json_text(found) + "\n", output)
    else:
        _write_text(status_lines(found), output)
    return found


def given_filters(where: Iterable[str], **options: str | None) -> dict[str, list[str]]:
    """Return parameters as text, by name: options, and what --where gives.

    Raises:
        UsageError: An item is not ``FIELD=VALUE``.
    """
    given = {name: [text] for name, text in options.items() if text is not None}
    for item in where:
        field, equals, value = item.partition("=")
        if not equals or not field or not value:
            raise UsageError(f"--where {item!r} is not FIELD=VALUE, such as eni=eni-1")
        given.setdefault(field, []).append(value)
    return given


def format_of(asked: str | None, output: Path | None) -> str:
    """Return the format asked for, or the one that fits where the answer goes.

    Raises:
        UsageError: There is none such, it does not fit, or the file cannot be written.
    """
    check_writable(output)
    if asked is None:
        terminal = output is None and sys.stdout.isatty()
        return "table" if terminal else "json"
    if asked not in formats.FORMATS:
        raise UsageError(f"--format {asked}: one of {', '.join(formats.FORMATS)}")
    if asked in ("parquet", "arrow") and output is None and sys.stdout.isatty():
        raise UsageError(f"--format {asked} is binary: add --output FILE")
    return asked


def write_answer(result: Answer, kind: str, output: Path | None) -> None:
    """Write an answer with its `meta`, which for CSV goes to stderr."""
    reader = result.rows.to_reader()
    with opened(output) as out:
        if kind == "json":
            out.write(formats.json_document(result.meta, result.rows).encode())
        elif kind == "csv":
            formats.write_csv(reader, out)
            typer.echo(tables.meta_text(result.meta), err=True, nl=False)
        elif kind == "parquet":
            formats.write_parquet(reader, out, result.meta)
        elif kind == "arrow":
            formats.write_arrow(reader, out, result.meta)
    if kind == "table":
        _write_text(tables.answer_text(result), output)


def _write_rows(reader: pa.RecordBatchReader, kind: str, output: Path | None) -> None:
    if kind == "table":
        _write_text(tables.rows_text(reader), output)
        return
    write = {
        "json": formats.write_json_array,
        "csv": formats.write_csv,
        "parquet": formats.write_parquet,
        "arrow": formats.write_arrow,
    }[kind]
    with opened(output) as out:
        write(reader, out)


def _show_catalogue(kind: str, output: Path | None) -> None:
    listed = list(load_catalogue().values())
    rows = pa.Table.from_pylist(
        [
            {
                "report": r.name,
                "answers": r.sentence,
                "parameters": ", ".join(p.name for p in r.parameters),
                "reads": ", ".join(r.reads),
                "more": f"flowlake report {r.name} --describe",
            }
            for r in listed
        ]
    )
    _write_rows(rows.to_reader(), kind, output)


def statement_for(question: Question, dialect: str) -> str:
    """Return a question's statement for another engine.

    Raises:
        UsageError: There is no such dialect.
    """
    from queries.dialects import DIALECTS, translated

    if dialect not in DIALECTS:
        raise UsageError(f"--sql {dialect}: one of {', '.join(DIALECTS)}")
    return translated(question, dialect) + "\n"


def _describe(found: Report, kind: str, output: Path | None) -> None:
    if kind not in ("table", "json"):
        raise UsageError(f"--format {kind}: a description is table or json")
    if kind == "json":
        _write_text(formats.json_text(describe(found)) + "\n", output)
    else:
        _write_text(tables.report_text(found), output)


def _write_text(text: str, output: Path | None) -> None:
    with opened(output) as out:
        out.write(text.encode())
