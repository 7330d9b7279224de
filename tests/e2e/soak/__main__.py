"""Run as ``python -m tests.e2e.soak --minutes 60`` (``make soak``).

Prints a report, writes all figures as JSON, and ends with 1 if a law is broken or
something leaks.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
import tempfile
from pathlib import Path

import structlog

from tests.e2e.soak.figures import figures
from tests.e2e.soak.report import report
from tests.e2e.soak.soaking import soak
from tests.e2e.soak.spec import long_soak


def main() -> None:
    """Soak, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--json", type=Path, default=Path("soak.json"))
    parser.add_argument("--keep", action="store_true", help="Leave world and lakes")
    options = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    place = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        measured = figures(soak(long_soak(place, options.minutes, options.seed)))
    finally:
        if options.keep:
            print(f"kept: {place}")
        else:
            shutil.rmtree(place)
    options.json.write_text(json.dumps(measured, indent=1) + "\n")
    print(report(measured))
    sys.exit(1 if measured["broken"] else 0)


if __name__ == "__main__":
    main()
