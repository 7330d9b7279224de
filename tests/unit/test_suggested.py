"""What is suggested is written as AWS, Terraform and Kubernetes take it."""

import ipaddress
import json
import re
import shlex
from dataclasses import replace
from datetime import timedelta
from itertools import product

import botocore.session
import pyarrow as pa
import pytest
import yaml
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.inventory.sighting import CONFIGURED, SIGHTED, Sighting
from ingest.inventory.store import record
from ingest.job import Ingest, Request
from lake.settings import load_settings
from queries.suggested import aws, cloudformation, networkpolicy, terraform
from queries.suggested.yaml import document
from tests.estate import NOON, listed, put, received
from tests.lakes import open_lake
from tests.policies import ALL, row
from tests.processes import flowlake
from tests.suggestions import CLIENTS, edge, end, latest_of, of, world
from transform.policy.edges import End
from transform.policy.workloads import Selectors, pod_policies

HEAD = ["observed only"]
V6 = "2001:db8::9"


@pytest.fixture(scope="module")
def several():
    """Suggestions of every kind: groups, addresses, both families, ICMP, ACLs."""
    rows = world(CLIENTS, outbound=())
    edges = [
        edge("eni-c", "eni-d"),
        edge(end("10.9.0.4"), "eni-d", 443),
        edge(end(V6), "eni-d", 443),
        edge("eni-c", "eni-d", None, protocol=1),
        edge(end(V6), "eni-d", None, protocol=58),
        edge(end(V6), "eni-d", None, protocol=47),
        edge("eni-c", end("198.51.100.7", kind="internet"), 53, protocol=17),
    ]
    found = of(rows, *edges).suggestions
    kinds = {(one.change.rule.kind, one.change.rule.number is None) for one in found}
    assert kinds == {("cidr", True), ("cidr", False), ("group", True)}
    return found


def test_every_call_is_as_the_api_of_ec2_takes_it(several):
    model = botocore.session.get_session().get_service_model("ec2")
    lines = aws.script(several, HEAD).splitlines()
    calls = [shlex.split(line) for line in lines if not line.startswith("#")]
    calls = [words for words in calls if words[:1] == ["aws"]]
    assert len(calls) == len(several)
    for program, service, command, option, text in calls:
        assert (program, service, option) == ("aws", "ec2", "--cli-input-json")
        name = "".join(word.capitalize() for word in command.split("-"))
        shape = model.operation_model(name).input_shape
        errors = ParamValidator().validate(json.loads(text), shape)
        assert not errors.has_errors(), errors.generate_report()


def test_a_call_says_what_the_change_says(several):
    for one in several:
        command, given_ = aws.call(one)
        rule = one.change.rule
        if rule.number is not None:
            assert command == "create-network-acl-entry"
            assert given_["Egress"] is not one.change.inbound
            assert given_["RuleNumber"] == rule.number
            continue
        way = "ingress" if one.change.inbound else "egress"
        assert command == f"authorize-security-group-{way}"
        (permission,) = given_["IpPermissions"]
        (peers,) = (v for v in permission.values() if isinstance(v, list))
        assert rule.peer in peers[0].values()
        assert peers[0]["Description"] == one.label


def test_the_template_is_one_that_cfn_lint_finds_nothing_in(several):
    api = pytest.importorskip("cfnlint.api")
    text = cloudformation.written(several, HEAD)
    text = re.sub(r"\b(sg|acl)-(\d)\b", r"\1-0000000\2", text)  # as long as AWS's
    config = api.ManualArgs(regions=["us-east-1"])
    assert api.lint(text, config=config) == []
    resources = json.loads(text)["Resources"]
    assert len(resources) == len(several)
    assert {r["Type"].rpartition("::")[2] for r in resources.values()} == {
        "SecurityGroupIngress", "SecurityGroupEgress", "NetworkAclEntry"}  # fmt: skip


def test_a_template_that_cloudformation_does_not_take_says_so(several):
    assert cloudformation.flaws(several) == []
    empty = cloudformation.template([], HEAD)
    assert "Resources" not in empty
    assert empty["Metadata"]["Notes"] == [*HEAD, *cloudformation.flaws([])]
    assert "no rules" in empty["Metadata"]["Notes"][-1]
    (says,) = cloudformation.flaws(several[:1] * 501)
    assert says.startswith("501 resources: CloudFormation takes 500")


def test_a_group_is_said_to_mean_every_address(several):
    for one in several:
        is_group = one.change.rule.kind == "group"
        assert ("every address of who carries it" in aws.opens(one)) is is_group


