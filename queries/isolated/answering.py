"""The answer to SQL over REST: rows, and `meta` of what they were computed from."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from queries.answers import Answer
from queries.engine import Engine
from queries.isolated.caps import ROWS
from queries.isolated.process import Isolation
from queries.isolated.snapshot import Snapshot, take
from queries.isolated.stop import Stop
from queries.spelling import iso
from queries.values import FAR_AHEAD, LONG_AGO

# What `meta` says of an answer to SQL, by name; the documentation is made from it.
SQL_META_NAMES: Mapping[str, str] = {
    "window": "What the rows of tables with a time are of, since and until; UTC. Null: "
    "all, or no end.",
    "snapshots": "The snapshot of every table that could be read.",
    "rows": "Rows of this answer.",
    "truncated": "Whether there are more rows than these.",
    "warnings": "What to know before trusting the answer.",
    "elapsed_ms": "How long it took, milliseconds.",
}


def ask(
    engine: Engine,
    isolation: Isolation,
    sql: str,
    *,
    now: datetime,
    since: str | None = None,
    until: str | None = None,
    limit: int | None = None,
    stop: Stop | None = None,
) -> Answer:
    """Answer one SELECT over every table as it is now; see `Isolation.run`.

    Args:
        engine: Over the lake.
        isolation: Runs it.
        sql: The user's text.
        now: What relative times count from; UTC.
        since: See only records from here on, as a user writes it.
        until: See only records before this.
        limit: The most rows; None: as many as the settings allow.
        stop: Ends it when it is called.

    Raises:
        QueryError: It is not allowed, cannot be answered, or takes too much.
        LakeError: The lake cannot be read.
    """
    begun = time.perf_counter()
    snapshot = take(engine, now=now, since=since, until=until)
    most = limit or engine.settings.sql_max_rows
    found = isolation.run(snapshot, sql, most_rows=most, stop=stop)
    rows = found.rows.num_rows
    meta = {
        "window": _window(snapshot),
        "snapshots": {
            plan.table.name: None if plan.snapshot is None else str(plan.snapshot)
            for plan in snapshot.plans
        },
        "rows": rows,
        "truncated": found.cut_by is not None,
        "warnings": _warnings(engine, found.cut_by, rows),
        "elapsed_ms": round((time.perf_counter() - begun) * 1000, 1),
    }
    return Answer(meta, found.rows)


def _window(snapshot: Snapshot) -> dict[str, Any] | None:
    window = snapshot.window
    if window is None:
        return None
    return {
        "since": None if window.since == LONG_AGO else iso(window.since),
        "until": None if window.until == FAR_AHEAD else iso(window.until),
    }


def _warnings(engine: Engine, cut_by: str | None, rows: int) -> list[str]:
    if cut_by is None:
        return []
    why = (
        "as asked for, or as FLOWLAKE_SQL_MAX_ROWS allows"
        if cut_by == ROWS
        else f"which take {engine.settings.sql_max_bytes >> 20} MiB "
        "(FLOWLAKE_SQL_MAX_BYTES)"
    )
    return [f"there are more rows than these {rows:,}, {why}: add up, or ask for parts"]
