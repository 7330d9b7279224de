"""The tables of the lake, and their Arrow and Iceberg schemas."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import pyarrow as pa
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform, IdentityTransform, Transform
from pyiceberg.types import (
    BooleanType,
    DateType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    TimestamptzType,
)

from lake.ledger_fields import (
    QUARANTINE_FIELDS,
    SILENCES_FIELDS,
    SOURCES_FIELDS,
)
from lake.rollup_fields import (
    COVERAGE_HOURLY_FIELDS,
    EDGES_DAILY_FIELDS,
    EDGES_HOURLY_FIELDS,
    ENDPOINTS_HOURLY_FIELDS,
    REJECTIONS_HOURLY_FIELDS,
)
from lake.schema import (
    CONFIGURATION_FIELDS,
    FLOW_FIELDS,
    IDENTITY_FIELDS,
    TGW_FLOW_FIELDS,
    Field,
    FieldType,
)

DICTIONARY = pa.dictionary(pa.int32(), pa.string())

_ARROW: dict[FieldType, pa.DataType] = {
    "string": pa.string(),
    "int": pa.int32(),
    "long": pa.int64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "strings": pa.list_(pa.string()),
    "map": pa.map_(pa.string(), pa.string()),
}

_PLAIN: dict[FieldType, IcebergType] = {
    "string": StringType(),
    "int": IntegerType(),
    "long": LongType(),
    "bool": BooleanType(),
    "date": DateType(),
    "timestamp": TimestamptzType(),
}


ROW_GROUP_ROWS = 262_144


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the lake.

    Attributes:
        name: Its name in the catalog's namespace.
        fields: Its columns, in order.
        partition_on: The column whose day partitions it, always named ``day``.
        sort: Columns that rows are sorted by within a data file.
        metrics: Columns with min and max in the manifests.
        bloom: Columns with Parquet Bloom filters.
        group_rows: The most rows of a row group: few where rows are large, and few of
            them are asked for.
    """

    name: str
    fields: tuple[Field, ...]
    partition_on: str
    sort: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    bloom: tuple[str, ...] = ()
    group_rows: int = ROW_GROUP_ROWS

    @property
    def is_head(self) -> bool:
        """Whether ingest commits to it and ledgers follow it."""
        return self.partition_on == "start_time"

    @property
    def hour_column(self) -> str | None:
        """The column that tells the hour of its rows; a head's file lies within one."""
        if self.is_head:
            return self.partition_on
        return "hour" if any(f.name == "hour" for f in self.fields) else None

    @property
    def is_daily(self) -> bool:
        """Whether its rows are of a whole day each, and know no other time."""
        return self.hour_column is None and self.field("day").required

    def field(self, name: str) -> Field:
        """Return the field called ``name``; KeyError if there is none."""
        return next(f for f in self.fields if f.name == name)


_HEAD_METRICS = (
    "start_time", "end_time", "account_id", "interface_id", "src_address",
    "dst_address", "srcport", "dstport", "action", "verdict", "settled",
    "tgw_attachment_id",
)  # fmt: skip

FLOWS = Table(
    name="flows",
    fields=FLOW_FIELDS,
    partition_on="start_time",
    sort=("dst_address", "src_address"),
    metrics=_HEAD_METRICS,
    bloom=("src_address", "dst_address", "interface_id", "instance_id"),
)

TGW_FLOWS = Table(
    name="tgw_flows",
    fields=TGW_FLOW_FIELDS,
    partition_on="start_time",
    sort=("dst_address", "src_address"),
    metrics=_HEAD_METRICS,
    bloom=("src_address", "dst_address"),
)

SOURCES = Table(
    name="sources",
    fields=SOURCES_FIELDS,
    partition_on="day",
    metrics=("source_object", "day", "key_time", "ingested_at"),
)

SILENCES = Table(
    name="silences",
    fields=SILENCES_FIELDS,
    partition_on="day",
    metrics=("source_object", "day", "start_time", "interface_id"),
)

QUARANTINE = Table(
    name="quarantine",
    fields=QUARANTINE_FIELDS,
    partition_on="day",
    metrics=("source_object", "day", "reason"),
)

_ENDED = Field("day", "date", "By when it had ended; null while it is still listed.")

IDENTITIES = Table(
    name="identities",
    fields=(*IDENTITY_FIELDS, _ENDED),
    partition_on="day",
    sort=("address", "vpc"),
    metrics=("scope", "address", "vpc", "valid_from", "valid_until", "day"),
)

