"""What single records tell of their ends, with and without an inventory."""

import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from ingest.decode.decoder import Decoder, Limits
from ingest.enriching import Enricher
from ingest.source import SourceObject, Tally
from lake.tables import CONFIGURATIONS, FLOWS, IDENTITIES, arrow_schema
from transform.enrich import Attributor
from transform.inventory import Inventory

V5 = (
    "interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end "
    "action log-status vpc-id subnet-id instance-id tcp-flags pkt-srcaddr pkt-dstaddr "
    "flow-direction"
)
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
AT = int(NOW.timestamp())
SOME = timedelta(minutes=30)
LIMITS = Limits(1 << 30, 65_536, 1000)


def rows_of(lines, header=V5, log="fl-1"):
    text = "\n".join([header, *lines, ""]).encode()
    source = SourceObject("o", "o", "e", len(text), NOW, flow_log_id=log)
    decoder = Decoder(limits=LIMITS, now=NOW)
    parts = [d.flows for d in decoder.decode(source, iter([text]), Tally(source))]
    return pa.concat_tables(parts)


def told(lines, header=V5, *, inventory=None, **more):
    rows = rows_of(lines, header)
    attributor = Attributor(inventory or Inventory(**more))
    made = Enricher(attributor, (None, None))(rows).to_pylist()
    return [dict.fromkeys(arrow_schema(FLOWS).names) | row for row in made]


def line(src, dst, *, way="egress", eni="eni-1", instance="i-1", shown=None, flags=2,
         ports="40000 443", action="ACCEPT", vpc="vpc-1"):  # fmt: skip
    a, b = shown or (src, dst)
    return (
        f"{eni} {a} {b} {ports} 6 3 180 {AT} {AT + 30} {action} OK {vpc} subnet-1 "
        f"{instance} {flags} {src} {dst} {way}"
    )


def table_of(table, rows):
    schema = arrow_schema(table)
    empty = dict.fromkeys(schema.names)
    return pa.Table.from_pylist([{**empty, **row} for row in rows], schema=schema)


def holder(address, **facts):
    row = {
        "scope": "aws:1:r", "source": "aws", "holder": facts.get("eni", "eni-9"),
        "address": address, "vpc": "vpc-1", "is_primary": True, "kind": "instance",
        "valid_from": datetime(2025, 12, 1, tzinfo=UTC),
        "last_seen": datetime(2026, 2, 1, tzinfo=UTC),
    }  # fmt: skip
    return {**row, **facts}


def pod(address, name, **facts):
    facts = {"source": "kubernetes", "scope": "kubernetes:c", "vpc": None, **facts}
    return holder(address, holder=name, pod=name, kind="pod", cluster="c",
                  is_primary=None, **facts)  # fmt: skip


def known(*identities, configurations=()):
    return Inventory(
        table_of(IDENTITIES, identities), table_of(CONFIGURATIONS, configurations)
    )


def configured(type_, **document):
    return {"scope": "aws:1:r", "resource_type": type_, "resource_id": "x",
            "document": json.dumps(document)}  # fmt: skip


def test_without_an_inventory_the_observer_is_its_own_and_nobody_else_is_named():
    (row,) = told([line("10.0.0.1", "10.0.0.9")])
    assert row["src_eni"] == "eni-1"
    assert (row["src_kind"], row["src_attribution"]) == ("instance", "learned")
    assert row["dst_eni"] is None
    assert (row["dst_kind"], row["dst_attribution"]) == (
        "unknown_private",
        "no_identity",
    )
    assert row["scope"] is None
    assert (row["counted"], row["settled"], row["verdict"]) == (True, False, "accepted")


def test_an_unknown_private_address_is_not_the_internet():
    inside, outside = told([line("10.0.0.1", "10.9.9.9"), line("10.0.0.1", "8.8.8.8")])
    assert inside["dst_kind"] == "unknown_private"
    assert (outside["dst_kind"], outside["scope"]) == ("internet", "outbound")


NODE = holder("10.0.0.1", eni="eni-1", instance="i-1")
ON_NODE = holder("10.0.0.20", eni="eni-1", instance="i-1", is_primary=False)


