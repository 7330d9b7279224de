"""Explanations held against the simulated network's truth, one of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from queries.engine import Engine
from queries.explain.asked import explain

BY_RULE = ("security_group", "network_acl")
KINDS = """
    SELECT DISTINCT ON (t.scenario, t.cause, r.direction, r.action)
      t.scenario, t.cause, t.rule, t.fate, t.client, r.action, r.direction, r.observer,
      r.src_address, r.dst_address, r.srcport, r.dstport, r.protocol, r.start, r."end",
      t.start AS first, r.src_vpc, r.dst_vpc, r.src_kind, r.dst_kind, r.hop, t.expected
    FROM read_parquet('{0}/truth/records.parquet') r
    JOIN read_parquet('{0}/truth/streams.parquet') t USING (stream)
    WHERE {1}
    ORDER BY t.scenario, t.cause, r.direction, r.action, r.start
"""


def rows(world: Path, condition: str) -> list[dict[str, Any]]:
    """Return a true record of each kind: scenario, cause, direction, action."""
    with duckdb.connect() as reader:
        found: Any = reader.sql(KINDS.format(world, condition))
        return list(found.to_arrow_table().to_pylist())


def moment(second: int) -> str:
    """Return a time as people write it."""
    return datetime.fromtimestamp(second, UTC).isoformat().replace("+00:00", "Z")


def explained(engine: Engine, row: dict[str, Any]) -> dict[str, Any]:
    """Return the explanation of a true record."""
    given = {
        "src": row["src_address"], "dst": row["dst_address"],
        "srcport": str(row["srcport"]), "dstport": str(row["dstport"]),
        "protocol": str(row["protocol"]), "eni": row["observer"],
        "filter": f"action = '{row['action']}'",
        "since": moment(row["start"]), "until": moment(row["start"] + 1),
    }  # fmt: skip
    return explain(engine, {k: [v] for k, v in given.items()}, now=datetime.now(UTC))


def rejected(engine: Engine, world: Path) -> Iterator[tuple[Any, Any]]:
    """Yield each kind of rejection, and how it is explained."""
    for row in rows(world, "r.action = 'REJECT'"):
        yield row, explained(engine, row)


def sendable(engine: Engine, world: Path) -> Iterator[tuple[Any, Any]]:
    """Yield kinds of requests between ends of ours, and if such would pass."""
    condition = (
        "t.client = 'src' AND r.direction = 'ingress' AND r.hop = 'destination' "
        "AND r.src_vpc IS NOT NULL AND r.dst_vpc IS NOT NULL AND r.src_kind <> 'node' "
        "AND (t.cause IS NULL OR t.cause IN ('security_group', 'network_acl')) "
        # Sent to an address of the internet: the record is of what became of that.
        "AND t.protocol IN (6, 17) AND t.scenario NOT LIKE 'hairpin%' "
        "AND t.scenario NOT LIKE 'elastic_ips%'"
    )
    for row in rows(world, condition):
        given = {
            "from": f"{row['src_address']}@{row['src_vpc']}",
            "to": f"{row['dst_address']}@{row['dst_vpc']}",
            "port": str(row["dstport"]), "protocol": str(row["protocol"]),
            "client_port": str(row["srcport"]), "at": moment(row["start"]),
        }  # fmt: skip
        asked = {name: [text] for name, text in given.items()}
        yield row, explain(engine, asked, now=datetime.now(UTC))
