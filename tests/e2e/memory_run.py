"""One ingest of one object with little memory: ``memory_run LAKE OBJECT``.

Says how many flows, objects in quarantine whole, lines in quarantine and lines there
were, and how many MB the process had at most.
"""

import json
import sys

from ingest.job import Ingest, Request
from lake.settings import load_settings
from tests.lakes import open_lake
from tests.memory import peak_mb


def main():
    lake, source = sys.argv[1:]
    with open_lake(load_settings(lake=lake, memory_bytes=128 << 20)) as opened:
        done = Ingest(opened, Request((source,))).run()
    print(json.dumps([done.flows, done.whole, done.quarantined, done.lines, peak_mb()]))


if __name__ == "__main__":
    main()