def test_a_pod_is_named_behind_its_interface():
    inventory = known(NODE, ON_NODE, pod("10.0.0.20", "web-1", instance="i-1"))
    (row,) = told(
        [line("10.0.0.20", "8.8.8.8", shown=("10.0.0.1", "8.8.8.8"))],
        inventory=inventory,
    )
    assert (row["src_pod"], row["src_attribution"]) == ("web-1", "exact")
    assert (row["src_eni"], row["src_instance"]) == ("eni-1", "i-1")


def test_no_pod_of_another_instance_is_named_at_this_one():
    inventory = known(
        NODE, ON_NODE, pod("10.0.0.20", "web-1", instance="i-2", vpc="vpc-1")
    )
    (row,) = told(
        [line("10.0.0.20", "8.8.8.8", shown=("10.0.0.1", "8.8.8.8"))],
        inventory=inventory,
    )
    assert row["src_pod"] is None
    assert row["src_attribution"] == "ambiguous"


@pytest.mark.parametrize("way", ["egress", "ingress"])
@pytest.mark.parametrize(
    ("kind", "named"),
    [("lambda", None), ("rds", None), ("network_interface", "web-1")],
)
def test_no_pod_is_named_at_an_interface_that_is_something_else(kind, named, way):
    inventory = known(
        holder("10.0.0.31", eni="eni-31", kind=kind, name="orders"),
        pod("10.0.0.31", "web-1", instance="i-2", vpc="vpc-1"),
    )
    own = {"eni": "eni-31", "instance": "-"} if way == "egress" else {}
    (row,) = told([line("10.0.0.31", "10.0.0.9", way=way, **own)], inventory=inventory)
    assert (row["src_pod"], row["src_eni"]) == (named, "eni-31")
    if named is None:
        assert (row["src_kind"], row["src_name"]) == (None, None)
        assert (row["src_instance"], row["src_attribution"]) == (None, "ambiguous")


EARLIER = {"valid_until": NOW - 2 * SOME, "latest": NOW - SOME}


@pytest.mark.parametrize(
    ("alone", "named"),
    [
        (EARLIER, ("eni-3", "exact")),
        (EARLIER | {"latest": NOW + SOME}, (None, "not_covered")),
        ({}, ("eni-2", "exact")),
    ],
)
def test_an_address_that_once_stood_alone_is_of_the_prefix_that_holds_it_now(
    alone, named
):
    inventory = known(
        holder("10.0.0.37", eni="eni-2", **alone),
        holder("10.0.0.32/28", eni="eni-3", is_primary=False),
    )
    # One row at a time, and both: the rows of an address are asked apart where it
    # changed hands.
    early = line("10.0.0.37", "10.0.0.9", way="ingress", eni="eni-9").replace(
        f"{AT} {AT + 30}", f"{AT - 9000} {AT - 8970}"
    )
    late = line("10.0.0.37", "10.0.0.9", way="ingress", eni="eni-9")
    for lines in ([late], [early, late]):
        row = told(lines, inventory=inventory)[-1]
        assert (row["src_eni"], row["src_attribution"]) == named
    row = told([early], inventory=inventory)[0]
    assert (row["src_eni"], row["src_attribution"]) == ("eni-2", "exact")


@pytest.mark.parametrize(
    ("target", "why"), [("10.0.0.9", "host_network"), ("8.8.8.8", "node_or_snat")]
)
def test_a_nodes_own_address_may_hide_a_pod_off_its_vpc(target, why):
    vpc = configured("vpc", VpcId="vpc-1", CidrBlock="10.0.0.0/16")
    inventory = known(
        NODE, pod("10.0.0.20", "web-1", instance="i-1"), configurations=[vpc]
    )
    (row,) = told([line("10.0.0.1", target)], inventory=inventory)
    assert (row["src_pod"], row["src_attribution"]) == (None, why)
    assert row["src_kind"] == "node"


