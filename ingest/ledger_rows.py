"""What a batch tells the ledgers: its rows of `sources`, `silences`, `quarantine`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from ingest.source import Tally
from lake.tables import QUARANTINE, SILENCES, SOURCES, Table, arrow_schema


@dataclass(frozen=True, slots=True)
class LedgerRows:
    """Completes ledger rows with what only the batch knows.

    Attributes:
        commit_id: The batch.
        begun: When it was begun; UTC.
    """

    commit_id: str
    begun: datetime

    def silences(self, rows: pa.Table, head: Table) -> pa.Table:
        """Return rows of `silences`; their day is that of their own interval."""
        day = rows["start_time"].cast(pa.date32())
        rows = _replaced(rows, "day", day)
        return self._with_constants(SILENCES, rows, head=head.name)

    def quarantine(self, rows: pa.Table, head: Table) -> pa.Table:
        """Return rows of `quarantine`; their day is the day they were found."""
        return self._with_constants(
            QUARANTINE,
            rows,
            head=head.name,
            quarantined_at=self.begun,
            day=self.begun.date(),
        )

    def sources(self, tallies: Sequence[Tally]) -> pa.Table:
        """Return rows of `sources`, one an object; their day is the key's."""
        rows = [self._source(tally) for tally in tallies]
        return pa.Table.from_pylist(rows, schema=arrow_schema(SOURCES))

    def _source(self, tally: Tally) -> dict[str, object]:
        source = tally.source
        return {
            "source_object": source.identity,
            "flow_log_id": source.flow_log_id,
            "day": source.key_time.date() if source.key_time else None,
            "location": source.location,
            "etag": source.etag,
            "size": source.size,
            "key_time": source.key_time,
            "account_id": source.account_id,
            "region": source.region,
            "head": tally.head.name,
            "format": tally.format,
            "fields": list(tally.fields),
            "extra_fields": list(tally.extra_fields),
            "lines": tally.lines,
            "headers": tally.headers,
            "flows": tally.flows,
            "silences": tally.silences,
            "quarantined": tally.quarantined,
            "outside_window": tally.outside_window,
            "first_start": tally.first_start,
            "last_start": tally.last_start,
            "last_end": tally.last_end,
            "whole_reason": tally.whole_reason,
            "ingested_at": self.begun,
            "commit_id": self.commit_id,
        }

    def _with_constants(
        self, ledger: Table, rows: pa.Table, **constants: object
    ) -> pa.Table:
        constants["commit_id"] = self.commit_id
        for name, value in constants.items():
            type_ = arrow_schema(ledger).field(name).type
            column = pa.repeat(pa.scalar(value, type_), rows.num_rows)
            rows = _replaced(rows, name, column)
        return rows


def _replaced(
    rows: pa.Table, name: str, column: pa.Array | pa.ChunkedArray
) -> pa.Table:
    if name in rows.column_names:
        return rows.set_column(rows.column_names.index(name), name, column)
    return rows.append_column(name, column)
