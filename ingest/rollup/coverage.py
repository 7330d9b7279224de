"""`coverage_hourly`: what is missing between hours, which none of them tells alone.

An hour's own sums say what was heard in it. What should have been heard at its begin
and its end, and in hours in which nothing was, depends on the hours around: so these
are looked at too, as the roll-up has them, and those that change are written anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import pyarrow as pa
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable

from ingest.rollup.sums import Sums
from ingest.rollup.touched import files_of, in_hours
from lake.datafiles import EPOCH, HOUR
from lake.follow import bounded
from lake.rewrite import live_files
from lake.rows import batches
from lake.shape import conform, nullable
from lake.tables import CONFIGURATIONS, COVERAGE_HOURLY, arrow_schema
from transform.codes import texts_equal

REACH_H = 24  # who is not heard for longer is not known to have been logged
_TIME = pa.timestamp("us", tz="UTC")
LISTED = pa.schema(
    [
        *((name, pa.string()) for name in ("resource_type", "resource_id")),
        *((name, _TIME) for name in ("valid_from", "valid_until", "last_seen")),
    ]
)


class Coverage:
    """Hours of coverage being added up, and those around them.

    Args:
        sums: Has the database.
        stored: `coverage_hourly`, as loaded.
        old: Its data files by hour.
        first: The first hour that may be written.
        listed: See `listings`.
    """

    def __init__(
        self,
        sums: Sums,
        stored: IcebergTable,
        old: Mapping[int, Sequence[DataFile]],
        *,
        first: int,
        listed: pa.Table,
    ) -> None:
        self._sums = sums
        self._stored = stored
        self._old = old
        self._first = first
        sums.run(
            "cover_begin.sql", given_none=_SCHEMA.empty_table(), given_listed=listed
        )

    def add(self, rows: pa.Table) -> None:
        """Take an hour's own sums."""
        self._sums.run("cover_add.sql", given_rows=rows.select(_SCHEMA.names))

    def hours(self, added: frozenset[int]) -> set[int]:
        """Return the hours to be written: those added up, and others that changed.

        Args:
            added: Hours since 1970 that were added up, be it to nothing.
        """
        around = _around(added)
        beside = sorted(_around(around) - added)
        stored = batches(COVERAGE_HOURLY, self._stored, files_of(self._old, beside))
        wanted = (
            conform(rows.filter(in_hours(rows, beside)), _SCHEMA) for rows in stored
        )
        for rows in bounded(wanted):
            self._sums.run("cover_beside.sql", given_rows=rows)
        self._sums.run("cover.sql", params={"reach_h": REACH_H})
        changed = self._sums.rows("cover_changed.sql")["hour"].to_pylist()
        others = {(hour - EPOCH) // HOUR for hour in changed} & around
        return {hour for hour in others if hour >= self._first} | added

    def of_hour(self, hour: int) -> pa.Table:
        """Return an hour's rows."""
        begins: datetime = EPOCH + hour * HOUR
        return self._sums.rows("cover_hour.sql", {"hour": begins})


def listings(stored: IcebergTable) -> pa.Table:
    """Return from when until when `configurations` has shown each flow log.

    Args:
        stored: `configurations`, as loaded.

    Returns:
        ``LISTED``, a row for each of its rows that is of one.
    """
    found = batches(CONFIGURATIONS, stored, live_files(stored), LISTED.names)
    parts = (
        conform(rows.filter(texts_equal(rows["resource_type"], "flow_log")), LISTED)
        for rows in found
    )
    return pa.concat_tables([LISTED.empty_table(), *parts])


_SCHEMA = nullable(arrow_schema(COVERAGE_HOURLY))


def _around(hours: frozenset[int] | set[int]) -> set[int]:
    """Return hours and those within reach of them."""
    reach = range(-REACH_H, REACH_H + 1)
    return {hour + offset for hour in hours for offset in reach}
