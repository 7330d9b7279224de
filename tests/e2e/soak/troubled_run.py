"""One command with one trouble in it: ``troubled_run TROUBLE COUNT HIDDEN_S WORD…``.

TROUBLE is what becomes of the COUNT-th commit: ``lost`` or ``refused`` (its answer, or
it), ``killed_before`` or ``killed_after`` it; ``killed_loading``: before the COUNT-th
that brings objects; or ``none``. Messages are hidden for
HIDDEN_S seconds; 0: as always.
"""

import os
import runpy
import signal
import sys
from itertools import count

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table.update import AddSnapshotUpdate

from ingest import consume
from lake.snapshots import OP, summary

BEFELL = "the trouble befell it"


def kill_me():
    os.kill(os.getpid(), signal.SIGKILL)


def brings_objects(updates):
    """Whether a commit adds a snapshot of newly read objects."""
    added = (u.snapshot for u in updates if isinstance(u, AddSnapshotUpdate))
    return any(summary(snapshot, OP) == "ingest" for snapshot in added)


def trouble_a_commit(trouble, number):
    """Let something become of one commit of this process."""
    real, commits = SqlCatalog.commit_table, count(1)

    def troubled(self, table, requirements, updates):
        counted = trouble != "killed_loading" or brings_objects(updates)
        now = trouble if counted and next(commits) == number else "none"
        if now != "none":
            print(BEFELL, file=sys.stderr, flush=True)
        if now in ("killed_before", "killed_loading"):
            kill_me()
        if now == "refused":
            raise OSError("database is locked")
        answer = real(self, table, requirements, updates)
        if now == "killed_after":
            kill_me()
        if now == "lost":
            raise ConnectionResetError("the answer was lost")
        return answer

    SqlCatalog.commit_table = troubled  # type: ignore[method-assign]


def main():
    trouble, number, hidden_s, *words = sys.argv[1:]
    if trouble != "none":
        trouble_a_commit(trouble, int(number))
    if hidden_s != "0":
        consume.HIDDEN_S = int(hidden_s)
        consume.BEAT_S = consume.HIDDEN_S / 5
        consume.LAST_POLL_S = consume.LONG_POLL_S = 1
    sys.argv = ["flowlake", *words]
    runpy.run_module("flowlake", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
