"""Packets of a table, as a policy is asked about them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transform.addresses import is_global, parse
from transform.codes import coded
from transform.policy.asked import Asked
from transform.policy.policy import Policy
from transform.records import BLUR

# What a table of packets must have; times in seconds since 1970.
COLUMNS = ("interface", "inbound", "peer_address", "peer_interface", "peer_vpc",
           "protocol", "port", "begin", "end")  # fmt: skip


def asked_of(policy: Policy, packets: pa.Table) -> Asked:
    """Return packets at interfaces as a policy is asked about them.

    Args:
        policy: Which is asked.
        packets: A row each, with ``COLUMNS``: ids of the interface that recorded it
            and of the other end's (null: none is known), whether it came in, the other
            end's address and VPC, protocol, destination port, and the first and
            last second by the clock of flow logs.
    """
    peer = coded(packets["peer_address"])
    addresses = parse(peer.words.cast(pa.string()))
    is_public = np.append(is_global(addresses) & addresses.is_v4, False)[peer.codes]
    begin = _numbers(packets["begin"], 0) - BLUR
    return Asked(
        interface=_interfaces(policy, packets["interface"]),
        other=_interfaces(policy, packets["peer_interface"]),
        inbound=np.asarray(packets["inbound"], dtype=bool),
        peer=peer.codes,
        addresses=addresses,
        outside=is_public & np.asarray(pc.is_null(packets["peer_vpc"]), dtype=bool),
        protocol=_numbers(packets["protocol"], -1),
        port=_numbers(packets["port"], -1),
        begin=begin,
        end=np.maximum(_numbers(packets["end"], 0) + 1, begin + 2 * BLUR + 1),
    )


def _interfaces(policy: Policy, column: Any) -> Any:
    names = coded(column)
    codes = policy.interfaces(names.words.to_pylist())
    return np.append(codes, -1)[names.codes]


def _numbers(column: Any, absent: int) -> Any:
    return np.asarray(pc.fill_null(column.cast(pa.int64()), absent), np.int64)
