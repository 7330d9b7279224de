"""Objects as they are delivered, late and twice, and what is true of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from demo import odd, truth
from demo.objects import FlowLog
from demo.places import Place
from demo.spec import SimulationSpec
from demo.traffic import WINDOW

LATE = timedelta(hours=2)


class Writer:
    """Writes objects, late and copied ones among them, and notes what is true."""

    def __init__(
        self, spec: SimulationSpec, place: Place, at: datetime, task: int
    ) -> None:
        self._spec, self._place, self._at, self._task = spec, place, at, task
        self.infos: list[dict[str, Any]] = []

    def keep_truth(self, rows: pa.Table, part: Path) -> None:
        """Write the truth of the task's records aside, to be joined at the end."""
        pq.write_table(rows, part)

    def put(
        self,
        flow_log: FlowLog,
        columns: dict[str, Any],
        records: int,
        *,
        first: int | None,
        silences: int = 0,
    ) -> None:
        """Write one object, and at times a copy of it elsewhere."""
        faults = self._spec.shape == "mixed" and not self._spec.clean
        number = len(self.infos) + self._task
        late = faults and number % 17 == 3
        body = flow_log.body(columns)
        key = flow_log.key(self._at + (LATE if late else WINDOW * 0), body)
        self._place.write(key, body)
        info = {
            "key": key,
            "identity": key.rpartition("/")[2].partition(".")[0],
            "records": records,
            "silences": silences,
            "headers": 0 if flow_log.parquet else 1,
            "bytes": len(body),
            "late": late,
            "copy_of": None,
            "first_record": first,
            "head": "tgw_flows" if flow_log.organization else "flows",
        }
        self.infos.append(info)
        if faults and number % 13 == 5:
            copy = f"replica/{key}"
            self._place.write(copy, body)
            self.infos.append({**info, "key": copy, "copy_of": key})

    def put_odd(self, flow_log: FlowLog, version: int) -> None:
        """Write an object of silences only, and one of the unusual records."""
        quiet = odd.silences(flow_log.vpc, self._at, version)
        self.put(flow_log, quiet, 0, first=None, silences=2)
        strange = odd.unusual(flow_log.vpc, self._at, version)
        mixed = odd.joined(strange, quiet)
        self.put(flow_log, mixed, 4, first=None, silences=2)


def write_truth(
    spec: SimulationSpec, place: Place, infos: list[dict[str, Any]], parts: Path
) -> None:
    """Write what is true of all objects, and of all records that parts hold."""
    originals = [info for info in infos if not info["copy_of"]]
    totals = {
        "spec": {**asdict(spec), "start": spec.start.isoformat(), "out": ""},
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
    found = sorted(parts.glob("*.parquet"))
    if found:
        _keep(place, parts, "records", map(pq.read_table, found))
        _keep(place, parts, "streams", map(truth.streams, map(pq.read_table, found)))


def _keep(place: Place, parts: Path, name: str, tables: Iterator[pa.Table]) -> None:
    """Write tables to one Parquet file, one in memory at a time."""
    first = next(tables)
    path = parts / f"{name}.whole"
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)
    place.put(f"truth/{name}.parquet", path)
