"""What `flowlake doctor` says of small estates: what is wrong, and nothing else."""

import gzip
import json
from datetime import timedelta

import pyarrow as pa
import pytest

from ingest.inventory.sighting import CONFIGURED, SIGHTED, Sighting
from ingest.inventory.store import record
from ingest.job import Ingest, Request
from lake.settings import load_settings
from queries.checkup import LOG_FORMAT, examine
from queries.engine import Engine
from tests.estate import LOG, NOON, SCOPE, V3, put, received, sent, silent
from tests.lakes import open_lake

FL = "fl-0123456789abcdef"
LISTS = frozenset({"identities", "vpc", "flow_log"})


@pytest.fixture
def lake_(tmp_path):
    with open_lake(load_settings(lake=str(tmp_path / "lake"))) as opened:
        yield opened


def eni(name, address="10.0.0.1", **more):
    home = {"vpc": "vpc-1", "subnet": "subnet-1", "account": "123456789010"}
    return {"source": "aws", "holder": name, "eni": name, "address": address,
            "is_primary": True, "kind": "instance", **home, **more}  # fmt: skip


def flow_log(number, resource, traffic="ALL", log_format=LOG_FORMAT, **more):
    return "flow_log", f"{FL}{number}", {
        "FlowLogId": f"{FL}{number}", "ResourceId": resource,
        "TrafficType": traffic, "LogFormat": log_format, **more,
    }  # fmt: skip


def vpc(name="vpc-1", *cidrs):
    ranges = [{"CidrBlock": cidr} for cidr in cidrs or ("10.0.0.0/16",)]
    return "vpc", name, {
        "VpcId": name, **ranges[0], "CidrBlockAssociationSet": ranges,
    }  # fmt: skip


def look(lake_, *, enis=(), documents=(), scope=SCOPE, minute=30, lists=LISTS):
    """Record a look at AWS, minutes after noon."""
    encode = json.JSONEncoder(separators=(",", ":")).encode
    rows = [{**dict.fromkeys(CONFIGURED.names), "resource_type": kind,
             "resource_id": id_, "document": encode(document),
             "vpc": document.get("VpcId"), "account": scope.split(":")[1]}
            for kind, id_, document in documents]  # fmt: skip
    seen(lake_, scope, minute, enis, rows, lists)


def kube(lake_, *rows, cluster="c", minute=30):
    """Record a look at a cluster."""
    named = [{"source": "kubernetes", "cluster": cluster, **row} for row in rows]
    lists = frozenset({"identities", "pod", "node"})
    seen(lake_, f"kubernetes:{cluster}", minute, named, [], lists)


def seen(lake_, scope, minute, identities, configurations, lists):
    rows = [{**dict.fromkeys(SIGHTED.names), **row} for row in identities]
    sighting = Sighting(
        scope, NOON + timedelta(minutes=minute),
        pa.Table.from_pylist(rows, schema=SIGHTED),
        pa.Table.from_pylist(configurations, schema=CONFIGURED), lists,
    )  # fmt: skip
    record(lake_, [sighting])


def read(lake_, *objects):
    """Ingest objects; no finding needs what is settled or summed up of them."""
    request = Request(tuple(map(str, objects)), settle=False, roll_up=False)
    Ingest(lake_, request).run()


def found(lake_, *, but=()):
    """Return {(fault, resource)}."""
    with Engine(lake_.settings) as engine:
        findings = examine(engine, days=7)["findings"]
    assert all(f["costs"] and f["do"] for f in findings)
    return {(f["fault"], f["resource"]) for f in findings if f["fault"] not in but}


def test_what_is_in_order_has_no_finding(lake_, tmp_path):
    enis = [eni("eni-1", instance="i-1")]
    look(lake_, enis=enis, documents=[vpc(), flow_log(1, "vpc-1")])
    kube(lake_, node(), pod("10.0.7.7"))
    read(lake_, put(tmp_path, 0, sent(0)))
    assert found(lake_) == set()


# ---- traffic types


