"""What a limited principal sees of each table, as views: the one place it is decided.

A row is there if either of its ends is in scope. Of the end that is not, kind, address
and port are shown and nothing else; what its observer wrote of itself, and the rules
that rejected, only where the observer's own side is in scope: of a gateway between the
ends nothing. A column that is not named here, a new one too, needs both ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from lake.errors import UnlimitedOnly
from lake.tables import (
    COVERAGE_HOURLY,
    EDGES_DAILY,
    EDGES_HOURLY,
    ENDPOINTS_HOURLY,
    FLOWS,
    IDENTITIES,
    REJECTIONS_HOURLY,
    Table,
)
from queries.limits import Limits

ALL = "unlimited"  # what the names of the views begin with that show everything

_SHOWN = {"kind", "address"}  # of an end that is not in scope
# Of the packets themselves, whoever sent them.
_PACKETS = {
    "start_time", "end_time", "day", "protocol", "srcport", "dstport", "packets",
    "bytes", "action", "tcp_flags", "log_status", "type", "direction", "role", "scope",
    "counted", "settled", "verdict", "initiator", "service_port", "reject_cause",
}  # fmt: skip
# What the observer's own side is, and who wrote it down.
_OBSERVED = {
    "version", "account_id", "interface_id", "vpc_id", "subnet_id", "instance_id",
    "az_id", "region", "sublocation_type", "sublocation_id", "flow_direction",
    "traffic_path", "reject_reason", "observer", "flow_log_id", "source_object",
    "reject_evidence", "also_blocked_by", "resource_id", "interface_type",
    "encryption_status", "instance_tag", "instance_tag_2", "interface_tag",
    "interface_tag_2", "asg_tag", "asg_tag_2",
    *(f.name for f in FLOWS.fields if f.name.startswith("ecs_")),
}  # fmt: skip
_SUMS = {
    "day", "hour", "service_port", "protocol", "verdict", "reject_cause", "scope",
    "distinct_ports", "records", "connections", "packets_to_server", "packets",
    "packets_to_client", "bytes_to_server", "bytes_to_client", "bytes", "first_seen",
    "last_seen", "client_addresses", "source_addresses", "role",
}  # fmt: skip
_PAIRED: Mapping[str, tuple[str, str]] = {
    EDGES_HOURLY.name: ("client", "server"),
    EDGES_DAILY.name: ("client", "server"),
    REJECTIONS_HOURLY.name: ("source", "server"),
}
_LIMITED = {
    FLOWS.name, EDGES_HOURLY.name, EDGES_DAILY.name, REJECTIONS_HOURLY.name,
    ENDPOINTS_HOURLY.name, IDENTITIES.name, COVERAGE_HOURLY.name,
}  # fmt: skip
VARIABLES = ("accounts", "vpcs", "namespaces")


@dataclass(frozen=True, slots=True)
class _End:
    """The columns by which an end is in scope; empty: nobody knows, so it is not."""

    account: str
    vpc: str
    namespace: str
    cluster: str

    def test(self, limits: Limits) -> str:
        """Return the condition that this end is in scope, as SQL."""
        tests = []
        for column, given, variable in (
            (self.account, limits.accounts, "accounts"),
            (self.vpc, limits.vpcs, "vpcs"),
        ):
            if given:
                tests.append(f"{column} IN getvariable('scope_{variable}')"
                             if column else "FALSE")  # fmt: skip
        if limits.namespaces:
            known = "getvariable('scope_namespaces')"
            tests.append(
                f"({self.namespace} IN {known} OR "
                f"concat({self.cluster}, '/', {self.namespace}) IN {known})"
            )
        return f"coalesce({' AND '.join(tests)}, FALSE)"


def check_may_read(tables: Iterable[str], limits: Limits) -> None:
    """Refuse tables that nobody with limits sees anything of.

    Raises:
        UnlimitedOnly: One of them is such a table.
    """
    if not limits.is_unlimited:
        for table in tables:
            if table not in _LIMITED:
                raise UnlimitedOnly


def both_ends_known(table: str, limits: Limits) -> bool:
    """Whether a roll-up tells of both its ends if they are in scope."""
    by_place = limits.accounts or limits.vpcs
    return not by_place or table in (EDGES_HOURLY.name, EDGES_DAILY.name)


def limit(cursor: duckdb.DuckDBPyConnection, table: Table, limits: Limits) -> None:
    """Make a table's view show what these limits allow.

    Args:
        cursor: A session's, on which ``unlimited_…`` shows all of the table.
        table: The table.
        limits: What may be seen; not unlimited.
    """
    for name in VARIABLES:
        values = sorted(getattr(limits, name))
        cursor.execute(f"SET VARIABLE scope_{name} = $values", {"values": values})
    cursor.execute(
        f"CREATE OR REPLACE TEMP VIEW {table.name} AS {_selected(table, limits)}"
    )


def _selected(table: Table, limits: Limits) -> str:
    name = table.name
    if table == FLOWS:
        return _flows(limits)
    if name in _PAIRED:
        return _pairs(table, limits)
    if table == ENDPOINTS_HOURLY:
        return _endpoints(limits)
    if table == IDENTITIES:
        end = _End("account", "vpc", "namespace", "cluster")
        return f"FROM {ALL}_{name} WHERE {end.test(limits)}"
    if table == COVERAGE_HOURLY:
        # An interface is of no namespace: of those alone, nothing is known.
        end = _End("account_id", "vpc_id", "NULL", "NULL")
        return f"FROM {ALL}_{name} WHERE {end.test(limits)}"
    return f"FROM {ALL}_{name} WHERE FALSE"


def _flows(limits: Limits) -> str:
    rows = _both(FLOWS, limits, ("src", "dst"))
    # A gateway between two ends is neither, whatever the direction.
    observed = (
        "CASE direction WHEN 'ingress' THEN in_dst AND interface_id = dst_eni "
        "WHEN 'egress' THEN in_src AND interface_id = src_eni ELSE FALSE END"
    )
    columns = [
        *(_flow_column(f.name, observed) for f in FLOWS.fields),
        "day",
    ]
    return f"SELECT {', '.join(columns)} FROM ({rows})"  # noqa: S608  no user's text


def _flow_column(name: str, observed: str) -> str:
    if name in _PACKETS:
        return name
    if name in _OBSERVED:
        return _if(observed, name)
    for side in ("src", "dst"):
        if name == f"{side}addr":  # of a gateway's record the gateway's own
            own = f"({name} = {side}_address OR {observed})"
            return _if(f"in_{side} AND {own}", name)
        if name in (f"pkt_{side}addr", f"pkt_{side}_aws_service"):
            return _if(f"in_{side}", name)
        if name.startswith(f"{side}_"):
            return _of_end(name, side)
    return _if("in_src AND in_dst AND interface_id IN (src_eni, dst_eni)", name)


def _pairs(table: Table, limits: Limits) -> str:
    ends = _PAIRED[table.name]
    rows = _both(table, limits, ends)
    columns = [_pair_column(f.name, ends) for f in table.fields]
    return f"SELECT {', '.join(columns)} FROM ({rows})"  # noqa: S608  no user's text


def _pair_column(name: str, ends: tuple[str, str]) -> str:
    if name in _SUMS:
        return name
    for end in ends:
        if name == f"{end}_workload":  # what it is called by: of others, its kind
            return (
                f"CASE WHEN in_{end} OR ({end}_kind = 'other' AND {name} = 'internet') "
                f"THEN {name} ELSE {end}_kind END AS {name}"
            )
        if name.startswith(f"{end}_"):
            return _of_end(name, end)
    return _if(f"in_{ends[0]} AND in_{ends[1]}", name)


def _endpoints(limits: Limits) -> str:
    own = _End("account", "vpc", "namespace", "cluster")
    peer = _End("", "", "peer_namespace", "peer_cluster")
    columns = []
    for f in ENDPOINTS_HOURLY.fields:
        if f.name == "peer_workload":
            columns.append(
                "CASE WHEN in_peer THEN peer_workload ELSE peer_kind END "
                "AS peer_workload"
            )
        elif f.name.startswith("peer_"):
            columns.append(_of_end(f.name, "peer"))
        else:
            columns.append(f.name)
    return (
        f"SELECT {', '.join(columns)} FROM ("  # noqa: S608  no user's text
        f"SELECT *, {peer.test(limits)} AS in_peer "
        f"FROM {ALL}_{ENDPOINTS_HOURLY.name} WHERE {own.test(limits)})"
    )


def _both(table: Table, limits: Limits, ends: tuple[str, str]) -> str:
    names = {f.name for f in table.fields}
    tests = list(_tests(names, ends, limits))
    told = ", ".join(f"{test} AS in_{end}" for end, test in tests)
    either = " OR ".join(test for _, test in tests)
    return f"SELECT *, {told} FROM {ALL}_{table.name} WHERE {either}"  # noqa: S608


def _tests(
    names: set[str], ends: tuple[str, str], limits: Limits
) -> Iterator[tuple[str, str]]:
    for end in ends:
        columns: dict[str, Any] = {
            part: f"{end}_{part}" if f"{end}_{part}" in names else ""
            for part in ("account", "vpc", "namespace", "cluster")
        }
        yield end, _End(**columns).test(limits)


def _of_end(name: str, end: str) -> str:
    part = name.removeprefix(f"{end}_")
    return name if part in _SHOWN else _if(f"in_{end}", name)


def _if(condition: str, name: str) -> str:
    return f"CASE WHEN {condition} THEN {name} END AS {name}"
