"""Cutting the rows of an hour into parts, so that no conversation is cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from transform.records import numbers, read_records

_ODD = np.uint64(0x9E3779B97F4A7C15)


def part_of(rows: pa.Table, parts: int, *, by_address: bool) -> Any:
    """Return for each row which part its conversation is in.

    It goes by the address and port of the end with the higher port, which is the
    client's as a rule: so both directions come together, and so do the conversations
    before and behind a load balancer that keeps the client's. One address pair with
    much traffic is spread.

    Args:
        rows: Of `flows`.
        parts: How many there are.
        by_address: Go by the address too; not where records lack the packet's, since
            each end then shows another one.
    """
    ports = numbers(rows, "srcport"), numbers(rows, "dstport")
    if not by_address:
        return _part(np.maximum(*ports), np.uint64(0), parts)
    records = read_records(rows)
    ends = []
    columns = records.src, records.dst
    for column, known in zip(columns, records.addresses, strict=True):
        mixed = np.append(known.high * _ODD ^ known.low, np.uint64(0))
        ends.append(mixed[column.codes])
    is_src = (ports[0] > ports[1]) | ((ports[0] == ports[1]) & (ends[0] > ends[1]))
    end = np.where(is_src, ends[0], ends[1])
    return _part(np.where(is_src, *ports), end, parts)


def _part(port: Any, end: Any, parts: int) -> Any:
    mixed = (end ^ (port.astype(np.uint64) * _ODD)) * _ODD
    return ((mixed >> np.uint64(32)) % np.uint64(parts)).astype(np.int64)
