"""Cutting the rows of an hour into parts, so that no conversation is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from transform.enrich import Attributed
from transform.public import ODD, Publics, among, mixed, publics_of, united
from transform.records import Records, numbers, read_records

NO_ENDS = np.array([], np.uint64)


@dataclass(frozen=True, slots=True)
class Ends:
    """Whose records are of one conversation though they show other ends.

    Attributes:
        clients: Ends that spoke to load balancers which keep the client's address:
            distinct uint64 numbers, sorted; of any size, a few for each client.
        publics: Who speaks by public addresses of ours.
    """

    clients: Any
    publics: Publics


def together(parts: Sequence[Ends]) -> Ends:
    """Put together what parts of the rows tell."""
    clients = [NO_ENDS, *(part.clients for part in parts)]
    return Ends(np.unique(np.concatenate(clients)), united([p.publics for p in parts]))


def part_of(rows: pa.Table, parts: int, ends: Ends, *, by_address: bool) -> Any:
    """Return for each row which part its conversation is in.

    It goes by the address and port of the client of a load balancer, else of the end
    with the higher port: so both directions come together, and so do the conversations
    before and behind a load balancer that keeps the client's. One address pair with
    much traffic is spread. What goes to a public address of ours goes by interfaces.

    Args:
        rows: Of `flows`.
        parts: How many there are.
        ends: Of all the hour's rows.
        by_address: Go by the address too; not where records lack the packet's, since
            each end then shows another one.
    """
    records = read_records(rows)
    src, dst = both = _ends(records, by_address=by_address)
    ports = numbers(rows, "srcport"), numbers(rows, "dstport")
    is_src = (ports[0] > ports[1]) | ((ports[0] == ports[1]) & (src > dst))
    of_src, of_dst = (among(ends.clients, end) for end in both)
    end = np.where(np.where(of_src == of_dst, is_src, of_src), src, dst)
    spoken = ends.publics.spoken(records)
    if spoken is not None:
        end = np.where(spoken >= 0, spoken.astype(np.uint64) * ODD * ODD, end)
    return ((end >> np.uint64(32)) % np.uint64(parts)).astype(np.int64)


def ends_of(attributed: Attributed, *, by_address: bool) -> Ends:
    """Return what some rows tell of ends that others show otherwise."""
    return Ends(_clients(attributed, by_address=by_address), publics_of(attributed))


def _clients(attributed: Attributed, *, by_address: bool) -> Any:
    to, of = attributed.dst.forwards >= 0, attributed.src.forwards >= 0
    if not (to.any() or of.any()):
        return NO_ENDS
    src, dst = _ends(attributed.records, by_address=by_address)
    return np.unique(np.concatenate([src[to], dst[of]]))


def _ends(records: Records, *, by_address: bool) -> tuple[Any, Any]:
    """Return source and destination, address and port, as numbers; uint64."""
    found = []
    names = "srcport", "dstport"
    columns = records.src, records.dst
    for name, column, known in zip(names, columns, records.addresses, strict=True):
        port = numbers(records.rows, name).astype(np.uint64)
        end = mixed(known)[column.codes] if by_address else np.uint64(0)
        found.append((end ^ (port * ODD)) * ODD)
    return found[0], found[1]
