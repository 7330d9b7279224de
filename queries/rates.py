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
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from lake.errors import SettingsError, reason
from queries.given import Given

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


def load_rates(path: str | None) -> Given:
    """Read a table of prices; None: the one that comes with flowlake.

    Raises:
        SettingsError: It cannot be read; the message says which line is wrong.
    """
    place = OURS if path is None else Path(path).expanduser()
    try:
        text = place.read_text(encoding="utf-8-sig")
        rows = list(_rows(csv.DictReader(io.StringIO(text), strict=True)))
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise SettingsError(f"FLOWLAKE_RATES: {place}: {reason(error)}") from None
    if path is not None:
        _check_items(place, [row["item"] for row in rows])
    version = hashlib.sha256(text.encode()).hexdigest()[:12]
    return Given(RATES, pa.Table.from_pylist(rows, schema=SCHEMA), version)


def _check_items(place: Path, items: Sequence[str]) -> None:
    """Refuse items that no report reads: an estimate would be missing in silence."""
    known = load_rates(None).table["item"].to_pylist()
    strange = [item for item in items if item not in known]
    if strange:
        raise SettingsError(
            f"FLOWLAKE_RATES: {place}: {', '.join(strange)}: no report reads that; "
            f"the items are {', '.join(known)}"
        )


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
