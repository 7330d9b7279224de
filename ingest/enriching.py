"""What ingest adds to rows: who their addresses were, and what each row shows."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import structlog
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable

from lake.catalog import Lake
from lake.datafiles import open_parquet
from lake.rewrite import live_files
from lake.shape import conform, nullable
from lake.snapshots import head_id
from lake.tables import (
    CONFIGURATIONS,
    IDENTITIES,
    INVENTORY,
    Table,
    arrow_schema,
    batch_schema,
)
from transform.enrich import Attributor
from transform.inventory import USED, Inventory
from transform.judge import judge

log = structlog.get_logger()

State = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Enricher:
    """Adds identities and a first judgement to rows; safe between threads.

    Attributes:
        state: Snapshots of the inventory's tables that it knows; None: an empty one.
    """

    attributor: Attributor
    state: State

    @property
    def formats(self) -> dict[str, str]:
        """Fields of the records of each flow log, for text without a header."""
        logs = self.attributor.inventory.documents.get("flow_log", ())
        return {
            log["FlowLogId"]: log["LogFormat"]
            for log in logs
            if log.get("FlowLogId") and log.get("LogFormat")
        }

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Return rows of `flows` with what is derived of each by itself."""
        attributed = self.attributor(rows)
        judged = judge(attributed, self.attributor.inventory.policy)
        return with_columns(rows, attributed.columns() | judged.columns())


def with_columns(rows: pa.Table, columns: Mapping[str, pa.Array]) -> pa.Table:
    """Return rows with columns added, or put in place of those of the same name."""
    kept = [name for name in rows.column_names if name not in columns]
    arrays = [rows[name] for name in kept] + list(columns.values())
    return pa.table(arrays, names=[*kept, *columns])


class Inventories:
    """The newest inventory of a lake, read again only when it has changed.

    Args:
        lake: The open lake.
        networks: The user's labels, CIDR to label.
    """

    def __init__(self, lake: Lake, networks: Mapping[str, str]) -> None:
        self._lake = lake
        self._owner_key = lake.settings.owner_key
        self._networks = networks
        self._lock = threading.Lock()
        self._known: Enricher | None = None

    def newest(self) -> Enricher:
        """Return what is known now.

        Raises:
            LakeError: The lake cannot be read.
        """
        stored = [self._lake.load(table) for table in INVENTORY]
        state = tuple(map(head_id, stored))
        with self._lock:
            if self._known is None or self._known.state != state:
                identities, configurations = stored
                inventory = Inventory(
                    read_files(
                        IDENTITIES, identities, live_files(identities), columns=USED
                    ),
                    read_files(
                        CONFIGURATIONS, configurations, live_files(configurations)
                    ),
                    networks=self._networks,
                    owner_key=self._owner_key,
                )
                self._known = Enricher(Attributor(inventory), state)
                log.debug("inventory_read", identities=inventory.size)
            return self._known


def read_files(
    table: Table,
    stored: IcebergTable,
    files: Sequence[DataFile],
    *,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Return the rows of some files in the table's Arrow types.

    Args:
        table: What is read.
        stored: The table as loaded.
        files: Of it.
        columns: These alone, texts as dictionaries: a third of the memory for a
            million identities. None: all, texts as text.
    """
    schema = nullable(arrow_schema(table))
    if columns is not None:
        schema = pa.schema([batch_schema(table).field(name) for name in columns])
    texts = [f.name for f in schema if pa.types.is_dictionary(f.type)]
    parts = [schema.empty_table()]
    for file in files:
        with open_parquet(stored.io, file.file_path, dictionaries=texts) as parquet:
            parts.append(conform(parquet.read(columns=columns), schema))
    return pa.concat_tables(parts)
