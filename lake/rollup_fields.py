"""The fields of the roll-ups, kept apart from those of what they sum up.

Every roll-up adds up the records that count once (``counted``). Records that are
`unmatched` stand beside them under a verdict of that name: they were sent, counted
nowhere, and add up to no total.
"""

from __future__ import annotations

from lake.schema import Field

_HOUR = Field("hour", "timestamp", "The hour in which the records start; UTC.",
              required=True)  # fmt: skip
_DAY = Field("day", "date", "The day of the records; UTC.", required=True)

# What stands in for a workload where there is none.
LABEL = (
    "Workload; without one the node, name, network label, AWS service, instance or "
    "interface, and else the kind."
)

_END: tuple[tuple[str, str], ...] = (
    ("kind", "pod, node, load_balancer, internet, ..."),
    ("cluster", "Kubernetes or ECS cluster."),
    ("namespace", "Kubernetes namespace."),
    ("workload", LABEL),
    ("az", "Availability Zone id."),
    ("vpc", "VPC."),
    ("account", "Account."),
)
_PLACE: tuple[tuple[str, str], ...] = (
    *_END[:4],
    ("pod", "Pod name."),
    ("node", "Kubernetes node."),
    ("eni", "Network interface."),
    ("subnet", "Subnet."),
    *_END[4:],
)


def _end(prefix: str, title: str, end: tuple[tuple[str, str], ...]) -> list[Field]:
    dot = ": " if title else ""
    return [Field(f"{prefix}{name}", "string", f"{title}{dot}{doc}")
            for name, doc in end]  # fmt: skip


_PROTOCOL = Field("protocol", "int", "IANA protocol number.")
_VERDICT = Field("verdict", "string", "accepted, rejected, unconfirmed; unmatched: "
                 "sent, and no record where it should have arrived.")  # fmt: skip
_CAUSE = Field("reject_cause", "string", "security_group, network_acl, ...")
_SCOPE = Field("scope", "string", "internal, inbound, outbound or external.")
_PORT = Field("service_port", "int", "The server's port; null if undecided or folded.")
_PORTS = Field("distinct_ports", "long", "Ports that the row stands for: 1 beside its "
               "port, 0 if undecided, more if folded.")  # fmt: skip
_RECORDS = Field("records", "long", "Records.")
_SEEN = (
    Field("first_seen", "timestamp", "Earliest start_time; UTC."),
    Field("last_seen", "timestamp", "Latest end_time; UTC."),
)
METRICS = (
    _RECORDS,
    Field("connections", "long", "Records of the client with a SYN and no ACK."),
    Field("packets_to_server", "long", "Packets sent by the client.", unit="packets"),
    Field("packets_to_client", "long", "Packets sent by the server.", unit="packets"),
    Field("bytes_to_server", "long", "Bytes sent by the client.", unit="bytes"),
    Field("bytes_to_client", "long", "Bytes sent by the server.", unit="bytes"),
    *_SEEN,
)

_EDGE = (
    *_end("client_", "Client", _END),
    *_end("server_", "Server", _END),
    _PORT,
    _PROTOCOL,
    _VERDICT,
    _CAUSE,
    _SCOPE,
    _PORTS,
    *METRICS,
)

EDGES_HOURLY_FIELDS: tuple[Field, ...] = (
    _DAY,
    _HOUR,
    *_EDGE,
    Field("client_addresses", "long", "Distinct packet addresses of the client."),
)

EDGES_DAILY_FIELDS: tuple[Field, ...] = (
    _DAY,
    *_EDGE,
    Field("client_addresses", "long", "The most distinct addresses of any hour."),
)

ENDPOINTS_HOURLY_FIELDS: tuple[Field, ...] = (
    _DAY,
    _HOUR,
    *_end("", "", _PLACE),
    Field("role", "string", "client or server: what it was in these records."),
    *_end("peer_", "Peer", _END[:4]),
    _VERDICT,
    *METRICS,
)

REJECTIONS_HOURLY_FIELDS: tuple[Field, ...] = (
    _DAY,
    _HOUR,
    Field(
        "source_address",
        "string",
        "The client's packet address; null of `other`. "
        "The internet's as FLOWLAKE_ROLLUP_ADDRESSES says.",
    ),
    Field(
        "source_kind",
        "string",
        "pod, internet, ...; `other`: sources folded by workload.",
    ),
    *_end("source_", "Source", (*_END[1:4], ("pod", "Pod name."))),
    *_end("server_", "Server", _PLACE),
    _PORT,
    _PROTOCOL,
    _CAUSE,
    _PORTS,
    Field("source_addresses", "long", "Distinct packet addresses of the source."),
    _RECORDS,
    Field("packets", "long", "Packets, of both directions.", unit="packets"),
    Field("bytes", "long", "Bytes, of both directions.", unit="bytes"),
    *_SEEN,
)

COVERAGE_HOURLY_FIELDS: tuple[Field, ...] = (
    _DAY,
    _HOUR,
    Field("observer", "string", "What wrote the records: interface, else resource."),
    Field("account_id", "string", "Its account."),
    Field("vpc_id", "string", "Its VPC."),
    Field("subnet_id", "string", "Its subnet."),
    Field("interval_s", "int", "Length of a window: 60, or 600 if any record of the "
          "hour and flow log is longer than 120 and the observer's own windows are not "
          "surely shorter; of several flow logs the most.",
          unit="s"),
    Field("windows_expected", "long", "Windows of each of its flow logs: heard of, and "
          "missing between two of them, of this hour or of hours within a day."),
    Field("windows_seen", "long", "Those with records, by the clock."),
    Field("windows_silent", "long", "Those reported as NODATA."),
    Field("windows_skipped", "long", "Those of which AWS skipped records, be it some."),
    Field("records", "long", "All records, counted or not."),
    Field("undecided", "long", "Those of which nobody has said if they count."),
    Field("unsettled", "long", "Those that are not settled."),
    Field("unmatched", "long", "Those that should have arrived and did not."),
    Field("unattributed", "long", "Those with a side that has no known identity."),
    Field("sides", "long", "Sides of records that are ours, or may be."),
    Field("sides_attributed", "long", "Those of them with a known identity."),
    Field("worst_lag_s", "long", "The most by which the time in an object's name is "
          "later than a record's end; null: no such name.", unit="s"),
    Field("windows_between", "long", "Of the expected, those missing between two that "
          "were heard of within the hour."),
    Field("first_heard", "timestamp", "Earliest start of a record or silence; null: "
          "nothing was heard in the hour, but before and after it."),
    Field("last_heard", "timestamp", "Latest end of a record or silence; UTC."),
    Field("flow_logs", "string", "JSON: what each flow log told within the hour, in "
          "the same words; its flow_log_id is null if no object's name told it. Also "
          "own_interval_s: by this observer's alone; holes_s: seconds in which such "
          "may be missing; longest_s: of the longest records of each minute; "
          "off_clock: whether any lies in two windows by the clock."),
)  # fmt: skip
