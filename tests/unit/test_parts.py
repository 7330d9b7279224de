"""An hour in parts: a conversation's records are all in one."""

import numpy as np
import pytest

from tests.unit.test_enrich import AT, configured, holder, known, rows_of
from transform.enrich import Attributor
from transform.parts import ends_of, part_of

CLIENT, BALANCER, TARGET = "10.0.0.1", "10.0.0.9", "10.0.0.2"
INVENTORY = known(
    holder(CLIENT, eni="eni-1"),
    holder(BALANCER, eni="eni-9", kind="load_balancer", forwards="transit"),
    holder(TARGET, eni="eni-2"),
    configurations=[configured("vpc", VpcId="vpc-1", CidrBlock="10.0.0.0/16")],
)


def record(eni, src, sport, dst, dport, way):
    return (
        f"{eni} {src} {dst} {sport} {dport} 6 3 180 {AT} {AT + 30} ACCEPT OK vpc-1 "
        f"subnet-1 - 2 {src} {dst} {way}"
    )


def conversation(port, listens, serves):
    """Return both directions of a conversation before and behind a load balancer."""
    before = (CLIENT, port), (BALANCER, listens)
    behind = (CLIENT, port), (TARGET, serves)
    return [
        record(eni, *one, *other, way)
        for client, server in (before, behind)
        for one, other in ((client, server), (server, client))
        for eni, way in (("eni-1", "egress"), ("eni-2", "ingress"))
    ]


@pytest.mark.parametrize("by_address", [True, False])
@pytest.mark.parametrize(("listens", "serves"), [(443, 50051), (50051, 8080)])
def test_no_balanced_conversation_is_cut(listens, serves, by_address):
    clients = range(1024, 60_000, 1000)
    rows = rows_of([r for c in clients for r in conversation(c, listens, serves)])
    found = ends_of(Attributor(INVENTORY)(rows), by_address=by_address)
    parts = part_of(rows, 4, found, by_address=by_address).reshape(len(clients), -1)
    assert (parts == parts[:, :1]).all()
    assert len(np.unique(parts)) == 4


SERVER, NEAR, NAT = "52.0.0.2", "52.0.0.1", "52.0.0.9"
PUBLIC = known(
    holder("10.0.0.1", eni="eni-1"),
    holder("10.0.0.2", eni="eni-2"),
    holder("10.0.0.9", eni="eni-9", kind="nat_gateway", forwards="nat"),
    holder(NEAR, eni="eni-1", vpc=None),
    holder(SERVER, eni="eni-2", vpc=None),
    holder(NAT, eni="eni-9", vpc=None, kind="nat_gateway", forwards="nat"),
    configurations=[configured("vpc", VpcId="vpc-1", CidrBlock="10.0.0.0/16")],
)


def translated(port, sender, sent):
    """Return a conversation with a public address as its two ends record it."""
    ahead = [("eni-1", "10.0.0.1", port, SERVER, 8010, "egress"),
             ("eni-2", sender, sent, "10.0.0.2", 8010, "ingress")]  # fmt: skip
    back = [("eni-2", "10.0.0.2", 8010, sender, sent, "egress"),
            ("eni-1", SERVER, 8010, "10.0.0.1", port, "ingress")]  # fmt: skip
    return [record(*row) for row in (*ahead, *back)]


@pytest.mark.parametrize("by_address", [True, False])
@pytest.mark.parametrize(("sender", "behind"), [(NEAR, 0), (NAT, 7)])
def test_no_conversation_with_a_public_address_of_ours_is_cut(
    sender, behind, by_address
):
    ports = range(1024, 60_000, 1000)
    rows = rows_of([r for p in ports for r in translated(p, sender, p + behind)])
    found = ends_of(Attributor(PUBLIC)(rows), by_address=by_address)
    parts = part_of(rows, 4, found, by_address=by_address)
    assert (parts == parts[0]).all()
