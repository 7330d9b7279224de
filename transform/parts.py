"""Cutting the rows of an hour into parts, so that no conversation is cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from transform.enrich import Attributed
from transform.records import Records, numbers, read_records

_ODD = np.uint64(0x9E3779B97F4A7C15)


def part_of(rows: pa.Table, parts: int, clients: Any, *, by_address: bool) -> Any:
    """Return for each row which part its conversation is in.

    It goes by the address and port of the client of a load balancer, else of the end
    with the higher port: so both directions come together, and so do the conversations
    before and behind a load balancer that keeps the client's. One address pair with
    much traffic is spread.

    Args:
        rows: Of `flows`.
        parts: How many there are.
        clients: See `clients_of`; sorted.
        by_address: Go by the address too; not where records lack the packet's, since
            each end then shows another one.
    """
    src, dst = ends = _ends(read_records(rows), by_address=by_address)
    ports = numbers(rows, "srcport"), numbers(rows, "dstport")
    is_src = (ports[0] > ports[1]) | ((ports[0] == ports[1]) & (src > dst))
    of_src, of_dst = (_among(clients, end) for end in ends)
    end = np.where(np.where(of_src == of_dst, is_src, of_src), src, dst)
    return ((end >> np.uint64(32)) % np.uint64(parts)).astype(np.int64)


def clients_of(attributed: Attributed, *, by_address: bool) -> Any:
    """Return the ends that spoke to load balancers which keep the client's address.

    Returns:
        Distinct uint64 numbers, sorted; of any size, a few for each client.
    """
    to, of = attributed.dst.forwards >= 0, attributed.src.forwards >= 0
    if not (to.any() or of.any()):
        return np.array([], np.uint64)
    src, dst = _ends(attributed.records, by_address=by_address)
    return np.unique(np.concatenate([src[to], dst[of]]))


def _ends(records: Records, *, by_address: bool) -> tuple[Any, Any]:
    """Return source and destination, address and port, as numbers; uint64."""
    found = []
    names = "srcport", "dstport"
    columns = records.src, records.dst
    for name, column, known in zip(names, columns, records.addresses, strict=True):
        port = numbers(records.rows, name).astype(np.uint64)
        mixed = np.append(known.high * _ODD ^ known.low, np.uint64(0))[column.codes]
        end = mixed if by_address else np.uint64(0)
        found.append((end ^ (port * _ODD)) * _ODD)
    return found[0], found[1]


def _among(known: Any, asked: Any) -> Any:
    """Return which numbers are among sorted ones."""
    if len(known) == 0:
        return np.zeros(len(asked), dtype=bool)
    place = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    return known[place] == asked
