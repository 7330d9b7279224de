"""How fast changed rules are back-tested over a week of traffic.

Run as ``python -m tests.bench.bench_backtest [--rows 20M]``: the lake of the query
bench, whose 5,000 interfaces carry one of 300 security groups and lie in six subnets
with one network ACL.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import structlog

from ingest.inventory.sighting import CONFIGURED, Sighting
from ingest.inventory.store import record
from lake.catalog import Lake
from lake.settings import load_settings
from queries.backtest import backtested
from queries.engine import Engine
from tests.bench.traffic import BEGIN, DAYS, fill
from transform.policy.written import read_change

INTERFACES, WORKLOADS, SUBNETS = 5_000, 300, 6
CHANGES = (
    ("a group's rule added", ("+sg-7 inbound tcp/450 from 10.0.0.0/16",)),
    ("a group's rule taken away", ("-sg-7 inbound tcp/443-449 from 10.0.0.0/16",)),
    (
        "a network ACL's entry added",
        ("+acl-1 inbound 50 deny tcp/445 from 10.0.0.0/8",),
    ),
    ("all of a network ACL's entries", ("-acl-1 inbound 100",)),
)


def main() -> None:
    """Print how long each took, and how much memory all of them."""
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=quiet)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="20M")
    parser.add_argument("--lake", help="where to make the lake, or where it is")
    options = parser.parse_args()
    rows = int(options.rows.replace("M", "000k").replace("k", "000"))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(options.lake or folder)
        if not any(place.glob("*")):
            _make(place, rows)
        print("| change | rows | s | broken | allowed | undetermined | peak MB |")
        print("|---|---|---|---|---|---|---|")
        for title, texts in CHANGES:
            with Engine(load_settings(lake=str(place))) as engine:
                print(_row(engine, title, texts, rows), flush=True)


def _make(place: Path, rows: int) -> None:
    fill(place, rows)
    configured = pa.Table.from_pylist([*_documents()], schema=CONFIGURED)
    times = (BEGIN - timedelta(days=1), BEGIN + timedelta(days=DAYS + 1))
    with Lake(load_settings(lake=str(place))) as lake:
        for at in times:
            record(lake, [Sighting("aws:1:r", at, configurations=configured)])


def _documents() -> Iterator[dict[str, Any]]:
    def row(kind: str, name: str, document: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = dict.fromkeys(CONFIGURED.names)
        text = json.dumps(document)
        return {**made, "resource_type": kind, "resource_id": name, "document": text}

    yield row("vpc", "vpc-1", {"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"})
    subnets = [f"subnet-{number}" for number in range(SUBNETS)]
    for number, name in enumerate(subnets):
        subnet = {"SubnetId": name, "VpcId": "vpc-1",
                  "CidrBlock": f"10.0.{200 + number}.0/24"}  # fmt: skip
        yield row("subnet", name, subnet)
    entries = [{"RuleNumber": 100, "Egress": egress, "Protocol": "-1",
                "RuleAction": "allow", "CidrBlock": "0.0.0.0/0"}
               for egress in (False, True)]  # fmt: skip
    acl = {"NetworkAclId": "acl-1", "Entries": entries,
           "Associations": [{"SubnetId": name} for name in subnets]}  # fmt: skip
    yield row("network_acl", "acl-1", acl)
    inside = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 449,
              "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}  # fmt: skip
    outside = {**inside, "IpRanges": [{"CidrIp": "198.0.0.0/8"}]}
    for number in range(WORKLOADS):
        group = {"GroupId": f"sg-{number}", "GroupName": f"work-{number}",
                 "VpcId": "vpc-1", "IpPermissions": [inside, outside],
                 "IpPermissionsEgress": []}  # fmt: skip
        yield row("security_group", f"sg-{number}", group)
    for number in range(INTERFACES):
        document = {"NetworkInterfaceId": f"eni-{number}", "VpcId": "vpc-1",
                    "SubnetId": f"subnet-{number % SUBNETS}",
                    "Groups": [{"GroupId": f"sg-{number % WORKLOADS}"}]}  # fmt: skip
        yield row("network_interface", f"eni-{number}", document)


def _row(engine: Engine, title: str, texts: tuple[str, ...], rows: int) -> str:
    changes = [read_change(text[1:], adds=text[0] == "+") for text in texts]
    until = BEGIN + timedelta(days=7)
    started = time.perf_counter()
    found = backtested(
        engine, changes, since=BEGIN.isoformat(), until=until.isoformat()
    )
    took = time.perf_counter() - started
    sums = (f"{one['records']:,}" for one in found.meta["effects"].values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return f"| {title} | {rows:,} | {took:.1f} | {' | '.join(sums)} | {peak:,} |"


if __name__ == "__main__":
    main()
