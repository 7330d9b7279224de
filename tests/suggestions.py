"""Edges, and small worlds in which they were refused, for tests."""

from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa

from lake.tables import CONFIGURATIONS, arrow_schema
from tests.policies import ALL, OPEN, group, interface, network, row
from transform.policy.edges import Edge, End
from transform.policy.latest import Latest
from transform.policy.suggest import suggest

TCP, UDP, ICMP = 6, 17, 1
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
ENDS = {"eni-a": "10.0.0.4", "eni-b": "10.0.0.5", "eni-c": "10.0.0.6",
        "eni-d": "10.0.1.7"}  # fmt: skip
PORTS = (80, 81, 443)
OUT = {**ALL, "Egress": True}
EPHEMERAL = 50_000


def end(name, **more):
    """Return an end: an interface of `ENDS` by name, else an address of none."""
    vpc = None if name not in ENDS else "vpc-1"
    kind = "network_interface" if vpc else None
    own = name if vpc else None
    return replace(End(own, ENDS.get(name, name), vpc, kind), **more)


def edge(client, server, port=80, *, protocol=TCP, **more):
    """Return an edge that a security group refused."""
    one, other = (e if isinstance(e, End) else end(e) for e in (client, server))
    made = Edge(
        client=one,
        server=other,
        protocol=protocol,
        port=port,
        replies=(EPHEMERAL, EPHEMERAL),
        cause="security_group",
        is_opener_known=True,
        verdict="rejected",
        records=1,
        bytes=40,
        first=NOON,
        last=NOON.replace(minute=5),
    )
    return replace(made, **more)


def latest_of(rows):
    """Return the last word of an inventory of these rows."""
    schema = pa.schema([f.with_nullable(True) for f in arrow_schema(CONFIGURATIONS)])
    return Latest(pa.Table.from_pylist(rows, schema=schema))


def world(carried, rules=(), acl=(ALL, OUT), outbound=(OPEN,)):
    """Return rows: interfaces that carry groups; of groups the inbound rules."""
    rules = dict(rules)
    names = sorted({g for some in carried.values() for g in some} | {*rules})
    subnets = {"eni-d": "subnet-0"}
    return [
        *network([*acl]),
        row("network_acl", "acl-0", {
            "NetworkAclId": "acl-0", "VpcId": "vpc-1", "Entries": [ALL, OUT],
            "Associations": [{"SubnetId": "subnet-0"}]}),
        *(interface(name, *some, subnet=subnets.get(name, "subnet-1"))
          for name, some in carried.items()),
        *(group(name, *rules.get(name, ()), outbound=outbound) for name in names),
    ]  # fmt: skip


CLIENTS = {"eni-a": ["sg-1"], "eni-b": ["sg-1"], "eni-c": ["sg-2"], "eni-d": ["sg-3"]}


def of(rows, *edges, **how):
    """Return what is suggested for edges in a world of these rows."""
    return suggest(latest_of(rows), edges, **how)
