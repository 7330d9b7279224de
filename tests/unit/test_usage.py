"""Rules are used by just the packets that a plain reading of them says."""

import ipaddress
from collections import Counter
from functools import cache
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policies import (
    ALL,
    HOUR,
    NOON,
    acl_of,
    group,
    interface,
    network,
    policy_of,
    row,
)
from tests.unit.test_policy import (
    CARRIES,
    CIDRS,
    HOSTS,
    NUMBERS,
    PREFIXES,
    entries,
    matches,
    peers_of,
    permissions,
    span_of,
)
from transform.policy.cases import COLUMNS
from transform.policy.listed import carriers, standing
from transform.policy.rules import Rule, acl_entries, group_rules
from transform.policy.seen import Observed
from transform.policy.shadows import shadowed_by
from transform.policy.usage import Usage

OUTSIDE = "203.0.113.5"
ANY_CIDR = "0.0.0.0/0"


def table(rows, *, at=NOON):
    """Return packets as they are counted: what is asked, and what became of it."""
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for (name, inbound, peer, other, protocol, port), fate in rows:
        told = {
            "interface": name, "inbound": inbound, "peer_address": peer,
            "peer_interface": other, "protocol": protocol, "port": port, "begin": at,
            "end": at + 30, "peer_vpc": None if peer == OUTSIDE else "vpc-1",
            "records": 1, "packets": 10, "bytes": 1000, **fate,
        }  # fmt: skip
        for name_ in COLUMNS:
            columns[name_].append(told[name_])
    types = {"is_request": pa.bool_(), "peer_interface": pa.string()}
    return pa.table({n: pa.array(c, types.get(n)) for n, c in columns.items()})


fates = st.fixed_dictionaries(
    {
        "is_accepted": st.sampled_from([True, True, False]),
        "is_request": st.sampled_from([True, True, False, None]),
        "is_own": st.sampled_from([True, True, True, False]),
        "records": st.integers(1, 3),
    }
)
packets = st.tuples(
    st.just("eni-own"), st.booleans(), st.sampled_from(HOSTS),
    st.sampled_from(list(CARRIES)), st.sampled_from([6, 6, 17, 1, 1]),
    st.integers(20, 30),
)  # fmt: skip
sent = st.lists(st.tuples(packets, fates), min_size=4, max_size=16)


def used(rows, *tables, each=("records", "sole_records", "possible_records")):
    """Return what each rule was used by, without those by nothing."""
    usage = Usage(policy_of(rows))
    for one in tables:
        usage.add(one)
    sums = usage.sums()
    return {
        key_of(placed): counts
        for number, placed in enumerate(usage.numbers.rules)
        if any(counts := tuple(int(sums[name][number]) for name in each))
    }


def key_of(placed):
    rule = placed.rule
    span = (rule.low, rule.high) if rule.protocol in (6, 17) else None
    return (placed.resource, placed.inbound, rule.number, rule.protocol, span,
            rule.typed, rule.peer)  # fmt: skip


def plain_rules(name, permission, *, inbound):
    """Yield a permission's rules: each one's key, and its parts for `matches`."""
    number = NUMBERS[permission["IpProtocol"]]
    first, last = permission.get("FromPort", -1), permission.get("ToPort", -1)
    span = (first, last) if number in (6, 17) else None
    for place, peer in enumerate(peers_of(permission)):
        told = peer[1]
        if permission["PrefixListIds"] and place == len([*peers_of(permission)]) - 1:
            told = "pl-1"
        key = (name, inbound, None, -1 if number is None else number, span,
               number == 1 and first != -1, told)  # fmt: skip
        yield key, (permission["IpProtocol"], (first, last), [peer])


