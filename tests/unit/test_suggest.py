"""What is suggested lets the observed pass, and nothing else that it does not tell."""

import json
import re
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policies import (
    ALL,
    OPEN,
    ask,
    group,
    policy_of,
    row,
)
from tests.suggestions import (
    CLIENTS,
    ENDS,
    EPHEMERAL,
    ICMP,
    OUT,
    PORTS,
    TCP,
    edge,
    end,
    latest_of,
    of,
    world,
)
from transform.policy.asked import ALLOWED, NOT_ASKED
from transform.policy.edges import End
from transform.policy.suggest import suggest


def applied(rows, changes):
    """Return rows with changes made, as AWS would make them."""
    rows = [dict(one) for one in rows]
    for change in changes:
        (one,) = (r for r in rows if r["resource_id"] == change["resource"])
        document = json.loads(one["document"])
        span = {"FromPort": change["from_port"], "ToPort": change["to_port"]}
        inbound = change["direction"] == "ingress"
        if "number" in change:
            document["Entries"].append({
                "RuleNumber": change["number"], "Egress": not inbound,
                "Protocol": {"tcp": "6", "udp": "17"}[change["protocol"]],
                "RuleAction": change["action"], "CidrBlock": change["peer"],
                "PortRange": {"From": span["FromPort"], "To": span["ToPort"]},
            })  # fmt: skip
        else:
            name = "IpPermissions" if inbound else "IpPermissionsEgress"
            is_group = change["peer"].startswith("sg-")
            peers = ({"UserIdGroupPairs": [{"GroupId": change["peer"]}]} if is_group
                     else {"IpRanges": [{"CidrIp": change["peer"]}]})  # fmt: skip
            document[name].append({"IpProtocol": change["protocol"], **span, **peers})
        one["document"] = json.dumps(document)
    return rows


def passes(rows, pairs):
    """Return of (client, server, port, protocol) which pass at both ends, both ways."""
    policy = policy_of(rows)
    packets = []
    for client, server, port, protocol in pairs:
        for own, peer, inbound, to in (
            (server, client, True, port), (client, server, False, port),
            (server, client, False, EPHEMERAL), (client, server, True, EPHEMERAL),
        ):  # fmt: skip
            there = peer if peer in ENDS else None
            packets.append((own if own in ENDS else None, inbound,
                            ENDS.get(peer, peer), there, protocol, to))  # fmt: skip
    verdicts = ask(policy, packets)[-1]
    found = []
    for place, (client, server, *_) in enumerate(pairs):
        four = verdicts[4 * place : 4 * place + 4]
        own = [server in ENDS, client in ENDS] * 2
        asked = zip(four, own, (True, True, False, False), strict=True)
        found.append(all(
            acl in (ALLOWED, NOT_ASKED) and (not request or sg in (ALLOWED, NOT_ASKED))
            for (acl, sg), mine, request in asked if mine
        ))  # fmt: skip
    return found


def made(found):
    return [one.change.to_json() for one in found.suggestions]


def reasons(found):
    return sorted({one.reason for one in found.not_suggested})


def texts(found):
    return [one.change.text() for one in found.suggestions]


# -- laws ---------------------------------------------------------------------------

