"""A catalog made anew from the tables' own metadata, where the catalog was lost."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from pyiceberg.exceptions import TableAlreadyExistsError
from pyiceberg.io import FileIO, load_file_io

from lake.beside import newest_metadata
from lake.catalog import Lake
from lake.errors import LakeError, LakeMissing, UsageError
from lake.tables import TABLES, Table

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Restored:
    """One table that the catalog knows again.

    Attributes:
        metadata: The metadata that it has now; None: none was found.
        snapshot: Its newest snapshot; None: it has none.
        doubtful: Metadata as new as that, of a commit that did not land or of the one
            that did: what it alone names is read again by the next ingest.
        known: Whether the catalog knew the table already; then nothing was done.
    """

    metadata: str | None
    snapshot: int | None = None
    doubtful: tuple[str, ...] = ()
    known: bool = False


def restore(lake: Lake, *, dry_run: bool = False) -> dict[str, Restored]:
    """Register each table that the catalog does not know, by its newest metadata.

    Args:
        lake: Opened to be created; its namespace is there.
        dry_run: Only say what would be registered.

    Returns:
        What was found, by table.

    Raises:
        UsageError: The settings do not say where the tables are.
        LakeMissing: There is no metadata of any table there.
        LakeError: The place cannot be read, or a table not registered.
    """
    place = lake.location
    if place is None:
        raise UsageError("set FLOWLAKE_WAREHOUSE: it says where the tables' files are")
    file_io = load_file_io(lake.catalog.properties, place)
    done = {
        table.name: _restore(lake, file_io, table, f"{place}/{table.name}", dry_run)
        for table in TABLES.values()
    }
    if not any(each.metadata for each in done.values()):
        raise LakeMissing(place)
    return done


def _restore(
    lake: Lake, file_io: FileIO, table: Table, place: str, dry_run: bool
) -> Restored:
    if lake.exists(table):
        stored = lake.load(table)
        current = stored.current_snapshot()
        number = current.snapshot_id if current else None
        return Restored(stored.metadata_location, number, known=True)
    newest = sorted(
        newest_metadata(file_io, place), key=lambda each: each[1].last_updated_ms
    )
    if not newest:
        return Restored(None)
    (path, metadata), *others = newest
    found = Restored(
        path, metadata.current_snapshot_id, tuple(other for other, _ in others)
    )
    if found.doubtful:
        log.warning("metadata_doubtful", table=table.name, chosen=path,
                    others=list(found.doubtful))  # fmt: skip
    if not dry_run:
        _register(lake, table, path)
    return found


def _register(lake: Lake, table: Table, metadata: str) -> None:
    try:
        lake.catalog.register_table((lake.settings.namespace, table.name), metadata)
    except TableAlreadyExistsError:
        return  # another was faster
    except Exception as error:
        raise LakeError(f"{table.name} cannot be registered: {error}") from error
    log.info("table_registered", table=table.name, metadata=metadata)
