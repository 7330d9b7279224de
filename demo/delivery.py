"""Objects as they are delivered, late and twice, and what is true of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from demo.objects import FlowLog
from demo.places import Place


class Deliveries:
    """Writes objects, late and copied ones among them, and notes what each is.

    Args:
        place: Where they go.
        faults: Whether some are late, and some copied.
        first: Number of the first one: numbers tell which are.

    Attributes:
        infos: What each object is.
    """

    def __init__(self, place: Place, *, faults: bool, first: int) -> None:
        self._place, self._faults, self._first = place, faults, first
        self.infos: list[dict[str, Any]] = []

    @property
    def number(self) -> int:
        """The number of the next object."""
        return len(self.infos) + self._first

    def put(
        self,
        log: FlowLog,
        columns: dict[str, Any],
        at: datetime,
        *,
        records: int,
        delay: timedelta,
        silences: int = 0,
        first_record: int | None = None,
    ) -> dict[str, Any]:
        """Write one object, and at times a copy of it elsewhere; return what it is.

        Args:
            log: Whose.
            columns: Its records and silences.
            at: When it is due.
            records: How many.
            delay: If it is a late one.
            silences: How many.
            first_record: The place of its first record in its task.
        """
        number = self.number
        late = self._faults and number % 17 == 3
        body = log.body(columns)
        key = log.key(at + (delay if late else timedelta(0)), body)
        self._place.write(key, body)
        info = {
            "key": key,
            "identity": key.rpartition("/")[2].partition(".")[0],
            "records": records,
            "silences": silences,
            "headers": 0 if log.parquet else 1,
            "bytes": len(body),
            "late": late,
            "copy_of": None,
            "first_record": first_record,
            "head": "tgw_flows" if log.organization else "flows",
        }
        self.infos.append(info)
        if self._faults and number % 13 == 5:
            copy = f"replica/{key}"
            self._place.write(copy, body)
            self.infos.append({**info, "key": copy, "copy_of": key})
        return info


def write_truth(
    place: Place,
    spec: Mapping[str, Any],
    infos: list[dict[str, Any]],
    tables: Mapping[str, Iterator[pa.Table]],
    parts: Path,
) -> None:
    """Write what is true of all objects, and tables of what is true of records.

    Args:
        place: Where it goes.
        spec: What was simulated.
        infos: What each object is.
        tables: By name, in parts.
        parts: A folder for what is not whole yet.
    """
    originals = [info for info in infos if not info["copy_of"]]
    totals: dict[str, Any] = {
        "spec": spec,
        "objects": len(originals),
        "copies": len(infos) - len(originals),
        "late": sum(info["late"] for info in originals),
        "records": sum(info["records"] for info in originals),
        "silences": sum(info["silences"] for info in originals),
        "headers": sum(info["headers"] for info in originals),
        "tgw_records": sum(
            info["records"] for info in originals if info["head"] == "tgw_flows"
        ),
    }
    totals["lines"] = totals["records"] + totals["silences"] + totals["headers"]
    place.write("truth/totals.json", (json.dumps(totals, indent=1) + "\n").encode())
    _keep(place, parts, "objects", iter([pa.Table.from_pylist(infos)]))
    for name, some in tables.items():
        _keep(place, parts, name, some)


def _keep(place: Place, parts: Path, name: str, tables: Iterator[pa.Table]) -> None:
    """Write tables to one Parquet file, one in memory at a time."""
    first = next(tables, None)
    if first is None:
        return
    path = parts / f"{name}.whole"
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)
    place.put(f"truth/{name}.parquet", path)
