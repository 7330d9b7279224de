"""What nobody knows for sure, or cannot read, decides nothing and stops nothing."""

import json

import pytest

from tests.policies import (
    ALL,
    HOUR,
    NOON,
    OPEN,
    acl_of,
    ask,
    group,
    interface,
    network,
    policy_of,
    row,
)
from transform.policy.asked import ALLOWED, DENIED, NOT_ASKED, UNKNOWN

PEER = "203.0.113.5"
SYN = ("eni-own", True, PEER, None, 6, 22)
SSH = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
       "IpRanges": [{"CidrIp": f"{PEER}/32"}]}  # fmt: skip
BY_GROUP = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "sg-peer"}]}


def verdicts(rows, *packets, at=NOON):
    return ask(policy_of(rows), packets or [SYN], at=at)[2]


@pytest.mark.parametrize(
    "odd",
    [
        None, "text", {**SSH, "IpProtocol": None}, {**SSH, "IpProtocol": "any"},
        {**SSH, "IpProtocol": "300"}, {**SSH, "FromPort": "x"},
        {**SSH, "ToPort": 2**40}, {**SSH, "FromPort": -2}, {**SSH, "IpRanges": ["x"]},
        {**SSH, "IpRanges": [{"CidrIp": "x"}]}, {**SSH, "IpRanges": [{"CidrIp": 5}]},
        {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupName": "web"}]},
    ],
)  # fmt: skip
def test_a_rule_of_a_group_that_cannot_be_read_may_let_anybody_in(odd):
    rows = [*network([ALL]), interface("eni-own", "sg-a")]
    assert verdicts([*rows, group("sg-a", odd)]) == [(ALLOWED, UNKNOWN)]
    assert verdicts([*rows, group("sg-a", odd, SSH)]) == [(ALLOWED, ALLOWED)]


def test_all_traffic_may_be_spelled_out():
    rows = [*network([ALL]), interface("eni-own", "sg-a"),
            group("sg-a", {**OPEN, "IpProtocol": "all"})]  # fmt: skip
    assert verdicts(rows) == [(ALLOWED, ALLOWED)]


@pytest.mark.parametrize(
    "odd",
    [
        None, "text", {**ALL, "RuleNumber": "x"}, {**ALL, "Protocol": None},
        {**ALL, "RuleAction": None}, {**ALL, "RuleAction": "ALLOW"},
        {**ALL, "Egress": "false"}, {**ALL, "CidrBlock": None},
        {**ALL, "CidrBlock": 5}, {**ALL, "CidrBlock": "x"},
        {**ALL, "Protocol": "6", "PortRange": "22"},
        {**ALL, "Protocol": "6", "PortRange": {"From": 2**40}},
    ],
)  # fmt: skip
def test_an_entry_of_an_acl_that_cannot_be_read_leaves_open_what_follows(odd):
    first = {**ALL, "RuleNumber": 1, "CidrBlock": "203.0.113.0/24"}
    rows = [interface("eni-own")]
    assert verdicts([*network([odd]), *rows])[0][0] == UNKNOWN
    number = odd.get("RuleNumber") if isinstance(odd, dict) else None
    known = isinstance(number, int)  # else it may stand before all
    wanted = ALLOWED if known else UNKNOWN
    assert verdicts([*network([first, odd]), *rows])[0][0] == wanted


@pytest.mark.parametrize("lacks", ["IpPermissions", "Entries"])
def test_a_document_without_its_rules_is_not_one_with_none(lacks):
    rows = [*network([ALL]), interface("eni-own", "sg-a"), group("sg-a")]
    for one in rows:
        document = json.loads(one["document"])
        document.pop(lacks, None)
        one["document"] = json.dumps(document)
    assert UNKNOWN in verdicts(rows)[0]


def test_an_interface_with_a_group_without_an_id_is_not_one_with_none():
    odd = {"NetworkInterfaceId": "eni-own", "SubnetId": "subnet-1",
           "Groups": [{"GroupName": "web"}]}  # fmt: skip
    rows = [*network([ALL]), row("network_interface", "eni-own", odd)]
    assert verdicts(rows) == [(ALLOWED, UNKNOWN)]


def test_a_prefix_list_is_asked_as_of_each_packets_time_in_any_order():
    by_list = {"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": "pl-1"}]}

    def entries(*cidrs, **times):
        document = {"PrefixListId": "pl-1", "Entries": [{"Cidr": c} for c in cidrs]}
        return row("prefix_list", "pl-1", document, **times)

    rows = [*network([ALL]), interface("eni-own", "sg-a"), group("sg-a", by_list),
            entries(until=NOON), entries(f"{PEER}/32", since=NOON)]  # fmt: skip
    policy = policy_of(rows)
    before, after = NOON - 600, NOON + 600
    for order, wanted in (([before, after], [DENIED, ALLOWED]),
                          ([after, before], [ALLOWED, DENIED])):  # fmt: skip
        _, _, found = ask(policy, [SYN, SYN], at=order)
        assert [state for _, state in found] == wanted


