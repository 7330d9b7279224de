"""The jobs that are measured side by side, each run in a process of its own.

Run as ``python -m tests.bench.peers NAME INPUT OUTPUT``; prints one JSON line.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.memory import peak_mb


def inventory(source: Path, out: Path) -> None:
    """Give flowlake the world's inventory: its interfaces, and pods over time."""
    from ingest.inventory.aws import read_saved
    from ingest.inventory.kubernetes.saved import Saved
    from ingest.inventory.store import record
    from lake.catalog import Lake
    from lake.settings import load_settings

    saved = source.parent / "inventory"
    sightings = [
        sighting
        for at in (datetime(2025, 12, 31, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
        for sighting in read_saved([saved / "aws"], at=at)
    ]
    with Lake(load_settings(lake=str(out)), create=True) as lake:
        lake.ensure_all()
        record(lake, [*sightings, *Saved([saved / "kubernetes"])])


def flowlake(source: Path, out: Path) -> int:
    """Ingest to attributed, judged, committed Iceberg, ledgers followed."""
    from ingest.job import Ingest, Request
    from ingest.memory import settle_memory
    from lake.catalog import Lake
    from lake.settings import load_settings

    settle_memory()  # as the command does
    request = Request(sources=(str(source),), settle=False, roll_up=False)
    with Lake(load_settings(lake=str(out)), create=True) as lake:
        return Ingest(lake, request).run().flows


def settle(source: Path, out: Path) -> int:
    """Settle what `flowlake` has ingested; for its time beside the rest."""
    from ingest.enriching import Inventories
    from ingest.memory import settle_memory
    from ingest.settling import Settler
    from lake.catalog import Lake
    from lake.settings import load_settings

    del source
    settle_memory()  # as the command does
    with Lake(load_settings(lake=str(out))) as lake:
        return (
            Settler(lake, Inventories(lake, {})).settle_due(now=datetime.now(UTC)).rows
        )


def rollups(source: Path, out: Path) -> int:
    """Add up what `settle` has settled; for its time beside the rest."""
    from ingest.rollup.follower import roll_up
    from lake.catalog import Lake
    from lake.settings import load_settings
    from lake.tables import FLOWS

    del source
    with Lake(load_settings(lake=str(out))) as lake:
        roll_up(lake)
        return int(lake.load(FLOWS).scan().count())


def polars(source: Path, out: Path) -> int:
    """Only read the text and write Parquet: no checks, no types, no commit."""
    import polars as pl

    out.mkdir(parents=True)
    target = out / "rows.parquet"
    pl.scan_csv(f"{source}/**/*.log.gz", separator=" ", null_values=["-"]).sink_parquet(
        target
    )
    return int(pl.scan_parquet(target).select(pl.len()).collect().item())


def duckdb(source: Path, out: Path) -> int:
    """Only read the text and write Parquet: no checks, no types, no commit."""
    import duckdb as engine

    out.mkdir(parents=True)
    target = out / "rows.parquet"
    connection = engine.connect()
    connection.execute(
        "COPY (SELECT * FROM read_csv($source, delim = ' ', header = true, "
        "nullstr = '-', union_by_name = false)) TO '" + str(target) + "' "
        "(FORMAT parquet, COMPRESSION zstd)",
        {"source": f"{source}/**/*.log.gz"},
    )
    counted = connection.execute(
        "SELECT count(*) FROM read_parquet($target)", {"target": str(target)}
    ).fetchone()
    connection.close()
    return int(counted[0]) if counted else 0


BEFORE = {"flowlake": inventory}
JOBS = {
    "flowlake": flowlake,
    "settle": settle,
    "rollups": rollups,
    "polars": polars,
    "duckdb": duckdb,
}
IMPORTS = {
    "flowlake": ("ingest.job", "ingest.decode.decoder", "lake.catalog",
                 "pyarrow.dataset", "pyiceberg.io.pyarrow", "pyiceberg.catalog.sql"),
    "settle": ("ingest.settling", "pyiceberg.io.pyarrow", "pyiceberg.catalog.sql"),
    "rollups": ("ingest.rollup.follower", "pyiceberg.io.pyarrow",
                "pyiceberg.catalog.sql"),
    "polars": ("polars",),
    "duckdb": ("duckdb",),
}  # fmt: skip


def main() -> None:
    name, source, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    for module in IMPORTS[name]:  # a process's start is not what is measured
        importlib.import_module(module)
    if name in BEFORE:
        BEFORE[name](source, out)
    began, cpu = time.perf_counter(), os.times()
    rows = JOBS[name](source, out)
    used = os.times()
    answer = {
        "job": name,
        "rows": rows,
        "seconds": time.perf_counter() - began,
        "cpu_s": used.user + used.system - cpu.user - cpu.system,
        "peak_rss_mb": peak_mb(),
        "out_mb": sum(p.stat().st_size for p in out.rglob("*") if p.is_file()) / 1e6,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
