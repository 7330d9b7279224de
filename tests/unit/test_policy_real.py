"""Security groups and network ACLs of real accounts decide as is known of them."""

import ipaddress
import json
import re
from collections import namedtuple
from itertools import permutations, product
from operator import contains
from pathlib import Path

import pytest

from tests.policies import ask, policy_of, row
from transform.policy.asked import ALLOWED, DENIED, NOT_ASKED, UNKNOWN
from transform.policy.rules import CIDR, Rule, group_rules
from transform.records import ICMP, TCP, UDP

FOLDER = Path(__file__).parents[3] / "shared" / "real" / "policy"
MIXED, BASIC = "aws_mixed", "basic_config_with_sg"
INTERNET = ("147.235.1.2", "147.1.2.3", "8.8.8.8")
PROTOCOLS = {"TCP": TCP, "UDP": UDP, "ICMP": ICMP}
P1, P2, P3 = "10.240.3.70", "10.240.2.28", "10.240.0.96"
Q1, Q2, R1 = "10.240.32.91", "10.240.32.122", "10.240.48.198"
OURS, PEER = "10.0.0.9", "1.2.3.4"
SPANS = {0: (22, 22), 1: (0, 22), 2: (65_530, 65_535), 3: (0, 65_535), 5: (45, 50),
         6: (0, 50), 7: (30, 65_535)}  # fmt: skip
ENDS = (0, 22, 30, 45, 50, 80, 3306, 65_530, 65_535)
EDGES = sorted({min(max(p + n, 0), 65_535) for p in ENDS for n in (-1, 0, 1)})

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no real policies beside the project, at {FOLDER}"
)
deployments = pytest.mark.parametrize("name", [MIXED, BASIC])
ends_of = pytest.mark.parametrize("subnets", [False, True], ids=["hosts", "subnets"])
Decision = namedtuple("Decision", "acl entry group nearest")


def allowed(source, destination, connection):
    """Return the sources, destinations, protocols, clients' ports and ports allowed."""
    told = dict(re.findall(r"(protocol|src-ports|dst-ports): (\S+)", connection))
    assert told or connection == "All Connections"
    protocols = {PROTOCOLS[told["protocol"]]} if told else {*PROTOCOLS.values()}
    ports = (ports_in(told.get(f"{end}-ports", "")) for end in ("src", "dst"))
    return addresses_in(source), addresses_in(destination), protocols, *ports


def ports_in(text):
    ends = (part.split("-") for part in text.split(",") if part)
    found = {port for e in ends for port in range(int(e[0]), int(e[-1]) + 1)}
    return found or range(-1, 65_536)


def addresses_in(end):
    if "nternet" not in end:
        return {end}
    network = ipaddress.ip_network(end.replace("(all ranges)", "0.0.0.0/0").split()[-1])
    return {peer for peer in INTERNET if ipaddress.ip_address(peer) in network}


def read(path):
    return json.loads((FOLDER / path).read_text())


def decisions(policy, interfaces, flows):
    """Return what the ends decide that have an interface, by address; in order."""
    packets = [
        (place, interfaces[own], inbound, other, interfaces.get(other), *what)
        for place, (source, to, *what) in enumerate(flows)
        for own, inbound, other in ((source, False, to), (to, True, source))
        if own in interfaces
    ]
    _, decided, verdicts = ask(policy, [packet[1:] for packet in packets])
    entries, rules = [*decided.entries, None], [*decided.rules, None]
    found: list[list[Decision]] = [[] for _ in flows]
    for packet, case, (acl, group) in zip(packets, decided.case, verdicts, strict=True):
        entry, near = entries[decided.entry[case]], rules[decided.nearest[case]]
        assert entry is None or entry[2] == packet[2]
        by = entry and (entry[0], entry[1] and entry[1].number)
        text = near and near[0].text(inbound=near[1])
        found[packet[0]].append(Decision(acl, by, group, text))
    return found


def is_open(verdicts):
    assert UNKNOWN not in verdicts
    return DENIED not in verdicts


def passes(ends):
    return is_open([verdict for end in ends for verdict in (end.acl, end.group)])


