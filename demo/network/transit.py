"""What the transit gateway's own flow log writes: entry and exit at its attachments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from demo import world as small
from demo.network.fields import Names
from demo.network.fixtures import resource_id
from demo.network.ground import Ground
from demo.network.inventory.network import PARTNER_ACCOUNT
from demo.network.recording import totals
from demo.network.streams import Window
from demo.objects import FlowLog
from demo.odd import TGW_FIELDS

HOME = "shop"


def flow_log(ground: Ground) -> FlowLog:
    """Return the flow log of the transit gateway."""
    vpc = ground.vpcs[HOME]
    place = small.Vpc(vpc.id, vpc.account, vpc.region, vpc.cidrs[0], (), HOME)
    return FlowLog(
        ground.id("fl", "transit"), place, TGW_FIELDS, "hive", organization="o-demo"
    )


def columns_of(ground: Ground, names: Names, window: Window) -> dict[str, Any]:
    """Return a record for each stream and attachment that it came in or went out by.

    Source:
        AWS Transit Gateway guide, "Transit Gateway Flow Log records".
    """
    kinds = np.array([i.kind == "transit_gateway" for i in ground.interfaces])
    chosen = np.flatnonzero(kinds[window.passes["interface"]])
    passes = {name: column[chosen] for name, column in window.passes.items()}
    stream, interface = passes["stream"], passes["interface"]
    egress = passes["egress"]
    sent = {name: column[stream] for name, column in totals(window).items()}
    rows = len(chosen)
    attachment = pa.array(
        [
            resource_id(ground, "transit_gateway", i.vpc, "tgw")
            for i in ground.interfaces
        ]
    )
    here = attachment.take(pa.array(interface))
    known: dict[str, Any] = {
        "version": pa.repeat(pa.scalar(6, pa.int64()), rows),
        "resource-type": pa.repeat("TransitGateway", rows),
        "account-id": names.account.take(pa.array(interface)),
        "tgw-id": pa.repeat(ground.id("tgw", "main"), rows),
        "tgw-attachment-id": here,
        "srcaddr": names.addresses.take(pa.array(passes["source"])),
        "dstaddr": names.addresses.take(pa.array(passes["target"])),
        "srcport": pa.array(passes["source_port"]),
        "dstport": pa.array(passes["target_port"]),
        "protocol": pa.array(passes["protocol"]),
        "packets": pa.array(sent["packets"]),
        "bytes": pa.array(sent["bytes"]),
        "start": pa.array(sent["first"]),
        "end": pa.array(sent["last"]),
        "log-status": pa.repeat("OK", rows),
        "type": pa.repeat("IPv4", rows),
        "tcp-flags": pa.array(sent["flags"]),
        "region": pa.repeat(ground.vpcs[HOME].region, rows),
        "flow-direction": pa.array(np.where(egress, "egress", "ingress")),
    }
    for name in ("no-route", "blackhole", "mtu-exceeded", "ttl-expired"):
        known[f"packets-lost-{name}"] = pa.repeat(pa.scalar(0, pa.int64()), rows)
    return known | _sides(names, stream, interface, egress)


def _sides(names: Names, stream: Any, interface: Any, egress: Any) -> dict[str, Any]:
    """Return what is said of the VPCs at both sides; the partner's is not known."""
    sides: dict[str, Any] = {}
    for side, there in (("src", ~egress), ("dst", egress)):
        at = dict(zip(stream[there].tolist(), interface[there].tolist(), strict=True))
        found = np.array([at.get(s, -1) for s in stream.tolist()], int)
        ours = pa.array(found, mask=found < 0)
        account = names.account.take(ours)
        sides |= {
            f"tgw-{side}-vpc-account-id": pa.compute.fill_null(
                account, PARTNER_ACCOUNT
            ),
            f"tgw-{side}-vpc-id": names.vpc.take(ours),
            f"tgw-{side}-subnet-id": names.subnet.take(ours),
            f"tgw-{side}-eni": names.id.take(ours),
            f"tgw-{side}-az-id": names.zone.take(ours),
        }
    return sides
