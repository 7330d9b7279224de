"""What is asked on a packet's way, and what becomes of its reply."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policies import HOUR, NOON, acl_of, group, interface, network, policy_of, row
from transform.policy.asked import ALLOWED, DENIED, NOT_ASKED, UNKNOWN
from transform.policy.lacks import lacking
from transform.policy.preceding import changes_before
from transform.policy.reply import is_tracked, replies
from transform.policy.walk import steps
from transform.policy.way import ACL, GROUPS, ROUTES, End, Way, asked_about

ANYBODY = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
DB = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432,
      "UserIdGroupPairs": [{"GroupId": "sg-app"}]}  # fmt: skip
CLIENT = End("10.0.1.5", "eni-1", "subnet-0", "vpc-1")
SERVER = End("10.0.0.7", "eni-2", "subnet-1", "vpc-1")
WORDS = {ALLOWED: "passes", DENIED: "fails", NOT_ASKED: "not_asked", UNKNOWN: "unknown"}


def entry(number, action="allow", *, egress=False, ports=None, cidr="0.0.0.0/0"):
    return {
        "RuleNumber": number, "Protocol": "6" if ports else "-1", "Egress": egress,
        "RuleAction": action, "CidrBlock": cidr,
        **({"PortRange": {"From": ports[0], "To": ports[1]}} if ports else {}),
    }  # fmt: skip


OPEN = [entry(100), entry(100, egress=True)]


def world(*inbound, outbound=(ANYBODY,), entries=OPEN, client=(ANYBODY,), more=()):
    """A client and a server in subnets of one VPC; the server's subnet has the ACL."""
    return [
        *network(entries), interface("eni-1", "sg-app", subnet="subnet-0"),
        row("network_acl", "acl-0", {**acl_of(OPEN), "NetworkAclId": "acl-0",
                                     "Associations": [{"SubnetId": "subnet-0"}]}),
        interface("eni-2", "sg-db"), group("sg-db", *inbound, outbound=outbound),
        group("sg-app", outbound=client), *more,
    ]  # fmt: skip


def way(port=5432, protocol=6, *, at=NOON, source=CLIENT, target=SERVER):
    return Way(source, target, protocol, port, at, at)


def told(found):
    return [(s.at, s.kind, s.decision) for s in found]


def test_each_filter_is_asked_in_the_order_of_the_way():
    assert told(steps(policy_of(world(DB)), way())) == [
        ("source", GROUPS, "passes"), ("source", ACL, "passes"),
        ("source", ROUTES, "passes"), ("target", ACL, "passes"),
        ("target", GROUPS, "passes"),
    ]  # fmt: skip


def test_every_rule_that_was_considered_says_in_what_it_differs():
    other = {**DB, "FromPort": 80, "ToPort": 80}
    udp = {"IpProtocol": "udp", "FromPort": 5432, "ToPort": 5432,
           "IpRanges": [{"CidrIp": "10.0.1.0/24"}]}  # fmt: skip
    last = steps(policy_of(world(other, udp)), way())[-1]
    assert last.decision == "fails"
    assert "no inbound rule allows tcp/5432 from 10.0.1.5" in str(last.rule)
    assert [(c.matches, c.differs) for c in last.considered] == [
        ("no", ("port",)), ("no", ("protocol",)),
    ]  # fmt: skip


def test_an_acl_is_considered_up_to_the_entry_that_holds():
    entries = [entry(90, "deny", cidr="10.9.0.0/16"), entry(95, ports=(80, 80)),
               entry(99, "deny", cidr="10.0.1.0/24"), *OPEN]  # fmt: skip
    acl = steps(policy_of(world(DB, entries=entries)), way())[3]
    assert acl.rule == "acl-1: inbound rule 99 denies all traffic from 10.0.1.0/24"
    assert [c.number for c in acl.considered] == [90, 95, 99]
    assert [c.differs for c in acl.considered] == [("peer",), ("port",), ()]