BLOCK = re.compile(r'^resource "(\w+)" "([a-z]\w*)" \{\n((?:  .*\n)+)\}$', re.MULTILINE)
TAKEN = {
    "aws_vpc_security_group_ingress_rule": {
        "security_group_id", "ip_protocol", "description", "from_port", "to_port",
        "cidr_ipv4", "cidr_ipv6", "referenced_security_group_id"},
    "aws_network_acl_rule": {
        "network_acl_id", "rule_number", "egress", "protocol", "rule_action",
        "cidr_block", "ipv6_cidr_block", "from_port", "to_port", "icmp_type",
        "icmp_code"},
}  # fmt: skip
TAKEN["aws_vpc_security_group_egress_rule"] = TAKEN[
    "aws_vpc_security_group_ingress_rule"
]
PEERS = {"cidr_ipv4", "cidr_ipv6", "referenced_security_group_id", "cidr_block",
         "ipv6_cidr_block"}  # fmt: skip


def test_terraform_has_a_resource_each_of_arguments_that_its_provider_takes(several):
    blocks = BLOCK.findall(terraform.written(several, HEAD))
    assert len(blocks) == len(several)
    assert len({name for _, name, _ in blocks}) == len(several)
    for type_, _, body in blocks:
        pairs = (line.split("=", 1) for line in body.splitlines())
        found = {key.strip(): json.loads(value) for key, value in pairs}
        assert found.keys() <= TAKEN[type_]
        assert len(found.keys() & PEERS) == 1
    rest = BLOCK.sub("", terraform.written(several, HEAD))
    assert all(not line or line.startswith("#") for line in rest.splitlines())


def test_names_stay_the_same_while_more_is_observed():
    few, more = (
        of(world(CLIENTS), edge("eni-c", "eni-d", records=n)) for n in (1, 1000)
    )
    names = [terraform.resource(f.suggestions[0])[1] for f in (few, more)]
    assert names[0] == names[1]


@pytest.mark.parametrize(("theirs", "peer"), [("2", "2/sg-2"), ("1", "sg-2")])
def test_terraform_names_a_group_of_another_account_with_that(theirs, peer):
    rows = world(CLIENTS)
    for one in rows:
        one["account"] = theirs if one["resource_id"] == "sg-2" else "1"
    (one,) = of(rows, edge("eni-c", "eni-d")).suggestions
    assert terraform.resource(one)[2]["referenced_security_group_id"] == peer


TEXTS = st.text(max_size=12) | st.sampled_from(["yes", "1e3", "0x1", "~", "a: b", "#"])
VALUES = st.recursive(
    TEXTS | st.integers(-9, 99_999) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
    ),
    max_leaves=10,
)


def is_printed(value):
    return json.dumps(value).isprintable() and "\\u" not in json.dumps(value)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4).filter(is_printed))
def test_yaml_is_read_as_it_was_written(value):
    def unnested(one):
        if isinstance(one, dict):
            return {key: unnested(item) for key, item in one.items()}
        if isinstance(one, list):
            return [unnested(item) for item in one if not isinstance(item, list)]
        return one

    value = unnested(value)  # lists within lists are in no manifest
    assert yaml.safe_load(document(value)) == value


# -- NetworkPolicies ------------------------------------------------------------------

LABELS = {"web": {"app": "web"}, "api": {"app": "api", "tier": "back"},
          "db": {"app": "db", "on": "yes"}}  # fmt: skip
SPACES = {"web": "shop", "api": "shop", "db": "data"}
PLACES = {"web": "10.0.0.4", "api": "10.0.0.5", "db": "10.0.0.6", "node": "10.0.1.7",
          "other": "192.0.2.9"}  # fmt: skip
PODS = tuple(LABELS)


def workload(name, labels, *, kind="Deployment", namespace="shop"):
    text = {"namespace": namespace, "kind": kind, "name": name, "labels": labels}
    made = row("k8s_workload", f"{namespace}/{kind}/{name}", text)
    return {**made, "scope": "kubernetes:prod"}


def selectors(*more):
    rows = [workload(n, LABELS[n], namespace=SPACES[n]) for n in PODS]
    return Selectors(latest_of([*rows, *more]).configurations)


def at(name):
    if name in PODS:
        return End("eni-n", PLACES[name], "vpc-1", "pod", "prod", SPACES[name], name)
    return End(None, PLACES[name], None, "node" if name == "node" else None)


