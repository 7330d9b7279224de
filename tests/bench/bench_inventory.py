"""An inventory of many: how long it takes to load, how much memory, how look-ups fare.

Run as ``python -m tests.bench.bench_inventory``: 200 k interface addresses, and pods
with as many intervals as asked for, which took the same addresses one after the other.
Each size is loaded in a process of its own, imports left out. Look-ups are asked of
250 k records, as many as a large object has, at random addresses and times.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import structlog

from ingest.enriching import Inventories
from ingest.memory import settle_memory
from lake.catalog import Lake
from lake.datafiles import DataFileWriter
from lake.settings import load_settings
from lake.store import Change, commit
from lake.tables import IDENTITIES, arrow_schema
from tests.memory import peak_mb
from transform.addresses import parse

INTERFACES = 200_000
RECORDS = 250_000
DAYS = 30
BEGIN = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
SPAN_S = DAYS * 86_400
VPC = "vpc-0123456789abcdef0"


def main() -> None:
    """Print a row for each number of pod intervals."""
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=quiet)
    print("| pod intervals | load s | peak MB | find and ask 250 k records s | named |")
    print("|---|---|---|---|---|")
    for pods in (0, 100_000, 1_000_000):
        with tempfile.TemporaryDirectory() as place:
            _fill(Path(place), pods)
            done = subprocess.run(
                [sys.executable, "-m", "tests.bench.bench_inventory", place],
                check=True,
                capture_output=True,
                text=True,
            )
        told = json.loads(done.stdout.splitlines()[-1])
        print(
            f"| {pods:,} | {told['load_s']:.2f} | {told['peak_mb']} "
            f"| {told['asked_s']:.3f} | {told['named']:,} |"
        )


def _fill(place: Path, pods: int) -> None:
    """Make a lake with such an inventory."""
    with Lake(load_settings(lake=str(place)), create=True) as lake:
        lake.ensure_all()
        stored = lake.load(IDENTITIES)
        name = uuid.uuid4().hex
        writer = DataFileWriter(IDENTITIES, stored, name)
        rows = pa.concat_tables([_interfaces(), _pods(pods)])
        added = list(writer.write_by_day(rows))
        change = Change(op="inventory", commit_id=name, begun=datetime.now(UTC),
                        added=added)  # fmt: skip
        commit(lake, IDENTITIES, change, base=stored, check=lambda found, since: None)


def _interfaces() -> pa.Table:
    numbers = np.arange(INTERFACES)
    return _rows(
        numbers,
        scope="aws:123456789012:us-east-1",
        source="aws",
        holder=_named("eni-", numbers),
        eni=_named("eni-", numbers),
        instance=_named("i-", numbers // 16),
        kind="instance",
        account="123456789012",
        is_primary=True,
        valid_from=_times(np.full(INTERFACES, BEGIN)),
        last_seen=_times(np.full(INTERFACES, BEGIN + SPAN_S)),
    )


def _pods(count: int) -> pa.Table:
    """Return pods that had the interfaces' addresses one after the other."""
    numbers = np.arange(count)
    turn, turns = numbers // INTERFACES, max(1, -(-count // INTERFACES))
    begin = BEGIN + turn * (SPAN_S // turns)
    end = begin + SPAN_S // turns - 300
    return _rows(
        numbers % INTERFACES,
        scope="kubernetes:shop",
        source="kubernetes",
        holder=_named("uid-", numbers),
        pod=_named("web-7d9f8c6b5-", numbers),
        workload=_named("web-", numbers % 500),
        namespace=_named("team-", numbers % 50),
        node=_named("ip-10-0-", numbers % INTERFACES // 16),
        instance=_named("i-", numbers % INTERFACES // 16),
        cluster="shop",
        kind="pod",
        valid_from=_times(begin),
        valid_until=_times(end),
        earliest=_times(begin),
        latest=_times(end),
        last_seen=_times(end),
        day=pc.cast(pa.array(end // 86_400, pa.int32()), pa.date32()),
    )


def _rows(address: Any, **columns: Any) -> pa.Table:
    size = len(address)
    columns |= {"address": _addresses(address), "vpc": VPC}
    schema = arrow_schema(IDENTITIES)
    arrays = []
    for field in schema:
        value = columns.get(field.name)
        if value is None:
            arrays.append(pa.nulls(size, field.type))
        elif isinstance(value, (str, bool)):
            arrays.append(pa.repeat(pa.scalar(value, field.type), size))
        else:
            arrays.append(value)
    return pa.table(arrays, schema=schema)


def _addresses(numbers: Any) -> pa.Array:
    parts = [pa.array(numbers >> shift & 255).cast(pa.string()) for shift in (16, 8, 0)]
    return pc.binary_join_element_wise("10", *parts, ".")


def _named(prefix: str, numbers: Any) -> pa.Array:
    texts = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), 9, "0")
    return pc.binary_join_element_wise(prefix, texts, "")


def _times(seconds: Any) -> pa.Array:
    return pa.array(seconds * 1_000_000, pa.timestamp("us", tz="UTC"))


def load(place: Path) -> dict[str, Any]:
    """Load a lake's inventory and ask it."""
    settle_memory()  # as the commands do
    with Lake(load_settings(lake=str(place))) as lake:
        began = time.perf_counter()
        inventory = Inventories(lake, {}).newest().attributor.inventory
        load_s = time.perf_counter() - began
    random = np.random.default_rng(1)
    addresses = parse(_addresses(random.integers(0, INTERFACES, RECORDS)))
    vpc = np.full(RECORDS, inventory.vpc_code(VPC))
    begin = BEGIN + random.integers(0, SPAN_S - 600, RECORDS)
    began = time.perf_counter()
    named = 0
    for layer in (inventory.interfaces, inventory.pods):
        found = layer.at(layer.find(vpc, addresses), begin, begin + 60)
        named += int((found.who >= 0).sum())
    asked_s = time.perf_counter() - began
    return {"load_s": load_s, "peak_mb": peak_mb(), "asked_s": asked_s, "named": named}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(load(Path(sys.argv[1]))))
    else:
        main()