def plain_usage(ways, rows):
    """Return what each rule was used by: packet by packet, rule by rule."""
    found: dict[Any, list[int]] = {}
    for packet, fate in rows:
        if not fate["is_accepted"] or fate["is_request"] is False:
            continue
        mine = dict(
            pair
            for name, permission in ways[packet[1]]
            for pair in plain_rules(name, permission, inbound=packet[1])
        )
        told = {key: matches(a, b, c, packet) for key, (a, b, c) in mine.items()}
        meant = {key: match for key, match in told.items() if match is not False}
        for key, match in meant.items():
            counts = found.setdefault(key, [0, 0, 0])
            if match and fate["is_own"] and fate["is_request"]:
                counts[0] += fate["records"]
                counts[1] += fate["records"] * (len(meant) == 1)
            else:
                counts[2] += fate["records"]
    return {key: tuple(counts) for key, counts in found.items()}


@settings(max_examples=60)
@given(st.lists(permissions(), max_size=4), st.lists(permissions(), max_size=2), sent)
def test_a_rule_is_used_by_each_packet_that_it_lets_in(some, more, rows):
    policy = [
        *network([]), PREFIXES, interface("eni-own", "sg-a", "sg-b"),
        interface("eni-peer", "sg-peer"), interface("eni-none"),
        group("sg-a", *some, outbound=more), group("sg-b", *more, outbound=some),
        group("sg-peer"),
    ]  # fmt: skip
    ways = {
        True: [*(("sg-a", p) for p in some), *(("sg-b", p) for p in more)],
        False: [*(("sg-a", p) for p in more), *(("sg-b", p) for p in some)],
    }
    wanted = plain_usage(ways, rows)
    halves = [table(rows[: len(rows) // 2]), table(rows[len(rows) // 2 :])]
    assert used(policy, *halves) == used(policy, table(rows)) == wanted


@settings(max_examples=50)
@given(
    st.lists(entries(), min_size=2, max_size=6, unique_by=lambda e: e["RuleNumber"]),
    sent,
    st.booleans(),
)
def test_an_entry_is_used_where_it_is_the_first(some, rows, out):
    told = [{**e, "Egress": out} for e in some]
    policy = [*network(told), interface("eni-own"),
              interface("eni-peer", "sg-peer"), interface("eni-none")]  # fmt: skip
    wanted: Counter[int] = Counter()
    for packet, fate in rows:
        here = ipaddress.ip_address(packet[2]) in ipaddress.ip_network("10.0.0.0/24")
        if here or packet[1] == out:
            continue
        for entry in sorted(some, key=lambda e: e["RuleNumber"]):
            peer = [("cidr", entry["CidrBlock"])]
            match = matches(entry["Protocol"], span_of(entry), peer, packet)
            if match is None:  # what it decides, and what comes after it, is open
                break
            if match:
                if (entry["RuleAction"] == "allow") == fate["is_accepted"]:
                    wanted[entry["RuleNumber"]] += fate["records"] * fate["is_own"]
                break
    found = used(policy, table(rows), each=("records",))
    assert {key[2]: counts for key, (counts,) in found.items()} == {
        number: count for number, count in wanted.items() if count
    }


WEB = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443,
       "IpRanges": [{"CidrIp": ANY_CIDR}]}  # fmt: skip
ASKED = {"is_accepted": True, "is_request": True, "is_own": True}
GET = ("eni-own", True, OUTSIDE, None, 6, 443)
COUNTS = ("records", "possible_records")


def counted(rows, packet=GET, *, at=NOON, **fate):
    found = used(rows, table([(packet, ASKED | fate)], at=at), each=COUNTS)
    return {key[0]: counts for key, counts in found.items()}


def test_what_changed_about_then_may_have_been_used_and_is_never_surely():
    base = [*network(), interface("eni-own", "sg-a")]
    changed = [*base, group("sg-a", WEB, until=NOON), group("sg-a", since=NOON)]
    assert counted(changed, at=NOON - 600) == {"sg-a": (1, 0)}
    assert counted(changed) == {"sg-a": (0, 1)}
    assert counted(changed, at=NOON + 600) == {}
    assert counted(changed, at=NOON + 2 * HOUR) == {"sg-a": (0, 1)}
    once = row("network_interface", "eni-own",
               {"NetworkInterfaceId": "eni-own", "SubnetId": "subnet-1",
                "Groups": [{"GroupId": "sg-a"}]}, until=NOON)  # fmt: skip
    gone = [*network(), once, group("sg-a", WEB)]
    assert counted(gone) == {"sg-a": (0, 1)}


def test_a_lost_acl_may_have_been_any_of_those_that_were_seen():
    deny = {**ALL, "RuleNumber": 90, "RuleAction": "deny"}
    other = row("network_acl", "acl-1", acl_of([deny]), since=NOON)
    rows = [*network([ALL], until=NOON), other, interface("eni-own")]
    assert counted(rows) == {"acl-1": (0, 1)}
    assert counted(rows, is_accepted=False, at=NOON + 600) == {"acl-1": (1, 0)}
    assert counted(rows, is_accepted=False, at=NOON - 600) == {}


def test_what_goes_out_meets_the_groups_before_the_acl():
    deny = {**ALL, "RuleAction": "deny", "Egress": True}
    out = ("eni-own", False, OUTSIDE, None, 6, 443)
    for rules, request, wanted in [
        ((WEB,), True, (1, 0)), ((), True, (0, 1)), ((), False, (1, 0)),
    ]:  # fmt: skip
        rows = [*network([deny]), interface("eni-own", "sg-a"),
                group("sg-a", outbound=rules)]  # fmt: skip
        found = counted(rows, out, is_accepted=False, is_request=request)
        assert found == {"acl-1": wanted}


UNIVERSE = [*range(18, 28)]


@st.composite
def plain_rule(draw, number=None):
    protocol = draw(st.sampled_from([-1, 6, 17, 47]))
    first = draw(st.integers(18, 23))
    last = first + draw(st.integers(0, 3))
    if protocol not in (6, 17):
        first, last = 0, 65_535
    allows = number is None or draw(st.booleans())
    peer = draw(st.sampled_from(CIDRS))
    return Rule(protocol, first, last, False, "cidr", peer, number, allows)


@cache
def held_by(rule):
    """Return all of a small universe that a rule is for."""
    return {
        (protocol, port, host)
        for protocol in (6, 17, 47, 50)
        for port in (UNIVERSE if protocol in (6, 17) else [0])
        for host in PROBES
        if rule.protocol in (-1, protocol)
        and (rule.protocol not in (6, 17) or rule.low <= port <= rule.high)
        and host in NETWORKS[rule.peer]
    }


NETWORKS = {cidr: ipaddress.ip_network(cidr) for cidr in CIDRS}
# An address inside each network and beside each one within another.
NEAR = [*HOSTS, "1.2.3.4", "10.9.9.9", "10.0.1.255", "203.0.113.127",
          "203.0.113.200", "2001:db8:ffff::1", "2600::1", "fd11::1"]  # fmt: skip
PROBES = [ipaddress.ip_address(host) for host in NEAR]


@settings(max_examples=60)
@given(st.lists(plain_rule(), max_size=6).map(lambda rules: [*rules, *rules[:1]]))
def test_a_shadowed_rule_is_for_nothing_that_its_shadow_is_not_for(rules):
    shadows = shadowed_by(rules, ordered=False).tolist()
    for place, shadow in enumerate(shadows):
        others = [n for n in range(len(rules)) if n != place
                  and held_by(rules[place]) <= held_by(rules[n])
                  and (n < place or rules[n] != rules[place])]  # fmt: skip
        assert shadow in others if others else shadow == -1
    assert all(shadows[s] != place for place, s in enumerate(shadows) if s >= 0)


@settings(max_examples=60)
@given(st.data())
def test_only_an_earlier_entry_shadows(data):
    rules = [data.draw(plain_rule(n)) for n in range(1, data.draw(st.integers(0, 6)))]
    for place, shadow in enumerate(shadowed_by(rules, ordered=True).tolist()):
        others = [n for n in range(place)
                  if held_by(rules[place]) <= held_by(rules[n])]  # fmt: skip
        assert shadow == (others[0] if others else -1)


def test_what_is_not_the_same_for_sure_shadows_nothing():
    one_type = {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1,
                "IpRanges": [{"CidrIp": ANY_CIDR}]}  # fmt: skip
    every = {**one_type, "FromPort": -1}
    odd = {"IpProtocol": "?"}
    document = {"IpPermissions": [one_type, {**one_type, "FromPort": 0}, odd, every]}
    rules = [*group_rules(document, inbound=True)]
    assert shadowed_by(rules, ordered=False).tolist() == [3, 3, -1, -1]
    last = [*acl_entries(acl_of([ALL, {**ALL, "RuleNumber": 32_767}]), inbound=True)]
    assert shadowed_by(last, ordered=True).tolist() == [-1, -1]


def test_rules_are_listed_with_when_they_stood_and_who_carried_them():
    policy = policy_of([
        *network([ALL]), interface("eni-own", "sg-a"), interface("eni-b"),
        group("sg-a", WEB, until=NOON), group("sg-a", since=NOON),
        group("sg-old", WEB, since=NOON - 9 * HOUR, until=NOON - 8 * HOUR),
    ])  # fmt: skip
    usage = Usage(policy)
    found = standing(policy, usage.numbers, NOON - 600, NOON + 600)
    told = {usage.numbers.rules[number].text: one for number, one in found.items()}
    assert set(told) == {"tcp/443 from 0.0.0.0/0",
                         "rule 100 allows all traffic from 0.0.0.0/0"}  # fmt: skip
    web = told["tcp/443 from 0.0.0.0/0"]
    assert (web.since, web.until) == (NOON - HOUR, NOON)
    carried = carriers(policy, NOON - 600, NOON + 600)
    names = {name: [carried.names[p] for p in places.tolist()]
             for name, places in carried.of.items()}  # fmt: skip
    assert names == {"sg-a": ["eni-own"], "acl-1": ["eni-own", "eni-b"]}


@pytest.mark.parametrize(
    ("rule", "seen", "wanted"),
    [
        ((-1, 0, 65_535, "10.0.0.0/8"), (1, "10.0.0.0/9"), ["protocols"]),
        ((6, 443, 443, ANY_CIDR), (1, "0.0.0.0/1"), []),
        ((6, 443, 445, ANY_CIDR), (2, "0.0.0.0/7"), ["ports"]),
        ((6, 443, 445, ANY_CIDR), (3, "10.0.0.0/8"), ["peers"]),
        ((6, 443, 443, "10.0.0.0/16"), (1, "10.0.3.0/24"), ["peers"]),
        ((6, 443, 443, "10.0.0.0/25"), (1, "10.0.0.1/32"), []),
        ((6, 0, 65_535, "sg-1"), (9, "10.0.0.1/32"), ["ports"]),
        ((47, 0, 65_535, ANY_CIDR), (1, None), []),
    ],
)
def test_what_a_rule_allows_beyond_its_use(rule, seen, wanted):
    protocol, low, high, peer = rule
    kind = "group" if peer.startswith("sg-") else "cidr"
    observed = Observed("", seen[0], 1, seen[1])
    assert observed.wider_by(Rule(protocol, low, high, False, kind, peer)) == wanted


def test_ports_and_peers_that_were_used_are_told():
    every = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": ANY_CIDR}]}
    policy = policy_of([*network(), interface("eni-own", "sg-a"),
                        group("sg-a", every, WEB)])  # fmt: skip
    usage = Usage(policy)
    for port in (443, 80, 81, 82):
        for host in ("10.0.1.7", "10.0.1.8"):
            packet = ("eni-own", True, host, None, 6, port)
            usage.add(table([(packet, ASKED)]))
    usage.add(table([(("eni-own", True, "10.0.1.9", None, 1, 0), ASKED)]))
    rules = [placed.rule for placed in usage.numbers.rules]
    first, second = (usage.seen.by_rule(rules)[number] for number in (0, 1))
    assert first == Observed("icmp, tcp/80-82, tcp/443", 5, 3, "10.0.1.0/28")
    assert second == Observed("443", 1, 2, "10.0.1.0/28")
    for port in range(1000, 1100, 2):
        usage.add(table([(("eni-own", True, OUTSIDE, None, 6, port), ASKED)]))
    told = usage.seen.by_rule(rules)[0].ports
    assert told.endswith("tcp/1032 and more, 55 in all")