def whats(ports):
    return [*product((TCP, UDP), ports), (ICMP, -1)]


class Deployment:
    """A configuration and what its report allows, of hosts or of whole subnets."""

    def __init__(self, name, *, subnets=False):
        matrix = read("expected_matrix.json")[name]
        document = read(matrix["input"])
        found = [n for i in document["instances"] for n in i["NetworkInterfaces"]]
        fields = "src", "dst", "connection", "tcp_response_blocked"
        told = [tuple(r[field] for field in fields) for r in matrix["allowed"]]
        if subnets:
            found = [*map(bare, document["subnets"])]
            (report,) = (FOLDER / matrix["input"]).parent.glob("*_subnetsBased_*")
            line = r"(?m)^(\S+) => (.+) : (.+?)( \*)? *$"
            host = {n["Name"]: n["PrivateIpAddress"] for n in found}
            told = re.findall(line, report.read_text())
            told = [(host[a], host.get(b, b), *rest) for a, b, *rest in told]
        self.rows = [(allowed(*row_), bool(star)) for *row_, star in told]
        kinds = "security_group", "network_acl", "subnet", "vpc"
        rows = [row(kind, "", one) for kind in kinds for one in document[f"{kind}s"]]
        rows += [row("network_interface", "", one) for one in found]
        self.policy, self.ports = policy_of(rows), ports_of(document)
        by_id = {s["SubnetId"]: s for s in document["subnets"]}
        at = {n["PrivateIpAddress"]: n for n in found}
        self.interfaces = {own: n["NetworkInterfaceId"] for own, n in at.items()}
        self.subnet = {own: by_id[n["SubnetId"]] for own, n in at.items()}
        routed = {a for a, s in self.subnet.items() if s["MapPublicIpOnLaunch"]}
        vpc = {own: subnet["VpcId"] for own, subnet in self.subnet.items()}
        self.pairs = [(a, b) for a, b in permutations(vpc, 2) if vpc[a] == vpc[b]]
        self.unrouted: list[tuple[str, str]] = []
        for own, peer in product(vpc, INTERNET):
            some = self.pairs if own in routed else self.unrouted
            some += [(own, peer), (peer, own)][: 1 if subnets else 2]

    def decide(self, flows):
        ends = decisions(self.policy, self.interfaces, flows)
        return dict(zip(flows, ends, strict=True))

    def blocked(self, *flow):
        """Return of the rows that allow a flow whether its reply is blocked."""
        return [star for row_, star in self.rows if all(map(contains, row_, flow))]


def bare(subnet):
    """Return an interface in a subnet that no group protects."""
    own, tags = subnet["SubnetId"], subnet["Tags"] or [{"Value": subnet["SubnetId"]}]
    host = str(ipaddress.ip_network(subnet["CidrBlock"])[9])
    return {"NetworkInterfaceId": f"eni-{own}", "SubnetId": own, "Groups": [],
            "PrivateIpAddress": host, "Name": tags[0]["Value"]}  # fmt: skip


def ports_of(document):
    """Return the ports that a rule names, their neighbours and some more."""
    ends = re.findall(r'"(?:FromPort|ToPort|From|To)": (\d+)', json.dumps(document))
    named = {int(end) + n for end in ends for n in (-1, 0, 1)}
    return sorted(named & {*range(1, 65_536)} | {1, 1024, 1025, 5000, 5001, 65_535})


@deployments
@ends_of
def test_a_request_passes_exactly_where_the_report_allows_it(name, subnets):
    one = Deployment(name, subnets=subnets)
    found = one.decide([(*p, *what) for p in one.pairs for what in whats(one.ports)])
    assert any(map(passes, found.values()))
    for (flow, ends), client in product(found.items(), one.ports):
        rows = one.blocked(*flow[:3], client, flow[3])
        assert passes(ends) == bool(rows), (flow, client)


@deployments
@ends_of
def test_the_acls_stop_a_reply_exactly_where_the_report_says_so(name, subnets):
    one = Deployment(name, subnets=subnets)
    found = one.decide([(b, a, TCP, port) for a, b in one.pairs for port in one.ports])
    told = [
        (is_open([end.acl for end in ends]), one.blocked(a, b, TCP, client, port))
        for ((b, a, _, client), ends), port in product(found.items(), one.ports)
    ]
    assert any(blocked for _, blocked in told)
    assert all(blocked in ([], [not reply]) for reply, blocked in told)


