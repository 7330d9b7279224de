"""Packets to a public address of ours: both ends record them, each with another one."""

from collections import Counter

import pytest

from tests.unit.test_enrich import AT, holder, known, rows_of
from tests.unit.test_logged import PLACES, log, settled

CLIENT, SERVER, GATEWAY = "10.0.0.1", "10.0.0.2", "10.0.0.9"
ELASTIC_CLIENT, ELASTIC, ELASTIC_GATEWAY = "52.0.0.1", "52.0.0.2", "52.0.0.9"
NAT = {"eni": "eni-9", "kind": "nat_gateway", "forwards": "nat"}


def network(*, logs, **server):
    """Return a VPC whose client and server have public addresses, and a NAT gateway."""
    return known(
        holder(CLIENT, eni="eni-1"),
        holder(SERVER, eni="eni-2", **server),
        holder(GATEWAY, **NAT),
        holder(ELASTIC_CLIENT, eni="eni-1", vpc=None),
        holder(ELASTIC, eni="eni-2", vpc=None, **server),
        holder(ELASTIC_GATEWAY, vpc=None, **NAT),
        configurations=[*PLACES, *logs],
    )


def record(eni, src, sport, dst, dport, way, *, action="ACCEPT"):
    shown = {"src": src, "dst": dst}
    if eni == "eni-9":  # a gateway shows its own address on its side
        shown["src" if way == "egress" else "dst"] = GATEWAY
    return (
        f"{eni} {shown['src']} {shown['dst']} {sport} {dport} 6 5 300 {AT} {AT + 30} "
        f"{action} OK vpc-1 subnet-1 - 16 {src} {dst} {way}"
    )


def direct(sport=40000, **more):
    """Return a request by Elastic IPs at both ends, as each of them records it."""
    return [
        record("eni-1", CLIENT, sport, ELASTIC, 443, "egress"),
        record("eni-2", ELASTIC_CLIENT, sport, SERVER, 443, "ingress", **more),
    ]


def answer(sport=40000):
    return [
        record("eni-2", SERVER, 443, ELASTIC_CLIENT, sport, "egress"),
        record("eni-1", ELASTIC, 443, CLIENT, sport, "ingress"),
    ]


def by_gateway(sport=40000, given=2000, **more):
    """Return a request through the NAT gateway, as all three interfaces record it."""
    return [
        record("eni-1", CLIENT, sport, ELASTIC, 443, "egress"),
        record("eni-9", CLIENT, sport, ELASTIC, 443, "ingress"),
        record("eni-9", GATEWAY, given, ELASTIC, 443, "egress"),
        record("eni-2", ELASTIC_GATEWAY, given, SERVER, 443, "ingress", **more),
    ]


def answer_by_gateway(sport=40000, given=2000):
    return [
        record("eni-2", SERVER, 443, ELASTIC_GATEWAY, given, "egress"),
        record("eni-9", ELASTIC, 443, GATEWAY, given, "ingress"),
        record("eni-9", ELASTIC, 443, CLIENT, sport, "egress"),
        record("eni-1", ELASTIC, 443, CLIENT, sport, "ingress"),
    ]


def amounts(inventory, records, *, unlogged=()):
    """Return the packets by what became of them, of interfaces that are logged."""
    seen = [r for r in records if not r.startswith(tuple(unlogged) or ("no",))]
    found: Counter[str] = Counter()
    for text, row in zip(
        seen, settled(inventory, rows_of(seen, log="fl-1")), strict=True
    ):
        if row["counted"] or row["role"] == "unmatched":
            found[row["verdict"] or row["role"]] += int(text.split()[6])
    return found


def logging(*enis, traffic="ALL"):
    return [log("fl-1", eni, traffic) for eni in enis]


ALL = logging("eni-1", "eni-2", "eni-9")
WAYS = {
    "by Elastic IPs": [*direct(), *answer()],
    "by a NAT gateway": [*by_gateway(), *answer_by_gateway()],
}


@pytest.mark.parametrize("server", [{}, {"kind": "load_balancer"}])
@pytest.mark.parametrize("way", WAYS)
def test_what_goes_to_a_public_address_of_ours_is_counted_once(way, server):
    assert amounts(network(logs=ALL, **server), WAYS[way]) == {"accepted": 10}


@pytest.mark.parametrize("unlogged", ["eni-1", "eni-2"])
@pytest.mark.parametrize("way", WAYS)
def test_so_it_is_where_one_end_alone_is_logged(way, unlogged):
    enis = {"eni-1", "eni-2", "eni-9"} - {unlogged}
    inventory = network(logs=logging(*sorted(enis)))
    assert amounts(inventory, WAYS[way], unlogged=[unlogged]) == {"accepted": 10}


@pytest.mark.parametrize("request_", [direct, by_gateway])
def test_what_the_server_rejects_was_not_accepted_by_who_sent_it(request_):
    records = request_(action="REJECT")
    assert amounts(network(logs=ALL), records) == {"rejected": 5}


@pytest.mark.parametrize("logs", [ALL, logging("vpc-1")], ids=["enis", "vpc"])
@pytest.mark.parametrize("request_", [direct, by_gateway])
def test_what_never_came_to_a_public_address_that_is_logged_is_unmatched(
    request_, logs
):
    *records, _ = request_()
    assert amounts(network(logs=logs), records) == {"unmatched": 5}


def test_what_is_sent_to_a_server_that_logs_no_rejections_is_unconfirmed():
    logs = [*logging("eni-1"), log("fl-2", "eni-2", "ACCEPT")]
    there, _ = direct()
    assert amounts(network(logs=logs), [there]) == {"unconfirmed": 5}
    assert amounts(network(logs=logs), direct()) == {"accepted": 5}


def test_what_left_by_a_gateway_that_nobody_listed_is_not_called_unmatched():
    inventory = known(
        holder(CLIENT, eni="eni-1"),
        holder(SERVER, eni="eni-2"),
        holder(ELASTIC, eni="eni-2", vpc=None),
        configurations=[*PLACES, *ALL],
    )
    there, *_ = direct()
    assert amounts(inventory, [there]) == {"accepted": 5}


def test_what_comes_to_a_gateway_unasked_for_counts_there_alone():
    scan = [
        record("eni-2", SERVER, 40000, ELASTIC_GATEWAY, 22, "egress"),
        record("eni-9", ELASTIC, 40000, GATEWAY, 22, "ingress"),
    ]
    assert amounts(network(logs=ALL), scan) == {"unconfirmed": 5}