@pytest.mark.parametrize("way", ["egress", "ingress"])
@pytest.mark.parametrize(
    ("address", "kind", "name"), [("10.0.0.20", None, None), ("10.0.0.1", "node", "n1")]
)
def test_a_pod_that_nobody_saw_is_not_called_by_its_node(way, address, kind, name):
    inventory = known(
        NODE | {"name": "n1"},
        ON_NODE | {"name": "n1"},
        pod("10.0.0.21", "web-1", instance="i-1"),
    )
    shown = ("10.0.0.1", "10.0.0.9") if way == "egress" else None
    observer = "eni-1" if way == "egress" else "eni-9"
    (row,) = told(
        [line(address, "10.0.0.9", way=way, shown=shown, eni=observer)],
        inventory=inventory,
    )
    assert (row["src_kind"], row["src_name"]) == (kind, name)
    assert (row["src_eni"], row["src_workload"]) == ("eni-1", None)


@pytest.mark.parametrize("way", ["egress", "ingress"])
def test_a_branch_interface_is_not_the_node_that_carries_it(way):
    branch = holder("10.0.0.50", eni="eni-50", instance="i-1",
                    kind="network_interface")  # fmt: skip
    inventory = known(NODE, branch, pod("10.0.0.20", "web-1", instance="i-1"))
    own = {"eni": "eni-50"} if way == "egress" else {}
    (row,) = told([line("10.0.0.50", "10.0.0.9", way=way, **own)], inventory=inventory)
    assert (row["src_kind"], row["src_attribution"]) == (None, "no_identity")
    assert (row["src_eni"], row["src_instance"]) == ("eni-50", "i-1")


def test_the_same_range_in_two_vpcs_is_two_places():
    inventory = known(
        holder("10.0.0.9", eni="eni-a", name="ours"),
        holder("10.0.0.9", eni="eni-b", name="theirs", vpc="vpc-2"),
    )
    first, second = told(
        [line("10.0.0.1", "10.0.0.9"), line("10.0.0.1", "10.0.0.9", vpc="vpc-2")],
        inventory=inventory,
    )
    assert {first["dst_name"], second["dst_name"]} == {"ours", "theirs"}
    assert (first["dst_name"] == "ours") == (first["vpc_id"] == "vpc-1")


def peering(other):
    return configured(
        "vpc_peering_connection",
        Status={"Code": "active"},
        RequesterVpcInfo={"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"},
        AccepterVpcInfo={"VpcId": other, "CidrBlock": "10.5.0.0/16"},
    )


TWO_PEERS = known(
    holder("10.5.0.1", vpc="vpc-2", eni="eni-2"),
    holder("10.5.0.1", vpc="vpc-3", eni="eni-3"),
    holder("10.0.0.9", eni="eni-gate", kind="transit_gateway"),
    configurations=[peering("vpc-2"), peering("vpc-3")],
)


@pytest.mark.parametrize(
    ("state", "attribution"),
    [("available", "exact"), (None, "exact"), *((s, None) for s in (
        "deleted", "deleting", "rejected", "failed", "pendingAcceptance"))],
)  # fmt: skip
def test_an_attachment_joins_vpcs_while_it_is_in_force(state, attribution):
    attachments = [
        configured("transit_gateway_attachment", TransitGatewayAttachmentId=vpc,
                   TransitGatewayId="tgw-1", VpcId=vpc, State=state_)
        for vpc, state_ in (("vpc-1", "available"), ("vpc-2", state))
    ]  # fmt: skip
    inventory = known(
        holder("10.5.0.1", vpc="vpc-2", eni="eni-2"),
        configurations=[
            configured("vpc", VpcId="vpc-2", CidrBlock="10.5.0.0/16"),
            *attachments,
        ],
    )
    (row,) = told([line("10.0.0.1", "10.5.0.1")], inventory=inventory)
    assert row["dst_eni"] == ("eni-2" if attribution else None)
    assert attribution is None or row["dst_attribution"] == attribution


@pytest.mark.parametrize(
    ("ends", "attribution", "scope"),
    [
        (None, "exact", "internal"),
        (timedelta(minutes=-30), "not_covered", None),
        (timedelta(minutes=30), "exact", "internal"),
    ],
)
def test_an_elastic_ip_that_may_still_be_ours_is_not_called_internet(
    ends, attribution, scope
):
    known_until = ends and {"valid_until": NOW + ends, "latest": NOW + 4 * abs(ends)}
    mine = holder("54.1.2.3", vpc=None, eni="eni-b", **(known_until or {}))
    (row,) = told([line("10.0.0.1", "54.1.2.3")], inventory=known(mine))
    assert (row["dst_attribution"], row["scope"]) == (attribution, scope)
    assert row["dst_kind"] == ("instance" if attribution == "exact" else None)


