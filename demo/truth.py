"""The truth: what the world knows of each record that it wrote."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from demo.traffic import CAUSES, Legs, Plant

_CAUSE = pa.array([cause for cause, _ in CAUSES], pa.string())
_RULE = pa.array([rule for _, rule in CAUSES], pa.string())


def records(plant: Plant, legs: Legs, *, window: int, vpc: str) -> pa.Table:
    """Return one row a record, in the order of the records.

    Returns:
        The record's tuple, and for each side who it truly was (null: the internet);
        for a reject its true cause and rule; the packet stream that it belongs to.
    """
    raw = legs.columns
    addresses = pa.array(plant.addresses)
    columns: dict[str, Any] = {
        "vpc": pa.repeat(vpc, len(legs)),
        "interface_id": pa.array([i.id for i in plant.world.interfaces]).take(
            pa.array(raw["eni"])
        ),
        "src_address": addresses.take(pa.array(raw["pkt_src"])),
        "dst_address": addresses.take(pa.array(raw["pkt_dst"])),
        "srcport": pa.array(raw["srcport"]),
        "dstport": pa.array(raw["dstport"]),
        "packets": pa.array(raw["packets"]),
        "bytes": pa.array(raw["bytes"]),
        "start": pa.array(raw["start"]),
        "action": pa.array(np.where(raw["reject"] > 0, "REJECT", "ACCEPT")),
        "cause": _CAUSE.take(pa.array(raw["reject"])),
        "rule": _RULE.take(pa.array(raw["reject"])),
        "stream": pa.array(raw["stream"] + window * 10**9),
    }
    for side, ends in (("src", raw["source"]), ("dst", raw["target"])):
        chosen = pa.array(ends, mask=ends < 0)
        for name in ("kind", "workload", "namespace", "pod", "node"):
            values = pa.array([getattr(e, name) for e in plant.endpoints], pa.string())
            columns[f"{side}_{name}"] = values.take(chosen)
    return pa.table(columns)


def streams(rows: pa.Table) -> pa.Table:
    """Return one row a packet stream and direction: what was really sent.

    The bytes of a stream are those of any one of its records: every observer saw the
    same packets.
    """
    keys = ["stream", "src_address", "dst_address", "srcport", "dstport"]
    return rows.group_by(keys).aggregate(
        [
            ("packets", "max"),
            ("bytes", "max"),
            ("start", "min"),
            ("action", "max"),
            ("action", "count"),
        ]
    )