@deployments
def test_an_acl_is_asked_at_the_edge_of_a_subnet_alone(name):
    one = Deployment(name)
    for (a, b, *_), ends in one.decide([(*p, TCP, 9080) for p in one.pairs]).items():
        crosses = one.subnet.get(a) != one.subnet.get(b)
        assert {end.acl != NOT_ASKED for end in ends} == {crosses}


@deployments
def test_filters_do_not_know_that_a_subnet_has_no_route(name):
    one = Deployment(name)
    flows = [(*pair, *what) for pair in one.unrouted for what in whats(one.ports)]
    let = {flow for flow, ends in one.decide(flows).items() if passes(ends)}
    assert let == ({*flows} if name == BASIC else {(INTERNET[0], R1, TCP, 9080)})


ACL = "NetworkAclId:53"
NO_ACL, BY_LAST = (NOT_ASKED, None), (DENIED, (ACL, 32_767))
BY_10, BY_20 = (ALLOWED, (ACL, 10)), (ALLOWED, (ACL, 20))
OUT_9, IN_9 = ((ALLOWED, f"all traffic {way} 10.240.0.0/18") for way in ("to", "from"))
IN_15, IN_35 = "udp from 0.0.0.0/0", "tcp from 147.0.0.0/8"
OUT_22, OUT_35 = "tcp/9080 to 0.0.0.0/0", "tcp to 147.0.0.0/8"
EXPLAINED = [
    ((P2, Q2, TCP, 443), [(*BY_20, *OUT_9), (*BY_LAST, *IN_9)]),
    ((P3, P1, TCP, 443), [(*NO_ACL, *OUT_9), (*NO_ACL, DENIED, IN_35)]),
    ((P3, P1, UDP, 53), [(*NO_ACL, *OUT_9), (*NO_ACL, DENIED, None)]),
    ((Q2, Q1, UDP, 53), [(*NO_ACL, *OUT_9), (*NO_ACL, ALLOWED, IN_15)]),
    ((Q2, Q1, TCP, 53), [(*NO_ACL, *OUT_9), (*NO_ACL, DENIED, IN_15)]),
    ((R1, Q2, TCP, 9080), [(*BY_20, ALLOWED, OUT_22), (*BY_20, *IN_9)]),
    ((R1, Q1, TCP, 9080), [(*BY_20, ALLOWED, OUT_22), (*BY_20, DENIED, IN_15)]),
    ((R1, Q1, UDP, 9080), [(*BY_20, DENIED, OUT_22), (*BY_20, ALLOWED, IN_15)]),
    ((INTERNET[0], P3, TCP, 9080), [(*BY_10, ALLOWED, IN_35)]),
    ((INTERNET[0], P3, TCP, 9081), [(*BY_LAST, ALLOWED, IN_35)]),
    ((P3, INTERNET[0], TCP, 1024), [(*BY_LAST, ALLOWED, OUT_35)]),
    ((P3, INTERNET[0], TCP, 1025), [(*BY_10, ALLOWED, OUT_35)]),
]


def test_each_filter_decides_by_the_rule_that_the_explanation_names():
    found = Deployment(MIXED).decide([flow for flow, _ in EXPLAINED])
    assert found == dict(EXPLAINED)


def group(number):
    return read("rules/SecurityGroupTest.json")["SecurityGroups"][number]


def of_group(number, flows):
    """Return the verdicts about packets at an interface with one of the groups."""
    eni = {"NetworkInterfaceId": "eni", "Groups": [group(number)]}
    rows = [row("security_group", "", group(number)), row("network_interface", "", eni)]
    ends = decisions(policy_of(rows), {OURS: "eni"}, flows)
    return [end.group for (end,) in ends]