def test_an_elastic_ip_is_in_the_vpc_of_its_interface():
    inventory = known(
        holder("10.2.0.1", eni="eni-b", vpc="vpc-2", subnet="subnet-2"),
        holder("54.1.2.3", eni="eni-b", vpc=None, subnet="subnet-2"),
    )
    (row,) = told([line("10.0.0.1", "54.1.2.3")], inventory=inventory)
    place = row["dst_eni"], row["dst_subnet"], row["dst_vpc"]
    assert place == ("eni-b", "subnet-2", "vpc-2")


def test_an_elastic_ip_of_one_of_ours_or_another_is_ours_and_nobodys():
    moves = [
        holder("54.1.2.3", vpc=None, eni="eni-b", valid_until=NOW - SOME,
               latest=NOW + SOME),
        holder("54.1.2.3", vpc=None, eni="eni-c", valid_from=NOW + SOME,
               earliest=NOW - SOME),
    ]  # fmt: skip
    (row,) = told([line("10.0.0.1", "54.1.2.3")], inventory=known(*moves))
    assert (row["dst_kind"], row["dst_eni"]) == (None, None)
    assert (row["dst_attribution"], row["scope"]) == ("ambiguous", "internal")
    (row,) = told([line("10.0.0.1", "54.1.2.4")], inventory=known(*moves))
    assert (row["dst_kind"], row["scope"]) == ("internet", "outbound")


@pytest.mark.parametrize("kind", ["peering", "attachment"])
@pytest.mark.parametrize(
    ("over_by", "eni"), [(None, "eni-2"), (+SOME, "eni-2"), (-SOME, None)]
)
def test_what_joined_vpcs_and_is_over_joins_them_no_more(kind, over_by, eni):
    joins = [peering("vpc-2")]
    if kind == "attachment":
        joins = [
            configured(
                "transit_gateway_attachment", TransitGatewayId="tgw-1", VpcId=vpc
            )
            for vpc in ("vpc-1", "vpc-2")
        ]
    over = {} if over_by is None else {"latest": NOW + over_by}
    inventory = known(
        holder("10.5.0.1", vpc="vpc-2", eni="eni-2"),
        configurations=[
            configured("vpc", VpcId="vpc-2", CidrBlock="10.5.0.0/16"),
            *joins[:-1],
            joins[-1] | over,
        ],
    )
    (row,) = told([line("10.0.0.1", "10.5.0.1")], inventory=inventory)
    assert row["dst_eni"] == eni


def test_a_peer_that_two_vpcs_could_hold_is_nobody():
    (row,) = told([line("10.0.0.1", "10.5.0.1")], inventory=TWO_PEERS)
    assert (row["dst_eni"], row["dst_attribution"]) == (None, "ambiguous")


@pytest.mark.parametrize("hop", ["eni-2", "eni-3"])
@pytest.mark.parametrize("way", ["egress", "ingress"])
def test_a_next_hop_that_has_the_address_says_which_peer_it_is(hop, way):
    ends = ("10.0.0.1", "10.5.0.1")
    far, (src, dst) = ("dst", ends) if way == "egress" else ("src", ends[::-1])
    (row,) = told(
        [f"{line(src, dst, way=way)} {hop}"],
        f"{V5} next-hop-interface-id",
        inventory=TWO_PEERS,
    )
    assert (row[f"{far}_eni"], row[f"{far}_attribution"]) == (hop, "exact")
    assert row[f"{far}_vpc"] == hop.replace("eni", "vpc")


@pytest.mark.parametrize("hop", ["eni-gate", "eni-never-heard-of", "-"])
def test_a_next_hop_that_passes_packets_on_says_nothing_of_their_end(hop):
    (row,) = told(
        [f"{line('10.0.0.1', '10.5.0.1')} {hop}"],
        f"{V5} next-hop-interface-id",
        inventory=TWO_PEERS,
    )
    assert (row["dst_eni"], row["dst_attribution"]) == (None, "ambiguous")