def policies_of(edges, some=None):
    found, rest = pod_policies(some or selectors(), edges)
    text = networkpolicy.written(found, HEAD)
    return [m for m in yaml.safe_load_all(text) if m], rest


def matches(selector, labels):
    return selector["matchLabels"].items() <= labels.items()


def is_peer(peer, name):
    if "ipBlock" in peer:
        address = ipaddress.ip_address(PLACES.get(name, name))
        return address in ipaddress.ip_network(peer["ipBlock"]["cidr"])
    if name not in PODS:
        return False
    space = {"kubernetes.io/metadata.name": SPACES[name]}
    return (matches(peer["namespaceSelector"], space)
            and matches(peer["podSelector"], LABELS[name]))  # fmt: skip


def lets(policies, way, own, peer, port, protocol="TCP"):
    """Whether policies let a pod's packets pass, as Kubernetes does; None: none do."""
    mine = [
        p for p in policies
        if own in PODS and p["metadata"]["namespace"] == SPACES[own]
        and matches(p["spec"]["podSelector"], LABELS[own])
        and way.capitalize() in p["spec"]["policyTypes"]
    ]  # fmt: skip
    if not mine:
        return None
    key = "from" if way == "ingress" else "to"
    return any(
        any(is_peer(one, peer) for one in rule[key])
        and any(p["protocol"] == protocol and p["port"] <= port <= p.get("endPort",
                                                                        p["port"])
                for p in rule["ports"])
        for policy in mine for rule in policy["spec"][way]
    )  # fmt: skip


UNIVERSE = [
    (client, server, port)
    for client, server, port in product(PLACES, PLACES, (80, 81, 5432))
    if client != server and {client, server} & {*PODS}
]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(UNIVERSE), min_size=1, max_size=8, unique=True))
def test_policies_let_what_was_observed_pass_and_nothing_else(seen):
    edges = [edge(at(client), at(server), port) for client, server, port in seen]
    policies, rest = policies_of(edges)
    assert not rest
    for client, server, port in UNIVERSE:
        for way, own, peer in (("ingress", server, client), ("egress", client, server)):
            allowed = lets(policies, way, own, peer, port)
            if own not in PODS:
                continue
            touched = any(own == s[1 if way == "ingress" else 0] for s in seen)
            assert allowed is (((client, server, port) in seen) if touched else None)


def test_dns_is_always_let_out_and_nothing_of_it_in():
    policies, _ = policies_of([edge(at("web"), at("db"), 5432)])
    out = [p for p in policies if p["spec"]["policyTypes"] == ["Egress"]]
    assert [p["metadata"]["name"] for p in out] == ["web-egress-observed"]
    for protocol, server in product(("UDP", "TCP"), ("20.10", "169.253")):
        assert lets(out, "egress", "web", f"169.254.{server}", 53, protocol)
    for server in ("169.254.169.254", "169.254.170.23"):
        assert lets(out, "egress", "web", server, 80)
        assert not lets(out, "egress", "web", server, 81)
    assert not lets(out, "egress", "web", "169.254.20.10", 80)
    (rule,) = [r for r in out[0]["spec"]["egress"] if len(r["ports"]) == 2]
    assert rule["to"][0]["podSelector"] == {"matchLabels": {"k8s-app": "kube-dns"}}


def test_the_clusters_dns_may_ask_any_server():
    dns = workload("coredns", {"k8s-app": "kube-dns"}, namespace="kube-system")
    own = End("eni-n", "10.0.0.8", "vpc-1", "pod", "prod", "kube-system", "coredns")
    found, _ = pod_policies(selectors(dns), [edge(own, at("other"), 443)])
    (out,) = [p for p in found if not p.inbound]
    ports = [{"protocol": name, "port": 53} for name in ("UDP", "TCP")]
    assert {"ports": ports} in networkpolicy.manifest(out)["spec"]["egress"]
    assert "any server at port 53" in networkpolicy.written(found, HEAD)


def test_comments_say_what_is_in_no_policy_and_why():
    ping = edge(at("web"), at("db"), None, protocol=1)
    seen = [ping, replace(ping, server=at("api")), edge(at("node"), at("other"))]
    found, rest = pod_policies(selectors(), seen)
    text = networkpolicy.written(found, HEAD, rest)
    assert "# observed, and missing in policies: 3 edges\n" in text
    assert "# - 2: NetworkPolicies know TCP, UDP and SCTP alone\n" in text
    assert "# - 1: neither end is a pod" in text


