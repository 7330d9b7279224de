"""From records to AWS's fields: every one that a flow log may ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from demo.network.atlas import NOBODY, SERVICES, Atlas
from demo.network.ground import Interface
from demo.network.logs import Subscription
from demo.network.recording import Records
from demo.network.streams import REASONS, Window

_TYPES = {
    "nat_gateway": "nat_gateway",
    "network_load_balancer": "network_load_balancer",
    "regional_nat_gateway": "regional_nat_gateway",
    "transit_gateway": "transit_gateway",
    "vpc_endpoint": "vpc_endpoint",
    "gateway_load_balancer_endpoint": "vpc_endpoint",
}
_SILENT_SENDERS = ("transit_gateway", "network_load_balancer")  # no next hop from them


class Names:
    """What an interface is called in each field; arrays over the interfaces."""

    def __init__(self, atlas: Atlas) -> None:
        ground = atlas.ground
        vpcs = ground.vpcs

        def each(value: Callable[[Interface], str | None]) -> Any:
            return pa.array([value(i) for i in ground.interfaces], pa.string())

        self.addresses = pa.array(atlas.addresses, pa.string())
        self.id = each(lambda i: i.id or None)
        self.observer = each(lambda i: i.id or i.resource)
        self.resource = each(lambda i: i.resource)
        self.subnet = each(lambda i: None if i.resource else i.subnet.id)
        self.instance = each(lambda i: i.instance)
        self.zone = each(lambda i: i.subnet.zone)
        self.vpc = each(lambda i: vpcs[i.vpc].id)
        self.account = each(lambda i: vpcs[i.vpc].account)
        self.written_account = each(
            lambda i: "unknown" if i.kind == "vpc_endpoint" else vpcs[i.vpc].account
        )
        self.type = each(lambda i: _TYPES.get(i.kind))
        self.silent = np.array([i.kind in _SILENT_SENDERS for i in ground.interfaces])
        self.realm = np.array(
            [sorted(vpcs).index(i.vpc) for i in ground.interfaces], int
        )
        self.owner = np.array([int(vpcs[i.vpc].account) for i in ground.interfaces])
        tasks = sorted({name for i in ground.interfaces for name, _ in i.ecs})
        self.ecs = {name: each(lambda i, n=name: dict(i.ecs).get(n)) for name in tasks}  # type: ignore[misc]


def columns_of(
    atlas: Atlas, names: Names, window: Window, records: Records, log: Subscription
) -> dict[str, Any]:
    """Return every AWS field of some records of a log, null where AWS has ``-``."""
    passes = {n: c[records["pass"]] for n, c in window.passes.items()}
    interface = pa.array(passes["interface"])
    rows = len(records)
    region = log.delivery.vpc.region
    known: dict[str, Any] = {
        "version": pa.repeat(pa.scalar(log.version, pa.int64()), rows),
        "account-id": names.written_account.take(interface),
        "interface-id": names.id.take(interface),
        "resource-id": names.resource.take(interface),
        "srcaddr": names.addresses.take(pa.array(records["source"])),
        "dstaddr": names.addresses.take(pa.array(records["target"])),
        "srcport": pa.array(passes["source_port"]),
        "dstport": pa.array(passes["target_port"]),
        "protocol": pa.array(passes["protocol"]),
        "packets": pa.array(records["packets"]),
        "bytes": pa.array(records["bytes"], mask=passes["reason"] == 1),
        "start": pa.array(records["start"]),
        "end": pa.array(records["end"]),
        "action": pa.array(np.where(passes["reject"], "REJECT", "ACCEPT")),
        "log-status": pa.repeat("OK", rows),
        "vpc-id": names.vpc.take(interface),
        "subnet-id": names.subnet.take(interface),
        "instance-id": names.instance.take(interface),
        "tcp-flags": pa.array(records["flags"]),
        "type": pa.array(np.where(atlas.v6[passes["source"]], "IPv6", "IPv4")),
        "pkt-srcaddr": names.addresses.take(pa.array(passes["source"])),
        "pkt-dstaddr": names.addresses.take(pa.array(passes["target"])),
        "region": pa.repeat(region, rows),
        "az-id": names.zone.take(interface),
        "flow-direction": pa.array(np.where(passes["egress"], "egress", "ingress")),
        "traffic-path": pa.array(passes["path"], mask=passes["path"] == 0),
        "pkt-src-aws-service": _service(atlas, passes["source"]),
        "pkt-dst-aws-service": _service(atlas, passes["target"]),
        "reject-reason": pa.array(REASONS, pa.string()).take(
            pa.array(passes["reason"])
        ),
        "encryption-status": pa.repeat(pa.scalar(0, pa.int64()), rows),
        "interface-type": names.type.take(interface),
    }
    for name, values in names.ecs.items():
        known[name] = values.take(interface)
    return known | _next_hop(names, passes)


def _service(atlas: Atlas, address: Any) -> Any:
    number = atlas.service[address]
    services = pa.array([name for name, _, _ in SERVICES])
    return services.take(pa.array(number, mask=number == NOBODY))


def _next_hop(names: Names, passes: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of version 11 on the interface at the other side.

    Source:
        AWS VPC User Guide, "Flow log limitations": not from an interface of another
        account, but its zone; nor for what a transit gateway or an NLB hands on.
    """
    other = passes["next"]
    missing = other == NOBODY
    missing |= ~passes["egress"] & names.silent[other]
    foreign = names.owner[other] != names.owner[passes["interface"]]
    near = pa.array(other, mask=missing)
    own = pa.array(other, mask=missing | foreign)
    return {
        "next-hop-interface-id": names.id.take(own),
        "next-hop-subnet-id": names.subnet.take(own),
        "next-hop-az-id": names.zone.take(near),
        "next-hop-vpc-id": names.vpc.take(own),
        "next-hop-interface-type": names.type.take(own),
    }
