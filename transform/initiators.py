"""Who opened each conversation: by flags, by the answers' flags, by listening ports."""

from __future__ import annotations

from typing import Any

import numpy as np

from transform import outcome as o
from transform.codes import distinct
from transform.enrich import Attributed
from transform.judge import by_flags
from transform.records import numbers
from transform.streams import Streams

NOBODY, SRC_SIDE, DST_SIDE = -1, 0, 1


def initiators(attributed: Attributed, streams: Streams) -> Any:
    """Return who opened it as far as flags and listening ports tell; int8 codes."""
    own = by_flags(attributed, numbers(attributed.records.rows, "tcp_flags"))
    found = _of_conversation(streams, own)
    return _by_listening(streams, found)


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


def _by_listening(streams: Streams, found: Any) -> Any:
    """Complete by who is known to listen at an address and port."""
    ends = distinct(
        np.concatenate([streams.src, streams.dst]),
        np.concatenate([streams.srcport, streams.dstport]),
        np.concatenate([streams.protocol, streams.protocol]),
    )[1]
    size = len(found)
    src, dst = ends[:size], ends[size:]
    listens = np.zeros(int(ends.max()) + 1 if size else 0, dtype=bool)
    listens[dst[found == o.BY_SRC]] = True
    listens[src[found == o.BY_DST]] = True
    open_ = found < 0
    to_server = open_ & listens[dst] & ~listens[src]
    from_server = open_ & listens[src] & ~listens[dst]
    return np.select([to_server, from_server], [o.BY_SRC, o.BY_DST], found).astype(
        np.int8
    )
