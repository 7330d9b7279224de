"""What must hold at the end: the lake is the truth, and what one quiet run makes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from lake.catalog import Lake
from lake.rewrite import live_files
from lake.settings import Settings
from lake.tables import HEADS, QUARANTINE, SOURCES, TABLES, Table
from tests.samples import VOLATILE
from tests.world_laws import KEYS, check

# A copy may have been read first: where it lay and when differ, what it is does not.
VARYING = {
    SOURCES.name: VOLATILE | {"location"},
    QUARANTINE.name: VOLATILE | {"day"},
}
MEMORY = "SET memory_limit = '6GB'"


def broken_laws(
    settings: Settings, quiet: Settings, world: Path, delivered: Iterable[str]
) -> list[str]:
    """Return what does not hold of a lake; nothing: all does.

    Args:
        settings: The lake.
        quiet: A lake of the same objects and inventory, made by one run.
        world: The folder of the simulated world.
        delivered: The identities of all objects that came.
    """
    with (
        Lake(settings) as lake,
        Lake(quiet) as other,
        duckdb.connect() as con,
    ):
        con.execute(MEMORY)
        _define(con, "lake", lake)
        _define(con, "quiet", other)
        found = [
            *_against_truth(con, world),
            *_ledgers(con),
            *_objects(con, pa.table({"identity": sorted(delivered)})),
            *_differences(con),
        ]
    return found + _names_and_counts(settings, world)


def _define(con: Any, prefix: str, lake: Lake) -> None:
    """Make a view of each table's rows; of an empty one a view without rows."""
    for table in TABLES.values():
        files = [f.file_path.removeprefix("file://") for f in _files(lake, table)]
        name = f"{prefix}_{table.name}"
        if files:
            con.execute(
                f"CREATE VIEW {name} AS SELECT * FROM "
                f"read_parquet({files}, union_by_name=true)"
            )
        else:
            con.execute(f"CREATE VIEW {name} AS SELECT 1 AS nothing WHERE false")


def _files(lake: Lake, table: Table) -> list[Any]:
    return list(live_files(lake.load(table)))


def _against_truth(con: Any, world: Path) -> Iterator[str]:
    """Each record is in `flows` exactly as often as the world wrote it."""
    keys = ", ".join(KEYS)
    times = "epoch(start_time)::BIGINT AS s, epoch(end_time)::BIGINT AS e"
    lost, invented = _row(
        con,
        f"""
        WITH truth AS (
          SELECT {keys}, start::BIGINT AS s, "end"::BIGINT AS e, bytes
          FROM '{world}/truth/records.parquet'
        ), stored AS (SELECT {keys}, {times}, bytes FROM lake_flows)
        SELECT
          (SELECT count(*) FROM (FROM truth EXCEPT ALL FROM stored)),
          (SELECT count(*) FROM (FROM stored EXCEPT ALL FROM truth))
    """,
    )
    if lost or invented:
        yield f"{lost} records are not in the lake, {invented} are not in the world"


def _ledgers(con: Any) -> Iterator[str]:
    """Each object is in `sources` once, and its lines add up."""
    twice, uneven = _row(
        con,
        """
        SELECT count(*) - count(DISTINCT source_object),
          count(*) FILTER (lines <> headers + flows + silences + quarantined)
        FROM lake_sources
    """,
    )
    if twice or uneven:
        yield f"sources: {twice} objects twice, of {uneven} the lines do not add up"
    for table, column in (
        *((head.name, "flows") for head in HEADS),
        ("silences", "silences"),
        ("quarantine", "quarantined"),
    ):
        heads = f"WHERE head = '{table}'" if column == "flows" else ""
        if column == "quarantined":
            heads = "WHERE whole_reason IS NULL"
        told, there = _row(
            con,
            f"""
            SELECT (SELECT coalesce(sum({column}), 0) FROM lake_sources {heads}),
              (SELECT count(*) FROM lake_{table})
        """,
        )
        if column == "quarantined":
            (whole,) = _row(
                con, "SELECT count(*) FROM lake_sources WHERE whole_reason IS NOT NULL"
            )
            told += whole
        if told != there:
            yield f"{table}: sources tell of {told} rows, there are {there}"


