"""Days that have ended: the files of their hours become one.

A week read an hour a file takes ten times as long to open as to add up. An hour that is
touched later leaves the others of its day in one file, and is a file beside it until
there are some again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from lake.catalog import Lake
from lake.compact import compact
from lake.tables import EDGES_DAILY, ROLLUPS

HOURLY = tuple(table for table in ROLLUPS if table is not EDGES_DAILY)
FILES_A_DAY = 6  # fewer are as well read as one


def join_days(lake: Lake, *, now: datetime) -> None:
    """Merge each roll-up's files of each day whose last hour may have been settled.

    Raises:
        LakeError: The lake cannot be read or written; nothing is lost.
    """
    settled = now - timedelta(minutes=lake.settings.lateness_minutes)
    today = settled.replace(hour=0, minute=0, second=0, microsecond=0)
    for table in HOURLY:
        compact(lake, table, until=today, at_least=FILES_A_DAY)