@pytest.mark.parametrize(
    ("logs", "faulty"),
    [
        # an interface's own beside one of its VPC or subnet
        ([("eni-1", "ACCEPT"), ("vpc-1", "ALL")], ()),
        ([("eni-1", "REJECT"), ("subnet-1", "ALL"), ("subnet-2", "ALL")], ()),
        # together they hold both
        ([("subnet-1", "ACCEPT"), ("vpc-1", "REJECT"), ("subnet-2", "ACCEPT")], ()),
        # an interface that is not complemented
        ([("vpc-1", "REJECT"), ("eni-1", "ACCEPT")], (1,)),
        ([("vpc-1", "ACCEPT")], (1,)),
        ([("eni-1", "REJECT"), ("eni-2", "ALL")], (1,)),
        ([("eni-1", "REJECT"), ("subnet-1", "REJECT"), ("subnet-2", "ALL")], (1, 2)),
        # where no interface is known
        ([("vpc-9", "ACCEPT")], (1,)),
        ([("subnet-8", "ACCEPT"), ("vpc-9", "ALL")], ()),
    ],
)
def test_one_action_alone_is_a_fault_where_nobody_holds_the_other(lake_, logs, faulty):
    documents = [flow_log(n, *log) for n, log in enumerate(logs, start=1)]
    subnet = ("subnet", "subnet-8", {"SubnetId": "subnet-8", "VpcId": "vpc-9"})
    enis = [eni("eni-1"), eni("eni-2", "10.0.1.1", subnet="subnet-2")]
    look(lake_, enis=enis, documents=[*documents, vpc(), subnet])
    wanted = {("traffic_type", f"{FL}{number}") for number in faulty}
    assert found(lake_, but=("duplicate", "not_logged")) == wanted


# ---- clusters


def node(address="10.0.0.1", instance="i-1", name="n1"):
    return {"kind": "node", "holder": f"{name}", "node": name, "instance": instance,
            "address": address}  # fmt: skip


def pod(address, instance="i-1", name="p1", on="n1"):
    return {"kind": "pod", "holder": f"uid-{name}", "pod": name, "node": on,
            "instance": instance, "address": address}  # fmt: skip


BESIDE = ("not_logged", "account_not_listed", "flow_logs_not_listed")


@pytest.mark.parametrize(
    ("pods", "fault"),
    [
        (["10.0.7.7"], None),
        (["100.64.0.9"], None),  # a secondary range
        (["2600:1f18:1::5"], None),
        (["10.244.0.5"], "overlay_cni"),
        (["172.31.0.5"], "overlay_cni"),  # another VPC's range
        (["10.244.0.5", "100.64.0.9"], None),
    ],
)
def test_an_overlay_has_addresses_outside_its_nodes_vpc(lake_, pods, fault):
    home = vpc("vpc-1", "10.0.0.0/16", "100.64.0.0/16")
    home[2]["Ipv6CidrBlockAssociationSet"] = [{"Ipv6CidrBlock": "2600:1f18:1::/56"}]
    other = vpc("vpc-2", "172.31.0.0/16")
    look(lake_, enis=[eni("eni-1", instance="i-1")], documents=[home, other])
    kube(lake_, node(), *(pod(a, name=f"p{n}") for n, a in enumerate(pods)))
    assert found(lake_, but=BESIDE) == ({(fault, "c")} if fault else set())


def test_nodes_of_an_account_that_nobody_listed_are_no_overlay(lake_):
    # Another VPC has the nodes' addresses, as VPCs do.
    look(lake_, enis=[eni("eni-1", instance="i-9")], documents=[vpc()])
    kube(lake_, node(), pod("100.64.0.9"))
    assert found(lake_, but=BESIDE) == {("nodes_not_listed", "c")}


def test_a_vpc_that_nobody_listed_is_no_overlay(lake_):
    home = {"vpc": "vpc-7", "subnet": "subnet-7"}
    look(lake_, enis=[eni("eni-1", instance="i-1", **home)], documents=[vpc()])
    kube(lake_, node(), pod("100.64.0.9"))
    assert found(lake_, but=BESIDE) == {("vpc_not_listed", "vpc-7")}