GROUPS = ("sg-1", "sg-2", "sg-3", "sg-4")
NO_RULES = dict.fromkeys(GROUPS, ())  # a group that nobody listed may be anybody's
CARRIED = st.fixed_dictionaries({
    name: st.lists(st.sampled_from(GROUPS), min_size=1, max_size=3, unique=True)
    for name in ENDS
})  # fmt: skip
RULE = st.builds(
    lambda low, peer: {
        "IpProtocol": "tcp", "FromPort": low, "ToPort": low,
        **({"UserIdGroupPairs": [{"GroupId": peer}]} if peer.startswith("sg")
           else {"IpRanges": [{"CidrIp": peer}]}),
    },
    st.sampled_from(PORTS), st.sampled_from((*GROUPS, "10.0.0.4/32", "10.0.0.0/24")),
)  # fmt: skip
RULES = st.dictionaries(st.sampled_from(GROUPS), st.lists(RULE, max_size=2), max_size=3)
ENTRY = st.builds(
    lambda number, action, egress, cidr, low, high: {
        "RuleNumber": number, "Protocol": "6", "RuleAction": action, "Egress": egress,
        "CidrBlock": cidr, "PortRange": {"From": low, "To": high}},
    st.sampled_from((1, 2, 3, 100, 101)), st.sampled_from(("allow", "deny")),
    st.booleans(), st.sampled_from(("0.0.0.0/0", "10.0.1.0/24", "10.0.1.7/32")),
    st.sampled_from((0, 80, 1024)), st.sampled_from((443, 65_535)),
)  # fmt: skip
ACL = st.lists(ENTRY, max_size=4, unique_by=lambda e: (e["RuleNumber"], e["Egress"]))
OUTSIDE = "192.168.9.9"
ALL_PAIRS = [
    (client, server, port, TCP)
    for client, server in product((*ENDS, OUTSIDE), (*ENDS, OUTSIDE))
    for port in PORTS
    if client != server
]
EDGES = st.lists(st.sampled_from(ALL_PAIRS), min_size=1, max_size=8, unique=True)
OUTBOUND = st.sampled_from([(OPEN,), ()])
PREFER = st.sampled_from(["least", "groups", "addresses"])


@settings(max_examples=60, deadline=None)
@given(CARRIED, RULES, ACL, EDGES, OUTBOUND, PREFER)
def test_what_was_observed_passes_and_else_only_what_is_told(
    carried, rules, acl, pairs, outbound, prefer
):
    rows = world(carried, {**NO_RULES, **rules}, [*acl], outbound)
    edges = [edge(client, server, port) for client, server, port, _ in pairs]
    found = suggest(latest_of(rows), edges, prefer=prefer)
    lacking = {e.edge for e in found.not_suggested if e.reason == "no_room"}
    after = applied(rows, made(found))
    before, now = passes(rows, ALL_PAIRS), passes(after, ALL_PAIRS)
    assert reasons(found) in ([], ["already_allowed"], ["no_room"],
                              ["already_allowed", "no_room"])  # fmt: skip
    told = set()
    for one in found.suggestions:
        for own, peer in one.opened.pairs:
            told |= {(peer, own), (own, peer)}
        if one.is_reply:  # whatever else the two would speak by these ports
            ends = {(str(e.client.address), str(e.server.address)) for e in one.edges}
            told |= ends | {(b, a) for a, b in ends}
        assert one.opened.count == len(one.opened.pairs)
    by_address = {address: name for name, address in ENDS.items()}
    for was, passes_now, pair in zip(before, now, ALL_PAIRS, strict=True):
        client, server, port, _ = pair
        if pair in pairs:
            assert passes_now or edge(client, server, port) in lacking
        elif passes_now and not was:
            named = {(by_address.get(a, a), by_address.get(b, b)) for a, b in told}
            assert (client, server) in named, pair


@settings(max_examples=25, deadline=None)
@given(CARRIED, RULES, ACL, EDGES, OUTBOUND, PREFER)
def test_no_rule_can_be_left_out(carried, rules, acl, pairs, outbound, prefer):
    rows = world(carried, {**NO_RULES, **rules}, [*acl], outbound)
    edges = [edge(client, server, port) for client, server, port, _ in pairs]
    changes = made(suggest(latest_of(rows), edges, prefer=prefer))
    whole = passes(applied(rows, changes), pairs)
    for place in range(len(changes)):
        without = changes[:place] + changes[place + 1 :]
        left = passes(applied(rows, without), pairs)
        assert sum(left) < sum(whole) or not all(whole)


# -- groups -------------------------------------------------------------------------


