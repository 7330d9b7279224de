"""One ingest that kills itself: ``killed_run EVENT COUNT LAKE KIND FROM``.

It does so when EVENT is logged for the COUNT-th time. KIND is ``source`` or ``queue``.
"""

import itertools
import os
import signal
import sys

import structlog

from ingest import consume
from ingest.job import Ingest, Request
from lake.catalog import Lake
from lake.settings import load_settings


def kill_at(event, count):
    """Return a processor of events that kills the process at one."""
    seen = itertools.count(1)

    def kill(logger, method, entry):
        if entry.get("event") == event and next(seen) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        raise structlog.DropEvent

    return kill


def main():
    event, count, lake, kind, place = sys.argv[1:]
    structlog.configure(processors=[kill_at(event, int(count))])
    consume.HIDDEN_S = 1
    if kind == "queue":
        request = Request(queue=place, until_empty=True)
    else:
        request = Request((place,))
    with Lake(load_settings(lake=lake), create=True) as opened:
        Ingest(opened, request).run()


if __name__ == "__main__":
    main()
