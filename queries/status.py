"""What the lake holds and how fresh it is: from summaries and ledgers, never flows."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any

import structlog
from pyiceberg.table import Table as IcebergTable
from rich.console import Console
from rich.table import Table as Grid

from lake.errors import FollowerStopped
from lake.follow import unabsorbed
from lake.signals.run import note, tell
from lake.snapshots import ancestry, mark_of
from lake.tables import FLOWS, HEADS, LEDGERS, ROLLUPS, TABLES, Table
from queries.engine import Engine, Pinned
from queries.gauges import values_of
from queries.health import health_of, missed, objective_lines, window_since
from queries.says import counted
from queries.spelling import iso
from queries.statements import statement

log = structlog.get_logger()

EXIT_MISSED = 1
LEDGER_NAMES = [ledger.name for ledger in LEDGERS]


def lake_status(engine: Engine, *, now: datetime) -> dict[str, Any]:
    """Return what `flowlake status` and ``/v1/status`` say.

    Args:
        engine: Over the lake.
        now: What the lag is measured to; UTC.

    Returns:
        ``lake``, ``tables``, ``data_through``, ``lag_s``, ``objects``, ``silences``,
        ``quarantine`` by reason, ``followers`` with the snapshots that each has
        still to absorb (null: it stopped, see `flowlake repair`), and of the window
        of the objectives ``window`` and ``objectives``, see `queries.health`.
    """
    pinned = engine.pin(list(TABLES))
    plans = [engine.plan(pinned[name]) for name in LEDGER_NAMES]
    with engine.session(plans) as session:
        objects = session.few(statement("meta/objects")).to_pylist()[0]
        silences = session.few(statement("meta/silences"), {"now": now}).to_pylist()
        reasons = session.few(statement("meta/quarantine")).to_pylist()
        since = {"since": window_since(engine.settings, now)}
        fresh = session.few(statement("meta/fresh"), since).to_pylist()[0]
    followers = _followers(pinned)
    times = [objects.pop("heard_through"), *(row["heard_through"] for row in silences)]
    heard = max((time for time in times if time), default=None)
    health = health_of(engine, pinned, objects, fresh, followers, heard=heard, now=now)
    through: datetime | None = objects.pop("data_through")
    return {
        "lake": engine.lake.where,
        "tables": {name: _table(p.stored) for name, p in pinned.items()},
        "data_through": _iso(through),
        "lag_s": round((now - through).total_seconds()) if through else None,
        "objects": {
            **objects,
            "first_ingested": _iso(objects["first_ingested"]),
            "last_ingested": _iso(objects["last_ingested"]),
        },
        "silences": {row["log_status"]: row["records"] for row in silences},
        "quarantine": {row["reason"]: row["rows"] for row in reasons},
        "followers": followers,
        **health,
    }


def check_status(status: dict[str, Any]) -> int:
    """Log each objective that is missed, set the run's metrics, return the exit code.

    Args:
        status: As `lake_status` returns it.
    """
    for name, samples in values_of(status).items():
        for labels, value in samples.items():
            tell(name, value, *labels)
    found = missed(status)
    for each in found:
        log.error("slo_missed", **{k: each[k] for k in
                  ("slo", "value", "target", "unit", "do")})  # fmt: skip
    note(missed=[each["slo"] for each in found])
    return EXIT_MISSED if found else 0


def status_lines(status: dict[str, Any]) -> str:
    """Return the status for a person to read."""
    grid = Grid(box=None, pad_edge=False, header_style="bold")
    for name in ("table", "rows", "files", "MB", "snapshots", "snapshot"):
        grid.add_column(name, justify="left" if name == "table" else "right")
    for name, table in status["tables"].items():
        grid.add_row(name, f"{table['rows']:,}", f"{table['files']:,}",
                     f"{table['bytes'] / 1e6:,.1f}", f"{table['snapshots']:,}",
                     str(table["snapshot"] or "-"))  # fmt: skip
    console = Console(file=io.StringIO(), width=120, highlight=False)
    console.print(grid)
    for line in _sentences(status):
        console.print(line, markup=False)
    file = console.file
    return file.getvalue() if isinstance(file, io.StringIO) else ""


def _sentences(status: dict[str, Any]) -> list[str]:
    objects, through = status["objects"], status["data_through"]
    lag = f", {_span(status['lag_s'])} ago" if through else ""
    lines = [
        f"data through {through or 'nothing yet'}{lag}",
        f"{counted(objects['ingested'], 'object')} ingested, "
        f"{objects['quarantined_whole']:,} of them quarantined whole",
        f"quarantine: {_counts(status['quarantine'])}",
        f"silences: {_counts(status['silences'])}",
    ]
    if not objects["ingested"]:
        lines.append("nothing was ingested yet: run `flowlake ingest SOURCE`")
    behind = {k: v for k, v in status["followers"].items() if v != 0}
    for name, count in behind.items():
        if count is None:
            ledger = name.split("/")[0]
            lines.append(f"{name} stopped: run `flowlake repair {ledger}`")
        else:
            late = counted(count, "snapshot")
            lines.append(f"{name} is {late} behind: the next ingest absorbs them")
    return [*lines, *objective_lines(status)]


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items()) or "none"


def _span(seconds: int) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if abs(seconds) >= 2 * size:
            return f"{seconds // size:,} {unit}"
    return f"{seconds} s"


def _table(stored: IcebergTable | None) -> dict[str, Any]:
    snapshot = stored.current_snapshot() if stored else None
    totals = snapshot.summary if snapshot else None

    def total(key: str) -> int:
        return int((totals.get(key) if totals else None) or 0)

    return {
        "rows": total("total-records"),
        "files": total("total-data-files"),
        "bytes": total("total-files-size"),
        "snapshots": len(stored.metadata.snapshots) if stored else 0,
        "snapshot": str(snapshot.snapshot_id) if snapshot else None,
    }


def _followers(pinned: dict[str, Pinned]) -> dict[str, int | None]:
    behind: dict[str, int | None] = {}
    pairs = [(ledger, head) for ledger in LEDGERS for head in HEADS]
    for follower, head in [*pairs, *((rollup, FLOWS) for rollup in ROLLUPS)]:
        one, two = pinned[follower.name].stored, pinned[head.name].stored
        if one is not None and two is not None:
            behind[f"{follower.name}/{head.name}"] = _behind(one, two, follower, head)
    return behind


def _behind(
    stored: IcebergTable, stored_head: IcebergTable, follower: Table, head: Table
) -> int | None:
    if follower in ROLLUPS and mark_of(stored, head.name) is None:
        return len(ancestry(stored_head))  # it will read all files, whatever they say
    try:
        return len(unabsorbed(stored, stored_head, ledger=follower, head=head))
    except FollowerStopped:
        return None


def _iso(time: datetime | None) -> str | None:
    return None if time is None else iso(time)
