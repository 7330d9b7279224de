"""The flow logs of the world: of what, in which format, for which action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from demo import world as small
from demo.network.atlas import Atlas
from demo.network.ground import Ground, Interface
from demo.objects import V2, V3, V5, V11, FlowLog
from lake.schema import VPC_FIELDS

_SINCE = {f.aws: f.since or 0 for f in VPC_FIELDS}
REGIONAL = (*V5, "resource-id", "interface-type")


@dataclass(frozen=True, slots=True)
class Subscription:
    """A flow log.

    Attributes:
        of: (VPC,), (VPC, subnet) or (VPC, role, number): what it logs.
        traffic: ALL, ACCEPT or REJECT.
        interval: The longest aggregation interval that was asked for; seconds.
        created: Seconds since 1970.
    """

    delivery: FlowLog
    of: tuple[str, ...]
    resource: str
    traffic: str = "ALL"
    interval: int = 60
    created: int = 0

    @property
    def version(self) -> int:
        """The highest version among its fields, as AWS writes it."""
        return max(_SINCE[name] for name in self.delivery.fields)


_PLAN: tuple[tuple[tuple[str, ...], tuple[str, ...], str, int, str], ...] = (
    # of, fields, traffic, interval, layout
    (("shop",), V5, "ALL", 60, "plain"),
    (("shop", "subnet", "old"), V5, "ALL", 600, "hourly"),  # the VPC's log again
    (("shop", "interface", "bastion", "0"), V5, "REJECT", 60, "plain"),  # overlapping
    (("data",), V11, "ALL", 60, "hive-hourly"),
    (("data", "interface", "regional-nat", "0"), REGIONAL, "ALL", 60, "plain"),
    (("partial", "subnet", "seen"), V5, "ALL", 60, "hive"),
    (("partial", "interface", "acceptor", "0"), V5, "ACCEPT", 60, "hive"),
    (("partial", "interface", "acceptor", "1"), V5, "ACCEPT", 60, "hive"),
    (("partial", "interface", "rejecter", "0"), V5, "REJECT", 60, "hive"),
    (("partial", "interface", "rejecter", "1"), V5, "REJECT", 60, "hive"),
    (("partial", "interface", "complement", "0"), V5, "ACCEPT", 60, "hive"),
    (("partial", "interface", "complement", "0"), V5, "REJECT", 60, "hive"),
    (("partial", "interface", "complement", "1"), V5, "ACCEPT", 60, "hive"),
    (("partial", "interface", "complement", "1"), V5, "REJECT", 60, "hive"),
    (("inspection",), V5, "ALL", 60, "plain"),
    (("twin",), V3, "ALL", 60, "plain"),
    (("legacy",), V2, "ALL", 60, "hourly"),
)


_NO_PACKET = tuple(f for f in V5 if not f.endswith("addr") or "pkt" not in f)
_LAB: tuple[tuple[tuple[str, ...], tuple[str, ...], str, int, str], ...] = (
    (("lab", "subnet", "nodes"), _NO_PACKET, "ALL", 60, "plain"),
    (("lab", "subnet", "rejects"), V5, "REJECT", 60, "plain"),
    (("lab", "subnet", "doubled"), V5, "ALL", 60, "plain"),
    (("lab", "subnet", "doubled"), (*V5, "ecs-task-id"), "ALL", 60, "hourly"),
    (("lab", "interface", "regional-nat", "0"), V5, "ALL", 60, "plain"),
)


def subscriptions(ground: Ground, atlas: Atlas) -> list[Subscription]:
    """Return the flow logs of a world."""
    made = []
    plan = (*_PLAN, *_LAB) if "lab" in ground.vpcs else _PLAN
    for number, (of, fields, traffic, interval, layout) in enumerate(plan):
        home = ground.vpcs[of[0]]
        place = small.Vpc(home.id, home.account, home.region, home.cidrs[0], (), of[0])
        delivery = FlowLog(
            ground.id("fl", *of, traffic, *(["again"] if layout == "hourly" else [])),
            place,
            fields,
            layout,
            parquet=fields is V11,
        )
        created = ground.begin - 180_000 + number * 600
        made.append(
            Subscription(
                delivery, of, _resource(ground, atlas, of), traffic, interval, created
            )
        )
    return made


def _resource(ground: Ground, atlas: Atlas, of: tuple[str, ...]) -> str:
    if len(of) == 1:
        return ground.vpcs[of[0]].id
    if of[1] == "subnet":
        return ground.subnets[of[0], of[2]].id
    interface: Interface = ground.interfaces[
        atlas.interface[atlas.one(of[0], of[2], int(of[3]))]
    ]
    return interface.resource or interface.id


def coverage(
    ground: Ground, atlas: Atlas, logs: list[Subscription]
) -> tuple[Any, Any, Any]:
    """Return which log holds which interface, and the aggregation there.

    Returns:
        For (log, interface): ACCEPT is logged, REJECT is logged; the seconds.
    """
    some = ground.interfaces
    held = np.zeros((len(logs), len(some)), bool)
    for number, log in enumerate(logs):
        held[number] = [
            log.resource in (i.resource, i.id)
            or (not i.resource and log.resource in (i.subnet.id, ground.vpcs[i.vpc].id))
            for i in some
        ]
    accepts = np.array([log.traffic != "REJECT" for log in logs])[:, None]
    rejects = np.array([log.traffic != "ACCEPT" for log in logs])[:, None]
    asked = np.array([log.interval for log in logs])[:, None]
    seconds = np.where(atlas.nitro[None, :], 60, asked)
    return held & accepts, held & rejects, seconds
