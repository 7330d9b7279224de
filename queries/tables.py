"""Answers for a person at a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from queries.answers import Answer
from queries.contract import Report
from queries.formats import text_cells

SHOWN_ROWS = 1_000
CELL = 80
NARROW = 9  # characters a column; with fewer, rows are shown one below the other
SHOWN_RECORDS = 20
# The rest are given by --where.
OPTIONS = {
    "since",
    "until",
    "by",
    "server_by",
    "baseline",
    "explode",
    "filter",
    "limit",
}


def answer_text(answer: Answer) -> str:
    """Return the rows, then what they were computed from, then the warnings."""
    console = _console()
    _print_rows(console, answer.rows)
    _print_meta(console, answer.meta)
    return _text(console)


def meta_text(meta: Mapping[str, Any]) -> str:
    """Return what an answer was computed from, then the warnings, without its rows."""
    console = _console()
    _print_meta(console, meta)
    return _text(console)


def _print_meta(console: Console, meta: Mapping[str, Any]) -> None:
    window = meta["window"]
    if window:
        console.print(f"{window['since']} to {window['until']}", style="dim")
    through = meta["data_through"] or "nothing yet"
    console.print(
        f"snapshot {meta['snapshot'] or 'none'}, data through {through}, "
        f"{meta['rows_read']:,} rows in {meta['files']:,} files, "
        f"{meta['elapsed_ms']:,.0f} ms",
        style="dim",
    )
    if meta["more"]:
        console.print("the limit left rows out: --limit shows more", style="yellow")
    for warning in meta["warnings"]:
        console.print(f"! {escape(warning)}", style="yellow")


def rows_text(reader: pa.RecordBatchReader) -> str:
    """Return the first rows as a table, and say if there are more.

    With too many columns for a table, each row is a list of those not null.
    """
    batches, count = [], 0
    for batch in reader:
        batches.append(batch)
        count += batch.num_rows
        if count > SHOWN_ROWS:
            break
    rows = pa.Table.from_batches(batches, schema=reader.schema)
    console = _console()
    if rows.num_columns * NARROW > console.width:
        _print_records(console, rows.slice(0, SHOWN_RECORDS))
        shown, else_ = SHOWN_RECORDS, "name the columns that you want as a table"
    else:
        _print_rows(console, rows.slice(0, SHOWN_ROWS))
        shown, else_ = SHOWN_ROWS, "--format csv gives all"
    if count > shown:
        console.print(f"only the first {shown:,} rows: {else_}", style="dim")
    return _text(console)


def report_text(report: Report) -> str:
    """Return what a report takes and returns."""
    console = _console()
    console.print(escape(f"{report.sentence} {report.note}".strip()))
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("parameter", "default", "meaning"):
        grid.add_column(head, overflow="fold")
    for p in report.parameters:
        allowed = f" One of {', '.join(p.allowed)}." if p.allowed else ""
        option = (
            f"--{p.name.replace('_', '-')}"
            if p.name in OPTIONS
            else f"--where {p.name}=…"
        )
        grid.add_row(option, p.default or "-", escape(f"{p.meaning}{allowed}"))
    console.print(grid)
    columns = ", ".join(f"{c.name} {c.type}" for c in report.columns)
    console.print(escape(f"returns {columns}; ordered by {report.sorted_by}"))
    return _text(console)


def words_text(heads: Sequence[str], rows: Iterable[Sequence[str | int]]) -> str:
    """Return rows of words, whole however long; numbers stand to the right."""
    console = _console()
    grid = Table(box=None, pad_edge=False, header_style="bold")
    cells = list(rows)
    for place, head in enumerate(heads):
        number = any(isinstance(row[place], int) for row in cells)
        grid.add_column(
            escape(head), justify="right" if number else "left", overflow="fold"
        )
    for row in cells:
        grid.add_row(*(f"{c:,}" if isinstance(c, int) else escape(c) for c in row))
    console.print(grid)
    return _text(console)


def _print_rows(console: Console, rows: pa.Table) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for field in rows.schema:
        number = _is_number(field.type)
        table.add_column(
            escape(field.name), justify="right" if number else "left", overflow="fold"
        )
    for row in zip(*_texts(rows), strict=True):
        table.add_row(*row)
    console.print(table)
    if rows.num_rows == 0:
        console.print("no rows", style="dim")


def _print_records(console: Console, rows: pa.Table) -> None:
    for place, row in enumerate(zip(*_texts(rows), strict=True)):
        grid = Table(box=None, pad_edge=False, show_header=False)
        grid.add_column(overflow="fold", style="bold")
        grid.add_column(overflow="fold")
        for name, column, text in zip(
            rows.column_names, rows.columns, row, strict=True
        ):
            if column[place].is_valid:
                grid.add_row(escape(name), text)
        console.print(f"row {place + 1}", style="dim")
        console.print(grid)
    if rows.num_rows == 0:
        console.print("no rows", style="dim")


def _texts(rows: pa.Table) -> list[list[str]]:
    return [
        [_cell(value, grouped=_is_amount(column.type)) for value in column.to_pylist()]
        for column in text_cells(rows).columns
    ]


def _cell(value: Any, *, grouped: bool) -> str:
    if value is None:
        return "-"
    if grouped:
        return f"{value:,}"
    text = str(value)
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return escape(clean if len(clean) <= CELL else clean[: CELL - 1] + "…")


def _is_number(type_: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(type_)
        or pa.types.is_floating(type_)
        or pa.types.is_decimal(type_)
    )


def _is_amount(type_: pa.DataType) -> bool:
    """Whether to group digits: ports and protocols are 32 bits wide and no amounts."""
    return _is_number(type_) and type_ != pa.int32()


def _console() -> Console:
    """Return a console that writes into a text, coloured only on a terminal."""
    real = Console()
    return Console(
        file=io.StringIO(),
        width=real.width if real.is_terminal else 200,
        force_terminal=real.is_terminal,
        highlight=False,
    )


def _text(console: Console) -> str:
    file = console.file
    return file.getvalue() if isinstance(file, io.StringIO) else ""