def test_what_is_not_known_is_named_with_when_it_was_last_seen():
    rows = [r for r in world(DB) if r["resource_id"] != "sg-db"]
    late = group("sg-db", DB, seen=NOON - HOUR // 2)
    [lack] = steps(policy_of([*rows, late]), way())[-1].lacks
    assert (lack.resource, lack.why) == (
        "sg-db", "last seen 2026-01-05T11:30:00Z, before that")  # fmt: skip
    [lack] = steps(policy_of(rows), way())[-1].lacks
    assert (lack.resource, lack.why) == ("sg-db", "no inventory lists it")
    changed = [group("sg-db", until=NOON), group("sg-db", DB, since=NOON)]
    [lack] = steps(policy_of([*rows, *changed]), way())[-1].lacks
    assert lack.why == (
        "it changed between 2026-01-05T12:00:00Z and 2026-01-05T12:00:00Z"
    )
    [lack] = lacking(policy_of(rows), None, 0, 1, of_acl=True)
    assert lack.resource == "interface"


def test_a_type_of_icmp_is_what_no_log_tells():
    ping = {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1,
            "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}  # fmt: skip
    last = steps(policy_of(world(ping)), way(port=0, protocol=1))[-1]
    assert last.decision == "unknown"
    assert "flow logs do not tell the type of ICMP" in last.lacks[0].why


PORTS = st.tuples(st.integers(1024, 65_535), st.integers(1024, 65_535)).map(sorted)
RULES = st.lists(st.tuples(st.sampled_from(["allow", "deny"]), PORTS), max_size=4)


@settings(max_examples=25)
@given(RULES, st.lists(st.integers(1024, 65_535), max_size=20))
def test_the_reply_is_that_of_each_port_asked_for_itself(rules, ports):
    entries = [entry(100), *(entry(n + 1, action, egress=True, ports=span)
                             for n, (action, span) in enumerate(rules))]  # fmt: skip
    policy = policy_of(world(DB, entries=entries))
    found = replies(policy, way())
    spans = [r.ports or (0, 0) for r in found]
    assert spans[0][0] == 1024
    assert spans[-1][1] == 65_535
    assert all(one[1] + 1 == other[0] for one, other in pairwise(spans))
    for port in [*ports, *(p for span in spans for p in span)]:
        wanted = next((a for a, (low, high) in rules if low <= port <= high), "deny")
        [part] = [
            r
            for r, (low, high) in zip(found, spans, strict=True)
            if low <= port <= high
        ]
        [acl] = [s for s in part.steps if (s.at, s.kind) == ("source", ACL)]
        assert acl.decision == {"allow": "passes", "deny": "fails"}[wanted]


def test_groups_let_a_reply_pass_whatever_their_rules_say():
    policy = policy_of(world(DB, outbound=()))
    [reply] = replies(policy, way(), (40_000, 40_000))
    assert told(reply.steps)[0] == ("source", GROUPS, "passes")
    assert told(reply.steps)[-1] == ("target", GROUPS, "passes")


@pytest.mark.parametrize(
    ("inbound", "outbound", "protocol", "tracked"),
    [
        ({**DB, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}, ANYBODY, 6, False),
        ({**DB, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}, ANYBODY, 6, True),
        ({**DB, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}, DB, 6, True),
        (ANYBODY, ANYBODY, 1, True),
        (ANYBODY, ANYBODY, 17, False),
    ],
)
def test_what_is_open_to_everybody_both_ways_is_not_tracked(
    inbound, outbound, protocol, tracked
):
    policy = policy_of(world(inbound, outbound=(outbound,), client=()))
    assert is_tracked(policy, way(protocol=protocol)) is tracked


PACKETS = st.tuples(st.sampled_from([5432, 80, 22]), st.sampled_from([6, 17]),
                    st.booleans())  # fmt: skip


@settings(max_examples=20)
@given(st.lists(PACKETS, min_size=1, max_size=4))
def test_a_step_says_what_all_packets_asked_together_are_told(packets):
    policy = policy_of(world(DB, {**ANYBODY, "IpProtocol": "udp", "FromPort": 0,
                                  "ToPort": 65_535}))  # fmt: skip
    for inbound in (True, False):
        ways = [way(port, protocol) for port, protocol, _ in packets]
        decided = policy.decide(asked_about(policy, ways, inbound=inbound))
        at = "target" if inbound else "source"
        for place, one in enumerate(ways):
            mine = {s.kind: s.decision for s in steps(policy, one) if s.at == at}
            case = decided.case[place]
            assert mine[GROUPS] == WORDS[int(decided.group[case])]
            assert mine[ACL] == WORDS[int(decided.acl[case])]


def before(rows, *, inbound=True, moment=NOON):
    found = changes_before(policy_of(rows), way(at=moment), moment, inbound=inbound)
    return [(c.resource, c.removed, c.added, c.explains) for c in found]


def test_the_change_that_explains_a_rejection_comes_first_with_its_difference():
    rows = [r for r in world() if r["resource_id"] != "sg-db"]
    https = {**DB, "FromPort": 443, "ToPort": 443}
    rows += [
        group("sg-db", DB, since=NOON - HOUR, until=NOON - 1800),
        group("sg-db", https, since=NOON - 1700),
    ]
    assert before(rows) == [
        ("sg-db", ("inbound tcp/5432 from sg-app",), ("inbound tcp/443 from sg-app",),
         True)]  # fmt: skip


def test_a_change_that_makes_no_difference_to_rules_is_none():
    rows = [r for r in world() if r["resource_id"] != "sg-db"]
    https = {**DB, "FromPort": 443, "ToPort": 443}
    times = [(NOON - 2 * HOUR, NOON - HOUR), (NOON - HOUR, NOON - 1800)]
    rows += [
        group("sg-db", DB, since=times[0][0], until=times[0][1]),
        group("sg-db", https, since=times[1][0], until=times[1][1]),
        group("sg-db", {**https, "Other": "said"}, since=NOON - 1800),
    ]
    difference = ("inbound tcp/5432 from sg-app",), ("inbound tcp/443 from sg-app",)
    assert [told[:3] for told in before(rows)] == [("sg-db", *difference)]
    assert before(rows[:-3] + rows[-2:]) == []


def test_an_acl_s_change_is_told_by_its_entries():
    rows = [r for r in world(DB) if r["resource_id"] != "acl-1"]
    times = ({"since": NOON - HOUR, "until": NOON - 600}, {"since": NOON - 600})
    rows += [
        row("network_acl", "acl-1", acl_of(entries), **span)
        for entries, span in zip((OPEN, [entry(90, "deny"), *OPEN]), times, strict=True)
    ]
    [(name, removed, added, explains)] = before(rows)
    assert (name, removed, explains) == ("subnet-1", (), True)
    assert added == ("acl-1: inbound rule 90 denies all traffic from 0.0.0.0/0",)


def test_a_change_that_lets_more_pass_explains_nothing():
    rows = [r for r in world() if r["resource_id"] != "sg-db"]
    more = group("sg-db", {**DB, "FromPort": 80, "ToPort": 80}, since=NOON - 600)
    rows += [group("sg-db", since=NOON - HOUR, until=NOON - 600), more]
    [(*_, explains)] = before(rows)
    assert explains is False


def test_what_changed_after_the_rejection_began_is_no_reason():
    rows = [r for r in world() if r["resource_id"] != "sg-db"]
    rows += [group("sg-db", DB, since=NOON - HOUR, until=NOON + 600),
             group("sg-db", since=NOON + 700)]  # fmt: skip
    assert before(rows) == []


def test_the_internet_reaches_no_interface_without_a_public_address():
    policy = policy_of(world(ANYBODY))
    hidden = End("10.0.0.7", "eni-2", "subnet-1", "vpc-1", has_public=False)
    found = steps(policy, way(source=End("203.0.113.9"), target=hidden))
    assert told(found)[0] == ("target", ROUTES, "fails")
    shown = End("10.0.0.7", "eni-2", "subnet-1", "vpc-1", has_public=True)
    assert told(steps(policy, way(source=End("203.0.113.9"), target=shown))) == [
        ("target", ACL, "passes"), ("target", GROUPS, "passes")]  # fmt: skip


def test_looking_up_takes_rows_as_they_are():
    policy = policy_of(world(DB))
    asked = asked_about(policy, [way(), way(80)], inbound=True)
    looked = policy.look_up(asked).take(np.array([1]))
    assert len(looked.own) == 1


def table(*routes, subnet="subnet-1"):
    document = {"RouteTableId": "rtb-1", "VpcId": "vpc-1", "Routes": list(routes),
                "Associations": [{"SubnetId": subnet}]}  # fmt: skip
    return row("route_table", "rtb-1", document)


def default(target, key="GatewayId"):
    return {"DestinationCidrBlock": "0.0.0.0/0", key: target, "State": "active"}


INTERNET = End("203.0.113.9")
NAT = table(default("nat-1", "NatGatewayId"))


def test_what_the_internet_answers_comes_back_to_those_without_an_address_there():
    inner = End("10.0.0.7", "eni-2", "subnet-1", "vpc-1", has_public=False)
    policy = policy_of(world(more=[NAT]))
    asked = way(443, source=inner, target=INTERNET)
    assert {s.decision for s in steps(policy, asked)} == {"passes"}
    [reply] = replies(policy, asked)
    assert told(reply.steps) == [
        ("target", ACL, "passes"),
        ("target", GROUPS, "passes"),
    ]


@pytest.mark.parametrize(
    ("target", "decision"),
    [(default("igw-1"), "passes"), (default("nat-1", "NatGatewayId"), "fails"),
     (default("eigw-1", "EgressOnlyInternetGatewayId"), "fails")],
)  # fmt: skip
def test_the_internet_is_answered_by_an_internet_gateway_alone(target, decision):
    known = End("10.0.0.7", "eni-2", "subnet-1", "vpc-1", has_public=True)
    policy = policy_of(world(ANYBODY, more=[table(target)]))
    [reply] = replies(policy, way(source=INTERNET, target=known), (40_000, 40_000))
    assert [s.decision for s in reply.steps if s.kind == ROUTES] == [decision]


def test_whether_the_internet_reaches_a_second_address_is_not_known():
    found = steps(policy_of(world(ANYBODY)), way(source=INTERNET, target=SERVER))
    assert told(found)[0] == ("target", ROUTES, "unknown")


def test_a_list_of_a_gateway_endpoint_may_hold_what_no_route_is_for():
    listed = {"DestinationPrefixListId": "pl-1", "GatewayId": "vpce-1"}
    inner = End("10.0.0.7", "eni-2", "subnet-1", "vpc-1")

    def asked(*routes):
        policy = policy_of(world(more=[table(listed, *routes)]))
        return steps(policy, way(443, source=inner, target=INTERNET))[-1]

    assert (asked().decision, asked().lacks[0].resource) == ("unknown", "pl-1")
    assert asked(default("nat-1", "NatGatewayId")).decision == "passes"


def test_open_to_all_of_ipv6_is_not_open_to_all_of_ipv4():
    six = {**DB, "IpRanges": [{"CidrIp": "8.0.0.0/8"}],
           "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}  # fmt: skip
    policy = policy_of(world(six, outbound=(ANYBODY,), client=()))
    assert is_tracked(policy, way()) is True


def test_a_change_further_back_may_be_what_explains():
    rows = [r for r in world() if r["resource_id"] != "sg-db"]
    https, ssh = ({**DB, "FromPort": p, "ToPort": p} for p in (443, 22))
    rows += [
        group("sg-db", DB, since=NOON - HOUR, until=NOON - 1800),
        group("sg-db", https, since=NOON - 1700, until=NOON - 900),
        group("sg-db", https, ssh, since=NOON - 800),
    ]
    assert [(added, explains) for _, _, added, explains in before(rows)] == [
        (("inbound tcp/443 from sg-app",), True),
        (("inbound tcp/22 from sg-app",), False),
    ]


def test_what_cannot_be_told_of_before_explains_nothing_for_sure():
    rows = [r for r in world() if r["resource_id"] not in ("sg-db", "acl-1")]
    rows += [
        group("sg-db", DB, since=NOON - HOUR, until=NOON - 1800),
        group("sg-db", since=NOON - 1700),
        row("network_acl", "acl-1", acl_of(OPEN), since=NOON - 900),
    ]
    [(name, *_, explains)] = before(rows)
    assert (name, explains) == ("sg-db", None)