@pytest.mark.parametrize(
    ("held", "documents"),
    [
        ("10.0.7.7", []),
        ("10.0.7.0/28", []),
        ("10.0.0.9", [("subnet", "subnet-1", {"CidrBlock": "10.0.0.0/20"})]),
    ],
)
def test_pods_at_addresses_of_their_node_need_no_ranges(lake_, held, documents):
    subnets = [(kind, id_, {"VpcId": "vpc-1", **d}) for kind, id_, d in documents]
    enis = [eni("eni-1", instance="i-1"), eni("eni-1", held, instance="i-1")]
    look(lake_, enis=enis, documents=subnets)
    kube(lake_, node(), pod("10.0.7.7"))
    assert found(lake_, but=BESIDE) == set()


def test_a_node_without_an_instance_is_known_by_its_address(lake_):
    look(lake_, enis=[eni("eni-1", "10.0.0.10")], documents=[vpc()])
    name = "ip-10-0-0-10.ec2.internal"
    kube(lake_, pod("10.244.0.5", instance=None, on=name))
    assert found(lake_, but=BESIDE) == {("overlay_cni", "c")}


def test_a_cluster_that_nobody_listed_is_named(lake_):
    tagged = {"instance": "i-1", "cluster": "prod"}
    look(lake_, enis=[eni("eni-1", **tagged)], documents=[vpc()])
    assert found(lake_, but=BESIDE) == {("cluster_not_listed", "prod")}
    kube(lake_, node(), pod("10.0.7.7"), cluster="by-another-name")
    assert found(lake_, but=BESIDE) == set()


# ---- formats


def test_what_a_format_lacks_is_named_with_what_it_costs(lake_):
    lacking = LOG_FORMAT.replace("${interface-id} ", "").replace("${tcp-flags} ", "")
    documents = [vpc(), flow_log(1, "vpc-1", log_format=lacking)]
    look(lake_, enis=[eni("eni-1")], documents=documents)
    assert found(lake_) == {("no_observer", f"{FL}1"), ("lean_format", f"{FL}1")}
    with Engine(lake_.settings) as engine:
        lean = [f for f in examine(engine, days=7)["findings"]
                if f["fault"] == "lean_format"]  # fmt: skip
    assert "tcp-flags" in lean[0]["costs"]
    assert "vpc-id" not in lean[0]["costs"]


def test_a_transit_gateways_flow_log_has_fields_of_its_own(lake_):
    fields = "${version} ${resource-type} ${tgw-id} ${srcaddr} ${dstaddr} ${start}"
    look(lake_, documents=[vpc(), flow_log(1, "tgw-1", log_format=fields)])
    assert found(lake_) == set()


def test_a_flow_log_that_was_deleted_is_no_fault(lake_, tmp_path):
    path = lean_object(tmp_path)
    old = ("flow_log", LOG, {"FlowLogId": LOG, "ResourceId": "vpc-1"})
    enis = [eni("eni-1")]
    look(lake_, enis=enis, documents=[vpc(), old], minute=0)
    read(lake_, path)
    faults = {("no_pkt_addr", LOG), ("lean_format", LOG)}
    assert found(lake_) == faults
    look(lake_, enis=enis, documents=[vpc(), flow_log(1, "vpc-1")], minute=60)
    assert found(lake_) == set()


def test_a_format_is_read_off_records_without_an_inventory(lake_, tmp_path):
    read(lake_, lean_object(tmp_path))
    assert found(lake_, but=("no_inventory",)) == {
        ("no_pkt_addr", LOG), ("lean_format", LOG),
    }  # fmt: skip


def lean_object(place):
    """Write an object in version 2."""
    path = put(place, 0, sent(0))
    head = V3.split()[:17]
    kept = [n for n in head if n not in ("vpc-id", "subnet-id", "instance-id")]
    start = int(NOON.timestamp())
    line = (f"2 eni-1 123456789010 10.0.0.1 10.0.0.2 4 443 6 1 40 {start} {start + 50} "
            "ACCEPT OK")  # fmt: skip
    path.write_bytes(gzip.compress("\n".join([" ".join(kept), line, ""]).encode()))
    return path


def test_records_without_an_observer_need_a_resource_id(lake_, tmp_path):
    read(lake_, put(tmp_path, 0, sent(0).replace("eni-1", "-")))
    assert ("no_resource_id", LOG) in found(lake_)


# ---- interfaces


def test_interfaces_are_not_called_unlogged_if_nobody_listed_flow_logs(lake_):
    enis = [eni("eni-1"), eni("eni-2", "10.0.0.2")]
    look(lake_, enis=enis, documents=[vpc()], lists=frozenset({"identities", "vpc"}))
    assert found(lake_) == {("flow_logs_not_listed", SCOPE)}


