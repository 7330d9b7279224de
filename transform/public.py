"""Public addresses of ours, by which packets are sent to private ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from transform.enrich import Attributed
from transform.known import OURS
from transform.places import NOWHERE


def public_ends(attributed: Attributed) -> tuple[Any, Any]:
    """Return which rows show an interface of ours by its public address.

    Not its own record, nor that of a regional NAT gateway, which shows no other.

    Returns:
        As source; as destination.
    """
    found = []
    for side, is_global, own in (
        (attributed.src, attributed.is_global_src, attributed.own_src),
        (attributed.dst, attributed.is_global_dst, attributed.own_dst),
    ):
        known = is_global & ~own & ~attributed.is_regional
        if known.any():
            known &= (side.home == NOWHERE) & (side.ours == OURS) & (side.eni >= 0)
        found.append(np.asarray(known))
    return found[0], found[1]
