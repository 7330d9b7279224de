"""The jobs that are measured side by side, each run in a process of its own.

Run as ``python -m tests.bench.peers NAME INPUT OUTPUT``; prints one JSON line.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path

from tests.memory import peak_mb


def flowlake(source: Path, out: Path) -> int:
    """Ingest to committed Iceberg, ledgers followed."""
    from ingest.job import Ingest, Request, settle_memory
    from lake.catalog import Lake
    from lake.settings import load_settings

    settle_memory()  # as the command does
    with Lake(load_settings(lake=str(out)), create=True) as lake:
        return Ingest(lake, Request(sources=(str(source),))).run().flows


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


JOBS = {"flowlake": flowlake, "polars": polars, "duckdb": duckdb}
IMPORTS = {
    "flowlake": ("ingest.job", "lake.catalog", "pyarrow.dataset",
                 "pyiceberg.io.pyarrow", "pyiceberg.catalog.sql"),
    "polars": ("polars",),
    "duckdb": ("duckdb",),
}  # fmt: skip


def main() -> None:
    name, source, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    for module in IMPORTS[name]:  # a process's start is not what is measured
        importlib.import_module(module)
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
