"""What is suggested lets the observed pass, and nothing else that it does not tell."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from lake.tables import CONFIGURATIONS, arrow_schema
from tests.policies import (
    ALL,
    OPEN,
    ask,
    group,
    interface,
    network,
    policy_of,
    row,
)
from transform.policy.asked import ALLOWED, NOT_ASKED
from transform.policy.edges import Edge, End
from transform.policy.latest import Latest
from transform.policy.suggest import suggest, to_json

TCP, UDP, ICMP = 6, 17, 1
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
ENDS = {"eni-a": "10.0.0.4", "eni-b": "10.0.0.5", "eni-c": "10.0.0.6",
        "eni-d": "10.0.1.7"}  # fmt: skip
PORTS = (80, 81, 443)
OUT = {**ALL, "Egress": True}
EPHEMERAL = 50_000


def end(name, **more):
    vpc = None if name not in ENDS else "vpc-1"
    kind = "network_interface" if vpc else None
    own = name if vpc else None
    return replace(End(own, ENDS.get(name, name), vpc, kind), **more)


def edge(client, server, port=80, *, protocol=TCP, cause="security_group", records=1):
    ends = (one if isinstance(one, End) else end(one) for one in (client, server))
    return Edge(
        *ends, protocol, port, (EPHEMERAL, EPHEMERAL), (cause,), ("rejected",),
        records, 40 * records, NOON, NOON.replace(minute=5),
    )  # fmt: skip


def latest_of(rows):
    schema = pa.schema([f.with_nullable(True) for f in arrow_schema(CONFIGURATIONS)])
    return Latest(pa.Table.from_pylist(rows, schema=schema))


def world(carried, rules=(), acl=None, outbound=(OPEN,)):
    """Return rows: interfaces that carry groups; of groups the inbound rules."""
    rules = dict(rules)
    names = sorted({g for some in carried.values() for g in some} | {*rules})
    subnets = {"eni-d": "subnet-0"}
    return [
        *network(acl),
        row("network_acl", "acl-0", {
            "NetworkAclId": "acl-0", "VpcId": "vpc-1", "Entries": [ALL, OUT],
            "Associations": [{"SubnetId": "subnet-0"}]}),
        *(interface(name, *some, subnet=subnets.get(name, "subnet-1"))
          for name, some in carried.items()),
        *(group(name, *rules.get(name, ()), outbound=outbound) for name in names),
    ]  # fmt: skip


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
    return [to_json(one.change) for one in found.suggestions]


def reasons(found):
    return sorted({one.reason for one in found.not_suggested})


def texts(found):
    return [one.change.text() for one in found.suggestions]


# -- laws ---------------------------------------------------------------------------

GROUPS = ("sg-1", "sg-2", "sg-3", "sg-4")
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


@settings(max_examples=100, deadline=None)
@given(CARRIED, RULES, ACL, EDGES, OUTBOUND, PREFER)
def test_what_was_observed_passes_and_else_only_what_is_told(
    carried, rules, acl, pairs, outbound, prefer
):
    rows = world(carried, rules, [*acl], outbound)
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


@settings(max_examples=50, deadline=None)
@given(CARRIED, RULES, ACL, EDGES, OUTBOUND, PREFER)
def test_no_rule_can_be_left_out(carried, rules, acl, pairs, outbound, prefer):
    rows = world(carried, rules, [*acl], outbound)
    edges = [edge(client, server, port) for client, server, port, _ in pairs]
    changes = made(suggest(latest_of(rows), edges, prefer=prefer))
    whole = passes(applied(rows, changes), pairs)
    for place in range(len(changes)):
        without = changes[:place] + changes[place + 1 :]
        left = passes(applied(rows, without), pairs)
        assert sum(left) < sum(whole) or not all(whole)
