"""The truth: what was really sent, by whom, and what each record is a record of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from demo.network.atlas import NOBODY, SERVICES, Atlas
from demo.network.fields import Names
from demo.network.logs import Subscription
from demo.network.recording import Records
from demo.network.scenarios import ALL, ICMP
from demo.network.streams import LABELS, Window

STREAMS_A_WINDOW = 10**9
_PARTY = ("kind", "name", "cluster", "namespace", "workload", "pod", "node")


class Parties:
    """Who the parties are, as Arrow columns to take from."""

    def __init__(self, atlas: Atlas, names: Names) -> None:
        some = atlas.ground.parties
        self.columns: dict[str, Any] = {
            n: pa.array([getattr(p, n) for p in some], pa.string()) for n in _PARTY
        }
        interface = pa.array(atlas.interface)
        hosts = [n if p.node_party < 0 else p.node_party
                 for n, p in enumerate(some)]  # fmt: skip
        self.columns |= {
            "instance": names.instance.take(pa.array(atlas.interface[hosts])),
            "eni": names.id.take(interface),
            "subnet": names.subnet.take(interface),
            "vpc": names.vpc.take(interface),
        }
        kinds: list[str | None] = [None] * len(atlas.addresses)
        for pool, numbers in atlas.outside.items():
            kind = _OUTSIDE.get(pool, "aws_service")
            for number in numbers:
                kinds[number] = kind
        self.outside = pa.array(kinds, pa.string())

    def of(self, side: str, party: Any, address: Any) -> dict[str, Any]:
        """Return one side's columns; nobody's address is internet, service or peer."""
        chosen = pa.array(party, mask=party == NOBODY)
        made = {f"{side}_{n}": c.take(chosen) for n, c in self.columns.items()}
        outside = self.outside.take(pa.array(address))
        made[f"{side}_kind"] = pa.compute.coalesce(made[f"{side}_kind"], outside)
        return made


_OUTSIDE = {
    "internet": "internet",
    "internet6": "internet",
    "scanner": "internet",
    "blocked": "internet",
    "partner": "unknown_private",
    "partner-far": "unknown_private",
    "on-premises": "on_premises",
} | {name: "aws_service" for name, _, _ in SERVICES}


def records_of(
    atlas: Atlas,
    names: Names,
    parties: Parties,
    window: Window,
    records: Records,
    logs: list[Subscription],
    number: int,
) -> pa.Table:
    """Return a row a record, in the records' order.

    Returns:
        The record as it stands (``start``, ``end`` in seconds), its passing (``hop``),
        the ``stream`` that it belongs to, and for each side who held the address that
        the packet had there, at that time; ``handover_s``: how near, in seconds, the
        record is to a change of either address's holder, null if none ever changes.
    """
    passes = {n: c[records["pass"]] for n, c in window.passes.items()}
    streams = {n: c[records["stream"]] for n, c in window.streams.items()}
    holders = passes["source_holder"], passes["target_holder"]
    near = [
        atlas.nearest_handover(h, records["start"], records["end"]) for h in holders
    ]
    nearest = np.fmin(*near)
    interface = pa.array(passes["interface"])
    scenarios = pa.array([s.name for s in ALL])
    columns: dict[str, Any] = {
        "observer": names.observer.take(interface),
        "flow_log_id": pa.array([s.delivery.id for s in logs]).take(
            pa.array(records["log"])
        ),
        "vpc": names.vpc.take(interface),
        "direction": pa.array(np.where(passes["egress"], "egress", "ingress")),
        "srcaddr": names.addresses.take(pa.array(records["source"])),
        "dstaddr": names.addresses.take(pa.array(records["target"])),
        "src_address": names.addresses.take(pa.array(passes["source"])),
        "dst_address": names.addresses.take(pa.array(passes["target"])),
        "srcport": pa.array(passes["source_port"], pa.int32()),
        "dstport": pa.array(passes["target_port"], pa.int32()),
        "protocol": pa.array(passes["protocol"], pa.int32()),
        "packets": pa.array(records["packets"]),
        "bytes": pa.array(records["bytes"], mask=passes["reason"] == 1),
        "start": pa.array(records["start"]),
        "end": pa.array(records["end"]),
        "action": pa.array(np.where(passes["reject"], "REJECT", "ACCEPT")),
        "hop": pa.array(LABELS).take(pa.array(passes["label"])),
        "scenario": scenarios.take(pa.array(streams["scenario"])),
        "stream": pa.array(records["stream"] + number * STREAMS_A_WINDOW),
        "handover_s": pa.array(nearest, mask=np.isnan(nearest)),
    }
    for side, holder in zip(("source", "target"), holders, strict=True):
        short = "src" if side == "source" else "dst"
        columns |= parties.of(short, holder, passes[side])
    return pa.table(columns)


def streams_of(
    atlas: Atlas,
    names: Names,
    parties: Parties,
    window: Window,
    records: Records,
    cover: tuple[Any, Any, Any],
    number: int,
) -> pa.Table:
    """Return a row a stream: one direction of a conversation in one interval.

    Returns:
        Its true ends, who they are, its packets and bytes as sent, first and last
        second; ``fate``, ``cause`` and ``rule``; ``client`` (src or dst) and the
        server's port; ``seen_by`` records, ``logged`` if any interface on its way is
        in a flow log; ``expected``: what a perfect report can know, and ``why``.
    """
    streams, pieces = window.streams, window.pieces
    count = len(streams["talk"])
    begin = streams["first_piece"]
    accepts, rejects, _ = cover
    held = (accepts | rejects).any(axis=0)
    logged = np.zeros(count, bool)
    np.logical_or.at(logged, window.passes["stream"], held[window.passes["interface"]])
    start = np.minimum.reduceat(pieces["first"], begin)
    icmp = streams["protocol"] == ICMP
    port = np.where(streams["reply"], streams["source_port"], streams["target_port"])
    outcome = pa.array(streams["outcome"])

    def told(name: str) -> Any:
        values = [getattr(o, name) or None for o in window.outcomes]
        return pa.array(values, pa.string()).take(outcome)

    columns: dict[str, Any] = {
        "stream": pa.array(np.arange(count) + number * STREAMS_A_WINDOW),
        "talk": pa.array(streams["talk"] + number * STREAMS_A_WINDOW),
        "scenario": pa.array([s.name for s in ALL]).take(pa.array(streams["scenario"])),
        "hour": pa.array(start // 3600 * 3600).cast(pa.timestamp("s", "UTC")),
        "src_address": names.addresses.take(pa.array(streams["source_address"])),
        "dst_address": names.addresses.take(pa.array(streams["target_address"])),
        "srcport": pa.array(streams["source_port"], pa.int32()),
        "dstport": pa.array(streams["target_port"], pa.int32()),
        "protocol": pa.array(streams["protocol"], pa.int32()),
        "packets": pa.array(np.add.reduceat(pieces["packets"], begin)),
        "bytes": pa.array(np.add.reduceat(pieces["bytes"], begin)),
        "start": pa.array(start),
        "end": pa.array(np.maximum.reduceat(pieces["last"], begin)),
        "fate": told("fate"),
        "expected": told("expected"),
        "cause": told("cause"),
        "rule": told("rule"),
        "why": told("why"),
        "client": pa.array(np.where(streams["reply"], "dst", "src")),
        "service_port": pa.array(port, pa.int32(), mask=icmp),
        "seen_by": pa.array(np.bincount(records["stream"], minlength=count)),
        "logged": pa.array(logged),
    }
    columns |= parties.of("src", streams["source"], streams["source_address"])
    columns |= parties.of("dst", streams["target"], streams["target_address"])
    return pa.table(columns)
