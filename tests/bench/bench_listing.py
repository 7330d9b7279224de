"""Millions of keys through listing and plan: how fast, and in how much memory.

Run as ``python -m tests.bench.bench_listing [--keys 3M]``. The S3 client is a stand-in
that makes up pages of 1,000 keys as they are asked for, named as AWS names them: 40
accounts, two Regions, a flow log each, 30 days. Asked of S3 itself, each call takes as
long as S3 takes. Each case is a process of its own; what a plan holds is not loaded but
thrown away, as it would be after its commit.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa
import structlog

from ingest import plan as planning
from ingest.known import Known
from ingest.listing import list_sources
from ingest.memory import settle_memory
from lake.catalog import Lake
from lake.datafiles import DataFileWriter
from lake.settings import load_settings
from lake.store import Change, commit
from lake.tables import SOURCES, arrow_schema
from tests.memory import peak_mb

ACCOUNTS, REGIONS, DAYS = 40, ("eu-west-1", "us-east-1"), 30
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
NOW = FIRST + timedelta(days=DAYS)
WRITTEN = FIRST + timedelta(days=DAYS)
PAGE = 1000
CASES = ("listing alone", "one plan of all", "in parts", "in parts, known", "last day")


class MadeUp:
    """An S3 client of a bucket with many keys, of which none is held.

    Args:
        keys: How many, all accounts together.
    """

    def __init__(self, keys: int) -> None:
        self.folders = [
            (account, region, day)
            for account in range(ACCOUNTS)
            for region in REGIONS
            for day in range(DAYS)
        ]
        self.names = [_folder(*folder) for folder in self.folders]
        self.each = keys // len(self.folders)
        self.calls = 0

    def list_objects_v2(
        self,
        *,
        Prefix: str,
        MaxKeys: int,
        Delimiter: str = "",
        ContinuationToken: str = "0",
        **_: str,
    ) -> dict[str, Any]:
        """Answer as S3 does: keys in their order, or the folders at a delimiter."""
        self.calls += 1
        inside = [at for at, name in enumerate(self.names) if name.startswith(Prefix)]
        if Delimiter and len(inside) > 1:
            rests = (self.names[at][len(Prefix) :] for at in inside)
            names = {f"{Prefix}{rest.partition('/')[0]}/" for rest in rests}
            folders = [{"Prefix": name} for name in sorted(names)]
            return {"IsTruncated": False, "CommonPrefixes": folders}
        begin, end = int(ContinuationToken), len(inside) * self.each
        last = min(end, begin + MaxKeys)
        return {
            "IsTruncated": last < end,
            "NextContinuationToken": str(last),
            "Contents": [
                self._key(inside[at // self.each], at % self.each)
                for at in range(begin, last)
            ],
        }

    def _key(self, at: int, number: int) -> dict[str, Any]:
        stem = _stem(*self.folders[at], number, self.each)
        return {
            "Key": f"{self.names[at]}{stem}.log.gz",
            "ETag": f'"{number:032x}"',
            "Size": 20_000 + number,
            "LastModified": WRITTEN,
        }


def _folder(account: int, region: str, day: int) -> str:
    time = FIRST + timedelta(days=day)
    return f"AWSLogs/{account:012d}/vpcflowlogs/{region}/{time:%Y/%m/%d}/"


def _stem(account: int, region: str, day: int, number: int, each: int) -> str:
    hour, minute = divmod(5 * (number * 288 // each), 60)
    time = f"202601{day + 1:02d}T{hour:02d}{minute:02d}Z"
    log = f"fl-{account:08x}{len(region):09x}"
    return f"{account:012d}_vpcflowlogs_{region}_{log}_{time}_{number:08x}"


def main() -> None:
    """Print a row a case."""
    words = argparse.ArgumentParser()
    words.add_argument("--keys", default="3M")
    words.add_argument("--case")
    words.add_argument("--lake")
    chosen = words.parse_args()
    keys = int(chosen.keys.replace("M", "000000").replace("k", "000"))
    _quiet()
    if chosen.case:
        print(json.dumps(_measure(chosen.case, keys, chosen.lake)))
        return
    print(f"Python {sys.version.split()[0]}", *(
        f"{name} {version(name)}" for name in ("pyarrow", "pyiceberg")))  # fmt: skip
    print("| case | keys | calls | new | s | CPU s | us a key | peak MB | above idle |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        _fill(place, keys)
        for case in CASES:
            told = _in_a_process(case, chosen.keys, place)
            print("| " + " | ".join(map(str, told)) + " |", flush=True)


def _in_a_process(case: str, keys: str, place: str) -> list[Any]:
    command = [sys.executable, "-m", "tests.bench.bench_listing", "--keys", keys,
               "--case", case, "--lake", place]  # fmt: skip
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _measure(case: str, keys: int, place: str) -> list[Any]:
    settle_memory()
    client = MadeUp(keys)
    days = 1 if case == "last day" else None
    with tempfile.TemporaryDirectory() as empty:
        known = "known" in case or days
        with Lake(load_settings(lake=place if known else empty), create=True) as lake:
            lake.ensure_all()
            Known(lake)
            idle, began, used = peak_mb(), time.monotonic(), time.process_time()
            listed, new = _run(case, lake, client, days)
            seconds, cpu = time.monotonic() - began, time.process_time() - used
    return [case, f"{listed:,}", f"{client.calls:,}", f"{new:,}", f"{seconds:.1f}",
            f"{cpu:.1f}", f"{cpu / listed * 1e6:.1f}", peak_mb(),
            peak_mb() - idle]  # fmt: skip


def _run(case: str, lake: Lake, client: MadeUp, days: int | None) -> tuple[int, int]:
    """Return the keys that were listed, and those that were planned."""
    listed = new = 0

    def pages() -> Iterator[list[Any]]:
        nonlocal listed
        for page in list_sources(
            ["s3://b/AWSLogs/"], client_factory=lambda: client, now=NOW, days=days
        ):
            listed += len(page)
            yield page

    if case == "listing alone":
        for _ in pages():
            pass
    elif case == "one plan of all":
        new = len(planning.make_plan(Known(lake), pages()).new)
    else:
        for _, plan in planning.plan_in_parts(lambda: Known(lake), pages()):
            new += len(plan.new)
            del plan
    return listed, new


def _fill(place: str, keys: int) -> None:
    """Make a lake that knows every tenth key not: the others are in `sources`."""
    client = MadeUp(keys)
    with Lake(load_settings(lake=place), create=True) as lake:
        lake.ensure_all()
        stored = lake.load(SOURCES)
        writer = DataFileWriter(SOURCES, stored, uuid.uuid4().hex)
        files = [writer.write(_rows(client, day)) for day in range(DAYS)]
        change = Change("follow", uuid.uuid4().hex, datetime.now(UTC), added=files)
        commit(lake, SOURCES, change, base=stored, check=lambda table, since: None)


def _rows(client: MadeUp, day: int) -> pa.Table:
    numbers = [n for n in range(client.each) if n % 10]
    folders = [(account, region) for account in range(ACCOUNTS) for region in REGIONS]
    stems = [_stem(a, r, day, n, client.each) for a, r in folders for n in numbers]
    places = [f"s3://b/{_folder(a, r, day)}" for a, r in folders for _ in numbers]
    count = len(stems)
    schema = arrow_schema(SOURCES)
    told: dict[str, Any] = {
        "source_object": stems,
        "location": [f"{p}{s}.log.gz" for p, s in zip(places, stems, strict=True)],
        "etag": [f"{n:032x}" for _ in folders for n in numbers],
        "day": [date(2026, 1, 1) + timedelta(days=day)] * count,
        "ingested_at": [WRITTEN] * count,
        "head": ["flows"] * count,
        "flows": np.full(count, 300),
        "commit_id": ["c"] * count,
    }
    return pa.table({name: pa.array(v, schema.field(name).type)
                     for name, v in told.items()})  # fmt: skip


def _quiet() -> None:
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=quiet)


if __name__ == "__main__":
    main()