def test_a_group_is_named_if_all_who_carry_it_were_seen():
    found = of(world(CLIENTS), edge("eni-a", "eni-d"), edge("eni-b", "eni-d"))
    assert texts(found) == ["sg-3: add inbound tcp/80 from sg-1"]
    (one,) = found.suggestions
    assert (one.opened.count, len(one.edges)) == (0, 2)


def listing(rows, name, **addresses):
    """Return rows of which an interface lists addresses."""
    (one,) = [r for r in rows if r["resource_id"] == name]
    document = {**json.loads(one["document"]), **addresses}
    return [r for r in rows if r is not one] + [
        {**one, "document": json.dumps(document)}
    ]


OWN = {"PrivateIpAddress": "10.0.0.6"}
V6 = {"Ipv6Address": "fd00::9"}
PREFIX = {"Ipv4Prefix": "10.0.0.16/28"}


@pytest.mark.parametrize(
    ("addresses", "peer"),
    [
        ({"PrivateIpAddresses": [OWN]}, "sg-2"),
        ({"PrivateIpAddresses": [OWN, {"PrivateIpAddress": "10.0.0.9"}]}, None),
        ({"PrivateIpAddresses": [OWN], "Ipv4Prefixes": [PREFIX]}, None),
        ({"PrivateIpAddresses": [OWN], "Ipv6Addresses": [V6]}, "sg-2"),
    ],
)  # fmt: skip
def test_a_group_is_not_named_for_one_of_several_addresses(addresses, peer):
    rows = listing(world(CLIENTS), "eni-c", **addresses)
    found = texts(of(rows, edge("eni-c", "eni-d")))
    assert found == [f"sg-3: add inbound tcp/80 from {peer or '10.0.0.6/32'}"]
    found = texts(of(rows, edge("eni-c", "eni-d"), prefer="groups"))
    assert found == ["sg-3: add inbound tcp/80 from sg-2"]


def test_a_group_is_named_if_all_addresses_of_its_interface_were_seen():
    two = [OWN, {"PrivateIpAddress": "10.0.0.9"}]
    rows = listing(world(CLIENTS), "eni-c", PrivateIpAddresses=two)
    other = edge(end("eni-c", address="10.0.0.9"), "eni-d")
    assert texts(of(rows, edge("eni-c", "eni-d"), other)) == [
        "sg-3: add inbound tcp/80 from sg-2"
    ]


def test_a_group_that_others_carry_is_named_only_if_wanted_and_then_it_is_told():
    rows = world({**CLIENTS, "eni-c": ["sg-1"]})
    edges = edge("eni-a", "eni-d"), edge("eni-b", "eni-d")
    assert texts(of(rows, *edges)) == ["sg-3: add inbound tcp/80 from 10.0.0.4/31"]
    found = of(rows, *edges, prefer="groups")
    assert texts(found) == ["sg-3: add inbound tcp/80 from sg-1"]
    opened = found.suggestions[0].opened
    assert (opened.targets, opened.sources, opened.count) == (0, 1, 1)
    assert opened.pairs == {("eni-d", "eni-c")}


def test_a_group_of_which_one_client_was_seen_is_no_evidence_of_a_group():
    rows = world({**CLIENTS, "eni-c": ["sg-1"]})
    found = of(rows, edge("eni-a", "eni-d"), prefer="groups")
    assert texts(found) == ["sg-3: add inbound tcp/80 from 10.0.0.4/32"]


def test_the_rule_stands_in_the_group_that_fewest_others_carry():
    rows = world({**CLIENTS, "eni-c": ["sg-4"], "eni-d": ["sg-4", "sg-3"]})
    found = of(rows, edge("eni-a", "eni-d"), prefer="addresses")
    assert texts(found) == ["sg-3: add inbound tcp/80 from 10.0.0.4/32"]
    rows = world({**CLIENTS, "eni-c": ["sg-4"], "eni-d": ["sg-4"]})
    (one,) = of(rows, edge("eni-a", "eni-d"), prefer="addresses").suggestions
    assert (one.opened.targets, one.opened.count) == (1, 1)