def test_a_next_hop_says_nothing_of_an_address_changed_on_the_way():
    (row,) = told(
        [f"{line('10.0.0.1', '10.5.0.1', shown=('10.0.0.1', '10.0.0.9'))} eni-3"],
        f"{V5} next-hop-interface-id",
        inventory=TWO_PEERS,
    )
    assert (row["dst_eni"], row["dst_attribution"]) == (None, "ambiguous")


@pytest.mark.parametrize("since", [datetime(2026, 1, 1, 11, tzinfo=UTC), None])
def test_a_pod_that_surely_was_there_at_no_time_is_not_named_even_if_watched(since):
    watch = configured("k8s_watch") | {
        "resource_id": "c",
        "valid_from": datetime(2026, 1, 1, tzinfo=UTC),
        "valid_until": datetime(2026, 1, 2, tzinfo=UTC),
    }
    short = {"valid_from": since, "last_seen": since, "instance": "i-1",
             "earliest": datetime(2026, 1, 1, 10, tzinfo=UTC),
             "latest": datetime(2026, 1, 1, 13, tzinfo=UTC)}  # fmt: skip
    inventory = known(
        NODE, ON_NODE, pod("10.0.0.20", "web-1", **short), configurations=[watch]
    )
    shown = ("10.0.0.1", "8.8.8.8")
    (row,) = told([line("10.0.0.20", "8.8.8.8", shown=shown)], inventory=inventory)
    assert row["src_pod"] == (None if since is None else "web-1")


def test_an_ecs_task_is_told_by_its_own_records():
    header = f"{V5} ecs-cluster-name ecs-service-name ecs-task-id"
    (row,) = told([f"{line('10.0.0.1', '8.8.8.8')} prod checkout 0a1b"], header)
    assert (row["src_kind"], row["src_cluster"]) == ("ecs_task", "prod")
    assert (row["src_workload"], row["src_name"]) == ("checkout", "0a1b")
    assert row["dst_workload"] is None


def test_tags_name_by_the_keys_of_their_flow_log():
    log = configured(
        "flow_log",
        FlowLogId="fl-1",
        ResourceId="vpc-1",
        TagFieldSpecifications=[
            {"ResourceType": "network-interface", "TagKeys": ["Name", "team"]}
        ],
    )
    header = f"{V5} interface-tag interface-tag-2"
    inventory = Inventory(None, table_of(CONFIGURATIONS, [log]), owner_key="team")
    (row,) = told(
        [f"{line('10.0.0.1', '8.8.8.8')} front%20door pay"], header, inventory=inventory
    )
    assert (row["src_name"], row["src_owner"]) == ("front door", "pay")


def test_labels_are_the_users():
    (row,) = told(
        [line("10.0.0.1", "198.51.100.7")], networks={"198.51.100.0/24": "office"}
    )
    assert (row["dst_kind"], row["dst_network"]) == ("network", "office")


def test_tunnels_are_outside_totals():
    text = line("10.0.0.1", "8.8.8.8", ports="40000 6081").replace(" 6 3 ", " 17 3 ")
    (row,) = told([text])
    assert (row["role"], row["counted"], row["verdict"]) == (
        "encapsulated",
        False,
        None,
    )


@pytest.mark.parametrize(
    ("flags", "initiator", "port"), [(2, "src", 443), (3, "src", 443),
                                     (18, "dst", 40000), (19, "dst", 40000),
                                     (0, "src", 443)],
)  # fmt: skip
def test_flags_are_tested_by_bits(flags, initiator, port):
    (row,) = told([line("10.0.0.1", "8.8.8.8", flags=flags)])
    assert (row["initiator"], row["service_port"]) == (initiator, port)


def test_the_formats_of_flow_logs_come_from_the_inventory():
    log = configured("flow_log", FlowLogId="fl-1", LogFormat="${start} ${end}")
    enricher = Enricher(Attributor(known(configurations=[log])), (None, None))
    assert enricher.formats == {"fl-1": "${start} ${end}"}