def test_a_group_of_a_balancer_that_keeps_clients_addresses_may_mean_anybody():
    eni = interface("eni-nlb", "sg-peer")
    eni["document"] = eni["document"].replace(
        "{", '{"InterfaceType": "network_load_balancer", ', 1
    )
    rows = [*network([ALL]), interface("eni-own", "sg-a"), group("sg-peer"),
            group("sg-a", BY_GROUP)]  # fmt: skip
    assert verdicts(rows) == [(ALLOWED, DENIED)]
    assert verdicts([*rows, eni]) == [(ALLOWED, UNKNOWN)]


def test_more_groups_than_an_interface_can_have_are_not_believed():
    names = [f"sg-{n}" for n in range(65)]
    rows = [*network([ALL]), interface("eni-own", *names), *map(group, names)]
    assert verdicts(rows) == [(ALLOWED, UNKNOWN)]


def subnet(*cidrs, **times):
    document = {"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": cidrs[0],
                "Ipv6CidrBlockAssociationSet": [
                    {"Ipv6CidrBlock": c} for c in cidrs[1:]]}  # fmt: skip
    return row("subnet", "subnet-1", document, **times)


def test_a_subnet_has_the_ranges_that_it_had_then():
    inside = ("eni-own", True, "2001:db8::9", None, 6, 22)
    rows = [r for r in network([]) if r["resource_id"] != "subnet-1"]
    rows += [interface("eni-own"), subnet("10.0.0.0/24", until=NOON),
             subnet("10.0.0.0/24", "2001:db8::/64", since=NOON)]  # fmt: skip
    for some in (rows, rows[::-1]):
        found = [verdicts(some, inside, at=NOON + n)[0][0] for n in (-600, 0, 600)]
        assert found == [DENIED, UNKNOWN, NOT_ASKED]


def test_what_was_gone_in_between_is_not_what_it_was_before():
    gone, back = NOON - 1800, NOON + 1800
    rows = [*network([ALL]), interface("eni-own", "sg-a"),
            group("sg-a", since=NOON - HOUR, until=gone),
            group("sg-a", since=back, seen=back + HOUR)]  # fmt: skip
    assert verdicts(rows) == [(ALLOWED, UNKNOWN)]
    apart = acl_of([]) | {"Associations": [{"SubnetId": "subnet-0"}]}
    rows = [*network([], until=gone), interface("eni-own"),
            row("network_acl", "acl-1", apart, since=gone, until=back),
            row("network_acl", "acl-1", acl_of([]), since=back)]  # fmt: skip
    assert verdicts(rows)[0][0] == UNKNOWN
    assert verdicts(rows, at=gone - 600)[0][0] == DENIED


def test_one_look_of_another_account_that_saw_other_rules_is_heeded():
    rows = [*network([ALL]), interface("eni-own", "sg-a"), group("sg-a")]
    once = {"since": NOON, "seen": NOON}
    assert verdicts([*rows, group("sg-a", **once)]) == [(ALLOWED, DENIED)]
    assert verdicts([*rows, group("sg-a", OPEN, **once)]) == [(ALLOWED, UNKNOWN)]