def test_where_addresses_open_as_much_a_group_is_named():
    carried = {"eni-a": ["sg-1"], "eni-b": ["sg-1"], "eni-c": ["sg-3"],
               "eni-d": ["sg-3"]}  # fmt: skip
    rows = world(carried)
    found = of(rows, edge("eni-a", "eni-d"), edge("eni-b", "eni-d"))
    assert texts(found) == ["sg-3: add inbound tcp/80 from sg-1"]
    assert found.suggestions[0].opened.count == 2  # from either to eni-c
    alone = of(rows, edge("eni-a", "eni-d"))
    assert texts(alone) == ["sg-3: add inbound tcp/80 from 10.0.0.4/32"]


def test_a_rule_that_others_make_needless_is_left_out():
    carried = {"eni-a": ["sg-2"], "eni-b": ["sg-1", "sg-2"], "eni-c": ["sg-1", "sg-3"],
               "eni-d": ["sg-3"]}  # fmt: skip
    edges = [edge(end("10.9.0.4"), server) for server in carried]
    assert texts(of(world(carried), *edges)) == [
        "sg-2: add inbound tcp/80 from 10.9.0.4/32",
        "sg-3: add inbound tcp/80 from 10.9.0.4/32",
    ]


def test_adjacent_ports_are_a_range_and_others_are_not():
    edges = [edge("eni-c", "eni-d", port) for port in (443, 83, 81, 80)]
    assert texts(of(world(CLIENTS), *edges)) == [
        "sg-3: add inbound tcp/80-81 from sg-2",
        "sg-3: add inbound tcp/83 from sg-2",
        "sg-3: add inbound tcp/443 from sg-2",
    ]


def test_addresses_are_put_together_only_if_all_between_were_seen():
    rows = world(CLIENTS)
    few = [edge(end(f"10.9.0.{n}"), "eni-d") for n in (4, 5, 6)]
    assert texts(of(rows, *few)) == [
        "sg-3: add inbound tcp/80 from 10.9.0.4/31",
        "sg-3: add inbound tcp/80 from 10.9.0.6/32",
    ]
    found = of(rows, *few, edge(end("10.9.0.7"), "eni-d"))
    assert texts(found) == ["sg-3: add inbound tcp/80 from 10.9.0.4/30"]


def test_if_both_ends_deny_both_get_a_rule():
    found = of(world(CLIENTS, outbound=()), edge("eni-c", "eni-d"))
    assert texts(found) == [
        "sg-2: add outbound tcp/80 to sg-3",
        "sg-3: add inbound tcp/80 from sg-2",
    ]


@pytest.mark.parametrize("kind", ["load_balancer", "nat_gateway", "transit_gateway"])
def test_what_hands_packets_on_is_named_by_its_address(kind):
    found = of(world(CLIENTS), edge(end("eni-c", kind=kind), "eni-d"))
    assert texts(found) == ["sg-3: add inbound tcp/80 from 10.0.0.6/32"]


@pytest.mark.parametrize(
    ("status", "region", "peer"),
    [("active", "r", "sg-9"), ("active", "r-2", "10.7.0.4/32"), (None, None, None),
     ("active", None, "sg-9"), ("expired", "r", "10.7.0.4/32")],
)  # fmt: skip
def test_a_group_of_another_vpc_is_named_only_through_an_active_peering(
    status, region, peer
):
    away = {"NetworkInterfaceId": "eni-x", "SubnetId": "subnet-x", "VpcId": "vpc-2",
            "Groups": [{"GroupId": "sg-9"}]}  # fmt: skip
    other = {"GroupId": "sg-9", "VpcId": "vpc-2", "IpPermissions": [],
             "IpPermissionsEgress": [OPEN]}  # fmt: skip
    rows = [
        *world(CLIENTS),
        row("vpc", "vpc-2", {"VpcId": "vpc-2", "CidrBlock": "10.7.0.0/16"}),
        row("network_interface", "eni-x", away),
        row("security_group", "sg-9", other),
    ]
    if status:
        peering = {"VpcPeeringConnectionId": "pcx-1", "Status": {"Code": status},
                   "RequesterVpcInfo": {"VpcId": "vpc-1", "Region": "r"},
                   "AccepterVpcInfo": {"VpcId": "vpc-2", "Region": region}}  # fmt: skip
        rows.append(row("vpc_peering_connection", "pcx-1", peering))
    client = End("eni-x", "10.7.0.4", "vpc-2", "network_interface")
    found = texts(of(rows, edge(client, "eni-d")))
    assert f"sg-3: add inbound tcp/80 from {peer or '10.7.0.4/32'}" in found


