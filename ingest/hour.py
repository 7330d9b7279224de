"""The rows of one hour and of those beside it, settled part by part."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable

from ingest.enriching import with_columns
from lake.rows import batches
from lake.schema import DERIVED, SIDE_FIELDS
from lake.tables import FLOWS
from transform.enrich import Attributor, Taught
from transform.facts import Facts, Gathering
from transform.logged import Silences
from transform.parts import Ends, part_of
from transform.settle import settle

PART_ROWS = 250_000  # settled at once
DERIVED_COLUMNS = {f.name for f in (*SIDE_FIELDS, *DERIVED)} - {
    "src_address", "dst_address", "observer",
}  # fmt: skip
# What settling needs of the hours beside the one to be settled.
NEIGHBOUR_COLUMNS = (
    "account_id", "interface_id", "srcaddr", "dstaddr", "srcport", "dstport",
    "protocol", "packets", "bytes", "start_time", "end_time", "action", "vpc_id",
    "subnet_id", "instance_id", "tcp_flags", "pkt_srcaddr", "pkt_dstaddr", "az_id",
    "pkt_src_aws_service", "pkt_dst_aws_service", "flow_direction", "traffic_path",
    "resource_id", "interface_type", "reject_reason", "src_address", "dst_address",
    "observer", "flow_log_id",
)  # fmt: skip
SEEN_COLUMNS = (
    "account_id", "interface_id", "srcaddr", "dstaddr", "start_time", "end_time",
    "action", "vpc_id", "subnet_id", "instance_id", "az_id", "flow_direction",
    "pkt_srcaddr", "pkt_dstaddr", "observer", "flow_log_id",
)  # fmt: skip
LOGGED_COLUMNS = tuple(f.name for f in FLOWS.fields if f.name not in DERIVED_COLUMNS)


class HourRows:
    """An hour's rows, to be decided anew.

    Args:
        stored: `flows` as loaded.
        files: The hour's data files.
        beside: Those of the hours before and after it.
    """

    def __init__(
        self,
        stored: IcebergTable,
        files: Sequence[DataFile],
        beside: Sequence[DataFile],
    ) -> None:
        self._stored = stored
        self._files = files
        self._beside = beside
        rows = sum(file.record_count for file in (*files, *beside))
        self._parts = max(1, -(-rows // PART_ROWS))

    def batches(self) -> Iterator[pa.Table]:
        """Yield the hour's own rows as they were logged."""
        return batches(FLOWS, self._stored, self._files, LOGGED_COLUMNS)

    def settled(self, attributor: Attributor, silences: Silences) -> Iterator[pa.Table]:
        """Yield the hour's rows with all that is derived, one part after the other."""
        facts = self._facts(attributor)
        for mine, beside in self._cut(facts.ends, by_address=not facts.blind):
            count = mine.num_rows
            if count == 0:  # few conversations: no port may fall to a part
                continue
            together = pa.concat_tables([mine, beside], promote_options="default")
            derived = settle(
                together.unify_dictionaries(), attributor, facts, silences=silences
            )
            yield with_columns(mine, {n: a.slice(0, count) for n, a in derived.items()})

    def _facts(self, attributor: Attributor) -> Facts:
        gathering = Gathering()
        for rows in self._all(SEEN_COLUMNS):
            gathering.see(rows)
        seen = gathering.facts()
        for rows in self._all(NEIGHBOUR_COLUMNS):
            gathering.learn(attributor(rows, Taught(seen.places, seen.shown)))
        return gathering.facts()

    def _all(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        files = [*self._files, *self._beside]
        return batches(FLOWS, self._stored, files, columns)

    def _cut(
        self, ends: Ends, *, by_address: bool
    ) -> Iterator[tuple[pa.Table, pa.Table]]:
        """Yield each part's rows, the hour's own and those beside it."""
        sources = (
            (self._files, LOGGED_COLUMNS),
            (self._beside, NEIGHBOUR_COLUMNS),
        )
        if self._parts == 1:
            mine, beside = (
                _joined(list(batches(FLOWS, self._stored, files, columns)))
                for files, columns in sources
            )
            yield mine, beside
            return
        with tempfile.TemporaryDirectory(prefix="flowlake-") as folder:
            spills = [
                _Spill(
                    Path(folder) / str(number),
                    self._parts,
                    ends,
                    by_address=by_address,
                )
                for number, _ in enumerate(sources)
            ]
            for spill, (files, columns) in zip(spills, sources, strict=True):
                for rows in batches(FLOWS, self._stored, files, columns):
                    spill.add(rows)
            for part in range(self._parts):
                yield spills[0].part(part), spills[1].part(part)


def _joined(parts: list[pa.Table]) -> pa.Table:
    if not parts:
        return pa.table({"start_time": pa.array([], pa.timestamp("us", tz="UTC"))})
    return pa.concat_tables(parts, promote_options="default").unify_dictionaries()


class _Spill:
    """Rows cut into parts, on disk: a file a batch and part."""

    def __init__(
        self, folder: Path, parts: int, ends: Ends, *, by_address: bool
    ) -> None:
        self._folder = folder
        self._by_address = by_address
        self._parts = parts
        self._ends = ends
        self._paths: dict[int, list[Path]] = {part: [] for part in range(parts)}
        folder.mkdir()

    def add(self, rows: pa.Table) -> None:
        """Write a batch's rows to their parts."""
        place = part_of(rows, self._parts, self._ends, by_address=self._by_address)
        order = np.argsort(place, kind="stable")
        starts = np.searchsorted(place[order], np.arange(self._parts + 1))
        rows = rows.combine_chunks().take(pa.array(order))
        for part in range(self._parts):
            begin, end = int(starts[part]), int(starts[part + 1])
            if begin < end:
                path = self._folder / f"{part}-{len(self._paths[part])}.arrow"
                _write(path, rows.slice(begin, end - begin))
                self._paths[part].append(path)

    def part(self, number: int) -> pa.Table:
        """Return one part's rows."""
        return _joined([_read(path) for path in self._paths[number]])


def _write(path: Path, rows: pa.Table) -> None:
    options = pa.ipc.IpcWriteOptions(compression="lz4", unify_dictionaries=True)
    trimmed = _trimmed(rows)
    with (
        pa.OSFile(str(path), "wb") as sink,
        pa.ipc.new_file(sink, trimmed.schema, options=options) as writer,
    ):
        writer.write_table(trimmed)


def _read(path: Path) -> pa.Table:
    with pa.OSFile(str(path), "rb") as source:
        return pa.ipc.open_file(source).read_all()


def _trimmed(rows: pa.Table) -> pa.Table:
    """Return rows whose dictionaries hold what they use."""
    columns = [
        pc.dictionary_encode(column.cast(pa.string()))
        if pa.types.is_dictionary(column.type)
        else column
        for column in rows.columns
    ]
    return pa.table(columns, names=rows.column_names).combine_chunks()
