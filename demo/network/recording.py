"""What AWS writes of packets that pass an interface: the rules, and nothing else.

Source:
    AWS VPC User Guide, "Flow log records", "Flow log limitations", "Flow log record
    examples".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from demo.network.atlas import Atlas
from demo.network.streams import GENEVE_BYTES, Window

BLUR_S = 60


@dataclass(slots=True)
class Records:
    """Records as arrays; one element a record.

    Attributes:
        columns: ``log``, ``pass`` (its passing), ``stream``, ``source`` and ``target``
            as the record shows them, ``packets``, ``bytes``, ``start``, ``end``,
            ``flags``.
    """

    columns: dict[str, Any]

    def __len__(self) -> int:
        return len(self.columns["log"])

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]

    def take(self, order: Any) -> Records:
        """Return some of the records in some order."""
        return Records({name: column[order] for name, column in self.columns.items()})


def shown(atlas: Atlas, passes: dict[str, Any]) -> tuple[Any, Any]:
    """Return srcaddr and dstaddr: the interface shows its own primary address.

    A regional NAT gateway has no interface and shows the packet's; so does IPv6, whose
    addresses are all of one rank.
    """
    interface, egress = passes["interface"], passes["egress"]
    own = atlas.primary[interface]
    plain = atlas.regional[interface] | atlas.v6[passes["source"]]
    source = np.where(egress & ~plain, own, passes["source"])
    target = np.where(egress | plain, passes["target"], own)
    return source, target


def record(
    atlas: Atlas,
    window: Window,
    cover: tuple[Any, Any, Any],
    skipped: Any,
    random: Any,
) -> Records:
    """Return the records that the flow logs write of a window.

    Args:
        atlas: The world.
        window: What was sent.
        cover: Which log holds which interface for ACCEPT and REJECT, and its interval.
        skipped: Interfaces that skip their records now.
        random: Blurs start and end, by up to a minute; None: nothing does.
    """
    accepts, rejects, seconds = cover
    passes = window.passes
    interface, reject = passes["interface"], passes["reject"]
    heard = ~np.isin(interface, skipped)
    sums = totals(window)
    parts = []
    for log in range(len(accepts)):
        logged = np.where(reject, rejects[log, interface], accepts[log, interface])
        chosen = np.flatnonzero(logged & heard)
        coarse = seconds[log, interface[chosen]] > BLUR_S
        parts.append(_of_log(window, sums, log, chosen, coarse))
    joined = {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
    records = Records(joined)
    _blur(records, window, random)
    source, target = shown(atlas, passes)
    records.columns["source"] = source[records["pass"]]
    records.columns["target"] = target[records["pass"]]
    return records


def _of_log(
    window: Window, sums: dict[str, Any], log: int, chosen: Any, coarse: Any
) -> dict[str, Any]:
    """Return a record for each piece of the streams, or for each whole stream."""
    streams, pieces = window.streams, window.pieces
    stream = window.passes["stream"][chosen]
    begin, count = streams["first_piece"][stream], streams["count"][stream]
    times = np.where(coarse, 1, count)
    row = np.repeat(np.arange(len(chosen)), times)
    offset = np.arange(len(row)) - np.repeat(np.cumsum(times) - times, times)
    piece = begin[row] + offset
    whole = coarse[row]
    made: dict[str, Any] = {
        "log": np.full(len(row), log),
        "pass": chosen[row],
        "stream": stream[row],
    }
    for name in ("first", "last", "packets", "bytes", "flags"):
        made[name] = np.where(whole, sums[name][stream[row]], pieces[name][piece])
    wrapped = window.passes["wraps"][made["pass"]]
    made["bytes"] = made["bytes"] + wrapped * made["packets"] * GENEVE_BYTES
    made["flags"] = np.where(wrapped, 0, made["flags"])
    return made


def totals(window: Window) -> dict[str, Any]:
    """Return each stream's pieces in one: what a longer interval shows."""
    pieces, begin = window.pieces, window.streams["first_piece"]
    return {
        "first": np.minimum.reduceat(pieces["first"], begin),
        "last": np.maximum.reduceat(pieces["last"], begin),
        "packets": np.add.reduceat(pieces["packets"], begin),
        "bytes": np.add.reduceat(pieces["bytes"], begin),
        "flags": np.bitwise_or.reduceat(pieces["flags"], begin),
    }


def _blur(records: Records, window: Window, random: Any) -> None:
    """Set start and end: up to a minute after the packets, the same all along a talk.

    A talk's records of one log and interface move together, so that their order stays.
    """
    columns = records.columns
    if random is None:
        columns["start"], columns["end"] = columns.pop("first"), columns.pop("last")
        return
    talk = window.streams["talk"][columns["stream"]]
    interface = window.passes["interface"][columns["pass"]]
    draws = random.integers(0, BLUR_S, 4096, endpoint=True)
    draws[random.random(4096) < 0.6] = 0
    key = talk * 7919 + interface * 104_729 + columns["log"] * 31
    columns["start"] = columns.pop("first") + draws[key % 4096]
    late = np.maximum(columns.pop("last"), columns["start"])
    columns["end"] = late + draws[(key * 3 + 1) % 4096] // 2