CONFIGURATIONS = Table(
    name="configurations",
    fields=(*CONFIGURATION_FIELDS, _ENDED),
    partition_on="day",
    sort=("resource_type", "resource_id"),
    metrics=(
        "scope",
        "resource_type",
        "resource_id",
        "valid_from",
        "valid_until",
        "day",
    ),
    group_rows=8192,
)

EDGES_HOURLY = Table(
    name="edges_hourly",
    fields=EDGES_HOURLY_FIELDS,
    partition_on="day",
    sort=("server_workload", "client_workload"),
    metrics=("day", "hour", "server_workload", "client_workload"),
)

EDGES_DAILY = Table(
    name="edges_daily",
    fields=EDGES_DAILY_FIELDS,
    partition_on="day",
    sort=("server_workload", "client_workload"),
    metrics=("day", "server_workload", "client_workload"),
)

ENDPOINTS_HOURLY = Table(
    name="endpoints_hourly",
    fields=ENDPOINTS_HOURLY_FIELDS,
    partition_on="day",
    sort=("pod", "eni"),
    metrics=("day", "hour", "pod", "eni"),
)

REJECTIONS_HOURLY = Table(
    name="rejections_hourly",
    fields=REJECTIONS_HOURLY_FIELDS,
    partition_on="day",
    sort=("server_eni", "source_address"),
    metrics=("day", "hour", "server_eni", "source_address"),
)

COVERAGE_HOURLY = Table(
    name="coverage_hourly",
    fields=COVERAGE_HOURLY_FIELDS,
    partition_on="day",
    sort=("observer",),
    metrics=("day", "hour", "observer"),
)

INVENTORY: tuple[Table, ...] = (IDENTITIES, CONFIGURATIONS)
# `edges_daily` last: it is made from what the first has absorbed.
ROLLUPS: tuple[Table, ...] = (
    EDGES_HOURLY, ENDPOINTS_HOURLY, REJECTIONS_HOURLY, COVERAGE_HOURLY, EDGES_DAILY,
)  # fmt: skip
HEADS: tuple[Table, ...] = (FLOWS, TGW_FLOWS)
LEDGERS: tuple[Table, ...] = (SOURCES, SILENCES, QUARANTINE)
TABLES: dict[str, Table] = {t.name: t for t in (*HEADS, *LEDGERS, *INVENTORY, *ROLLUPS)}


@cache
def arrow_schema(table: Table) -> pa.Schema:
    """Return the table's columns as Arrow, strings plain, in field order."""
    return pa.schema(
        [pa.field(f.name, _ARROW[f.type], nullable=not f.required)
         for f in table.fields]
    )  # fmt: skip


@cache
def batch_schema(table: Table) -> pa.Schema:
    """Return the schema that rows travel in: strings are dictionary-encoded.

    Dictionaries cut a v5 row from 300 to 140 bytes in memory and let every
    per-address check run once per distinct value.
    """
    return pa.schema(
        [
            pa.field(f.name, DICTIONARY if f.type == "string" else _ARROW[f.type])
            for f in table.fields
        ]
    )


def _iceberg_type(type_: FieldType, next_id: int) -> IcebergType:
    if type_ == "strings":
        return ListType(
            element_id=next_id, element=StringType(), element_required=False
        )
    if type_ == "map":
        return MapType(
            key_id=next_id,
            key_type=StringType(),
            value_id=next_id + 1,
            value_type=StringType(),
            value_required=False,
        )
    return _PLAIN[type_]


def iceberg_schema(table: Table) -> Schema:
    """Return the table's columns as Iceberg; ids are provisional.

    A catalog gives its own ids at creation, so files are written with the ids of
    the stored table and never with these.
    """
    nested = len(table.fields) + 1
    columns: list[NestedField] = []
    for position, f in enumerate(table.fields, start=1):
        columns.append(
            NestedField(
                field_id=position,
                name=f.name,
                field_type=_iceberg_type(f.type, nested),
                required=f.required,
                doc=f.doc,
            )
        )
        nested += 2
    return Schema(*columns)


def partition_spec(table: Table, schema: Schema) -> PartitionSpec:
    """Return the partition spec: one field, called ``day``."""
    transform: Transform[Any, Any] = (
        DayTransform() if table.is_head else IdentityTransform()
    )
    return PartitionSpec(
        PartitionField(
            source_id=schema.find_field(table.partition_on).field_id,
            field_id=1000,
            transform=transform,
            name="day",
        )
    )
