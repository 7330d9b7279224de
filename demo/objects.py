"""From records to the objects that AWS would deliver: names, paths, text, Parquet."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from isal import igzip

from demo.traffic import Legs, Plant
from demo.world import Vpc
from lake.schema import VPC_FIELDS

V2 = tuple(f.aws or "" for f in VPC_FIELDS if f.since == 2)
V3 = (
    "version", "vpc-id", "subnet-id", "instance-id", "interface-id", "account-id",
    "type", "srcaddr", "dstaddr", "srcport", "dstport", "pkt-srcaddr", "pkt-dstaddr",
    "protocol", "bytes", "packets", "start", "end", "action", "tcp-flags", "log-status",
)  # fmt: skip
V5 = tuple(sorted(f.aws or "" for f in VPC_FIELDS if (f.since or 0) <= 5))
V11 = tuple(f.aws or "" for f in VPC_FIELDS)
FORMATS = {"v2": V2, "v3": V3, "v5": V5, "all": V11}

_WIDTHS = {f.aws: f.type for f in VPC_FIELDS}
GZIP_LEVEL = 1


@dataclass(frozen=True, slots=True)
class FlowLog:
    """A flow log: where it writes and in which format."""

    id: str
    vpc: Vpc
    fields: tuple[str, ...]
    layout: str
    parquet: bool = False
    organization: str | None = None

    def key(self, time: datetime, content: bytes) -> str:
        """Return the key of an object delivered at a time.

        Source:
            AWS VPC User Guide, "Flow log files".
        """
        account, region = self.vpc.account, self.vpc.region
        suffix = "log.parquet" if self.parquet else "log.gz"
        digest = hashlib.sha256(content).hexdigest()[:8]
        name = (
            f"{account}_vpcflowlogs_{region}_{self.id}_{time:%Y%m%dT%H%M}Z_{digest}"
            f".{suffix}"
        )
        root = f"AWSLogs/{self.organization}/" if self.organization else "AWSLogs/"
        if self.layout.startswith("hive"):
            folder = (
                f"aws-account-id={account}/aws-service=vpcflowlogs/aws-region={region}/"
                f"year={time:%Y}/month={time:%m}/day={time:%d}/"
            )
            hour = f"hour={time:%H}/"
        else:
            folder = f"{account}/vpcflowlogs/{region}/{time:%Y/%m/%d}/"
            hour = f"{time:%H}/"
        return root + folder + (hour if self.layout.endswith("hourly") else "") + name

    def body(self, columns: dict[str, Any]) -> bytes:
        """Return an object's bytes: a header and one line a record, or Parquet."""
        if self.parquet:
            return _parquet(columns, self.fields)
        lines = text_lines(columns, self.fields)
        return igzip.compress(lines, GZIP_LEVEL, mtime=0)


def columns_of(plant: Plant, legs: Legs, vpc: Vpc, version: int) -> dict[str, Any]:
    """Return every AWS field of some records, as text or numbers, null where `-`."""
    raw = legs.columns
    interfaces = plant.world.interfaces
    addresses = pa.array(plant.addresses)
    eni = pa.array(raw["eni"], pa.int32())

    def by_eni(values: Sequence[str | None]) -> Any:
        return pa.array(values, pa.string()).take(eni)

    def address(name: str) -> Any:
        return addresses.take(pa.array(raw[name], pa.int32()))

    def service(name: str) -> Any:
        outside = raw[name] >= plant.first_public
        amazon = outside & (raw[name] % 5 == 0)
        return pa.array(["S3"]).take(pa.array(np.zeros(len(amazon), int), mask=~amazon))

    rows = len(legs)
    known: dict[str, Any] = {
        "version": pa.repeat(pa.scalar(version, pa.int64()), rows),
        "account-id": pa.repeat(vpc.account, rows),
        "interface-id": by_eni([i.id for i in interfaces]),
        "srcaddr": address("src"),
        "dstaddr": address("dst"),
        "srcport": pa.array(raw["srcport"]),
        "dstport": pa.array(raw["dstport"]),
        "protocol": pa.array(raw["protocol"]),
        "packets": pa.array(raw["packets"]),
        "bytes": pa.array(raw["bytes"]),
        "start": pa.array(raw["start"]),
        "end": pa.array(raw["end"]),
        "action": pa.array(np.where(raw["reject"] > 0, "REJECT", "ACCEPT")),
        "log-status": pa.repeat("OK", rows),
        "vpc-id": pa.repeat(vpc.id, rows),
        "subnet-id": by_eni([i.subnet.id for i in interfaces]),
        "instance-id": by_eni([i.instance for i in interfaces]),
        "tcp-flags": pa.array(raw["flags"]),
        "type": pa.repeat("IPv4", rows),
        "pkt-srcaddr": address("pkt_src"),
        "pkt-dstaddr": address("pkt_dst"),
        "region": pa.repeat(vpc.region, rows),
        "az-id": by_eni([i.subnet.az for i in interfaces]),
        "pkt-src-aws-service": service("pkt_src"),
        "pkt-dst-aws-service": service("pkt_dst"),
        "flow-direction": pa.array(np.where(raw["egress"], "egress", "ingress")),
        "traffic-path": pa.array(raw["path"], mask=raw["path"] == 0),
        "interface-type": by_eni(
            [i.kind if i.kind != "interface" else None for i in interfaces]
        ),
        "encryption-status": pa.repeat(pa.scalar(0, pa.int64()), rows),
    }
    return known


def text_lines(columns: dict[str, Any], fields: tuple[str, ...]) -> bytes:
    """Return the header and the records as AWS writes them."""
    rows = len(next(iter(columns.values())))
    dash = pa.repeat("-", rows)
    texts = [
        pc.fill_null(columns[name].cast(pa.string()), "-") if name in columns else dash
        for name in fields
    ]
    lines = pc.binary_join_element_wise(*texts[:-1], _ended(texts[-1]), " ")
    values = lines.buffers()[2]
    offsets = np.frombuffer(lines.buffers()[1], np.int32)
    body = values.to_pybytes()[: int(offsets[rows])] if values else b""
    return " ".join(fields).encode() + b"\n" + body


def _ended(texts: Any) -> Any:
    return pc.binary_join_element_wise(texts, "\n", "")


def _parquet(columns: dict[str, Any], fields: tuple[str, ...]) -> bytes:
    """Return Parquet as AWS writes it: ``-`` for missing text, null for numbers."""
    rows = len(next(iter(columns.values())))
    made: dict[str, Any] = {}
    for name in fields:
        width = _WIDTHS[name]
        text = width == "string"
        type_ = pa.string() if text else pa.int32() if width == "int" else pa.int64()
        column = columns.get(name)
        column = pa.nulls(rows, type_) if column is None else column.cast(type_)
        made[name.replace("-", "_")] = pc.fill_null(column, "-") if text else column
    sink = io.BytesIO()
    pq.write_table(pa.table(made), sink, compression="gzip", store_schema=False)
    return sink.getvalue()


def sliced(columns: dict[str, Any], begin: int, length: int) -> dict[str, Any]:
    """Return some of the records."""
    return {name: column.slice(begin, length) for name, column in columns.items()}