def test_comments_say_what_flow_flow_logs_never_show_and_whom_addresses_stand_for():
    found, _ = pod_policies(selectors(), [edge(at("node"), at("db"), 5432)])
    text = networkpolicy.written(found, HEAD)
    for word in ("probes", "169.254.0.0/16", "Amazon resolver", "hostNetwork",
                 "all else is denied", "observed only: 1 record,"):  # fmt: skip
        assert word in text


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ([workload("bare", {})], "no_selector"),
        ([], "no_selector"),
        ([workload("bare", {"a": "1"}), workload("bare", {"a": "2"}, kind="Job")],
         "no_selector"),
    ],
)  # fmt: skip
def test_what_cannot_be_selected_gets_no_policy_and_is_a_peer_by_address(more, reason):
    bare = End("eni-n", "10.0.0.9", "vpc-1", "pod", "prod", "shop", "bare")
    policies, rest = policies_of([edge(at("web"), bare)], selectors(*more))
    assert [one.reason for one in rest] == [reason]
    (out,) = policies
    assert out["spec"]["egress"][0]["to"] == [{"ipBlock": {"cidr": "10.0.0.9/32"}}]


def test_other_workloads_that_a_selector_is_true_of_are_told():
    some = selectors(workload("web-old", {"app": "web", "version": "1"}))
    found, _ = pod_policies(some, [edge(at("db"), at("web"))])
    (one,) = [p for p in found if p.inbound]
    assert one.also == ("web-old",)
    assert any("web-old" in line for line in networkpolicy.about(one))


def test_pods_of_another_cluster_are_named_by_address():
    other = End("eni-m", "10.8.0.4", "vpc-2", "pod", "test", "shop", "web")
    policies, _ = policies_of([edge(other, at("db"), 5432)])
    (rule,) = policies[-1]["spec"]["ingress"]
    assert rule["from"] == [{"ipBlock": {"cidr": "10.8.0.4/32"}}]


def test_edges_that_no_policy_can_mean_are_listed():
    edges = [
        edge(at("node"), at("other")),
        edge(at("web"), at("db"), None, protocol=1),
        edge(at("web"), at("db"), None, protocol=None),
        edge(at("web"), at("api"), 80, cause="late_packet"),
        edge(at("web"), at("db"), 0),
    ]
    policies, rest = policies_of(edges)
    assert not policies
    reasons = sorted(one.reason for one in rest)
    assert reasons == ["cause", "no_pod", "no_policy_port", "no_policy_protocol",
                       "protocol_unknown"]  # fmt: skip
    seen = edge(at("web"), at("api"), 80, verdict="accepted", cause=None)
    assert "cause" not in [one.reason for one in policies_of([*edges, seen])[1]]


# -- the command ----------------------------------------------------------------------


def inventory(minute):
    """Return a look at two interfaces of which the second's group lets nothing in."""
    out = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    told = []
    for number in (1, 2):
        subnet = f"subnet-{number}"
        told += [
            ("subnet", subnet, {"SubnetId": subnet, "VpcId": "vpc-1",
                                "CidrBlock": f"10.0.0.{2 * number - 2}/31"}),
            ("network_interface", f"eni-{number}",
             {"NetworkInterfaceId": f"eni-{number}", "SubnetId": subnet,
              "VpcId": "vpc-1", "Groups": [{"GroupId": f"sg-{number}"}]}),
            ("network_acl", f"acl-{number}",
             {"NetworkAclId": f"acl-{number}", "VpcId": "vpc-1",
              "Associations": [{"SubnetId": subnet}],
              "Entries": [ALL, {**ALL, "Egress": True}]}),
            ("security_group", f"sg-{number}",
             {"GroupId": f"sg-{number}", "GroupName": "db", "VpcId": "vpc-1",
              "IpPermissions": [], "IpPermissionsEgress": [out]}),
        ]  # fmt: skip
    made = [(kind, name, json.dumps(text)) for kind, name, text in told]
    look = listed(minute, *made)
    enis = [{**one, "kind": "instance", "is_primary": False,
             "instance": one["eni"].replace("eni", "i")}
            for one in look.identities.to_pylist()]  # fmt: skip
    return replace(look, identities=pa.Table.from_pylist(enis, schema=SIGHTED))