@pytest.mark.parametrize("number", SPANS)
def test_a_group_opens_the_ports_between_its_ends(number):
    low, high = SPANS[number]
    rule = Rule(TCP, low, high, False, CIDR, f"{PEER}/32")
    assert [*group_rules(group(number), inbound=True)] == [rule]
    verdicts = of_group(number, [(PEER, OURS, TCP, port) for port in EDGES])
    assert verdicts == [ALLOWED if low <= p <= high else DENIED for p in EDGES]
    others = [(PEER, UDP, low), ("1.2.3.5", TCP, low), (PEER, ICMP, -1)]
    assert {*of_group(number, [(p, OURS, *what) for p, *what in others])} == {DENIED}


def test_all_traffic_is_any_protocol_and_port_of_the_family_of_its_cidr():
    flows = [(PEER, OURS, *what) for what in (*whats(EDGES), (47, -1))]
    assert {*of_group(4, flows)} == {ALLOWED}
    assert of_group(4, [("2001:db8::1", OURS, TCP, 22)]) == [DENIED]


def test_a_group_is_asked_in_the_direction_of_the_packet():
    let = [(PEER, OURS, TCP, 22), (OURS, "5.6.7.8", TCP, 80)]
    assert of_group(8, let) == [ALLOWED] * 2
    shut = [(OURS, peer, TCP, port) for peer in (PEER, "5.6.7.9") for port in EDGES]
    assert {*of_group(8, [*shut, ("5.6.7.8", OURS, TCP, 80)])} == {DENIED}


@pytest.mark.parametrize("number", [9, 10, 11])
def test_a_type_of_icmp_cannot_be_told_and_a_code_alone_is_nothing(number):
    verdict = UNKNOWN if number < 11 else DENIED
    rules = group_rules(group(number), inbound=True)
    told = [(ICMP, number < 11, cidr) for cidr in ("0.0.0.0/0", "::/0")]
    assert [(rule.protocol, rule.typed, rule.peer) for rule in rules] == told
    icmp, six, tcp = (PEER, ICMP, -1), ("2001:db8::1", ICMP, -1), (PEER, TCP, 8)
    flows = [(peer, OURS, *what) for peer, *what in (icmp, six, tcp)]
    assert of_group(number, flows) == [verdict, verdict, DENIED]


def of_acl(name, flows, first=0):
    """Return verdict and number of what an ACL decides; None: the end of its list."""
    (acl,) = read(f"rules/{name}.json")["NetworkAcls"]
    acl["Entries"] = acl["Entries"][first:]
    subnet = acl["Associations"][0] | {"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/24"}
    eni = {"NetworkInterfaceId": "eni", "SubnetId": subnet["SubnetId"], "Groups": []}
    rows = [row("network_acl", "", acl), row("subnet", "", subnet)]
    rows += [row("network_interface", "", eni)]
    ends = decisions(policy_of(rows), {OURS: "eni"}, flows)
    return [(end.acl, end.entry[1]) for (end,) in ends]


def test_entries_of_one_number_keep_to_their_direction_and_what_is_left_is_denied():
    peer = "162.243.144.192"
    flows = [(OURS, peer, TCP, 3306), (peer, OURS, TCP, 3306), (peer, OURS, TCP, 3307)]
    found = of_acl("NetworkAclTest", [*flows, (PEER, OURS, TCP, 3306)])
    assert found == [(ALLOWED, 100), (DENIED, 100), (DENIED, None), (DENIED, None)]


@pytest.mark.parametrize(("first", "verdict"), [(0, ALLOWED), (1, UNKNOWN)])
def test_an_entry_of_all_icmp_decides_and_one_of_a_type_cannot_be_told(first, verdict):
    flows = [(OURS, PEER, ICMP, -1), (OURS, PEER, TCP, 1), (PEER, OURS, ICMP, -1)]
    states, _ = zip(*of_acl("NetworkAclIcmpTest", flows, first), strict=True)
    assert states == (verdict, DENIED, DENIED)


def test_an_entry_of_ipv6_says_nothing_of_ipv4():
    flows = [(OURS, "2001:db8::1", TCP, 443), (OURS, PEER, TCP, 443)]
    assert of_acl("NetworkAclV6Test", flows) == [(ALLOWED, 100), (DENIED, None)]
    assert of_acl("NetworkAclV6Test", flows[1:]) == [(DENIED, None)]
