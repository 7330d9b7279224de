"""How fast one flow is explained, over many records and many security groups.

Run as ``python -m tests.bench.bench_explain [--rows 20M] [--runs 100]``. Over REST,
each request of another flow: rejected ones by their fields and time, and packets that
nobody has sent, among 10,000 interfaces with 2,000 groups of 60 rules a way, each
listed by its id too. The very first request also reads the inventory.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import structlog
from starlette.testclient import TestClient

from api.app import create_app
from ingest.inventory.sighting import CONFIGURED, SIGHTED, Sighting
from ingest.inventory.store import record
from lake.catalog import Lake
from lake.settings import load_settings
from queries.engine import Engine
from tests.bench.bench_policy import INTERFACES, estate
from tests.bench.clients import p95
from tests.bench.traffic import BEGIN, DAYS, HOUR, fill
from tests.policies import row

AIM_MS = 150
PODS = 5_000
REJECTED = """
    SELECT src_address AS src, dst_address AS dst, dstport, start_time AS at
    FROM flows WHERE action = 'REJECT' AND dst_eni IS NOT NULL
    ORDER BY hash(src_address, start_time) LIMIT {0}
"""
Query = dict[str, str]


def main() -> None:
    """Print how long requests took."""
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=quiet)
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        fill(place, options.rows)
        _configure(place)
        settings = load_settings(lake=folder)
        asked = {
            "a rejected flow, by its fields": _recorded(place, options.runs),
            "packets that nobody sent": [*_sendable(options.runs)],
        }
        gc.collect()
        gc.freeze()  # as `flowlake serve` does
        print("| question | rows | median ms | p95 ms | aim | first ms |")
        print("|---|---|---|---|---|---|")
        with TestClient(create_app(settings)) as client:
            for title, queries in asked.items():
                first, *others = (_timed(client.get, query) for query in queries)
                took = sorted(others)
                middle, most = statistics.median(took), p95(took)
                print(f"| {title} | {options.rows:,} | {middle:.0f} | {most:.0f} "
                      f"| {AIM_MS} | {first:.0f} |", flush=True)  # fmt: skip


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=_count, default=20_000_000)
    parser.add_argument("--runs", type=int, default=100)
    return parser.parse_args()


def _count(text: str) -> int:
    return int(text.removesuffix("M")) * (1_000_000 if text.endswith("M") else 1)


def _configure(place: Path) -> None:
    """Record an estate as listed an hour before the traffic, and after it."""
    rows = [*estate(np.random.default_rng(1), 2_000, 60)]
    rows += [rule for one in rows for rule in _rules(one)]
    documents = [
        {**dict.fromkeys(CONFIGURED.names), "vpc": "vpc-1",
         **{n: one[n] for n in ("resource_type", "resource_id", "document")}}
        for one in rows
    ]  # fmt: skip
    held = [
        {**dict.fromkeys(SIGHTED.names), "source": "aws", "holder": f"eni-{n}",
         "eni": f"eni-{n}", "kind": "instance", "is_primary": True, "vpc": "vpc-1",
         "address": f"10.0.{n // 250}.{n % 250}", "subnet": f"subnet-{n % 200}"}
        for n in range(INTERFACES)
    ]  # fmt: skip
    with Lake(load_settings(lake=str(place))) as lake:
        for at in (BEGIN - HOUR, BEGIN + timedelta(days=DAYS)):
            record(lake, [Sighting(
                "aws:111111111111:us-east-1", at,
                pa.Table.from_pylist(held, schema=SIGHTED),
                pa.Table.from_pylist(documents, schema=CONFIGURED),
                lists=frozenset({"identities", "vpc"}),
            )])  # fmt: skip


def _rules(one: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rules of a group as ``DescribeSecurityGroupRules`` lists them."""
    if one["resource_type"] != "security_group":
        return
    group = json.loads(one["document"])
    for way in ("IpPermissions", "IpPermissionsEgress"):
        for number, rule in enumerate(group[way]):
            name = f"sgr-{group['GroupId']}-{way[13:]}{number}"
            document = {
                **{n: rule[n] for n in ("IpProtocol", "FromPort", "ToPort")},
                "SecurityGroupRuleId": name, "GroupId": group["GroupId"],
                "GroupOwnerId": "111111111111", "IsEgress": way != "IpPermissions",
                **({"CidrIpv4": rule["IpRanges"][0]["CidrIp"]} if "IpRanges" in rule
                   else {"ReferencedGroupInfo": rule["UserIdGroupPairs"][0]}),
            }  # fmt: skip
            yield row("security_group_rule", name, document)


def _recorded(place: Path, count: int) -> list[Query]:
    with Engine(load_settings(lake=str(place))) as engine:
        [pinned] = engine.pin(["flows"]).values()
        with engine.session([engine.plan(pinned)]) as session:
            found = session.query(REJECTED.format(count + 1)).to_pylist()
    return [
        {"src": one["src"], "dst": one["dst"], "dstport": str(one["dstport"]),
         "at": one["at"].isoformat().replace("+00:00", "Z")}
        for one in found
    ]  # fmt: skip


def _sendable(count: int) -> Iterator[Query]:
    random = np.random.default_rng(2)
    for one, other, port in random.integers(1, PODS, (count + 1, 3)).tolist():
        yield {"from": f"eni-{one}", "to": f"eni-{other}", "port": str(port),
               "at": "2026-01-08T12:00:00Z"}  # fmt: skip


def _timed(get: Callable[..., Any], query: Query) -> float:
    begun = time.perf_counter()
    answer = get("/v1/explain", params=query)
    took = (time.perf_counter() - begun) * 1000
    assert answer.status_code == 200, answer.text
    return took


if __name__ == "__main__":
    main()
