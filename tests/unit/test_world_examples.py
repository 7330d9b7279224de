"""The world writes of AWS's own examples what AWS wrote, field for field."""

from pathlib import Path

import pytest

from demo.network.examples import VPC, Example, Sent
from demo.network.paths import Outcome, across, direct, translated

DOCUMENTED = Path(__file__).parents[3] / "shared/real/flow-logs/documented"
ACCOUNT, HOME = "123456789010", "vpc-abcdefab012345678"
SERVER, CLIENT = "i-01234567890123456", "i-0c50d5961bcb2d47b"
pytestmark = pytest.mark.skipif(not DOCUMENTED.exists(), reason="needs ../shared")


def documented(name):
    header, *lines = (DOCUMENTED / name).read_text().splitlines()
    return tuple(header.split()), lines


def example(fields, account=ACCOUNT, region="us-east-1"):
    return Example(fields, account, region, HOME)


def test_accepted_and_rejected_and_ipv6():
    fields, lines = documented("v2-default.log")
    for line, server in ((lines[0], "172.31.16.21"), (lines[1], "172.31.9.12")):
        client, port, served, packets, size, start, end = (
            line.split()[i] for i in (3, 5, 6, 8, 9, 10, 11)
        )
        world = example(fields)
        world.stand("server", server, "eni-1235b8ca123456789")
        world.outside("internet", client)
        fate = "rejected" if "REJECT" in line else "accepted"
        sent = Sent(
            direct(), client, "server", (int(port), int(served)), 6, int(packets),
            int(size), int(start), int(end), outcome=Outcome(fate),
        )  # fmt: skip
        assert world.lines(sent)[1:] == [line]
    world = example(fields)
    own, other = lines[6].split()[4], lines[6].split()[3]
    world.stand("server", "10.0.0.1", "eni-1235b8ca123456789", address6=own)
    world.outside("internet", other)
    sent = Sent(direct(8), other, "server", (34892, 22), 6, 54, 8855, 1477913708,
                1477913820)  # fmt: skip
    assert world.lines(sent)[1:] == [lines[6]]


def test_a_ping_whose_reply_the_acl_rejects():
    fields, lines = documented("v2-default.log")
    world = example(fields)
    world.stand("server", "172.31.16.139", "eni-1235b8ca123456789")
    world.outside("internet", "203.0.113.12")
    ping = Sent(direct(8), "203.0.113.12", "server", (0, 0), 1, 4, 336, 1432917027,
                1432917142)  # fmt: skip
    reply = Sent(direct(8), "server", "203.0.113.12", (0, 0), 1, 4, 336, 1432917094,
                 1432917142, outcome=Outcome("rejected", at=0), reply=True)  # fmt: skip
    assert world.lines(ping, reply)[1:] == lines[4:6]


def test_a_long_connection_shows_its_opening_once():
    fields, lines = documented("v3-tcp-flags.log")
    world = example(fields)
    world.stand("server", "10.0.0.62", "eni-1235b8ca123456789",
                subnet="subnet-aaaaaaaa012345678", instance=SERVER)  # fmt: skip
    world.outside("internet", "52.213.180.42")
    there = ("52.213.180.42", "server", (43418, 5001))
    back = ("server", "52.213.180.42", (5001, 43418))
    first, second = (1566848875, 1566848933), (1566848933, 1566849113)
    found = world.lines(
        Sent(direct(8), *there, 6, 70, 100701, *first, flags=2),
        Sent(direct(8), *back, 6, 12, 632, *first, flags=18, reply=True),
        Sent(direct(8), *back, 6, 1219, 63388, *second, flags=1, reply=True),
        Sent(direct(8), *there, 6, 15774, 23294588, *second, flags=1),
    )
    assert found[1:] == lines


def nat(fields, **gateway):
    world = example(fields)
    world.stand(
        "client", "10.0.1.5", "eni-1111aaaa2222bbbb3", instance="i-01234567890123456"
    )
    world.stand("nat", **gateway)
    world.outside("internet", "203.0.113.5")
    return world


