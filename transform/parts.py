"""Cutting the rows of an hour into parts, so that no conversation is cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from transform.records import numbers, read_records

_ODD = np.uint64(0x9E3779B97F4A7C15)


def part_of(rows: pa.Table, parts: int) -> Any:
    """Return for each row which part its conversation is in.

    It goes by the address and port of the end with the higher port, which is the
    client's as a rule: so both directions come together, and so do the conversations
    before and behind a load balancer that keeps the client's. One address pair with
    much traffic is spread.

    Args:
        rows: Of `flows`.
        parts: How many there are.
    """
    records = read_records(rows)
    ends = []
    for column, known in zip(
        (records.src, records.dst), records.addresses, strict=True
    ):
        mixed = np.append(known.high * _ODD ^ known.low, np.uint64(0))
        ends.append(mixed[column.codes])
    ports = numbers(rows, "srcport"), numbers(rows, "dstport")
    is_src = (ports[0] > ports[1]) | ((ports[0] == ports[1]) & (ends[0] > ends[1]))
    end = np.where(is_src, ends[0], ends[1])
    port = np.where(is_src, ports[0], ports[1]).astype(np.uint64)
    mixed = (end ^ (port * _ODD)) * _ODD
    return ((mixed >> np.uint64(32)) % np.uint64(parts)).astype(np.int64)