def test_an_interface_that_no_listed_flow_log_holds_is_not_logged(lake_):
    enis = [eni("eni-1"), eni("eni-2", "10.0.0.2")]
    look(lake_, enis=enis, documents=[vpc(), flow_log(1, "eni-1")])
    assert found(lake_) == {("not_logged", "eni-2")}


CLOUDWATCH = {"LogDestinationType": "cloud-watch-logs"}
FAILED = {"DeliverLogsStatus": "FAILED", "LogDestinationType": "s3"}
UNLOGGED, DOUBLED = ("not_logged", "eni-2"), ("duplicate", "eni-1")
ALONE, UNDELIVERED = ("traffic_type", f"{FL}1"), ("delivery_failed", f"{FL}2")


@pytest.mark.parametrize(
    ("first", "second", "faults"),
    [
        (("eni-1",), flow_log(2, "eni-2"), ()),
        (("eni-1",), flow_log(2, "eni-2", **CLOUDWATCH), (UNLOGGED,)),
        (("eni-1",), flow_log(2, "eni-2", **FAILED), (UNDELIVERED,)),
        (("eni-1",), flow_log(2, "eni-1"), (UNLOGGED, DOUBLED)),
        (("eni-1",), flow_log(2, "eni-1", **CLOUDWATCH), (UNLOGGED,)),
        (("eni-1",), flow_log(2, "eni-1", **FAILED), (UNLOGGED, UNDELIVERED)),
        (("vpc-1", "ACCEPT"), flow_log(2, "vpc-1", "REJECT"), ()),
        (("vpc-1", "ACCEPT"), flow_log(2, "vpc-1", "REJECT", **CLOUDWATCH), (ALONE,)),
        (("vpc-1", "ACCEPT"), flow_log(2, "vpc-1", **FAILED), (ALONE, UNDELIVERED)),
        # what a format lacks costs nothing here
        (("vpc-1",), flow_log(2, "vpc-9", log_format="${start}", **CLOUDWATCH), ()),
    ],
)
def test_a_flow_log_that_tells_nothing_here_stands_in_for_none(
    lake_, first, second, faults
):
    enis = [eni("eni-1"), eni("eni-2", "10.0.0.2")]
    look(lake_, enis=enis, documents=[vpc(), flow_log(1, *first), second])
    assert found(lake_) == set(faults)


@pytest.mark.parametrize("name", [None, "export.log.gz"])
def test_a_flow_log_that_was_heard_tells_wherever_it_delivers(lake_, tmp_path, name):
    log = {"FlowLogId": LOG, "ResourceId": "vpc-1", **CLOUDWATCH}
    enis = [eni("eni-1"), eni("eni-2", "10.0.0.2")]
    look(lake_, enis=enis, documents=[vpc(), ("flow_log", LOG, log)])
    assert {("not_logged", e) for e in ("eni-1", "eni-2")} <= found(lake_)
    path = put(tmp_path, 0, sent(0))
    read(lake_, path.rename(path.with_name(name)) if name else path)
    assert not any(fault == "not_logged" for fault, _ in found(lake_))


OTHER = "fl-0123456789abcdef9"


def test_an_interface_logged_twice_is_seen_in_its_records(lake_, tmp_path):
    lines = [received(m, by="eni-1", of="10.0.0.2") for m in (5, 65, 125)]
    read(lake_, put(tmp_path, 0, *lines))
    assert ("duplicate", "eni-1") not in found(lake_)
    read(lake_, put(tmp_path, 1, *lines, log=OTHER))
    assert ("duplicate", "eni-1") in found(lake_)


def test_a_flow_log_in_place_of_another_is_no_duplicate(lake_, tmp_path):
    first, second = ([sent(m) for m in part] for part in ((5, 65), (70, 125)))
    read(lake_, put(tmp_path, 0, *first), put(tmp_path, 1, *second, log=OTHER))
    assert ("duplicate", "eni-1") not in found(lake_)


# ---- what was looked at, what arrives


