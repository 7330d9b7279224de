"""One ledger that follows one snapshot of much evidence: ``follow_memory_run LAKE``.

Says how many rows it absorbed, how many rows and snapshots it then has, and how many MB
more than before the process had at most.
"""

import json
import sys
import uuid
from datetime import UTC, date, datetime

import pyarrow as pa

from lake import evidence
from lake.follow import follow
from lake.settings import load_settings
from lake.store import Change, commit, refuse
from lake.tables import FLOWS, SILENCES
from tests.lakes import open_lake
from tests.memory import peak_mb

PARTS, ROWS = 30, 100_000


def part(number, commit_id):
    times = pa.array(range(ROWS), pa.int64())
    return pa.table(
        {
            "source_object": pa.repeat(
                f"an object of some length, number {number}", ROWS
            ),
            "log_status": pa.repeat("NODATA", ROWS),
            "start_time": times.cast(pa.timestamp("us", tz="UTC")),
            "interface_id": pa.array([f"eni-{n % 3000:017x}" for n in range(ROWS)]),
            "account_id": pa.repeat("123456789012", ROWS),
            "commit_id": pa.repeat(commit_id, ROWS),
            "day": pa.repeat(pa.scalar(date(2026, 1, 1 + number % 3)), ROWS),
        }
    )


def main():
    with open_lake(load_settings(lake=sys.argv[1])) as lake:
        commit_id = uuid.uuid4().hex
        base = lake.load(FLOWS)
        writer = evidence.EvidenceWriter(base.io, lake.evidence_root(), commit_id)
        for number in range(PARTS):
            writer.add(SILENCES, part(number, commit_id))
        change = Change(
            op="ingest",
            commit_id=commit_id,
            begun=datetime.now(UTC),
            summary=evidence.to_summary(writer.close()),
        )
        commit(lake, FLOWS, change, base=base, check=refuse)
        before = peak_mb()
        absorbed = follow(lake, SILENCES)
        stored = lake.load(SILENCES)
        rows, snapshots = stored.scan().count(), len(stored.snapshots())
        print(json.dumps([absorbed, rows, snapshots, peak_mb() - before]))


if __name__ == "__main__":
    main()