@pytest.mark.parametrize("address", ["203.0.113.5", "10.7.0.4"])
def test_a_group_never_means_an_address_outside_of_its_vpc(address):
    public = end("eni-c", address=address)
    rows = world(CLIENTS, acl=(ALL, OUT), outbound=())
    assert texts(of(rows, edge(public, "eni-d"))) == [
        "sg-2: add outbound tcp/80 to sg-3",
        f"sg-3: add inbound tcp/80 from {address}/32",
    ]
    assert texts(of(rows, edge("eni-d", public), prefer="groups")) == [
        "sg-2: add inbound tcp/80 from sg-3",
        f"sg-3: add outbound tcp/80 to {address}/32",
    ]


def test_a_rule_that_names_a_group_lets_no_public_address_pass():
    named = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "sg-2"}]}
    rows = world(CLIENTS, {"sg-3": [named]})
    assert reasons(of(rows, edge("eni-c", "eni-d"))) == ["already_allowed"]
    public = edge(end("eni-c", address="203.0.113.5"), "eni-d")
    assert texts(of(rows, public)) == ["sg-3: add inbound tcp/80 from 203.0.113.5/32"]


def test_who_came_with_a_public_address_was_not_seen_with_its_own():
    public = edge(end("eni-a", address="203.0.113.5"), "eni-d")
    found = texts(of(world(CLIENTS), public, edge("eni-b", "eni-d")))
    assert "sg-3: add inbound tcp/80 from 10.0.0.5/32" in found


def test_a_group_means_addresses_of_ipv6_of_its_vpc():
    rows = world(CLIENTS)
    (vpc,) = [r for r in rows if r["resource_type"] == "vpc"]
    ranges = [{"Ipv6CidrBlock": "2001:db8:1::/56"}]
    document = {**json.loads(vpc["document"]), "Ipv6CidrBlockAssociationSet": ranges}
    vpc["document"] = json.dumps(document)
    for address, peer in (
        ("2001:db8:1::9", "sg-2"),
        ("2001:db8::9", "2001:db8::9/128"),
    ):
        found = of(rows, edge(end("eni-c", address=address), "eni-d"))
        assert f"sg-3: add inbound tcp/80 from {peer}" in texts(found)


def test_other_protocols_have_no_ports_and_icmp_no_type():
    rows = world(CLIENTS)
    found = of(rows, edge("eni-c", "eni-d", None, protocol=ICMP),
               edge("eni-c", "eni-d", None, protocol=47))  # fmt: skip
    assert texts(found) == [
        "sg-3: add inbound icmp from sg-2",
        "sg-3: add inbound protocol 47 from sg-2",
    ]
    assert [(c["from_port"], c["to_port"]) for c in made(found)] == [(None, None)] * 2


def test_an_address_of_ipv6_is_a_cidr_of_its_own():
    found = of(world(CLIENTS), edge(end("2001:db8::9"), "eni-d"))
    assert texts(found) == [  # an entry for 0.0.0.0/0 is none for it
        "acl-0: add inbound rule 110 allows tcp/80 from 2001:db8::9/128",
        "acl-0: add outbound rule 110 allows tcp/1024-65535 to 2001:db8::9/128",
        "sg-3: add inbound tcp/80 from 2001:db8::9/128",
    ]


# -- network ACLs ---------------------------------------------------------------------

DENY = {**ALL, "RuleAction": "deny"}