def test_a_nat_gateway_records_the_same_packet_twice_and_the_client_once():
    fields, lines = documented("custom-nat-gateway.log")
    world = nat(fields, address="10.0.0.220", eni="eni-1235b8ca123456789")
    found = world.lines(Sent(translated(VPC, "nat"), "client", "203.0.113.5", (7, 443)))
    assert sorted(found[1:]) == sorted(lines)
    reply = Sent(translated(VPC, "nat"), "203.0.113.5", "client", (443, 7), reply=True)
    assert sorted(world.lines(reply)[1:]) == sorted(
        [
            "- eni-1235b8ca123456789 203.0.113.5 10.0.0.220 203.0.113.5 10.0.0.220",
            "- eni-1235b8ca123456789 10.0.0.220 10.0.1.5 203.0.113.5 10.0.1.5",
            "i-01234567890123456 eni-1111aaaa2222bbbb3 203.0.113.5 10.0.1.5 "
            "203.0.113.5 10.0.1.5",
        ]
    )


def test_a_regional_nat_gateway_has_no_interface_and_shows_the_packets_addresses():
    """The guide: srcaddr and dstaddr are those of the packet, resource-id its own."""
    fields = ("instance-id", "interface-id", "subnet-id", "resource-id",
              "interface-type", "srcaddr", "dstaddr", "pkt-srcaddr", "pkt-dstaddr",
              "flow-direction", "traffic-path")  # fmt: skip
    world = nat(fields, address="54.0.0.9", resource="nat-0123456789abcdef0")
    name = "- - - nat-0123456789abcdef0 regional_nat_gateway"
    way = translated(VPC, "nat")
    out = world.lines(Sent(way, "client", "203.0.113.5", (7, 443)))
    assert out[2:] == [
        f"{name} 10.0.1.5 203.0.113.5 10.0.1.5 203.0.113.5 ingress -",
        f"{name} 54.0.0.9 203.0.113.5 54.0.0.9 203.0.113.5 egress 8",
    ]
    back = world.lines(Sent(way, "203.0.113.5", "client", (443, 7), reply=True))
    assert sorted(line for line in back if "nat-" in line) == [
        f"{name} 203.0.113.5 10.0.1.5 203.0.113.5 10.0.1.5 egress 1",
        f"{name} 203.0.113.5 54.0.0.9 203.0.113.5 54.0.0.9 ingress -",
    ]


def test_a_transit_gateway_shows_its_own_address_and_replies_elsewhere():
    fields, lines = documented("v3-transit-gateway.log")
    world = example(fields)
    world.stand("server", "10.40.2.236", "eni-33333333333333333",
                subnet="subnet-22222222bbbbbbbbb", instance=SERVER)  # fmt: skip
    world.stand("tgw", "10.40.1.175", "eni-11111111111111111",
                subnet="subnet-11111111aaaaaaaaa")  # fmt: skip
    world.stand("tgw", "10.40.2.31", "eni-22222222222222222",
                subnet="subnet-22222222bbbbbbbbb")  # fmt: skip
    world.outside("peer", "10.20.33.164")
    request = Sent(across("", VPC), "10.20.33.164", "server", (39812, 80), flags=3)
    assert sorted(world.lines(request)[1:]) == sorted(lines)
    reply = Sent(across("", VPC), "server", "10.20.33.164", (80, 39812), flags=19,
                 reply=True)  # fmt: skip
    own, gateway = world.lines(reply)[1:]
    assert "eni-33333333333333333" in own
    assert "eni-22222222222222222" in gateway
    assert "10.40.2.236 10.40.2.31 80 39812 6 19 IPv4 10.40.2.236 10.20.33.164" in (
        gateway
    )


def test_a_call_of_a_service_names_it_and_its_path():
    fields, lines = documented("v5-service-path.log")
    world = example(fields, "123456789012", "ap-southeast-2")
    world.stand("client", "10.0.0.71", "eni-1235b8ca123456789", zone="apse2-az3",
                subnet="subnet-aaaaaaaa012345678", instance=CLIENT)  # fmt: skip
    world.outside("S3", "52.95.128.179")
    times = (1616729292, 1616729349)
    reply = Sent(direct(8), "52.95.128.179", "client", (80, 34210), 6, 14, 15044,
                 *times, flags=19, reply=True)  # fmt: skip
    request = Sent(direct(8), "client", "52.95.128.179", (34210, 80), 6, 7, 471, *times,
                   flags=3)  # fmt: skip
    assert world.lines(reply, request)[1:] == lines
