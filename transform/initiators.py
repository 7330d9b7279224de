"""Who opened each conversation: by flags, by the answers' flags, by listening ports."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from transform import outcome as o
from transform.codes import coded, distinct, merged
from transform.enrich import Attributed
from transform.judge import by_flags
from transform.records import numbers
from transform.streams import Streams

NOBODY, SRC_SIDE, DST_SIDE = -1, 0, 1


def initiators(attributed: Attributed, streams: Streams, servers: pa.Table) -> Any:
    """Return who opened it as far as flags and listening ports tell; int8 codes.

    Args:
        attributed: The rows, whole conversations.
        streams: Theirs.
        servers: See `transform.facts.Facts`.
    """
    own = by_flags(attributed, numbers(attributed.records.rows, "tcp_flags"))
    found = _of_conversation(streams, own)
    return _by_listening(attributed, streams, found, servers)


def _of_conversation(streams: Streams, own: Any) -> Any:
    """Complete each conversation by its records with flags, where these agree."""
    forward = streams.tuple_ <= streams.reverse
    low = np.minimum(streams.tuple_, streams.reverse)
    size = int(low.max()) + 1 if len(low) else 0
    said = own >= 0
    by_first = said & ((own == o.BY_SRC) == forward)
    by_second = said & ~by_first
    first, second = np.zeros(size, dtype=bool), np.zeros(size, dtype=bool)
    first[low[by_first]] = True
    second[low[by_second]] = True
    agreed = np.where(first & ~second, 0, np.where(second & ~first, 1, NOBODY))[low]
    told = np.where(
        agreed < 0, o.NULL, np.where((agreed == 0) == forward, o.BY_SRC, o.BY_DST)
    )
    return np.where(said, own, told).astype(np.int8)


def _by_listening(
    attributed: Attributed, streams: Streams, found: Any, servers: pa.Table
) -> Any:
    """Complete by who is known to listen at an address and port."""
    if servers.num_rows == 0:
        return found
    records = attributed.records
    _, (src, dst, known) = merged(records.src, records.dst, coded(servers["address"]))
    ports = np.asarray(servers["port"]), np.asarray(servers["protocol"])
    ends = distinct(
        np.concatenate([src, dst, known]),
        np.concatenate([streams.srcport, streams.dstport, ports[0]]),
        np.concatenate([streams.protocol, streams.protocol, ports[1]]),
    )[1]
    size = len(found)
    listens = np.zeros(int(ends.max()) + 1, dtype=bool)
    listens[ends[2 * size :]] = True
    at_src, at_dst = listens[ends[:size]], listens[ends[size : 2 * size]]
    open_ = found < 0
    return np.select(
        [open_ & at_dst & ~at_src, open_ & at_src & ~at_dst],
        [o.BY_SRC, o.BY_DST],
        found,
    ).astype(np.int8)
