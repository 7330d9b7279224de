"""A ledger absorbs a snapshot's evidence in bounded memory, however much it is."""

import json

from tests.processes import python

LIMIT_MB = 256


def test_much_evidence_is_absorbed_at_once_in_bounded_memory(tmp_path):
    done = python("tests.e2e.follow_memory_run", tmp_path / "lake")
    assert done.returncode == 0, done.stderr
    absorbed, rows, snapshots, more_mb = json.loads(done.stdout.splitlines()[-1])
    assert absorbed == rows == 3_000_000
    assert snapshots == 1  # all of it became true together
    assert more_mb < LIMIT_MB
