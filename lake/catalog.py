"""Opening the lake: one PyIceberg catalog and the tables in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import structlog
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.io import load_file_io
from pyiceberg.table import Table as IcebergTable
from pyiceberg.types import NestedField

from lake.beside import newest_metadata
from lake.databases import with_driver
from lake.embedded import EmbeddedCatalog
from lake.errors import CommitConflict, LakeError, LakeMissing, SchemaMismatch
from lake.secrets import masked
from lake.settings import Settings
from lake.tables import TABLES, Table, iceberg_schema, partition_spec

log = structlog.get_logger()

SQLITE_WAIT_S = 30  # two writers of one SQLite file take turns of a few milliseconds


class Lake:
    """The open lake; a context manager that closes its catalog.

    Args:
        settings: Where the lake is.
        create: Make what is missing; without it a missing lake is an error.

    Raises:
        LakeMissing: Nothing is there and ``create`` is false.
        LakeError: The catalog cannot be reached.
    """

    def __init__(self, settings: Settings, *, create: bool = False) -> None:
        self.settings = settings
        with _catalog_errors("open the catalog"):
            self.catalog = _open_catalog(settings, create=create)
            if create and not self.catalog.namespace_exists(settings.namespace):
                _make_namespace(self.catalog, settings.namespace)
        self._location = settings.warehouse or _embedded_warehouse(settings)

    def __enter__(self) -> Lake:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the catalog's connections."""
        self.catalog.close()

    def load(self, table: Table) -> IcebergTable:
        """Return the table as the catalog has it now.

        Raises:
            LakeMissing: The table does not exist.
            LakeError: The catalog cannot be reached.
        """
        try:
            with _catalog_errors(f"load {table.name}"):
                return self.catalog.load_table((self.settings.namespace, table.name))
        except (NoSuchTableError, NoSuchNamespaceError):
            raise LakeMissing(self.where) from None

    def exists(self, table: Table) -> bool:
        """Whether the table has been created."""
        with _catalog_errors(f"look for {table.name}"):
            return self.catalog.table_exists((self.settings.namespace, table.name))

    def ensure(self, table: Table) -> IcebergTable:
        """Create the table if it is missing, add the columns that it lacks."""
        try:
            found = self.load(table)
        except LakeMissing:
            found = self._create(table)
        return self._evolve(table, found)

    def ensure_all(self) -> None:
        """Create or evolve every table."""
        for table in TABLES.values():
            self.ensure(table)

    @property
    def where(self) -> str:
        """The lake's place, for messages."""
        return self._location or f"catalog {self.settings.catalog.get('uri', '')}"

    @property
    def location(self) -> str | None:
        """The folder that holds the tables' folders; None: the catalog decides."""
        return self._location.rstrip("/") if self._location else None

    def evidence_root(self) -> str:
        """Return the folder of evidence, which lies outside every table."""
        if self.settings.evidence:
            return self.settings.evidence.rstrip("/")
        if self.location:
            return f"{self.location}/evidence"
        flows = self.load(TABLES["flows"]).location().rstrip("/")
        return f"{flows.rsplit('/', 1)[0]}/evidence"

    def _create(self, table: Table) -> IcebergTable:
        schema = iceberg_schema(table)
        place = f"{self.location}/{table.name}" if self.location else None
        identifier = (self.settings.namespace, table.name)
        if place and self._lost(table, place):
            raise LakeError(
                f"the catalog does not know {table.name}, whose files lie in {place}: "
                "run `flowlake restore`, or set FLOWLAKE_WAREHOUSE to an empty place"
            )
        try:
            with _catalog_errors(f"create {table.name}"):
                created = self.catalog.create_table(
                    identifier,
                    schema,
                    location=place,
                    partition_spec=partition_spec(table, schema),
                    properties=_properties(table),
                )
        except (TableAlreadyExistsError, CommitFailedException):
            return self.load(table)
        log.info("table_created", table=table.name, location=created.location())
        return created

    def _lost(self, table: Table, place: str) -> bool:
        """Whether rows lie there that the catalog has forgotten.

        A table made anew beside them would look empty, and `gc` would delete them.
        A run that was killed as it made a table leaves metadata without a snapshot.
        """
        try:
            file_io = load_file_io(self.catalog.properties, place)
            left = newest_metadata(file_io, place)
        except (OSError, LakeError):  # some catalogs lend access to a table alone
            return False
        held = any(metadata.current_snapshot_id for _, metadata in left)
        return held and not self.exists(table)  # another may just have made it

    def _evolve(self, table: Table, found: IcebergTable) -> IcebergTable:
        missing = _missing_columns(table, found)
        if not missing:
            return found
        try:
            with found.update_schema() as update:
                for column in missing:
                    update.add_column(column.name, column.field_type, doc=column.doc)
        except CommitFailedException as error:
            raise CommitConflict(f"{table.name} is being evolved elsewhere") from error
        log.info("table_evolved", table=table.name, added=[c.name for c in missing])
        return self.load(table)