def _objects(con: Any, delivered: pa.Table) -> Iterator[str]:
    con.register("came", delivered)
    missing, unknown = _row(
        con,
        """
        WITH read AS (SELECT source_object AS identity FROM lake_sources)
        SELECT (SELECT count(*) FROM (FROM came EXCEPT FROM read)),
          (SELECT count(*) FROM (FROM read EXCEPT FROM came))
    """,
    )
    if missing or unknown:
        yield f"sources: {missing} objects are missing, {unknown} never came"


def _differences(con: Any) -> Iterator[str]:
    """No row of any table differs from what one undisturbed run makes."""
    for table in TABLES.values():
        varying = VARYING.get(table.name, VOLATILE)
        names = [f.name for f in table.fields if f.name not in varying]
        one, other = (_select(con, f"{prefix}_{table.name}", names)
                      for prefix in ("lake", "quiet"))  # fmt: skip
        more, less = _row(
            con,
            f"""
            SELECT (SELECT count(*) FROM ({one} EXCEPT ALL {other})),
              (SELECT count(*) FROM ({other} EXCEPT ALL {one}))
        """,
        )
        if more or less:
            (such,) = _row(
                con,
                f"SELECT any_value(row::VARCHAR) FROM ({one} EXCEPT ALL {other}) row",
            )
            yield (
                f"{table.name}: {more} rows more, {less} less than undisturbed, "
                f"such as {such}"
            )


def _select(con: Any, view: str, names: list[str]) -> str:
    """Return a query of some columns; null are those that no file has."""
    there = {name for name, *_ in con.execute(f"DESCRIBE {view}").fetchall()}
    columns = (f'"{n}"' if n in there else f'NULL AS "{n}"' for n in names)
    return f"SELECT {', '.join(columns)} FROM {view}"


def _row(con: Any, sql: str) -> Any:
    (row,) = con.execute(sql).fetchall()
    return row


def _names_and_counts(settings: Settings, world: Path) -> list[str]:
    """Nothing is named or counted otherwise than the world knows."""
    found = check(settings, world)
    if found.hold:
        return []
    return [
        f"named wrongly {sum(found.wrong.values())} times, reasons wrong: "
        f"{found.reasons.wrong}, unjoined {found.unjoined}, uneven {found.uneven[:5]}, "
        f"totals {found.totals}"
    ]


def orphans(settings: Settings) -> tuple[int, int]:
    """Return how many files nothing names, and how many are named; after a gc."""
    named: set[str] = set()
    with Lake(settings) as lake:
        for table in TABLES.values():
            stored = lake.load(table)
            named.add(stored.metadata_location)
            named.update(e.metadata_file for e in stored.metadata.metadata_log)
            for snapshot in stored.snapshots():
                named.add(snapshot.manifest_list)
                for manifest in snapshot.manifests(stored.io):
                    named.add(manifest.manifest_path)
                    entries = manifest.fetch_manifest_entry(stored.io)
                    named.update(entry.data_file.file_path for entry in entries)
    named = {name.removeprefix("file://") for name in named}
    there = {
        str(file)
        for file in settings.lake_path.rglob("*")
        if file.is_file() and file.parent != settings.lake_path
    }
    return len(there - named), len(there)


def commits_of(settings: Settings) -> dict[str, str]:
    """Return the commit that brought each object."""
    with Lake(settings) as lake:
        files = [f.file_path.removeprefix("file://") for f in _files(lake, SOURCES)]
    rows = duckdb.execute(
        "SELECT source_object, commit_id FROM read_parquet($files)", {"files": files}
    ).fetchall()
    return dict(rows)
