"""What is wrong with the flow logs and the inventory of a world: for a doctor to find.

The table is read off the world itself: its flow logs, its interfaces, its looks at AWS.
Much of it is there in every world (a VPC in version 2, interfaces that nobody logs);
``--faults`` adds a laboratory that has one of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from demo.network.inventory import aws
from demo.network.logs import Subscription

if TYPE_CHECKING:
    from demo.network.work import Scene

OVERLAY = "lab-overlay"  # its pods' addresses are in no VPC
_DAY_S = 86_400


def listed(scene: Scene) -> list[dict[str, Any]]:
    """Return the faults: ``fault``, ``resource``, ``vpc``, ``account``, ``detail``."""
    found = [
        *_formats(scene.logs),
        *_traffic(scene.logs),
        *_interfaces(scene),
        *_stale(scene),
    ]
    if "lab" in scene.ground.vpcs:
        found.append(
            _fault("overlay_cni", OVERLAY, "lab", scene, "pods in 10.244.0.0/16")
        )
    return sorted(found, key=lambda f: (f["fault"], f["resource"]))


def _fault(
    fault: str, resource: str, vpc: str, scene: Scene, detail: str
) -> dict[str, Any]:
    home = scene.ground.vpcs[vpc]
    return {
        "fault": fault,
        "resource": resource,
        "vpc": home.id,
        "account": home.account,
        "detail": detail,
    }


def _of_log(fault: str, log: Subscription, detail: str) -> dict[str, Any]:
    home = log.delivery.vpc
    return {
        "fault": fault,
        "resource": log.delivery.id,
        "vpc": home.id,
        "account": home.account,
        "detail": detail,
    }


def _formats(logs: list[Subscription]) -> Iterator[dict[str, Any]]:
    for log in logs:
        fields = log.delivery.fields
        if "pkt-srcaddr" not in fields:
            yield _of_log("no_pkt_addr", log, "no pod can be seen")
        if log.resource.startswith("nat-") and "resource-id" not in fields:
            yield _of_log("no_resource_id", log, "its records name no observer")


def _traffic(logs: list[Subscription]) -> Iterator[dict[str, Any]]:
    for log in logs:
        other = {s.traffic for s in logs if s.resource == log.resource}
        if log.traffic != "ALL" and len(other) == 1 and not _is_held_by_vpc(log, logs):
            yield _of_log("traffic_type", log, log.traffic)


def _is_held_by_vpc(log: Subscription, logs: list[Subscription]) -> bool:
    return any(len(s.of) == 1 and s.of[0] == log.of[0] for s in logs)


def _interfaces(scene: Scene) -> Iterator[dict[str, Any]]:
    """Yield interfaces that nobody logs, and those logged twice for one action."""
    accepts, rejects, _ = scene.cover
    times = (accepts | rejects).sum(axis=0)
    again = (accepts.sum(axis=0) > 1) | (rejects.sum(axis=0) > 1)
    for number, interface in enumerate(scene.ground.interfaces):
        name = interface.id or interface.resource or ""
        if not times[number]:
            yield _fault("not_logged", name, interface.vpc, scene, "no flow log")
        elif again[number]:
            yield _fault("duplicate", name, interface.vpc, scene, "two flow logs")


def _stale(scene: Scene) -> Iterator[dict[str, Any]]:
    for name, vpc in scene.ground.vpcs.items():
        last = aws.moments(scene, name)[-1]
        if scene.ground.end - last > _DAY_S:
            scope = f"{vpc.account}-{vpc.region}"
            yield _fault(
                "stale_inventory", scope, name, scene, "looked at a day before"
            )