def _make_namespace(catalog: Catalog, name: str) -> None:
    """Make the namespace, unless it is there or another process just makes it."""
    try:
        catalog.create_namespace(name)
    except NamespaceAlreadyExistsError:
        return
    except Exception:  # a database says in its own way that there is one now
        if not catalog.namespace_exists(name):
            raise


def _missing_columns(table: Table, found: IcebergTable) -> list[NestedField]:
    """Return our columns that the stored table lacks.

    Raises:
        SchemaMismatch: A column is stored with a type that ours does not fit.
    """
    stored = {column.name: column for column in found.schema().fields}
    missing: list[NestedField] = []
    for ours in iceberg_schema(table).fields:
        theirs = stored.get(ours.name)
        if theirs is None:
            missing.append(ours)
        elif ours.field_type.is_primitive and theirs.field_type != ours.field_type:
            raise SchemaMismatch(
                f"{table.name}.{ours.name} is stored as {theirs.field_type} and this "
                f"version writes {ours.field_type}"
            )
    return missing


def _properties(table: Table) -> dict[str, str]:
    """Return the table's properties.

    Manifests hold bounds only of the columns that prune files; old metadata is
    removed by `flowlake gc` alone, never by a commit.
    """
    properties = {
        "format-version": "2",
        "write.parquet.compression-codec": "zstd",
        "write.metadata.metrics.default": "none",
        "write.metadata.delete-after-commit.enabled": "false",
        "write.metadata.previous-versions-max": "20",
        "commit.manifest-merge.enabled": "true",
        "commit.manifest.min-count-to-merge": "100",
    }
    columns = {f.name for f in table.fields}
    for name in table.metrics:
        if name in columns:
            properties[f"write.metadata.metrics.column.{name}"] = "full"
    return properties


def _embedded_warehouse(settings: Settings) -> str | None:
    if settings.catalog:
        return None
    return f"file://{settings.lake_path / 'warehouse'}"


def _open_catalog(settings: Settings, *, create: bool) -> Catalog:
    if settings.catalog:
        secrets = {k: v.get_secret_value() for k, v in settings.catalog.items()}
        if "uri" in secrets:
            secrets["uri"] = with_driver(secrets["uri"])
        return load_catalog("flowlake", **secrets)
    database = settings.lake_path / "catalog.db"
    if not create and not database.exists():
        raise LakeMissing(str(settings.lake_path))
    Path(settings.lake_path).mkdir(parents=True, exist_ok=True)
    properties = {
        "uri": f"sqlite:///{database}?timeout={SQLITE_WAIT_S}",
        "warehouse": settings.warehouse or f"file://{settings.lake_path}/warehouse",
    }
    return EmbeddedCatalog("flowlake", **properties)


@contextmanager
def _catalog_errors(what: str) -> Iterator[None]:
    """Turn what a catalog client raises into one error that says what to check."""
    expected = (
        LakeError,
        NoSuchTableError,
        NoSuchNamespaceError,
        NamespaceAlreadyExistsError,
        TableAlreadyExistsError,
        CommitFailedException,
    )
    try:
        yield
    except expected:
        raise
    except Exception as error:
        raise LakeError(
            f"could not {what}: {type(error).__name__}: {masked(str(error))}. Check "
            "FLOWLAKE_LAKE, FLOWLAKE_CATALOG and that the catalog is reachable"
        ) from error
