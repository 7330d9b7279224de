"""What records sum up to, read by polars: of text by place, of Parquet by name."""

from __future__ import annotations

import csv
import time as clock
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from transform.normalise import EARLIEST

SILENT = ("NODATA", "SKIPDATA")
DAY_S = 86_400
EARLIEST_S = int(EARLIEST.timestamp())
READ = ("log-status", "packets", "bytes", "start")
BETWEEN = "\x1f"  # fields of CSV whose quotes are taken off; no field holds it
_TEXT = pl.String()
_TYPES = dict.fromkeys(("packets", "bytes", "start"), pl.Int64())


@dataclass(frozen=True, slots=True)
class DaySums:
    """Records of one day, their packets and their bytes; what is not told is 0."""

    records: int = 0
    packets: int = 0
    bytes: int = 0

    def plus(self, other: DaySums) -> DaySums:
        """Return both together."""
        return DaySums(
            self.records + other.records,
            self.packets + other.packets,
            self.bytes + other.bytes,
        )


@dataclass(frozen=True, slots=True)
class Found:
    """What some records hold; see `Recount`."""

    silent: int = 0
    by_day: Mapping[int | None, DaySums] = field(default_factory=dict)
    first: int | None = None
    last: int | None = None


class Unread(Exception):
    """Polars cannot read it."""


def of_text(
    text: bytes, fields: Sequence[str], *, delimiter: str, stamped: bool
) -> Found:
    """Sum up whole lines without a header; a line that lacks fields has nulls.

    Args:
        text: The lines.
        fields: AWS's names in order.
        delimiter: What stands between the fields.
        stamped: A time that CloudWatch put there stands before the first field.

    Raises:
        Unread: Polars cannot read them.
    """
    names = ["stamp"] * stamped + list(fields)
    wanted = [at for at, name in enumerate(names) if name in READ]
    if not wanted or not text.strip():
        return Found()
    try:
        rows = pl.read_csv(
            text,
            separator=delimiter,
            has_header=False,
            schema={f"{at}": _TYPES.get(name, _TEXT) for at, name in enumerate(names)},
            columns=wanted,
            quote_char='"' if delimiter == "," else None,
            encoding="utf8-lossy",
            ignore_errors=True,  # what is no number is null
            truncate_ragged_lines=True,
            missing_columns="insert",  # than the first line has, which may be cut
            extra_columns="ignore",
        )
    except pl.exceptions.PolarsError as error:
        raise Unread(str(error)) from error
    if delimiter == "," and b'"' in text and rows.height != text.count(b"\n"):
        # A quote that is not closed has swallowed lines; each is to stand by itself.
        text = _unquoted(text)
        return of_text(text, fields, delimiter=BETWEEN, stamped=stamped)
    found = rows.to_arrow()
    return _added_up({names[at]: found[f"{at}"] for at in wanted}, rows.height)


def _unquoted(text: bytes) -> bytes:
    lines = (_csv_row(line) for line in text.decode("utf-8", "replace").split("\n"))
    return "".join(f"{BETWEEN.join(row)}\n" for row in lines).encode()


def _csv_row(line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        return []


def _added_up(columns: Mapping[str, pa.ChunkedArray], rows: int) -> Found:
    """Sum up columns in memory; to plan that takes polars longer than to do it."""
    nothing = pa.nulls(rows, pa.int64())
    start = columns.get("start", nothing)
    table = pa.table(
        {
            "silent": _silent(columns.get("log-status"), rows),
            "day": pc.divide(start, DAY_S),
            "packets": _counted(columns.get("packets", nothing)),
            "bytes": _counted(columns.get("bytes", nothing)),
            "start": start,
        }
    )
    sums = [("packets", "sum"), ("bytes", "sum"), ("start", "min"), ("start", "max")]
    count = ("start", "count", pc.CountOptions("all"))
    grouped = table.group_by(["silent", "day"], use_threads=False)
    made = grouped.aggregate([count, *sums]).to_pylist()
    return _found(
        (
            row["silent"],
            row["day"],
            row["start_count"],
            row["packets_sum"],
            row["bytes_sum"],
            row["start_min"],
            row["start_max"],
        )
        for row in made
    )


def _counted(numbers: Any) -> Any:
    """Return numbers of packets or bytes; a line with a negative one is refused."""
    return pc.max_element_wise(numbers, 0)


def _silent(status: pa.ChunkedArray | None, rows: int) -> Any:
    if status is None:
        return pa.repeat(False, rows)
    return pc.is_in(pc.utf8_rtrim(status, "\r"), value_set=pa.array(SILENT))


def of_parquet(file: IO[bytes]) -> tuple[int, Found]:
    """Return the rows that the footer tells of, and what they sum up to.

    Raises:
        Unread: Polars cannot read it.
    """
    try:
        rows = pl.scan_parquet(file)
        names = {name: name.replace("_", "-") for name in rows.collect_schema()}
        known = {name: aws for name, aws in names.items() if aws in READ}
        count = rows.select(pl.len()).collect().item()
        if not known:
            return count, Found()
        return count, _summed(rows.select(list(known)).rename(known))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise Unread(str(error)) from error


def _summed(rows: pl.LazyFrame) -> Found:
    types = rows.collect_schema()
    status = pl.col("log-status") if "log-status" in types else pl.lit(None, pl.String)
    start = _start(types)
    summed = (
        rows.select(
            silent=status.cast(pl.String).is_in(SILENT).fill_null(False),
            day=start // DAY_S,
            start=start,
            packets=_number(types, "packets").clip(0),
            bytes=_number(types, "bytes").clip(0),
        )
        .group_by("silent", "day")
        .agg(
            pl.len().alias("records"),
            pl.col("packets", "bytes").sum(),
            pl.col("start").min().alias("first"),
            pl.col("start").max().alias("last"),
        )
        .collect()
    )
    return _found(summed.iter_rows())


def _found(groups: Iterable[tuple[Any, ...]]) -> Found:
    """Gather groups: silent, day, records, packets, bytes, first and last start."""
    silent, by_day, times = 0, {}, []
    for is_silent, day, records, packets, size, first, last in groups:
        times += [time for time in (first, last) if _is_possible(time)]
        if is_silent:
            silent += records
        else:
            by_day[day] = DaySums(records, packets or 0, size or 0)
    return Found(silent, by_day, min(times, default=None), max(times, default=None))


def _is_possible(time: int | None) -> bool:
    """Whether a record may start then; what is refused widens no search."""
    return time is not None and EARLIEST_S <= time <= clock.time() + DAY_S


def _start(types: pl.Schema) -> pl.Expr:
    if "start" in types and types["start"].is_temporal():
        return pl.col("start").dt.epoch("s")
    return _number(types, "start")


def _number(types: pl.Schema, name: str) -> pl.Expr:
    if name not in types:
        return pl.lit(None, pl.Int64)
    column = pl.col(name)
    if types[name] == pl.Binary:
        column = column.cast(pl.String, strict=False)
    return column.cast(pl.Int64, strict=False)
