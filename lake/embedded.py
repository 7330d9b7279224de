"""The embedded catalog: SQLite in the lake's directory."""

from __future__ import annotations

from pyiceberg.catalog.sql import IcebergTables, SqlCatalog, SqlCatalogBaseTable
from pyiceberg.table import CommitTableResponse
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.update import TableRequirement, TableUpdate
from pyiceberg.typedef import Identifier
from sqlalchemy import text
from sqlalchemy.schema import CreateTable

_WHERE_METADATA_IS = text(
    "SELECT metadata_location FROM iceberg_tables WHERE catalog_name = :catalog "
    "AND table_namespace = :namespace AND table_name = :name"
)


class EmbeddedCatalog(SqlCatalog):
    """The embedded catalog; it reads a table's metadata again only if that is other.

    A metadata file never changes, and a small run asks for tables 240 times, for which
    PyIceberg puts its question together anew: 0.4 ms each.
    """

    def __init__(self, name: str, **properties: str) -> None:
        self._read: dict[str, IcebergTable] = {}
        super().__init__(name, **properties)

    def create_tables(self) -> None:
        """Create the catalog's own tables, unless another process just has."""
        with self.engine.begin() as database:
            for table in SqlCatalogBaseTable.metadata.sorted_tables:
                database.execute(CreateTable(table, if_not_exists=True))

    def load_table(self, identifier: str | Identifier) -> IcebergTable:
        """Return the table as it is now."""
        *namespace, name = self.identifier_to_tuple(identifier)
        known = self._read.get(name)
        asked = {"catalog": self.name, "namespace": ".".join(namespace), "name": name}
        if known is not None:
            with self.engine.connect() as database:
                location = database.execute(_WHERE_METADATA_IS, asked).scalar()
            if location == known.metadata_location:
                return self._again(known)
        return super().load_table(identifier)

    def commit_table(
        self,
        table: IcebergTable,
        requirements: tuple[TableRequirement, ...],
        updates: tuple[TableUpdate, ...],
    ) -> CommitTableResponse:
        """Commit; what was written need not be read again."""
        done = super().commit_table(table, requirements, updates)
        name = table.name()
        self._read[name[-1]] = IcebergTable(
            identifier=name,
            metadata=done.metadata,
            metadata_location=done.metadata_location,
            io=self._load_file_io(done.metadata.properties, done.metadata_location),
            catalog=self,
        )
        return done

    def _convert_orm_to_iceberg(self, orm_table: IcebergTables) -> IcebergTable:
        known = self._read.get(orm_table.table_name)
        if known is None or known.metadata_location != orm_table.metadata_location:
            known = super()._convert_orm_to_iceberg(orm_table)
            self._read[orm_table.table_name] = known
        return self._again(known)

    def _again(self, known: IcebergTable) -> IcebergTable:
        return IcebergTable(
            identifier=known.name(),
            metadata=known.metadata,
            metadata_location=known.metadata_location,
            io=known.io,
            catalog=self,
        )