def test_a_scope_that_was_only_seen_in_parts_was_looked_at_then(lake_, tmp_path):
    read(lake_, put(tmp_path, 0, sent(0)))
    look(lake_, enis=[eni("eni-1")], documents=[vpc()], lists=frozenset())
    faults = {fault for fault, _ in found(lake_, but=("lean_format",))}
    assert not faults & {"no_inventory", "stale_inventory"}
    read(lake_, put(tmp_path, 1, sent(600)))
    assert ("stale_inventory", SCOPE) in found(lake_)


def test_an_account_whose_records_come_and_that_nobody_listed(lake_, tmp_path):
    read(lake_, put(tmp_path, 0, sent(0)))
    assert found(lake_, but=("lean_format",)) == {("no_inventory", "inventory")}
    elsewhere = {"scope": "aws:222222222222:us-east-1", "minute": 600}
    look(lake_, documents=[vpc("vpc-2")], **elsewhere)
    missing = ("account_not_listed", "aws:123456789010:us-east-1")
    assert found(lake_, but=("lean_format",)) == {missing}
    look(lake_, documents=[vpc(), ("flow_log", LOG, {"FlowLogId": LOG})])
    assert found(lake_, but=("lean_format",)) == set()


def test_a_look_is_as_old_as_its_addresses(lake_, tmp_path):
    look(lake_, enis=[eni("eni-1")], documents=[vpc(), flow_log(1, "vpc-1")], minute=0)
    look(lake_, documents=[vpc()], minute=300, lists=frozenset({"vpc"}))
    read(lake_, put(tmp_path, 0, sent(300)))
    assert ("stale_inventory", SCOPE) in found(lake_)


def test_a_listed_flow_log_that_went_silent_is_named(lake_, tmp_path):
    logs = [("flow_log", name, {"FlowLogId": name, "ResourceId": resource})
            for name, resource in ((LOG, "eni-1"), (OTHER, "eni-2"))]  # fmt: skip
    enis = [eni("eni-1"), eni("eni-2", "10.0.0.2")]
    look(lake_, enis=enis, documents=[vpc(), *logs], minute=600)
    read(lake_, put(tmp_path, 0, sent(0)), put(tmp_path, 1, received(0), log=OTHER))
    assert not any(fault == "silent_log" for fault, _ in found(lake_))
    read(lake_, put(tmp_path, 90, silent(450, "eni-2"), log=OTHER))
    assert {r for fault, r in found(lake_) if fault == "silent_log"} == {LOG}
    look(lake_, enis=enis, documents=[vpc(), logs[1]], minute=700)
    assert not any(fault == "silent_log" for fault, _ in found(lake_))


