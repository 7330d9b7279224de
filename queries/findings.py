"""What is wrong with flow logs and inventory, found by the statements in `doctor/`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from queries.says import counted
from queries.session import Session
from queries.statements import statement

STALE = timedelta(hours=1)
QUIET_H = 3  # objects come every few minutes, late ones within two hours
LATE_H = 2
CREATE = "create one with --log-format as below, delete this one"
# What a format may lack: the fault, the fields, and what it costs to lack any of them.
LACKING = (
    ("no_pkt_addr", ("pkt-srcaddr", "pkt-dstaddr"),
     "no pod can be seen behind its interface"),
    ("no_observer", ("interface-id",),
     "nobody knows whose its records are, nor if they count"),
    ("no_time", ("start", "end"),
     "its records belong to no hour; without start they are quarantined"),
    ("no_action", ("action",), "nobody knows what was accepted and what rejected"),
    ("no_volume", ("packets", "bytes"), "nobody knows how much was sent"),
    ("lean_format", ("flow-direction", "tcp-flags", "vpc-id"),
     "more is found out from other records, or stays open"),
)  # fmt: skip


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


def findings(session: Session, since: datetime) -> Iterator[Finding]:
    """Yield what is wrong.

    Args:
        session: Over `flows` and `silences` since then, and all of `sources`,
            `identities` and `configurations`.
        since: Records before are not looked at; UTC.
    """

    def rows(name: str, **given: Any) -> list[dict[str, Any]]:
        found = session.few(statement(f"doctor/{name}"), given or None)
        return list(found.to_pylist())

    session.run(statement("doctor/logs"))
    logs = rows("flow_logs", since=since)
    yield from _of_formats(logs)
    yield from _of_actions(rows("one_action"))
    yield from _of_regional(logs, rows("regional"))
    yield from _of_silent(rows("silent_logs", quiet_h=QUIET_H, late_h=LATE_H))
    yield from _of_interfaces(rows("interfaces", since=since))
    looks = rows("listings", since=since)
    yield from _of_clusters(rows("clusters"), looks)
    yield from _of_looks(looks)
    yield from _of_unlisted(rows("unlisted", since=since) if looks else [])


def _of_formats(logs: list[dict[str, Any]]) -> Iterator[Finding]:
    for log in logs:
        about = {"resource": log["flow_log_id"], "account": log["account"]}
        fields = _fields(log)
        for fault, needed, costs in LACKING:
            missing = sorted(set(needed) - fields)
            if fields and missing:
                costs = f"without {', '.join(missing)} {costs}"
                yield Finding(fault, costs=costs, do=CREATE, **about)
        if log["delivery"] == "FAILED":
            yield Finding(
                "delivery_failed", costs="its records do not arrive",
                do=log["delivery_error"] or "see DescribeFlowLogs", **about,
            )  # fmt: skip


def _fields(log: dict[str, Any]) -> set[str]:
    return {name.replace("_", "-") for name in log["fields"] or ()}


def _of_actions(logs: list[dict[str, Any]]) -> Iterator[Finding]:
    for log in logs:
        other = "REJECT" if log["traffic"] == "ACCEPT" else "ACCEPT"
        yield Finding(
            "traffic_type", log["flow_log_id"], account=log["account"],
            costs=f"it holds {log['traffic']} only, and no other flow log what was "
            f"{other} at {_some(log['places'], log['example'])}",
            do="create one of TrafficType ALL",
        )  # fmt: skip


def _some(count: int, example: str) -> str:
    return example if count == 1 else f"{count} interfaces, such as {example}"


def _of_regional(
    logs: list[dict[str, Any]], gateways: list[dict[str, Any]]
) -> Iterator[Finding]:
    for log in logs:
        fields = _fields(log)
        at_it = sorted(
            gateway["resource_id"]
            for gateway in gateways
            if log["resource_id"] is not None
            and log["resource_id"] in (gateway["vpc"], gateway["resource_id"])
        )
        if "resource-id" not in fields and "interface-id" in fields:
            if not at_it and not log["unobserved"]:
                continue
            whose = ", ".join(at_it) or f"{log['unobserved']} records"
            yield Finding(
                "no_resource_id", log["flow_log_id"], account=log["account"],
                costs=f"without it nobody knows the observer: {whose}",
                do="add ${resource-id} to the format: regional NAT gateways have no "
                "interface",
            )  # fmt: skip


def _of_silent(logs: list[dict[str, Any]]) -> Iterator[Finding]:
    for log in logs:
        if log["through"]:
            costs = (
                f"nothing came of it since {log['through']:%Y-%m-%d %H:%M}, though "
                "it is still there and others tell: what it holds is missing"
            )
            do = "see that its objects are delivered, and that ingest reads that place"
        else:
            costs = (
                f"nothing of it is in this lake, though others tell since "
                f"{log['since']:%Y-%m-%d %H:%M}: what was logged at "
                f"{_some(log['places'], log['example'])} is missing"
            )
            place = log["destination"] or "where it delivers"
            do = f"ingest {place} too, or see that its objects are delivered there"
        yield Finding(
            "silent_log", log["flow_log_id"], costs, do, account=log["account"]
        )


def _of_interfaces(interfaces: list[dict[str, Any]]) -> Iterator[Finding]:
    for row in interfaces:
        about = {"resource": row["eni"], "vpc": row["vpc"], "account": row["account"]}
        if row["logs"]:
            yield Finding(
                "duplicate", costs=f"{row['logs']} flow logs hold it: paid for twice, "
                "counted once", do="delete all but one", **about,
            )  # fmt: skip
        else:
            do = "create a flow log for its VPC"
            if row["elsewhere"]:
                do += f" that delivers to S3: {row['elsewhere']} delivers elsewhere"
            yield Finding(
                "not_logged", costs="its traffic is seen only at the other end",
                do=do, **about,
            )  # fmt: skip


def _of_clusters(
    clusters: list[dict[str, Any]], looks: list[dict[str, Any]]
) -> Iterator[Finding]:
    recent = {look["scope"] for look in looks if look["is_recent"]}
    for row in clusters:
        if f"kubernetes:{row['cluster']}" not in recent:
            continue  # its pods are of before the records that are looked at
        if not row["placed"]:
            yield Finding(
                "nodes_not_listed", row["cluster"],
                costs=f"where its nodes are ({row['node'] or 'none is listed'}) is not "
                f"known: none of its {counted(row['pods'], 'pod')} is named",
                do="run `flowlake inventory aws` in its account and Region, or add its "
                "saved VPCs, instances and interfaces; list its nodes with its pods",
            )  # fmt: skip
        elif not row["known"]:
            yield Finding(
                "vpc_not_listed", row["vpc"], vpc=row["vpc"],
                costs=f"if the {counted(row['pods'], 'pod')} of {row['cluster']}, such "
                f"as {row['example']}, have addresses of it or of an overlay is not "
                "known: records can be named wrongly",
                do="run `flowlake inventory aws` in its account and Region, or save "
                "`aws ec2 describe-vpcs` there",
            )  # fmt: skip
        elif not row["inside"]:
            yield Finding(
                "overlay_cni", row["cluster"],
                costs=f"the addresses of its {counted(row['pods'], 'pod')} are not of "
                f"their nodes' VPC, but such as {row['example']}: flow logs show its "
                "nodes alone",
                do="use the VPC CNI, or count its traffic in the cluster",
            )  # fmt: skip


def _of_looks(looks: list[dict[str, Any]]) -> Iterator[Finding]:
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


# What was not looked at: what that costs, with a number, and what to do.
UNLISTED = {
    "account_not_listed": (
        "{} objects of records came of it, and nothing there has a name but what they "
        "tell themselves", "run `flowlake inventory aws` with its credentials",
    ),
    "flow_logs_not_listed": (
        "which of its {} interfaces are logged, and by what, is not known",
        "allow ec2:DescribeFlowLogs, or save `aws ec2 describe-flow-logs`",
    ),
    "cluster_not_listed": (
        "pods on its {} instances have no names", "run `flowlake inventory kubernetes`",
    ),
}  # fmt: skip


def _of_unlisted(scopes: list[dict[str, Any]]) -> Iterator[Finding]:
    for row in scopes:
        costs, do = UNLISTED[row["fault"]]
        yield Finding(
            row["fault"], row["scope"], costs=costs.format(row["number"]), do=do,
            account=row["account"],
        )  # fmt: skip
