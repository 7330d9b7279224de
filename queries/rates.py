"""What moving a gigabyte costs: the dated table that estimates are made from.

`rates.csv` beside this module, or the file that FLOWLAKE_RATES names, is the table
`rates` of every session. A report asks it for one price by its `item`; where there is
none, there is no estimate.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from lake.errors import SettingsError
from queries.spelling import literal

RATES = "rates"
OURS = Path(__file__).parent / "rates.csv"
NEEDED = (
    "it needs an item, a price of 0 or more (US dollars a GB) and a day such as "
    "2026-01-31"
)
SCHEMA = pa.schema(
    [
        ("item", pa.string()),
        ("usd_per_gb", pa.float64()),
        ("region", pa.string()),
        ("as_of", pa.date32()),
        ("source", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Rates:
    """A table of prices.

    Attributes:
        table: Of ``SCHEMA``; US dollars a gigabyte of 2^30 bytes, one row an item.
        version: Changes with its content, so that caches know.
    """

    table: pa.Table
    version: str

    def create(self, database: duckdb.DuckDBPyConnection) -> None:
        """Make it the table `rates` of a database."""
        database.from_arrow(self.table).create(RATES)

    def view_statement(self) -> str:
        """Return the definition of a view `rates`, for where no table can be made."""
        rows = ", ".join(
            f"({', '.join(_literal(value) for value in row.values())})"
            for row in self.table.to_pylist()
        )
        names = ", ".join(SCHEMA.names)
        values = rows or f"({', '.join('NULL' for _ in SCHEMA.names)})"
        none = "" if rows else " WHERE FALSE"
        return (
            f"CREATE VIEW {RATES} AS SELECT {names} FROM (VALUES {values}) "  # noqa: S608
            f"AS given ({names}){none}"
        )


def _literal(value: Any) -> str:
    if isinstance(value, date):
        return f"DATE {literal(value.isoformat())}"
    return literal(value) if isinstance(value, str) else str(value)


def load_rates(path: str | None) -> Rates:
    """Read a table of prices; None: the one that comes with flowlake.

    Raises:
        SettingsError: It cannot be read; the message says which line is wrong.
    """
    place = OURS if path is None else Path(path).expanduser()
    try:
        text = place.read_text(encoding="utf-8-sig")
        rows = list(_rows(csv.DictReader(io.StringIO(text), strict=True)))
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise SettingsError(f"FLOWLAKE_RATES: {place}: {error}") from None
    version = hashlib.sha256(text.encode()).hexdigest()[:12]
    return Rates(pa.Table.from_pylist(rows, schema=SCHEMA), version)


def _rows(reader: csv.DictReader[str]) -> Iterable[dict[str, Any]]:
    if list(reader.fieldnames or ()) != SCHEMA.names:
        raise ValueError(f"its first line should be {','.join(SCHEMA.names)}")
    seen = set()
    for row in reader:
        try:
            yield _row(row)
        except (TypeError, ValueError):
            raise ValueError(f"line {reader.line_num}: {NEEDED}") from None
        if row["item"] in seen:
            raise ValueError(
                f"line {reader.line_num}: {row['item']} stands there twice"
            )
        seen.add(row["item"])


def _row(row: dict[str, str]) -> dict[str, Any]:
    price = float(row["usd_per_gb"])
    if not row["item"] or not math.isfinite(price) or price < 0:
        raise ValueError
    return row | {"usd_per_gb": price, "as_of": date.fromisoformat(row["as_of"])}
