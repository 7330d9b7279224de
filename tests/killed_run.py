"""One ingest that kills itself: ``killed_run EVENT COUNT LAKE KIND FROM``.

It does so when EVENT is logged for the COUNT-th time. KIND is ``source`` or ``queue``.
"""

import os
import signal
import sys

import structlog

from ingest import consume
from ingest.job import Ingest, Request
from lake.catalog import Lake
from lake.settings import load_settings

EVENT, COUNT = sys.argv[1], int(sys.argv[2])
seen = [0]


def kill(logger, method, entry):
    if entry["event"] == EVENT:
        seen[0] += 1
        if seen[0] == COUNT:
            os.kill(os.getpid(), signal.SIGKILL)
    raise structlog.DropEvent


def main():
    structlog.configure(processors=[kill])
    consume.HIDDEN_S = 1
    lake, kind, place = sys.argv[3:]
    if kind == "queue":
        request = Request(queue=place, until_empty=True)
    else:
        request = Request((place,))
    with Lake(load_settings(lake=lake), create=True) as opened:
        Ingest(opened, request).run()


if __name__ == "__main__":
    main()
