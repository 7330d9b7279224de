"""The records that a flow log also holds: silences, IPv6, ICMP, gateways' own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pyarrow as pa

from demo.world import Vpc, ident

_NUMBERS = ("version", "srcport", "dstport", "protocol", "packets", "bytes", "start",
            "end", "tcp-flags", "traffic-path", "encryption-status")  # fmt: skip

TGW_FIELDS = (
    "version", "resource-type", "account-id", "tgw-id", "tgw-attachment-id",
    "tgw-src-vpc-account-id", "tgw-dst-vpc-account-id", "tgw-src-vpc-id",
    "tgw-dst-vpc-id", "tgw-src-subnet-id", "tgw-dst-subnet-id", "tgw-src-eni",
    "tgw-dst-eni", "tgw-src-az-id", "tgw-dst-az-id", "tgw-pair-attachment-id",
    "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets", "bytes",
    "start", "end", "log-status", "type", "packets-lost-no-route",
    "packets-lost-blackhole", "packets-lost-mtu-exceeded", "packets-lost-ttl-expired",
    "tcp-flags", "region", "flow-direction", "pkt-src-aws-service",
    "pkt-dst-aws-service",
)  # fmt: skip


def silences(vpc: Vpc, at: datetime, version: int) -> dict[str, Any]:
    """Return a NODATA and a SKIPDATA record of a window."""
    begin = int(at.timestamp())
    rows = [
        {
            "version": version,
            "account-id": vpc.account,
            "interface-id": ident("eni", vpc.name, "quiet", status),
            "start": begin,
            "end": begin + 60,
            "log-status": status,
        }
        for status in ("NODATA", "SKIPDATA")
    ]
    return as_columns(rows)


def unusual(vpc: Vpc, at: datetime, version: int) -> dict[str, Any]:
    """Return IPv6, a ping, a Block Public Access reject and a regional NAT's record."""
    begin = int(at.timestamp())
    common = {
        "version": version,
        "account-id": vpc.account,
        "interface-id": ident("eni", vpc.name, "odd"),
        "vpc-id": vpc.id,
        "region": vpc.region,
        "start": begin,
        "end": begin + 30,
        "action": "ACCEPT",
        "log-status": "OK",
        "type": "IPv4",
        "flow-direction": "ingress",
        "protocol": 6,
        "packets": 3,
        "bytes": 180,
        "srcport": 40000,
        "dstport": 443,
        "tcp-flags": 2,
    }
    local, remote = "2001:db8:1234:a102::4071", "2001:db8:ffff::f105"
    ping = {"protocol": 1, "srcport": 0, "dstport": 0, "tcp-flags": 0}
    rows: list[dict[str, Any]] = [
        {**common, "type": "IPv6", "srcaddr": remote, "dstaddr": local},
        {**common, **ping, "srcaddr": "198.51.100.9", "dstaddr": "10.0.0.9"},
        {**common, "srcaddr": "198.51.100.9", "dstaddr": "10.0.0.9", "bytes": None,
         "action": "REJECT", "reject-reason": "BPA"},
        {**common, "interface-id": None, "srcaddr": "10.0.0.9",
         "dstaddr": "198.51.100.9", "flow-direction": "egress", "traffic-path": 8,
         "resource-id": ident("nat", vpc.name, "regional"),
         "interface-type": "regional_nat_gateway"},
    ]  # fmt: skip
    for row in rows:
        row["pkt-srcaddr"], row["pkt-dstaddr"] = row["srcaddr"], row["dstaddr"]
    return as_columns(rows)


def transit(vpc: Vpc, at: datetime, count: int) -> dict[str, Any]:
    """Return Transit Gateway flow-log records, one of them lost for want of a route."""
    begin = int(at.timestamp())
    rows: list[dict[str, Any]] = [
        {
            "version": 6,
            "resource-type": "TransitGateway",
            "account-id": vpc.account,
            "tgw-id": ident("tgw", vpc.account),
            "tgw-attachment-id": ident("tgw-attach", vpc.name),
            "tgw-src-vpc-id": vpc.id,
            "srcaddr": f"10.0.{number % 200}.9",
            "dstaddr": f"10.1.{number % 200}.9",
            "srcport": 40_000 + number % 20_000,
            "dstport": 8443,
            "protocol": 6,
            "packets": 5,
            "bytes": 400,
            "start": begin + number % 240,
            "end": begin + number % 240 + 50,
            "log-status": "OK",
            "type": "IPv4",
            "packets-lost-no-route": 5 if number == 0 else 0,
            "packets-lost-blackhole": 0,
            "packets-lost-mtu-exceeded": 0,
            "packets-lost-ttl-expired": 0,
            "tcp-flags": 3,
            "region": vpc.region,
            "flow-direction": "ingress",
        }
        for number in range(count)
    ]
    return as_columns(rows)


def as_columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Turn a handful of records into columns."""
    names = sorted({name for row in rows for name in row})
    return {
        name: pa.array(
            [row.get(name) for row in rows],
            pa.int64() if name in _NUMBERS or "lost" in name else pa.string(),
        )
        for name in names
    }


def joined(*parts: dict[str, Any]) -> dict[str, Any]:
    """Return the records of several parts one after the other."""
    parts = tuple(part for part in parts if part)
    names = sorted({name for part in parts for name in part})
    joined_columns: dict[str, Any] = {}
    for name in names:
        type_ = next(part[name].type for part in parts if name in part)
        joined_columns[name] = pa.concat_arrays(
            [
                part[name].cast(type_)
                if name in part
                else pa.nulls(len(next(iter(part.values()))), type_)
                for part in parts
            ]
        )
    return joined_columns