@pytest.mark.parametrize(
    ("log", "minutes", "beside", "is_silent"),
    [
        ({}, 180, [], True),
        ({}, 180, [("network_interface", "eni-2", {"Status": "in-use"})], True),
        ({"TrafficType": "REJECT"}, 180, [], True),
        # records of minutes, a younger flow log, nothing there that could tell
        ({}, 60, [], False),
        ({"CreationTime": "2026-01-01T14:00:00Z"}, 180, [], False),
        ({"ResourceId": "vpc-3"}, 180, [], False),
        ({}, 180, [("network_interface", "eni-2", {"Status": "available"})], False),
        # named by another finding, or nothing is missing
        (FAILED, 180, [], False),
        (CLOUDWATCH, 180, [], False),
        ({"ResourceId": "vpc-1"}, 180, [], False),
    ],
)
def test_a_listed_flow_log_that_was_never_heard_is_named(
    lake_, tmp_path, log, minutes, beside, is_silent
):
    first = {"FlowLogId": LOG, "ResourceId": "vpc-1"}
    second = {"FlowLogId": OTHER, "ResourceId": "vpc-2",
              "CreationTime": "2025-12-01T00:00:00Z",
              "LogDestination": "arn:aws:s3:::other/flow", **log}  # fmt: skip
    logs = [("flow_log", one["FlowLogId"], one) for one in (first, second)]
    enis = [eni("eni-1"), eni("eni-2", "10.0.0.2", vpc="vpc-2", subnet="subnet-2")]
    for minute in (0, 300):
        documents = [vpc(), vpc("vpc-2"), *logs, *beside]
        look(lake_, enis=enis, documents=documents, minute=minute)
    last = put(tmp_path, minutes // 5, sent(minutes))
    read(lake_, put(tmp_path, 0, sent(0)), last)
    assert (("silent_log", OTHER) in found(lake_)) == is_silent
    if is_silent:
        with Engine(lake_.settings) as engine:
            (one,) = (f for f in examine(engine, days=7)["findings"]
                      if f["fault"] == "silent_log")  # fmt: skip
        assert "ingest s3://other/flow too" in one["do"]
        read(lake_, put(tmp_path, 36, silent(180, "eni-2"), log=OTHER))
        assert ("silent_log", OTHER) not in found(lake_)


# ---- what is no longer there is not looked for


CLUSTER = ("stale_inventory", "kubernetes:c")


def stale(lake_):
    return {pair for pair in found(lake_) if pair[0] == "stale_inventory"}


def test_a_cluster_is_looked_for_while_its_instances_are_there(lake_, tmp_path):
    enis = [eni("eni-1", instance="i-1"), eni("eni-2", "10.0.0.2")]
    look(lake_, enis=enis, documents=[vpc()])
    kube(lake_, node(), pod("10.0.7.7"))
    read(lake_, put(tmp_path, 0, sent(600)))
    look(lake_, enis=enis, documents=[vpc()], minute=600)
    assert stale(lake_) == {CLUSTER}
    look(lake_, enis=enis[1:], documents=[vpc()], minute=610)
    assert stale(lake_) == set()


def test_a_cluster_is_looked_for_after_the_last_look_of_its_account(lake_, tmp_path):
    look(lake_, enis=[eni("eni-1", instance="i-1")], documents=[vpc()], minute=0)
    look(lake_, enis=[eni("eni-2", "10.0.0.2")], documents=[vpc()], minute=20)
    kube(lake_, node(), pod("10.0.7.7"))
    read(lake_, put(tmp_path, 0, sent(600)))
    assert CLUSTER in stale(lake_)


def test_a_cluster_that_aws_never_showed_is_looked_for_where_it_may_be(lake_, tmp_path):
    kube(lake_, node(), pod("10.0.7.7"))
    read(lake_, put(tmp_path, 0, sent(600)))
    assert stale(lake_) == {CLUSTER}
    elsewhere = "aws:222222222222:us-east-1"
    look(lake_, enis=[eni("eni-9")], documents=[vpc("vpc-9")], minute=600,
         scope=elsewhere)  # fmt: skip
    assert stale(lake_) == {CLUSTER}
    look(lake_, enis=[eni("eni-1")], documents=[vpc()], minute=600)
    assert stale(lake_) == set()


def test_a_region_is_looked_for_while_records_come_of_it(lake_, tmp_path):
    other = "aws:123456789010:eu-west-1"
    look(lake_, enis=[eni("eni-9", vpc="vpc-9")], documents=[vpc("vpc-9")], scope=other)
    read(lake_, put(tmp_path, 0, sent(600)))
    look(lake_, enis=[eni("eni-1")], documents=[vpc()], minute=600)
    assert stale(lake_) == set()
    moved = put(tmp_path, 1, sent(610), log=OTHER)
    read(lake_, moved.rename(str(moved).replace("us-east-1", "eu-west-1")))
    assert stale(lake_) == {("stale_inventory", other)}


def test_an_account_without_flow_logs_is_looked_for_while_its_vpc_is_at_an_end(
    lake_, tmp_path
):
    shares = "aws:222222222222:us-east-1"
    look(lake_, enis=[eni("eni-8", "10.0.0.8")], documents=[vpc()], scope=shares)
    look(lake_, enis=[eni("eni-1")], documents=[vpc()], minute=600)
    read(lake_, put(tmp_path, 0, sent(600)))
    assert stale(lake_) == {("stale_inventory", shares)}


def test_nodes_of_a_cluster_of_long_ago_are_not_looked_for(lake_, tmp_path):
    look(lake_, enis=[eni("eni-1", instance="i-9")], documents=[vpc()])
    kube(lake_, node(), pod("100.64.0.9"))
    read(lake_, put(tmp_path, 0, sent(0)))
    assert ("nodes_not_listed", "c") in found(lake_)
    read(lake_, put(tmp_path, 1, sent(8 * 24 * 60)))
    assert ("nodes_not_listed", "c") not in found(lake_)
