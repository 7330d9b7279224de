"""Settings of the lake and of the jobs that fill and keep it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, PositiveInt, SecretStr

MIB = 1024 * 1024
TableName = Literal[
    "flows", "tgw_flows", "sources", "silences", "quarantine", "identities",
    "configurations", "edges_hourly", "endpoints_hourly", "rejections_hourly",
    "coverage_hourly", "edges_daily",
]  # fmt: skip


class JobSettings(BaseModel):
    """Where the lake is, how it is filled, what is kept and what is promised."""

    lake: str = Field("./lake", description="Directory of the embedded lake.")
    catalog: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="PyIceberg catalog properties as JSON (type, uri, warehouse, "
        "s3.endpoint, …); empty: SQLite in the lake directory.",
    )
    warehouse: str | None = Field(
        None,
        description="Where data files go, such as s3://bucket/prefix; for one lake "
        "alone: gc deletes there what the lake does not name.",
    )
    evidence: str | None = Field(
        None,
        description="Where evidence goes, such as s3://bucket/prefix; needed where the "
        "warehouse takes tables only (S3 Tables); for one lake alone. Default: beside "
        "the tables.",
    )
    namespace: str = Field("flowlake", description="Iceberg namespace of the tables.")

    workers: int = Field(0, ge=0, le=64, description="Decoding threads; 0: one a core.")
    fetchers: int = Field(16, ge=1, le=256, description="S3 connections kept at once.")
    memory_bytes: int = Field(
        1024 * MIB, ge=128 * MIB, description="Budget of one ingest process, bytes."
    )
    batch_bytes: int = Field(
        2048 * MIB, ge=1, description="Source bytes committed in one snapshot."
    )
    batch_objects: int = Field(
        20_000, ge=1, description="Source objects committed in one snapshot."
    )
    max_object_bytes: int = Field(
        8192 * MIB, ge=1, description="A larger object, decompressed, is quarantined."
    )
    max_line_bytes: int = Field(
        64 * 1024, ge=256, description="A longer line is quarantined."
    )
    max_quarantine_rows: int = Field(
        1000, ge=1, description="Quarantine rows kept an object; the rest is counted."
    )
    log_format: str | None = Field(
        None, description="Fields of headerless text, as in DescribeFlowLogs."
    )
    list_days: int = Field(
        0, ge=0, description="Days of prefixes that a frequent run lists; 0: all."
    )
    s3_retries: int = Field(
        8, ge=0, description="Attempts after a failed S3 or SQS call."
    )
    queue_gather_s: float = Field(
        10.0, ge=0, description="Seconds that messages are gathered for one snapshot."
    )
    queue_settle_s: float = Field(
        300.0,
        ge=0,
        description="Seconds after which a followed queue waits for what else a run "
        "does: settling, roll-ups.",
    )

    networks: str | None = Field(
        None, description="CSV file of your labels: CIDR,label, one a line."
    )
    owner_key: str | None = Field(
        None, description="Tag or label key whose value is the owner, such as team."
    )
    inventory_labels: tuple[str, ...] = Field(
        ("*",),
        description="Keys of Kubernetes labels kept of workloads and services, as "
        "JSON, with * and ?; `suggest` selects pods by them.",
    )
    lateness_minutes: int = Field(
        60, ge=0, description="An hour is settled so many minutes after its end."
    )
    rollups: bool = Field(True, description="Roll-ups follow at the end of an ingest.")
    rollup_addresses: Literal["full", "cut", "hashed"] = Field(
        "full",
        description="How roll-ups keep internet addresses: `cut` to /24 and /48, or "
        "`hashed` with FLOWLAKE_ADDRESS_KEY.",
    )
    address_key: SecretStr | None = Field(
        None,
        min_length=16,
        description="Secret that internet addresses in roll-ups are hashed with; the "
        "same in every process that fills one lake.",
    )

    snapshots_kept: int = Field(
        100, ge=2, description="Snapshots kept a table, beyond the slowest mark."
    )
    gc_age_days: float = Field(
        3.0,
        gt=1,
        description="Files younger than this are never collected; more than the day "
        "that a batch may take.",
    )
    target_file_bytes: int = Field(
        256 * MIB, ge=1, description="Size of a compacted data file."
    )

    slo_freshness_minutes: float = Field(
        15.0,
        gt=0,
        description="Objective: 95 % of objects are read so many minutes after their "
        "last record ended, or sooner.",
    )
    slo_recency_minutes: float = Field(
        30.0,
        gt=0,
        description="Objective: the newest record ended so many minutes ago, or later.",
    )
    slo_completeness: float = Field(
        0.99,
        gt=0,
        le=1,
        description="Objective: share of expected intervals that were heard of.",
    )
    slo_window_hours: int = Field(
        24, ge=2, le=24 * 31, description="Hours that the objectives look back."
    )
    metrics_dir: str | None = Field(
        None,
        description="Folder where each run leaves its Prometheus metrics in a file, "
        "such as node_exporter's textfile folder.",
    )
    pushgateway: str | None = Field(
        None, description="Prometheus Pushgateway that each run's metrics are sent to."
    )
    traces: bool = Field(
        False,
        description="Send OpenTelemetry traces, to where OTEL_EXPORTER_OTLP_ENDPOINT "
        "says.",
    )
    retain_days: dict[TableName, PositiveInt] = Field(
        default_factory=dict,
        description="Days that `retain` keeps, by table, as JSON: flows, sources, …; "
        "a table that is not named keeps all.",
    )
