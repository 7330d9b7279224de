"""A ledger absorbs a snapshot's evidence in bounded memory, however much it is."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMIT_MB = 256
RUN = """
import json, sys, uuid
from datetime import UTC, date, datetime
import pyarrow as pa
from lake import evidence
from lake.catalog import Lake
from lake.follow import follow
from lake.settings import load_settings
from lake.store import Change, commit, refuse
from lake.tables import FLOWS, SILENCES
from tests.memory import peak_mb

PARTS, ROWS = 30, 100_000


def part(number):
    times = pa.array(range(ROWS), pa.int64())
    return pa.table({
        "source_object": pa.repeat(f"an object of some length, number {number}", ROWS),
        "log_status": pa.repeat("NODATA", ROWS),
        "start_time": times.cast(pa.timestamp("us", tz="UTC")),
        "interface_id": pa.array([f"eni-{n % 3000:017x}" for n in range(ROWS)]),
        "account_id": pa.repeat("123456789012", ROWS),
        "commit_id": pa.repeat(commit_id, ROWS),
        "day": pa.repeat(pa.scalar(date(2026, 1, 1 + number % 3)), ROWS),
    })


with Lake(load_settings(lake=sys.argv[1]), create=True) as lake:
    lake.ensure_all()
    commit_id = uuid.uuid4().hex
    base = lake.load(FLOWS)
    writer = evidence.EvidenceWriter(base.io, lake.evidence_root(), commit_id)
    for number in range(PARTS):
        writer.add(SILENCES, part(number))
    change = Change(op="ingest", commit_id=commit_id, begun=datetime.now(UTC),
                    summary=evidence.to_summary(writer.close()))
    commit(lake, FLOWS, change, base=base, check=refuse)
    before = peak_mb()
    absorbed = follow(lake, SILENCES)
    stored = lake.load(SILENCES)
    print(json.dumps([absorbed, stored.scan().count(), len(stored.snapshots()),
                      peak_mb() - before]))
"""


def test_much_evidence_is_absorbed_at_once_in_bounded_memory(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path / "lake")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    absorbed, rows, snapshots, more_mb = json.loads(done.stdout.splitlines()[-1])
    assert absorbed == rows == 3_000_000
    assert snapshots == 1  # all of it became true together
    assert more_mb < LIMIT_MB