def cluster(minute, *addresses):
    """Return a look at a cluster whose workload web has a pod at each address."""
    pods = [
        {**dict.fromkeys(SIGHTED.names), "source": "kubernetes", "holder": address,
         "address": address, "kind": "pod", "namespace": "shop", "workload": "web",
         "workload_kind": "Deployment", "pod": f"web-{n}", "cluster": "prod",
         "instance": "i-1"}
        for n, address in enumerate(addresses)
    ]  # fmt: skip
    text = json.dumps({"namespace": "shop", "kind": "Deployment", "name": "web",
                       "labels": {"app": "web"}})  # fmt: skip
    documents = [{**dict.fromkeys(CONFIGURED.names), "resource_type": "k8s_workload",
                  "resource_id": "shop/Deployment/web", "document": text}]  # fmt: skip
    return Sighting(
        "kubernetes:prod", NOON + timedelta(minutes=minute),
        pa.Table.from_pylist(pods, schema=SIGHTED),
        pa.Table.from_pylist(documents, schema=CONFIGURED),
        lists=frozenset({"identities", "pod", "node", "k8s_workload"}),
    )  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A lake in which pods were refused at port 5432 of a database, and not at 443."""
    folder = tmp_path_factory.mktemp("suggest")
    settings_ = load_settings(lake=str(folder / "lake"))
    refused = received(0).replace("ACCEPT", "REJECT").replace(" 443 6 ", " 5432 6 ")
    late = refused.replace("OK 2", "OK 1").replace(" 40000 ", " 40001 ")
    with open_lake(settings_) as lake:
        looks = [look(at_) for at_ in (-600, 600)
                 for look in (inventory, lambda m: cluster(m, "10.0.0.1"))]  # fmt: skip
        record(lake, looks)
        logs = put(folder / "logs", 0, refused, late, received(2))
        Ingest(lake, Request((str(logs),), roll_up=False)).run()
    return folder


def run(place, *words):
    day = ("--since", "2026-01-01", "--until", "2026-01-02")
    done = flowlake("suggest", *day, *words, cwd=place)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_suggests_the_rule_that_is_missing(place):
    found = json.loads(run(place))
    (rule,) = found["rules"]
    assert rule["rule"] == "sg-2: add inbound tcp/5432 from sg-1"
    assert rule["also_opens"]["pairs"] == 0
    assert rule["label"].startswith("observed only: 1 record, 2026-01-01T12:00:00Z")
    assert [e["client"] for e in rule["edges"]] == ["10.0.0.1 (pod shop/web)"]
    policies = [one["manifest"]["spec"] for one in found["network_policies"]]
    (spec,) = policies
    assert spec["podSelector"] == {"matchLabels": {"app": "web"}}
    ports = {p["port"] for r in spec["egress"] for p in r["ports"]}
    assert ports == {53, 80, 443, 5432}
    assert found["meta"]["report"] == "observed"


def test_every_form_of_the_command_is_of_the_same_rule(place):
    assert json.loads(run(place, "--as", "changes")) == [
        {"change": "add", "resource": "sg-2", "direction": "ingress",
         "protocol": "tcp", "from_port": 5432, "to_port": 5432, "peer": "sg-1"}
    ]  # fmt: skip
    assert '"GroupId":"sg-2"' in run(place, "--as", "aws")
    assert "aws_vpc_security_group_ingress_rule" in run(place, "--as", "terraform")
    assert "SecurityGroupIngress" in run(place, "--as", "cloudformation")
    assert "kind: NetworkPolicy" in run(place, "--as", "networkpolicy")
    table = run(place, "--format", "table")
    assert "sg-2: add inbound tcp/5432 from sg-1" in table
    assert "shop/web egress" in table


def test_filters_choose_what_is_suggested(place):
    assert json.loads(run(place, "--where", "port=22", "--as", "changes")) == []
    none = ("--since", "2026-01-01", "--until", "2026-01-02", "--where", "port=22")
    done = flowlake("suggest", *none, "--as", "cloudformation", cwd=place)
    assert done.returncode == 0
    assert "no rules to suggest" in done.stderr
    some = ("--where", "namespace=shop", "--filter", "dst_port = 5432")
    assert len(json.loads(run(place, *some, "--as", "changes"))) == 1
    (rule,) = json.loads(run(place, "--verdict", "accepted"))["rules"]
    assert "tcp/443" in rule["rule"]  # accepted then, and by no rule of now


def test_what_the_command_does_not_know_is_wrong_usage(place):
    for words in (("--as", "pulumi"), ("--verdict", "lost"), ("--prefer", "none"),
                  ("--as", "aws", "--format", "json"),
                  ("--where", "verdict=rejected")):  # fmt: skip
        assert flowlake("suggest", *words, cwd=place).returncode == 2
