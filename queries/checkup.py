"""What is wrong with the flow logs and the inventory, what it costs, what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import pyarrow as pa
import typer

from lake.errors import UsageError
from lake.schema import VPC_FIELDS
from lake.settings import load_settings
from queries import formats, tables
from queries.engine import Engine
from queries.output import opened
from queries.says import counted
from queries.session import Session
from queries.statements import statement
from queries.values import Window, iso

TABLES = ("flows", "silences", "sources", "identities", "configurations")
STALE = timedelta(hours=1)
# What `flowlake` asks of a flow log: all that decides, names or explains something.
WANTED = tuple(f.aws or "" for f in VPC_FIELDS if not f.name.startswith("ecs_"))
LOG_FORMAT = " ".join(f"${{{name}}}" for name in WANTED)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        fault: A code, such as ``no_pkt_addr``.
        resource: What it is wrong with.
        costs: What cannot be known because of it.
        do: What to do about it.
    """

    fault: str
    resource: str
    costs: str
    do: str
    vpc: str | None = None
    account: str | None = None


def doctor(
    *,
    days: Annotated[int, typer.Option(min=1, help="Of records to look at")] = 7,
    format_: Annotated[
        str | None, typer.Option("--format", help="table or json; table on a terminal")
    ] = None,
) -> None:
    """Find what flow logs and inventory lack, what that costs, and what to do.

    Looks at the formats and traffic types of flow logs, interfaces that are not
    logged or logged twice, overlay networks, and how old the inventory is.
    """
    kind = format_ or ("table" if sys.stdout.isatty() else "json")
    if kind not in ("table", "json"):
        raise UsageError(f"--format {kind}: doctor is table or json")
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
        through = session.query(statement("doctor/through"))["through"][0].as_py()
    until = (through or datetime.now(UTC)) + timedelta(hours=1)
    since = until - timedelta(days=days)
    plans = [
        engine.plan(p, Window(since, until) if name in ("flows", "silences") else None)
        for name, p in pinned.items()
    ]
    with engine.session(plans) as session:
        return {
            "since": since,
            "findings": [asdict(f) for f in _findings(session, since)],
            "attribution": session.query(
                statement("doctor/attribution"), {"since": since}
            ),
            "settling": session.query(statement("doctor/settling"), {"since": since}),
            "log_format": LOG_FORMAT,
        }


def _findings(session: Session, since: datetime) -> Iterator[Finding]:
    logs = session.query(statement("doctor/flow_logs")).to_pylist()
    yield from _of_formats(logs)
    regional = session.query(statement("doctor/regional")).to_pylist()
    yield from _of_regional(logs, regional)
    yield from _of_interfaces(session, since)
    yield from _of_clusters(session)
    yield from _of_looks(session)


def _of_formats(logs: list[dict[str, Any]]) -> Iterator[Finding]:
    for log in logs:
        fields = {name.replace("_", "-") for name in log["fields"] or ()}
        about = {"resource": log["flow_log_id"], "account": log["account"]}
        if fields and not {"pkt-srcaddr", "pkt-dstaddr"} <= fields:
            yield Finding(
                "no_pkt_addr", costs="no pod can be seen behind its interface",
                do="create one with --log-format as below, delete this one", **about,
            )  # fmt: skip
        missing = {"flow-direction", "tcp-flags", "vpc-id"} - fields
        if fields and missing:
            yield Finding(
                "lean_format", costs=f"without {', '.join(sorted(missing))} more is "
                "found out from other records, or stays open",
                do="create one with --log-format as below, delete this one", **about,
            )  # fmt: skip
        if log["traffic_type"] != "ALL" and not _is_complemented(log, logs):
            other = "REJECT" if log["traffic_type"] == "ACCEPT" else "ACCEPT"
            yield Finding(
                "traffic_type", costs=f"it holds {log['traffic_type']} only: what was "
                f"{other} is not known", do="create one of TrafficType ALL", **about,
            )  # fmt: skip
        if log["delivery"] == "FAILED":
            yield Finding(
                "delivery_failed", costs="its records do not arrive",
                do=log["delivery_error"] or "see DescribeFlowLogs", **about,
            )  # fmt: skip


def _is_complemented(log: dict[str, Any], logs: list[dict[str, Any]]) -> bool:
    """Whether another flow log of the same resource holds what this one does not."""
    return any(
        other["resource_id"] == log["resource_id"]
        and other["traffic_type"] != log["traffic_type"]
        for other in logs
        if log["resource_id"] is not None
    )


def _of_regional(
    logs: list[dict[str, Any]], gateways: list[dict[str, Any]]
) -> Iterator[Finding]:
    for gateway in gateways:
        for log in logs:
            fields = {name.replace("_", "-") for name in log["fields"] or ()}
            at_it = log["resource_id"] in (gateway["vpc"], gateway["resource_id"])
            if at_it and fields and "resource-id" not in fields:
                yield Finding(
                    "no_resource_id", log["flow_log_id"], vpc=gateway["vpc"],
                    account=log["account"],
                    costs=f"records of {gateway['resource_id']} name no observer",
                    do="add ${resource-id} to the format",
                )  # fmt: skip


def _of_interfaces(session: Session, since: datetime) -> Iterator[Finding]:
    interfaces = session.query(statement("doctor/interfaces"), {"since": since})
    for row in interfaces.to_pylist():
        about = {"resource": row["eni"], "vpc": row["vpc"], "account": row["account"]}
        if row["logs"]:
            yield Finding(
                "duplicate", costs=f"{row['logs']} flow logs hold it: paid for twice, "
                "counted once", do="delete all but one", **about,
            )  # fmt: skip
        else:
            yield Finding(
                "not_logged", costs="its traffic is seen only at the other end",
                do="create a flow log for its VPC", **about,
            )  # fmt: skip


def _of_clusters(session: Session) -> Iterator[Finding]:
    for row in session.query(statement("doctor/overlays")).to_pylist():
        pods = counted(row["pods"], "pod")
        yield Finding(
            "overlay_cni", row["cluster"],
            costs=f"addresses of its {pods} are of no VPC, such as "
            f"{row['example']}: flow logs show its nodes alone",
            do="use the VPC CNI, or count its traffic in the cluster",
        )  # fmt: skip


def _of_looks(session: Session) -> Iterator[Finding]:
    looks = session.query(statement("doctor/listings")).to_pylist()
    if not looks:
        yield Finding(
            "no_inventory", "inventory",
            costs="no pod, load balancer or gateway has a name",
            do="run `flowlake inventory aws` and `flowlake inventory kubernetes`",
        )  # fmt: skip
    for look in looks:
        behind = look["through"] - look["last_seen"] if look["through"] else STALE
        if behind > STALE:
            command = f"flowlake inventory {look['scope'].partition(':')[0]}"
            yield Finding(
                "stale_inventory", look["scope"],
                costs=f"{behind} of records lie beyond its last look at "
                f"{look['last_seen']:%Y-%m-%d %H:%M}: not_covered",
                do=f"run `{command}` on a schedule, then `flowlake attribute`",
            )  # fmt: skip


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
