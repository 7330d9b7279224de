"""What is wrong with the flow logs and the inventory, what it costs, what to do."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import pyarrow as pa
import typer

from lake.schema import VPC_FIELDS
from lake.settings import load_settings
from queries import formats, tables
from queries.engine import Engine
from queries.findings import findings
from queries.output import opened, table_or_json
from queries.says import counted
from queries.spelling import iso
from queries.statements import statement
from queries.values import Window

TABLES = ("flows", "silences", "sources", "identities", "configurations")
# What `flowlake` asks of a flow log: all that decides, names or explains something.
WANTED = tuple(f.aws or "" for f in VPC_FIELDS if not f.name.startswith("ecs_"))
LOG_FORMAT = " ".join(f"${{{name}}}" for name in WANTED)


def doctor(
    *,
    days: Annotated[int, typer.Option(min=1, help="Of records to look at")] = 7,
    format_: Annotated[
        str | None, typer.Option("--format", help="table or json; table on a terminal")
    ] = None,
) -> None:
    """Find what flow logs and inventory lack, what that costs, and what to do.

    Looks at the formats and traffic types of flow logs, those that went
    silent or never told, interfaces that are not logged or logged twice, overlay
    networks, and what the inventory does not cover or no more.
    """
    kind = table_or_json(format_, "doctor is")
    with Engine(load_settings()) as engine:
        found = examine(engine, days=days)
    with opened(None) as out:
        out.write((_text(found) if kind == "table" else _json(found)).encode())


def examine(engine: Engine, *, days: int) -> dict[str, Any]:
    """Look at the newest days of records, and at all of the inventory.

    Returns:
        ``findings``; ``attribution``, the share of record sides by kind and by how
        they are known; ``settling``; ``log_format``, the best for a new flow log.
    """
    pinned = engine.pin(list(TABLES))
    with engine.session([engine.plan(pinned["sources"])]) as session:
        through = session.few(statement("doctor/through"))["through"][0].as_py()
    until = (through or datetime.now(UTC)) + timedelta(hours=1)
    since = until - timedelta(days=days)
    plans = [
        engine.plan(p, Window(since, until) if name in ("flows", "silences") else None)
        for name, p in pinned.items()
    ]
    with engine.session(plans) as session:
        return {
            "since": since,
            "findings": [asdict(f) for f in findings(session, since)],
            "attribution": session.few(
                statement("doctor/attribution"), {"since": since}
            ),
            "settling": session.few(statement("doctor/settling"), {"since": since}),
            "log_format": LOG_FORMAT,
        }


def _text(found: dict[str, Any]) -> str:
    text = f"{counted(len(found['findings']), 'finding')}\n"
    if found["findings"]:
        rows = pa.Table.from_pylist(found["findings"]).select(
            ["fault", "resource", "costs", "do"]
        )
        text += tables.rows_text(rows.to_reader())
    text += "\nWho the records' addresses are, and how that is known:\n"
    text += tables.rows_text(found["attribution"].to_reader())
    text += "\nWhat settling left open:\n"
    text += tables.rows_text(found["settling"].to_reader())
    return f"{text}\nBest format of a flow log:\n{found['log_format']}\n"


def _json(found: dict[str, Any]) -> str:
    plain = {
        **found,
        "since": iso(found["since"]),
        "attribution": found["attribution"].to_pylist(),
        "settling": found["settling"].to_pylist()[0],
    }
    return formats.json_text(plain) + "\n"