def crossing(acl, *, client="eni-d", server="eni-a", port=80):
    """Return what is suggested for an edge into the subnet that has the ACL."""
    rows = world(CLIENTS, {"sg-1": [OPEN]}, acl)
    return of(rows, edge(client, server, port, cause="network_acl"))


def test_an_entry_stands_right_before_the_one_that_denies():
    found = crossing([{**DENY, "RuleNumber": 90}, ALL, OUT])
    assert texts(found) == ["acl-1: add inbound rule 89 allows tcp/80 from 10.0.1.7/32"]


def test_an_entry_that_finds_no_number_there_stands_before_others_and_says_so():
    other = {**DENY, "CidrBlock": "192.0.2.0/24"}
    few = [{**other, "RuleNumber": n} for n in (88, 89)]
    (one,) = crossing([*few, {**DENY, "RuleNumber": 90}, ALL, OUT]).suggestions
    assert one.change.rule.number == 87
    assert "88, 89" in one.notes[0]


def test_without_any_number_before_the_one_that_denies_there_is_no_entry():
    found = crossing([{**DENY, "RuleNumber": 1}, ALL, OUT])
    assert not found.suggestions
    assert reasons(found) == ["no_room"]


def test_at_the_end_of_a_list_an_entry_stands_behind_all_others():
    other = {**ALL, "CidrBlock": "192.0.2.0/24", "RuleNumber": 104}
    assert texts(crossing([other, OUT])) == [
        "acl-1: add inbound rule 110 allows tcp/80 from 10.0.1.7/32"
    ]
    last = {**other, "RuleNumber": 32_766}
    assert texts(crossing([last, OUT])) == [
        "acl-1: add inbound rule 32765 allows tcp/80 from 10.0.1.7/32"
    ]


def test_replies_are_let_out_to_any_port_of_the_client():
    (one,) = crossing([ALL]).suggestions
    assert one.change.text() == (
        "acl-1: add outbound rule 10 allows tcp/1024-65535 to 10.0.1.7/32"
    )
    assert one.is_reply
    assert any("replies" in note for note in one.notes)
    assert one.opened.pairs == {("eni-b", "10.0.1.7"), ("eni-c", "10.0.1.7")}


def test_replies_to_the_ports_that_a_client_was_seen_to_have_need_no_entry():
    some = {**OUT, "Protocol": "6", "PortRange": {"From": 32_768, "To": 65_535}}
    (one,) = crossing([ALL, some]).not_suggested
    assert one.reason == "already_allowed"


def test_replies_are_asked_about_between_the_ports_that_a_client_was_seen_to_have():
    some = {**DENY, "Egress": True, "RuleNumber": 50, "Protocol": "6",
            "PortRange": {"From": 40_000, "To": 41_000}}  # fmt: skip
    rows = world(CLIENTS, {"sg-1": [OPEN]}, [ALL, OUT, some])
    wide = edge("eni-d", "eni-a", cause="network_acl", replies=(35_000, 60_000))
    assert texts(of(rows, wide)) == [
        "acl-1: add outbound rule 49 allows tcp/1024-65535 to 10.0.1.7/32"
    ]
    beside = replace(wide, replies=(41_001, 60_000))
    assert reasons(of(rows, beside)) == ["already_allowed"]


@pytest.mark.parametrize(("protocol", "name"), [(ICMP, "icmp"), (47, "protocol 47")])
def test_replies_without_ports_are_let_out_too(protocol, name):
    rows = world(CLIENTS, {"sg-1": [OPEN]}, [])
    ping = edge("eni-d", "eni-a", None, protocol=protocol, cause="network_acl")
    found = of(rows, ping)
    assert texts(found) == [
        f"acl-1: add inbound rule 10 allows {name} from 10.0.1.7/32",
        f"acl-1: add outbound rule 10 allows {name} to 10.0.1.7/32",
    ]
    assert found.suggestions[1].notes == ("replies: ACLs are stateless",)


