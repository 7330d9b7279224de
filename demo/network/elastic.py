"""The ways to a public address of the world's own: by Elastic IPs and NAT gateways."""

from __future__ import annotations

from typing import Any

import numpy as np

from demo.network.atlas import Atlas
from demo.network.paths import INTERNET_GATEWAY, Ends, Hop, Way, arrive, leave, passing


def by_elastic_ips() -> Way:
    """Go from one Elastic IP to another: each end shows its private one."""

    def way(atlas: Atlas, ends: Ends) -> list[Hop]:
        source, target = (
            atlas.public[i] for i in (ends.source_interface, ends.target_interface)
        )
        return [
            *leave(ends, INTERNET_GATEWAY, target=target),
            *arrive(ends, source=source),
        ]

    return way


def hairpin(vpc: str, role: str) -> Way:
    """Go out through a NAT gateway and come back to an Elastic IP."""

    def way(atlas: Atlas, ends: Ends) -> list[Hop]:
        nat = atlas.one(vpc, role)
        size, interface = len(ends), atlas.interface[nat]
        inside = {"address": np.full(size, atlas.address[nat]),
                  "port": ends.middle_port, "holder": np.full(size, nat)}  # fmt: skip
        outside = {**inside, "address": np.full(size, atlas.public[interface])}
        if ends.reply:
            server = atlas.public[ends.source_interface]
            return [
                *leave(ends, INTERNET_GATEWAY, **_as("target", outside)),
                passing(ends, "nat_public", nat, atlas, egress=False, source=server,
                        **_as("target", inside)),
                passing(ends, "nat_private", nat, atlas, egress=True, source=server),
                *arrive(ends, source=server),
            ]  # fmt: skip
        server = atlas.public[ends.target_interface]
        return [
            *leave(ends, target=server),
            passing(ends, "nat_private", nat, atlas, egress=False, target=server),
            passing(ends, "nat_public", nat, atlas, egress=True, target=server,
                    path=INTERNET_GATEWAY, **_as("source", inside)),
            *arrive(ends, **_as("source", outside)),
        ]  # fmt: skip

    return way


def _as(side: str, end: dict[str, Any]) -> dict[str, Any]:
    return {side: end["address"], f"{side}_port": end["port"],
            f"{side}_holder": end["holder"]}  # fmt: skip
