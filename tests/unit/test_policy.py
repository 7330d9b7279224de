"""Packets are decided about as a plain reading of the rules would, and as of then."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

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

HOSTS = ["10.0.0.9", "10.0.1.7", "10.0.1.8", "203.0.113.5", "2001:db8::7", "fd00::7"]
CIDRS = ["0.0.0.0/0", "10.0.0.0/8", "10.0.1.0/24", "10.0.1.7/32", "203.0.113.0/25",
         "::/0", "2001:db8::/32", "fd00::/8"]  # fmt: skip
PROTOCOLS = [("-1", None), ("tcp", 6), ("6", 6), ("udp", 17), ("icmp", 1), ("47", 47)]
NUMBERS = dict([*PROTOCOLS, ("1", 1)])
CARRIES = {"eni-peer": {"sg-peer"}, "eni-none": set(), None: None}


@st.composite
def permissions(draw):
    name, number = draw(st.sampled_from(PROTOCOLS))
    made = {"IpProtocol": name, "IpRanges": [], "Ipv6Ranges": [],
            "UserIdGroupPairs": [], "PrefixListIds": []}  # fmt: skip
    if number in (6, 17):
        first = draw(st.integers(20, 30))
        made |= {"FromPort": first, "ToPort": first + draw(st.integers(0, 5))}
    elif number == 1:
        made |= {"FromPort": draw(st.sampled_from([-1, 8])), "ToPort": -1}
    for cidr in draw(st.lists(st.sampled_from(CIDRS), max_size=2)):
        six = ":" in cidr
        key = "CidrIpv6" if six else "CidrIp"
        made["Ipv6Ranges" if six else "IpRanges"].append({key: cidr})
    if draw(st.booleans()):
        made["UserIdGroupPairs"].append({"GroupId": "sg-peer"})
    if draw(st.integers(0, 4)) == 0:
        made["PrefixListIds"].append({"PrefixListId": "pl-1"})
    return made


def matches(protocol, span, peers, packet):
    """Return whether a rule matches a packet; None: nobody can tell."""
    _, _, address, other, packet_protocol, port = packet
    number = NUMBERS[protocol]
    if number not in (None, packet_protocol):
        return False
    if number in (6, 17) and not span[0] <= port <= span[1]:
        return False
    who = [_is_peer(kind, peer, address, other) for kind, peer in peers]
    found = True if True in who else None if None in who else False
    typed = number == 1 and span[0] != -1
    return None if found and typed else found


def _is_peer(kind, peer, address, other):
    where = ipaddress.ip_address(address)
    if kind == "cidr":
        return where in ipaddress.ip_network(peer)
    if address.startswith("203."):
        return False
    if other is None and where not in ipaddress.ip_network("10.0.0.0/16"):
        return False
    carried = CARRIES[other]
    return None if carried is None else peer in carried


def peers_of(permission):
    yield from (("cidr", r["CidrIp"]) for r in permission["IpRanges"])
    yield from (("cidr", r["CidrIpv6"]) for r in permission["Ipv6Ranges"])
    yield from (("group", g["GroupId"]) for g in permission["UserIdGroupPairs"])
    if permission["PrefixListIds"]:
        yield "cidr", "203.0.113.0/24"


packets = st.lists(
    st.tuples(
        st.just("eni-own"), st.booleans(), st.sampled_from(HOSTS),
        st.sampled_from(list(CARRIES)), st.sampled_from([6, 17, 1, 47]),
        st.integers(18, 37),
    ),
    min_size=1, max_size=8,
)  # fmt: skip
PREFIXES = row(
    "prefix_list", "pl-1", {"PrefixListId": "pl-1",
                            "Entries": [{"Cidr": "203.0.113.0/24"}]},
)  # fmt: skip


@given(
    st.lists(permissions(), max_size=4), st.lists(permissions(), max_size=2), packets
)
def test_groups_let_pass_what_any_of_their_rules_is_for(some, more, sent):
    rows = [
        *network([]), PREFIXES, interface("eni-own", "sg-a", "sg-b"),
        interface("eni-peer", "sg-peer"), interface("eni-none"),
        group("sg-a", *some, outbound=more), group("sg-b", *more, outbound=some),
        group("sg-peer"),
    ]  # fmt: skip
    _, _, verdicts = ask(policy_of(rows), sent)
    for packet, (_, verdict) in zip(sent, verdicts, strict=True):
        found = [
            matches(p["IpProtocol"], (p.get("FromPort", -1), p.get("ToPort", -1)),
                    [*peers_of(p)], packet)
            for p in (*some, *more)
        ]  # fmt: skip
        wanted = ALLOWED if True in found else UNKNOWN if None in found else DENIED
        assert verdict == wanted, packet


@st.composite
def entries(draw):
    name, number = draw(st.sampled_from([("-1", None), *PROTOCOLS[2:3], ("1", 1)]))
    cidr = draw(st.sampled_from(CIDRS[:4]))
    made = {"RuleNumber": draw(st.integers(1, 6)), "Protocol": name,
            "RuleAction": draw(st.sampled_from(["allow", "deny"])),
            "Egress": False, "CidrBlock": cidr}  # fmt: skip
    if number == 6:
        first = draw(st.integers(20, 30))
        made["PortRange"] = {"From": first, "To": first + draw(st.integers(0, 5))}
    if number == 1:
        made["IcmpTypeCode"] = {"Type": draw(st.sampled_from([-1, 8])), "Code": -1}
    return made


def span_of(entry):
    if "PortRange" in entry:
        return entry["PortRange"]["From"], entry["PortRange"]["To"]
    return entry.get("IcmpTypeCode", {}).get("Type", -1), -1


@given(
    st.lists(entries(), max_size=6, unique_by=lambda e: e["RuleNumber"]),
    packets,
    st.booleans(),
)
def test_of_an_acl_the_first_entry_that_matches_holds_at_the_edge_of_a_subnet(
    some, sent, out
):
    rows = [*network([{**e, "Egress": out} for e in some]), interface("eni-own"),
            interface("eni-peer", "sg-peer"), interface("eni-none")]  # fmt: skip
    _, decided, verdicts = ask(policy_of(rows), sent)
    ordered = sorted(some, key=lambda e: e["RuleNumber"])
    for number, packet in enumerate(sent):
        verdict = verdicts[number][0]
        if ipaddress.ip_address(packet[2]) in ipaddress.ip_network("10.0.0.0/24"):
            assert verdict == NOT_ASKED
            continue
        mine = ordered if packet[1] != out else []
        found = [
            matches(e["Protocol"], span_of(e), [("cidr", e["CidrBlock"])], packet)
            for e in mine
        ]
        place = found.index(True) if True in found else len(found)
        if None in found[:place]:
            assert verdict == UNKNOWN
            continue
        hit = mine[place] if place < len(mine) else None
        allowed = hit is not None and hit["RuleAction"] == "allow"
        assert verdict == (ALLOWED if allowed else DENIED), packet
        _, rule, _ = decided.entries[decided.entry[decided.case[number]]]
        assert (rule and rule.number) == (hit and hit["RuleNumber"])


SSH = [("eni-own", True, "203.0.113.5", None, 6, 22)]


@pytest.mark.parametrize(
    ("at", "wanted"),
    [(NOON - 300, ALLOWED), (NOON - 61, ALLOWED), (NOON - 59, UNKNOWN), (NOON, UNKNOWN),
     (NOON + 59, UNKNOWN), (NOON + 60, DENIED), (NOON + HOUR - 60, DENIED),
     (NOON + HOUR, UNKNOWN), (NOON - HOUR, UNKNOWN), (NOON - 2 * HOUR, UNKNOWN)],
)  # fmt: skip
def test_what_changed_within_the_blur_or_is_not_known_decides_nothing(at, wanted):
    rows = [*network([ALL]), interface("eni-own", "sg-a"),
            group("sg-a", OPEN, until=NOON), group("sg-a", since=NOON)]  # fmt: skip
    assert [v for _, v in ask(policy_of(rows), SSH, at=at)[2]] == [wanted]
    rows = [*network([ALL], until=NOON), interface("eni-own"),
            row("network_acl", "acl-1", acl_of([]), since=NOON)]  # fmt: skip
    assert [v for v, _ in ask(policy_of(rows), SSH, at=at)[2]] == [wanted]


@pytest.mark.parametrize("lacks", ["network_interface", "security_group", "network_acl",
                                   "subnet"])  # fmt: skip
def test_what_rests_on_something_unknown_is_unknown(lacks):
    rows = [*network([ALL]), interface("eni-own", "sg-a"), group("sg-a")]
    rows = [r for r in rows if r["resource_type"] != lacks]
    _, _, [(acl, groups)] = ask(policy_of(rows), SSH)
    assert (acl == UNKNOWN) == (lacks != "security_group")
    assert (groups == UNKNOWN) == (lacks in ("network_interface", "security_group"))


def test_one_unknown_group_leaves_open_what_the_others_do_not_let_in():
    rows = [*network([ALL]), interface("eni-own", "sg-a", "sg-lost"), group("sg-a")]
    assert ask(policy_of(rows), SSH)[2] == [(ALLOWED, UNKNOWN)]


def test_a_prefix_list_whose_entries_nobody_knows_may_hold_anybody():
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
            "PrefixListIds": [{"PrefixListId": "pl-1"}]}  # fmt: skip
    rows = [*network([ALL]), interface("eni-own", "sg-a"), group("sg-a", rule)]
    assert ask(policy_of(rows), SSH)[2] == [(ALLOWED, UNKNOWN)]
    assert ask(policy_of([*rows, PREFIXES]), SSH)[2] == [(ALLOWED, ALLOWED)]


def test_what_two_looks_saw_alike_is_one_version_whoever_looked():
    halves = [
        group("sg-a", since=NOON - HOUR, until=NOON),
        group("sg-a", since=NOON, seen=NOON + HOUR),
    ]
    rows = [*network([ALL]), interface("eni-own", "sg-a")]
    for some in (halves, halves[::-1], [*halves, group("sg-a")]):
        assert ask(policy_of([*rows, *some]), SSH)[2] == [(ALLOWED, DENIED)]
    other = group("sg-a", OPEN, since=NOON - 10, until=NOON + 10)
    assert ask(policy_of([*rows, *halves, other]), SSH)[2] == [(ALLOWED, UNKNOWN)]


def test_the_nearest_rule_is_for_that_port_before_it_is_for_that_peer():
    by_port = {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53,
               "IpRanges": [{"CidrIp": "192.0.2.0/24"}]}  # fmt: skip
    by_peer = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
               "IpRanges": [{"CidrIp": "203.0.113.0/24"}]}  # fmt: skip
    packet = ("eni-own", True, "203.0.113.5", None, 17, 53)
    for rules, wanted in (
        ((by_peer, by_port), "udp/53 from 192.0.2.0/24"),
        ((by_peer,), "tcp/22 from 203.0.113.0/24"),
        (({**by_peer, "IpRanges": [{"CidrIp": "192.0.2.0/24"}]},), None),
    ):
        rows = [*network([ALL]), interface("eni-own", "sg-a"), group("sg-a", *rules)]
        _, decided, _ = ask(policy_of(rows), [packet])
        place = decided.nearest[0]
        near = decided.rules[place][0].text(inbound=True) if place >= 0 else None
        assert near == wanted