def test_an_acl_and_a_group_that_both_deny_both_change():
    found = of(world(CLIENTS, acl=[OUT]), edge("eni-d", "eni-c"))
    assert texts(found) == [
        "acl-1: add inbound rule 10 allows tcp/80 from 10.0.1.7/32",
        "sg-2: add inbound tcp/80 from sg-3",
    ]


def test_more_entries_than_aws_allows_are_said():
    rows = world(CLIENTS, {"sg-1": [OPEN]}, [OUT])
    clients = [end(f"192.0.2.{2 * n}", vpc="vpc-9") for n in range(21)]
    edges = [edge(one, "eni-a", cause="network_acl") for one in clients]
    found = of(rows, *edges)
    assert len(found.suggestions) == 21
    assert all("21 entries" in one.notes[0] for one in found.suggestions)


# -- what is not suggested ------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"client": End(None, None, None, "internet")}, "client_outside"),
        ({"client": End(None, "198.51.100.1", None, "internet")}, "client_outside"),
        ({"cause": "undetermined"}, "cause"),
        ({"cause": "late_packet"}, "cause"),
        ({"cause": "block_public_access"}, "cause"),
        ({"cause": None}, "cause"),
        ({"is_opener_known": False}, "opener_unknown"),
        ({"port": None}, "no_service_port"),
        ({"port": None, "protocol": None}, "protocol_unknown"),
        ({"server": End("eni-z", "10.0.1.9", "vpc-1")}, "configuration_unknown"),
        ({"server": End(None, "10.0.1.9", "vpc-1")}, "configuration_unknown"),
    ],
)
def test_without_evidence_there_is_no_rule_but_a_reason(changes, reason):
    found = of(world(CLIENTS), replace(edge("eni-c", "eni-d"), **changes))
    assert not found.suggestions
    assert reasons(found) == [reason]


def test_what_is_allowed_by_now_is_not_suggested_again():
    rows = world(CLIENTS, {"sg-3": [OPEN]})
    (one,) = of(rows, edge("eni-c", "eni-d")).not_suggested
    assert one.reason == "already_allowed"
    assert one.says.endswith("configuration seen at 2026-01-05T11:00:00Z")
    found = of(rows, edge("eni-c", "eni-d"), anew=True)
    assert texts(found) == [
        "sg-2: add outbound tcp/80 to sg-3",
        "sg-3: add inbound tcp/80 from sg-2",
    ]


def test_the_last_word_of_each_resource_counts():
    old = group("sg-3", OPEN, outbound=(OPEN,), until=1_767_614_000)
    found = of([*world(CLIENTS), old], edge("eni-c", "eni-d"))
    assert texts(found) == ["sg-3: add inbound tcp/80 from sg-2"]
    early = group("sg-3", OPEN, outbound=(OPEN,), seen=1_767_614_000)
    assert texts(of([*world(CLIENTS), early], edge("eni-c", "eni-d"))) == texts(found)
    later = group("sg-3", OPEN, outbound=(OPEN,), seen=1_767_624_000)
    assert not of([*world(CLIENTS), later], edge("eni-c", "eni-d")).suggestions


def test_what_is_known_of_one_end_is_suggested_and_the_other_named():
    rows = [r for r in world(CLIENTS) if r["resource_id"] != "eni-c"]
    found = of(rows, edge("eni-c", "eni-d"))
    assert texts(found) == ["sg-3: add inbound tcp/80 from 10.0.0.6/32"]
    (one,) = found.not_suggested
    assert "eni-c" in one.says
    assert "may be denied there too" in one.says


def test_labels_say_on_how_much_a_rule_rests_in_what_aws_lets_stand():
    edges = [edge("eni-c", "eni-d", records=n) for n in (2, 3)]
    (one,) = of(world(CLIENTS), *edges).suggestions
    assert one.label == (
        "observed only: 5 records, 2026-01-05T12:00:00Z..2026-01-05T12:05:00Z"
    )
    assert re.fullmatch(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{1,255}", one.label)
