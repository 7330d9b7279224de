"""One ingest with one fault in it: ``chaos_run FAULT COUNT LAKE SOURCE [replace]``.

FAULT is an event at whose COUNT-th time the process kills itself, ``lost`` or
``refused`` (the COUNT-th commit, after or before it landed), or ``none``.
"""

import sys

import structlog
from pyiceberg.catalog.sql import SqlCatalog

from ingest.job import Ingest, Request
from lake.catalog import Lake
from lake.settings import load_settings
from tests.killed_run import kill_at

FAULT, COUNT = sys.argv[1], int(sys.argv[2])
seen = [0]


def fail_a_commit():
    real = SqlCatalog.commit_table

    def failing(self, table, requirements, updates):
        seen[0] += 1
        if FAULT == "refused" and seen[0] == COUNT:
            raise OSError("database is locked")
        answer = real(self, table, requirements, updates)
        if FAULT == "lost" and seen[0] == COUNT:
            raise ConnectionResetError("the answer was lost")
        return answer

    SqlCatalog.commit_table = failing  # type: ignore[method-assign]


def main():
    structlog.configure(processors=[kill_at(FAULT, COUNT)])
    if FAULT in ("lost", "refused"):
        fail_a_commit()
    settings = load_settings(
        lake=sys.argv[3], workers=1, batch_objects=60, snapshots_kept=4
    )
    with Lake(settings, create=True) as lake:
        Ingest(lake, Request((sys.argv[4],), replace="replace" in sys.argv[5:])).run()


if __name__ == "__main__":
    main()
