"""The columns of the ledgers: what was read, what was silent, what was refused."""

from __future__ import annotations

from lake.schema import PROVENANCE, Field

_DAY = Field("day", "date", "The day that keeps and drops this row; UTC.")

SOURCES_FIELDS = (
    *PROVENANCE,
    _DAY,
    Field("location", "string", "Where it was read: s3://bucket/key or a path."),
    Field("etag", "string", "The store's etag, or a hash of a local file."),
    Field("size", "long", "Bytes as stored.", unit="bytes"),
    Field("key_time", "timestamp", "The time in the object's name."),
    Field("account_id", "string", "The account in the object's name."),
    Field("region", "string", "The Region in the object's name."),
    Field("head", "string", "flows or tgw_flows."),
    Field("format", "string", "text, parquet, cloudwatch_export, ..."),
    Field("fields", "strings", "AWS names of its fields, in their order."),
    Field("extra_fields", "strings", "Those that went to `extra`."),
    Field("lines", "long", "Lines read: the sum of the next four."),
    Field("headers", "long", "Header lines."),
    Field("flows", "long", "Rows in the head table."),
    Field("silences", "long", "NODATA and SKIPDATA records."),
    Field("quarantined", "long", "Lines that could not be read."),
    Field("outside_window", "long", "Flows outside --since/--until; kept."),
    Field("first_start", "timestamp", "Earliest start_time among its flows."),
    Field("last_start", "timestamp", "Latest start_time among its flows."),
    Field("last_end", "timestamp", "Latest end_time among its flows."),
    Field("whole_reason", "string", "Why all of it was quarantined; else null."),
    Field("ingested_at", "timestamp", "When its batch was begun."),
    Field("commit_id", "string", "The batch that brought it."),
)

SILENCES_FIELDS = (
    *PROVENANCE,
    _DAY,
    Field("log_status", "string", "NODATA or SKIPDATA.", required=True),
    Field("start_time", "timestamp", "Start of the silent interval."),
    Field("end_time", "timestamp", "End of the silent interval."),
    Field("observer", "string", "Interface, resource or attachment."),
    Field("interface_id", "string", "The interface."),
    Field("account_id", "string", "The account."),
    Field("vpc_id", "string", "The VPC."),
    Field("subnet_id", "string", "The subnet."),
    Field("instance_id", "string", "The instance."),
    Field("region", "string", "The Region."),
    Field("az_id", "string", "The Availability Zone id."),
    Field("head", "string", "flows or tgw_flows."),
    Field("commit_id", "string", "The batch that brought it."),
)

QUARANTINE_FIELDS = (
    *PROVENANCE,
    _DAY,
    Field("line", "long", "Line number from 1; null for a whole object."),
    Field("reason", "string", "A code, such as bad_integer.", required=True),
    Field("detail", "string", "What is wrong, and what to do about it."),
    Field("text", "string", "The line, cut, control characters removed."),
    Field("head", "string", "flows or tgw_flows."),
    Field("quarantined_at", "timestamp", "When its batch was begun."),
    Field("commit_id", "string", "The batch that brought it."),
)
