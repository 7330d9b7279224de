"""What `describe-*` and the Kubernetes API would have said of the world, over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo.network.inventory import aws, watch
from demo.places import Place

if TYPE_CHECKING:
    from demo.network.work import Scene


def write(scene: Scene, place: Place) -> None:
    """Write the inventory as files.

    ``aws/<time>/*.json`` is one account and Region at one moment, each other one has a
    folder of its own; ``kubernetes-watch``, ``-gaps``, ``-snapshots`` and ``-unseen``
    are the same clusters, seen worse and worse.
    """
    for path, body in aws.documents(scene):
        place.write(f"inventory/{path}", body)
    for path, body in watch.documents(scene.ground):
        place.write(f"inventory/{path}", body)
