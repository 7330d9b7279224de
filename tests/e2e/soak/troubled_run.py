"""One command with one trouble in it: ``troubled_run TROUBLE COUNT HIDDEN_S WORD…``.

TROUBLE is what becomes of the COUNT-th commit: ``lost`` or ``refused`` (its answer, or
it), ``killed_before`` or ``killed_after`` it; or ``none``. Messages are hidden for
HIDDEN_S seconds; 0: as always.
"""

import os
import runpy
import signal
import sys
from itertools import count

from pyiceberg.catalog.sql import SqlCatalog

from ingest import consume

BEFELL = "the trouble befell it"


def kill_me():
    os.kill(os.getpid(), signal.SIGKILL)


def trouble_a_commit(trouble, number):
    """Let something become of one commit of this process."""
    real, commits = SqlCatalog.commit_table, count(1)

    def troubled(self, table, requirements, updates):
        now = trouble if next(commits) == number else "none"
        if now != "none":
            print(BEFELL, file=sys.stderr, flush=True)
        if now == "killed_before":
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
