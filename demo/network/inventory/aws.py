"""What `aws ec2 describe-*` and `aws elbv2 describe-*` would have said, over time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from demo.network.ground import NEVER, Interface, Vpc
from demo.network.inventory import interfaces, network, services
from demo.network.inventory.pods import iso

if TYPE_CHECKING:
    from demo.network.work import Scene

BETWEEN_S = (1200, 1800)  # from one look to the next
STALE_S = 26 * 3600
HOME = "111111111111-us-east-1"  # its folder is `aws`; others carry their name


def documents(scene: Scene) -> Iterator[tuple[str, bytes]]:
    """Yield (path, JSON) of every look at every account and Region."""
    scopes: dict[str, list[Vpc]] = {}
    for vpc in scene.ground.vpcs.values():
        scopes.setdefault(f"{vpc.account}-{vpc.region}", []).append(vpc)
    for scope, vpcs in sorted(scopes.items()):
        folder = "aws" if scope == HOME else f"aws-{scope}"
        for at in moments(scene, vpcs[0].name):
            stamp = iso(at).replace("-", "").replace(":", "")
            for name, document in look(scene, vpcs, at).items():
                yield f"{folder}/{stamp}/{name}.json", _json(document)


def moments(scene: Scene, vpc: str) -> list[int]:
    """Return when a VPC's inventory is taken: at first, now and then, and at the end.

    The laboratory's was taken once, a day ago.
    """
    if vpc == "lab":
        return [scene.ground.begin - STALE_S]
    random = np.random.default_rng([scene.ground.seed, 33])
    last = scene.ground.end - 1500
    taken, at = [], scene.ground.begin - 120
    while at < last:
        taken.append(at)
        at += int(random.integers(*BETWEEN_S))
    return [*taken, last]


def look(scene: Scene, vpcs: list[Vpc], at: int) -> dict[str, dict[str, Any]]:
    """Return every answer for some VPCs of one account and Region at a moment."""
    ground = scene.ground
    names = {vpc.name for vpc in vpcs}
    some = [
        i
        for i in ground.interfaces
        if i.vpc in names and not i.resource and _exists(i, at)
    ]
    answers: dict[str, tuple[str, list[Any]]] = {
        "network-interfaces": (
            "NetworkInterfaces",
            [interfaces.document(ground, i) for i in some],
        ),
        "instances": ("Reservations", list(interfaces.reservations(ground, some))),
        **network.answers(ground, vpcs),
        **services.answers(scene, vpcs, some),
    }
    return {name: {key: items} for name, (key, items) in answers.items()}


def _exists(interface: Interface, at: int) -> bool:
    return interface.created <= at < (interface.deleted or NEVER)


def _json(document: Any) -> bytes:
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()
