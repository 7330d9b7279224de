"""Saved describe-* output becomes identities and configurations."""

import gzip
import json
import os
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.inventory.aws import Report, read_saved
from lake.errors import SourceMissing

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
REAL = Path(__file__).parents[3] / "shared" / "real" / "aws" / "hybrid-us-west-2"
real = pytest.mark.skipif(
    not REAL.is_dir(), reason=f"no real inventory beside the project, at {REAL}"
)


def save(folder, **lists):
    folder.mkdir(parents=True, exist_ok=True)
    for name, documents in lists.items():
        (folder / f"{name}.json").write_text(json.dumps({name: documents}))
    return folder


def sighting(folder, **options):
    (found,) = read_saved([folder], at=AT, **options)
    return found


def held(found):
    return {(r["holder"], r["address"]): r for r in found.identities.to_pylist()}


def by_address(found):
    return {r["address"]: r for r in found.identities.to_pylist()}


def documents(found):
    return {
        (r["resource_type"], r["resource_id"]): json.loads(r["document"])
        for r in found.configurations.to_pylist()
    }


def interface(number=1, **fields):
    return {
        "NetworkInterfaceId": f"eni-{number}",
        "InterfaceType": "interface",
        "OwnerId": "111122223333",
        "VpcId": "vpc-1",
        "SubnetId": "subnet-1",
        "AvailabilityZone": "eu-west-1a",
        "AvailabilityZoneId": "euw1-az1",
        "PrivateIpAddress": f"10.0.0.{number}",
        "PrivateIpAddresses": [
            {"PrivateIpAddress": f"10.0.0.{number}", "Primary": True}
        ],
        **fields,
    }


# --- other people's account -----------------------------------------------------------


@real
def test_stopped_instances_and_free_interfaces_own_their_addresses():
    rows = by_address(sighting(REAL))
    assert len(rows) == 10
    listed = json.loads((REAL / "NetworkInterfaces.json").read_text())
    for document in listed["NetworkInterfaces"]:
        row = rows[document["PrivateIpAddress"]]
        assert row["holder"] == row["eni"] == document["NetworkInterfaceId"]
        assert row["instance"] == document.get("Attachment", {}).get("InstanceId")
        assert row["subnet"] == document["SubnetId"]
        assert row["vpc"] == document["VpcId"]
    of_instances = [r["instance"] for r in rows.values() if r["instance"]]
    assert (len(of_instances), len(set(of_instances))) == (7, 4)
    free = [r for r in rows.values() if r["kind"] == "network_interface"]
    assert len(free) == 2
    assert rows["34.214.188.89"]["kind"] == "elastic_ip"
    assert rows["34.214.188.89"]["vpc"] is None


@real
def test_who_requested_an_interface_proves_nothing_alone():
    rows = by_address(sighting(REAL)).values()
    assert {r["kind"] for r in rows} == {"instance", "network_interface", "elastic_ip"}


@real
def test_a_zone_name_alone_is_no_zone_id_and_times_may_have_a_space():
    rows = by_address(sighting(REAL))
    assert {r["az"] for r in rows.values()} == {None}
    assert rows["192.168.1.186"]["started_at"] == datetime(
        2017, 9, 26, 22, 0, 55, tzinfo=UTC
    )
    assert rows["10.0.0.30"]["started_at"] is None


@real
def test_a_hybrid_folder_is_one_scope_whatever_file_it_lacks(tmp_path):
    files = sorted(REAL.glob("*.json"))
    for left_out in (None, *files):
        folder = tmp_path / (left_out.stem if left_out else "all")
        folder.mkdir()
        for file in files:
            if file != left_out:
                (folder / file.name).write_bytes(file.read_bytes())
        assert sighting(folder).scope == "aws:118292266645:us-west-2", left_out


@real
def test_what_policy_needs_of_the_real_account_is_kept():
    found = documents(sighting(REAL))
    group = found["security_group", "sg-55510831"]
    pairs = [p for r in group["IpPermissions"] for p in r["UserIdGroupPairs"]]
    assert "sg-cf3f86b3" in {p["GroupId"] for p in pairs}  # which is not listed
    assert ("security_group", "sg-cf3f86b3") not in found
    routes = found["route_table", "rtb-296bf350"]["Routes"]
    propagated = [r for r in routes if r["Origin"] == "EnableVgwRoutePropagation"]
    assert len(propagated) == 5
    assert "0.0.0.0/0" in {r["DestinationCidrBlock"] for r in propagated}
    main = [d for (t, _), d in found.items() if t == "route_table"
            and d["Associations"] == [{"Main": True}]]  # fmt: skip
    assert any(r["State"] == "blackhole" for d in main for r in d["Routes"])
    entries = found["network_acl", "acl-4db39c28"]["Entries"]
    assert {e["RuleNumber"] for e in entries} >= {100, 32767}
    assert len([t for t, _ in found if t == "subnet"]) == 10
    assert found["prefix_list", "pl-00a54069"]["Entries"] == [{"Cidr": "52.94.28.0/23"}]


@real
def test_files_of_no_use_are_counted_and_empty_lists_are_complete():
    report = Report()
    found = sighting(REAL, report=report)
    assert report.files == 26
    assert set(report.ignored) == {
        "DBInstances", "DhcpOptions", "DomainStatusList", "Hosts", "InstanceStatuses",
        "Instances", "MovingAddressStatuses", "PlacementGroups", "ServiceNames", "Tags",
    }  # fmt: skip
    assert report.odd == {}
    assert {"nat_gateway", "vpc_endpoint", "identities"} <= found.lists
    assert "transit_gateway" not in found.lists


# --- laws -----------------------------------------------------------------------------


def world():
    """Return lists of a small account."""
    enis = [interface(n, SubnetId=f"subnet-{n % 3}") for n in range(1, 12)]
    enis[2]["Groups"] = [{"GroupId": "sg-2"}, {"GroupId": "sg-1"}]
    return {
        "NetworkInterfaces": enis,
        "Subnets": [
            {"SubnetId": f"subnet-{n}", "VpcId": "vpc-1",
             "AvailabilityZone": "eu-west-1a"}
            for n in range(3)
        ],
        "SecurityGroups": [
            {
                "GroupId": f"sg-{n}",
                "VpcId": "vpc-1",
                "IpPermissions": [
                    {"IpProtocol": "tcp", "FromPort": p, "ToPort": p,
                     "IpRanges": [{"CidrIp": "10.0.0.0/8"}, {"CidrIp": "1.2.3.4/32"}]}
                    for p in (22, 443, 80)
                ],
            }
            for n in range(4)
        ],
    }  # fmt: skip


def shuffled(value, dice):
    if isinstance(value, dict):
        return {key: shuffled(item, dice) for key, item in value.items()}
    if isinstance(value, list):
        return [shuffled(i, dice) for i in dice.sample(value, len(value))]
    return value


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.integers(0, 10**6))
def test_pages_folders_and_the_order_of_lists_make_no_difference(tmp_path, seed):
    whole = sighting(save(tmp_path / "whole", **world()))
    dice = random.Random(seed)  # noqa: S311
    folder = tmp_path / str(seed) / "111122223333-eu-west-1"
    for key, listed in shuffled(world(), dice).items():
        cuts = sorted(dice.sample(range(1, len(listed)), dice.randint(0, 2)))
        for number, (begin, end) in enumerate(
            zip([0, *cuts], [*cuts, len(listed)], strict=True)
        ):
            place = folder / dice.choice(["", "a", "b/c"])
            place.mkdir(parents=True, exist_ok=True)
            body = json.dumps({key: listed[begin:end]}).encode()
            if dice.random() < 0.5:
                (place / f"{number}{key}.json.gz").write_bytes(gzip.compress(body))
            else:
                (place / f"x{number}{key}.json").write_bytes(body)
    parts = sighting(folder)
    assert parts.scope == whole.scope == "aws:111122223333:eu-west-1"
    assert parts.identities == whole.identities
    assert parts.configurations == whole.configurations
    assert parts.lists == whole.lists


# --- what an interface holds ----------------------------------------------------------


def test_every_kind_of_address_is_a_row_of_its_own(tmp_path):
    eni = interface(
        Attachment={"InstanceId": "i-1", "AttachTime": "2026-01-01T00:00:00+00:00"},
        PrivateIpAddresses=[
            {
                "PrivateIpAddress": "10.0.0.1",
                "Primary": True,
                "Association": {"PublicIp": "3.3.3.3", "CarrierIp": "4.4.4.4"},
            },
            {
                "PrivateIpAddress": "10.0.0.77",
                "Primary": False,
                "Association": {"PublicIp": "3.3.3.4"},
            },
        ],
        Ipv6Addresses=[
            {"Ipv6Address": "2001:DB8:0::00a", "IsPrimaryIpv6": True},
            {"Ipv6Address": "2001:db8::b", "IsPrimaryIpv6": False},
        ],
        Ipv4Prefixes=[{"Ipv4Prefix": "10.0.1.16/28"}],
        Ipv6Prefixes=[{"Ipv6Prefix": "2001:db8:0:1::/80"}],
        Groups=[{"GroupId": "sg-b"}, {"GroupId": "sg-a"}],
    )
    rows = held(sighting(save(tmp_path, NetworkInterfaces=[eni])))
    assert {address for _, address in rows} == {
        "10.0.0.1", "10.0.0.77", "2001:db8::a", "2001:db8::b", "10.0.1.16/28",
        "2001:db8:0:1::/80", "3.3.3.3", "3.3.3.4", "4.4.4.4",
    }  # fmt: skip
    assert {a for (_, a), r in rows.items() if r["is_primary"]} == {
        "10.0.0.1",
        "2001:db8::a",
    }
    public = {a for (_, a), r in rows.items() if r["vpc"] is None}
    assert public == {"3.3.3.3", "3.3.3.4", "4.4.4.4"}
    for row in rows.values():
        assert row["holder"] == row["eni"] == "eni-1"
        assert (row["instance"], row["kind"]) == ("i-1", "instance")
        assert row["az"] == "euw1-az1"
        assert row["security_groups"] == ["sg-a", "sg-b"]


def test_only_the_primary_address_is_known_since_the_attachment(tmp_path):
    eni = interface(
        Attachment={"InstanceId": "i-1", "AttachTime": "2026-01-01T00:00:00+00:00"},
        PrivateIpAddresses=[
            {"PrivateIpAddress": "10.0.0.1", "Primary": True,
             "Association": {"PublicIp": "3.3.3.3"}},
            {"PrivateIpAddress": "10.0.0.2", "Primary": False},
        ],
        Ipv6Addresses=[{"Ipv6Address": "2001:db8::b"}],
        Ipv4Prefixes=[{"Ipv4Prefix": "10.0.1.16/28"}],
    )  # fmt: skip
    rows = by_address(sighting(save(tmp_path, NetworkInterfaces=[eni])))
    assert {a for a, r in rows.items() if r["started_at"]} == {"10.0.0.1"}
    assert rows["10.0.0.1"]["started_at"] == datetime(2026, 1, 1, tzinfo=UTC)


def test_an_interface_that_lists_no_addresses_still_has_its_own(tmp_path):
    eni = interface(
        PrivateIpAddresses=None, Association={"PublicIp": "3.3.3.3"}, Groups=None
    )
    rows = by_address(sighting(save(tmp_path, NetworkInterfaces=[eni])))
    assert rows["10.0.0.1"]["is_primary"] is True
    assert rows["3.3.3.3"]["vpc"] is None


# --- what holds it --------------------------------------------------------------------

MANAGED = {"RequesterManaged": True}
UUID = "0a1b2c3d-1111-2222-3333-0a1b2c3d4e5f"


@pytest.mark.parametrize(
    ("fields", "kind", "forwards", "name"),
    [
        ({"Description": "Interface for NAT Gateway nat-0a"},
         "nat_gateway", "nat", "nat-0a"),
        ({"InterfaceType": "natGateway"}, "nat_gateway", "nat", None),
        ({"InterfaceType": "nat_gateway"}, "nat_gateway", "nat", None),
        ({"InterfaceType": "transit_gateway"}, "transit_gateway", "transit", None),
        ({"Description": "Network Interface for Transit Gateway Attachment "
          "tgw-attach-0b"}, "transit_gateway", "transit", "tgw-attach-0b"),
        ({"Description": "ELB app/shop/0123456789abcdef"},
         "load_balancer", None, "shop"),
        ({"Description": "ELB net/edge/0123456789abcdef",
          "InterfaceType": "network_load_balancer"}, "load_balancer", None, "edge"),
        ({"Description": "ELB gwy/wall/0123456789abcdef",
          "InterfaceType": "gateway_load_balancer"},
         "load_balancer", "transit", "wall"),
        ({"Description": "ELB gwy/wall/0123456789abcdef"},
         "load_balancer", "transit", "wall"),
        ({"Description": "ELB classic-1", **MANAGED}, "load_balancer", None,
         "classic-1"),
        ({"Description": "ELB classic-1", "RequesterId": "amazon-elb"},
         "load_balancer", None, "classic-1"),
        ({"Description": "ELB classic-1"}, "network_interface", None, None),
        ({"Description": "VPC Endpoint Interface vpce-1"},
         "vpc_endpoint", None, "vpce-1"),
        ({"Description": "VPC Endpoint Interface: vpce-1"},
         "vpc_endpoint", None, "vpce-1"),
        ({"InterfaceType": "gateway_load_balancer_endpoint",
          "Description": "VPC Endpoint Interface vpce-2"},
         "gateway_load_balancer_endpoint", "transit", "vpce-2"),
        ({"Description": f"AWS Lambda VPC ENI-re-size-{UUID}",
          "InterfaceType": "lambda"}, "lambda", None, None),
        ({"Description": f"AWS Lambda VPC ENI: {UUID}"}, "lambda", None, None),
        ({"Description": "RDSNetworkInterface"}, "rds", None, None),
        ({"Description": "RDSNetworkInterface of mine"},
         "network_interface", None, None),
        ({"Description": "ElastiCache cache-001", **MANAGED},
         "elasticache", None, "cache-001"),
        ({"Description": "RedshiftNetworkInterface"}, "redshift", None, None),
        ({"Description": "EFS mount target for fs-1 (fsmt-2)"}, "efs", None, "fs-1"),
        ({"InterfaceType": "efs"}, "efs", None, None),
        ({"Description": f"arn:aws:ecs:eu-west-1:111122223333:attachment/{UUID}"},
         "ecs_task", None, None),
        ({"Description": "DMSNetworkInterface"}, "dms", None, None),
        ({"Description": "AWS created network interface for directory d-93"},
         "directory", None, "d-93"),
        ({"Description": "Amazon EKS prod", **MANAGED},
         "eks_control_plane", None, "prod"),
        ({"Description": "Amazon EKS prod"}, "network_interface", None, None),
        ({"InterfaceType": "api_gateway_managed"}, "api_gateway", None, None),
        ({"InterfaceType": "Something_New"}, "something_new", None, None),
        ({"InterfaceType": "", "TagSet": [{"Key": "Name", "Value": "mine"}]},
         "network_interface", None, "mine"),
        ({"InterfaceType": "efa", "RequesterId": "amazon-rds"},
         "network_interface", None, None),
    ],
)  # fmt: skip
def test_a_service_is_known_by_type_and_description(
    tmp_path, fields, kind, forwards, name
):
    rows = by_address(sighting(save(tmp_path, NetworkInterfaces=[interface(**fields)])))
    row = rows["10.0.0.1"]
    assert (row["kind"], row["forwards"], row["name"]) == (kind, forwards, name)


def test_an_interface_that_functions_share_is_owned_as_tagged_but_names_none(tmp_path):
    shared = interface(
        Description=f"AWS Lambda VPC ENI-orders-{UUID}",
        InterfaceType="lambda",
        TagSet=[{"Key": "team", "Value": "shop"}],
    )
    path = save(tmp_path, NetworkInterfaces=[shared])
    row = by_address(sighting(path, owner_tag="team"))["10.0.0.1"]
    assert (row["kind"], row["owner"], row["name"]) == ("lambda", "shop", None)


def test_on_an_instance_of_ours_a_description_is_the_users_own(tmp_path):
    mine = {"Attachment": {"InstanceId": "i-1"}, **MANAGED}
    task = f"arn:aws:ecs:eu-west-1:111122223333:attachment/{UUID}"
    listed = [
        interface(1, Description="RDSNetworkInterface", **mine),
        interface(2, Description=task, **mine),
    ]
    rows = by_address(sighting(save(tmp_path, NetworkInterfaces=listed)))
    assert rows["10.0.0.1"]["kind"] == "instance"
    assert (rows["10.0.0.2"]["kind"], rows["10.0.0.2"]["instance"]) == (
        "ecs_task",
        "i-1",
    )


def test_a_task_is_named_by_its_service(tmp_path):
    task = interface(
        Description=f"arn:aws:ecs:eu-west-1:111122223333:attachment/{UUID}",
        TagSet=[
            {"Key": "aws:ecs:clusterName", "Value": "prod"},
            {"Key": "aws:ecs:serviceName", "Value": "cart"},
        ],
    )
    row = by_address(sighting(save(tmp_path, NetworkInterfaces=[task])))["10.0.0.1"]
    assert (row["cluster"], row["workload"], row["name"]) == ("prod", "cart", "cart")


def test_gateways_and_endpoints_are_known_by_their_own_lists_first(tmp_path):
    folder = save(
        tmp_path,
        NetworkInterfaces=[interface(n) for n in range(1, 7)],
        NatGateways=[
            {"NatGatewayId": "nat-1", "State": "available",
             "CreateTime": "2026-02-01T00:00:00.000Z",
             "Tags": [{"Key": "Name", "Value": "out"}],
             "NatGatewayAddresses": [{"NetworkInterfaceId": "eni-1"}]},
            {"NatGatewayId": "nat-2", "State": "deleted",
             "NatGatewayAddresses": [{"NetworkInterfaceId": "eni-2"}]},
        ],
        VpcEndpoints=[
            {"VpcEndpointId": "vpce-3", "VpcEndpointType": "Interface",
             "ServiceName": "com.amazonaws.eu-west-1.ecr.dkr", "State": "available",
             "NetworkInterfaceIds": ["eni-3"]},
            {"VpcEndpointId": "vpce-4", "VpcEndpointType": "GatewayLoadBalancer",
             "State": "available", "NetworkInterfaceIds": ["eni-4", "eni-404"]},
            {"VpcEndpointId": "vpce-5", "VpcEndpointType": "Interface",
             "ServiceName": "com.amazonaws.vpce.eu-west-1.vpce-svc-9",
             "State": "Available", "NetworkInterfaceIds": ["eni-5"]},
        ],
    )  # fmt: skip
    rows = by_address(sighting(folder))
    nat = rows["10.0.0.1"]
    assert (nat["kind"], nat["forwards"], nat["name"]) == ("nat_gateway", "nat", "out")
    assert nat["earliest"] == datetime(2026, 2, 1, tzinfo=UTC)
    assert nat["started_at"] == datetime(2026, 2, 1, 0, 10, tzinfo=UTC)
    assert rows["10.0.0.2"]["kind"] == "network_interface"
    assert (rows["10.0.0.3"]["kind"], rows["10.0.0.3"]["aws_service"]) == (
        "vpc_endpoint",
        "ECR_DKR",
    )
    assert rows["10.0.0.4"]["kind"] == "gateway_load_balancer_endpoint"
    assert rows["10.0.0.4"]["forwards"] == "transit"
    assert rows["10.0.0.5"]["name"] == "com.amazonaws.vpce.eu-west-1.vpce-svc-9"


def test_a_transit_gateways_interface_is_joined_by_its_subnet(tmp_path):
    listed = [
        interface(n, InterfaceType="transit_gateway", SubnetId=f"subnet-{n}")
        for n in (1, 2)
    ]
    attachments = [
        {"TransitGatewayAttachmentId": f"tgw-attach-{n}", "VpcId": "vpc-1",
         "TransitGatewayId": "tgw-1", "State": "available", "SubnetIds": subnets}
        for n, subnets in ((1, ["subnet-1", "subnet-2"]), (2, ["subnet-2"]))
    ]  # fmt: skip
    folder = save(
        tmp_path, NetworkInterfaces=listed, TransitGatewayVpcAttachments=attachments
    )
    rows = by_address(sighting(folder))
    assert rows["10.0.0.1"]["name"] == "tgw-attach-1"
    assert rows["10.0.0.2"]["name"] is None  # two attachments: neither is named
    assert {r["forwards"] for r in rows.values()} == {"transit"}


ARN = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:"
NLB = f"{ARN}loadbalancer/net/edge/0123456789abcdef"
GROUP = f"{ARN}targetgroup/web/00000000000000aa"


def group(protocol="TCP", kind="instance", arn=GROUP, **fields):
    return {
        "TargetGroupArn": arn,
        "TargetGroupName": arn.split("/")[1],
        "Protocol": protocol,
        "TargetType": kind,
        "LoadBalancerArns": [NLB],
        **fields,
    }


@pytest.mark.parametrize(
    ("groups", "attribute", "listener", "forwards"),
    [
        ([group()], None, "TCP", "transit"),
        ([group(kind="ip")], None, "TCP", None),
        ([group(kind="alb")], None, "TCP", "transit"),
        ([group(kind="ip")], "true", "TCP", "transit"),
        ([group()], "false", "TCP", None),
        ([group("UDP", "ip")], None, "UDP", "transit"),
        ([group("UDP")], "false", "UDP", "transit"),  # cannot be turned off
        ([group("TCP_UDP", "ip")], None, "TCP_UDP", "transit"),
        ([group("TLS")], None, "TLS", None),
        ([group()], None, "TLS", None),
        ([group(), group(kind="ip", arn=GROUP[:-1] + "b")], None, "TCP", None),
        ([], None, "TCP", None),
        ([group(LoadBalancerArns=[])], None, "TCP", "transit"),  # told by the listener
    ],
)
def test_a_network_load_balancer_forwards_where_all_groups_keep_the_client(
    tmp_path, groups, attribute, listener, forwards
):
    nlb = interface(
        InterfaceType="network_load_balancer",
        Description="ELB net/edge/0123456789abcdef",
        RequesterManaged=True,
    )
    save(
        tmp_path,
        NetworkInterfaces=[nlb],
        LoadBalancers=[{"LoadBalancerArn": NLB, "Type": "network"}],
        TargetGroups=groups,
        Listeners=[
            {
                "ListenerArn": f"{ARN}listener/net/edge/0123456789abcdef/1",
                "LoadBalancerArn": NLB,
                "Protocol": listener,
                "DefaultActions": [{"Type": "forward", "TargetGroupArn": GROUP}],
            }
        ],
    )
    if attribute:
        told = [{"Key": "preserve_client_ip.enabled", "Value": attribute}]
        file = tmp_path / "target-group-attributes-web.json"
        file.write_text(json.dumps({"Attributes": told}))
    report = Report()
    row = by_address(sighting(tmp_path, report=report))["10.0.0.1"]
    assert (row["forwards"], row["name"]) == (forwards, "edge")
    unknown = {"load_balancer_without_target_groups": 1} if not groups else {}
    assert report.odd == unknown


def test_attributes_that_name_no_group_are_counted_not_guessed(tmp_path):
    save(tmp_path, TargetGroups=[group(), group(arn=GROUP[:-1] + "b")])
    (tmp_path / "web.json").write_text('{"Attributes": [{"Key": "a", "Value": "b"}]}')
    report = Report()
    sighting(tmp_path, report=report)
    assert report.odd == {"of_no_known_target_group": 1}


def test_a_pods_branch_interface_is_on_its_trunks_instance(tmp_path):
    trunk = interface(
        1,
        InterfaceType="trunk",
        Description="aws-k8s-trunk-eni",
        Attachment={"InstanceId": "i-1"},
        TagSet=[{"Key": "kubernetes.io/cluster/prod", "Value": "owned"}],
    )
    tagged = interface(
        2,
        InterfaceType="branch",
        Description="aws-k8s-branch-eni",
        TagSet=[{"Key": "vpcresources.k8s.aws/trunk-eni-id", "Value": "eni-1"}],
    )
    joined = interface(3, InterfaceType="branch")
    node = interface(4, Attachment={"InstanceId": "i-1"})
    folder = save(
        tmp_path,
        NetworkInterfaces=[trunk, tagged, joined, node],
        InterfaceAssociations=[
            {"AssociationId": "t-1", "BranchInterfaceId": "eni-3",
             "TrunkInterfaceId": "eni-1"},
            {"AssociationId": "t-2", "BranchInterfaceId": "eni-9",
             "TrunkInterfaceId": "eni-404"},
        ],
    )  # fmt: skip
    rows = by_address(sighting(folder))
    assert {r["instance"] for r in rows.values()} == {"i-1"}
    assert {r["cluster"] for r in rows.values()} == {"prod"}
    assert rows["10.0.0.1"]["kind"] == "instance"
    assert rows["10.0.0.2"]["kind"] == rows["10.0.0.3"]["kind"] == "network_interface"


def test_a_nodes_cluster_is_told_by_its_instances_tags(tmp_path):
    folder = save(
        tmp_path,
        NetworkInterfaces=[
            interface(1, Attachment={"InstanceId": "i-1"}),
            interface(2, Attachment={"InstanceId": "i-2"}),
        ],
        Reservations=[
            {
                "OwnerId": "111122223333",
                "Instances": [
                    {"InstanceId": "i-1", "Tags": [
                        {"Key": "eks:cluster-name", "Value": "prod"},
                        {"Key": "Name", "Value": "worker"},
                        {"Key": "team", "Value": "core"}]},
                    {"InstanceId": "i-2"},
                ],
            }
        ],
    )  # fmt: skip
    rows = by_address(sighting(folder, owner_tag="team"))
    node, other = rows["10.0.0.1"], rows["10.0.0.2"]
    assert (node["cluster"], node["name"], node["owner"]) == ("prod", "worker", "core")
    assert (other["cluster"], other["name"], other["owner"]) == (None, None, None)


def test_a_zones_id_is_found_by_the_accounts_own_names(tmp_path):
    nameless = interface(1)
    del nameless["AvailabilityZoneId"]
    folder = save(
        tmp_path,
        NetworkInterfaces=[nameless],
        AvailabilityZones=[{"ZoneName": "eu-west-1a", "ZoneId": "euw1-az3"}],
    )
    assert by_address(sighting(folder))["10.0.0.1"]["az"] == "euw1-az3"


# --- public addresses -----------------------------------------------------------------


def test_elastic_ips_belong_to_their_interface_or_to_nobody_yet(tmp_path):
    shown = interface(1, Association={"PublicIp": "3.0.0.1"})
    folder = save(
        tmp_path,
        NetworkInterfaces=[shown, interface(2, Attachment={"InstanceId": "i-2"})],
        Addresses=[
            {"PublicIp": "3.0.0.1", "AllocationId": "eipalloc-1",
             "NetworkInterfaceId": "eni-1"},
            {"PublicIp": "3.0.0.2", "AllocationId": "eipalloc-2",
             "NetworkInterfaceId": "eni-2", "PrivateIpAddress": "10.0.0.2"},
            {"PublicIp": "3.0.0.3", "AllocationId": "eipalloc-3",
             "Tags": [{"Key": "Name", "Value": "spare"}]},
            {"PublicIp": "3.0.0.4", "AllocationId": "eipalloc-4",
             "NetworkInterfaceId": "eni-404"},
            {"PublicIp": "3.0.0.5"},
        ],
    )  # fmt: skip
    found = sighting(folder)
    rows = by_address(found)
    assert len(rows) == found.identities.num_rows  # each address once
    public = {a: (r["holder"], r["kind"]) for a, r in rows.items() if not r["vpc"]}
    assert public == {
        "3.0.0.1": ("eni-1", "network_interface"),
        "3.0.0.2": ("eni-2", "instance"),
        "3.0.0.3": ("eipalloc-3", "elastic_ip"),
        "3.0.0.4": ("eni-404", "elastic_ip"),
        "3.0.0.5": ("3.0.0.5", "elastic_ip"),
    }
    assert rows["3.0.0.2"]["instance"] == "i-2"
    assert rows["3.0.0.3"]["name"] == "spare"


def test_an_elastic_ip_whose_interface_was_not_looked_at_is_told_by_that(tmp_path):
    """Else a look of addresses alone would take the name that the interface gives."""
    attached = {"PublicIp": "3.0.0.1", "NetworkInterfaceId": "eni-1"}
    folder = save(tmp_path, Addresses=[attached, {"PublicIp": "3.0.0.5"}])
    assert by_address(sighting(folder)).keys() == {"3.0.0.5"}


def test_a_regional_nat_gateway_holds_its_public_addresses_itself(tmp_path):
    gateway = {
        "NatGatewayId": "nat-1",
        "AvailabilityMode": "regional",
        "State": "available",
        "NatGatewayAddresses": [
            {"PublicIp": "3.0.0.1", "AllocationId": "eipalloc-1",
             "AvailabilityZoneId": "euw1-az1"}
        ],
    }  # fmt: skip
    folder = save(
        tmp_path,
        NatGateways=[gateway],
        Addresses=[{"PublicIp": "3.0.0.1", "AllocationId": "eipalloc-1"}],
    )
    (row,) = sighting(folder).identities.to_pylist()
    assert (row["holder"], row["kind"], row["forwards"]) == (
        "nat-1",
        "nat_gateway",
        "nat",
    )
    assert (row["az"], row["vpc"]) == ("euw1-az1", None)


# --- what does not fit ----------------------------------------------------------------


def test_odd_values_are_counted_and_stop_nothing(tmp_path):
    folder = save(
        tmp_path,
        NetworkInterfaces=[
            interface(1),
            interface(2, Description=7, Attachment=["?"], Groups=[{"GroupId": 3}, "?"]),
            interface(3, PrivateIpAddress="10.0.0.300", PrivateIpAddresses=[]),
            interface(4, VpcId=None, SubnetId="subnet-404"),
            interface(5, NetworkInterfaceId=None),
            interface(6, Ipv4Prefixes=[{"Ipv4Prefix": "10.0.0.0/99"}], TagSet="?"),
            "?",
            None,
        ],
        SecurityGroups=[{"GroupName": "no id"}, {"GroupId": "sg-1"}],
        RouteTables={"RouteTableId": "rtb-1", "Routes": "?"},
        Reservations=[{"Instances": "?"}, {"Instances": [{"InstanceId": 7}]}],
        NatGateways=[{"NatGatewayId": "nat-1", "NatGatewayAddresses": [None, "?"]}],
        TargetGroups=[{"TargetGroupArn": None, "LoadBalancerArns": "?"}],
        Listeners=[{"LoadBalancerArn": 3, "DefaultActions": ["?"]}],
        VpcPeeringConnections=[{"VpcPeeringConnectionId": "pcx-1", "Status": "?"}],
    )
    (folder / "list.json").write_text("[1, 2]")
    report = Report()
    found = sighting(folder, report=report)
    assert set(by_address(found)) == {"10.0.0.1", "10.0.0.2", "10.0.0.6"}
    assert ("security_group", "sg-1") in documents(found)
    assert documents(found)["vpc_peering_connection", "pcx-1"] == {
        "VpcPeeringConnectionId": "pcx-1"
    }
    assert report.odd == {
        "not_a_document": 2,
        "interface_values_that_do_not_fit": 5,
        "addresses_that_are_none": 2,
        "private_addresses_without_vpc": 1,
        "addresses_without_interface_id": 1,
        "document_without_id": 5,
    }
    assert list(report.unreadable) == [str(folder / "list.json")]


def test_secrets_and_unknown_fields_never_leave_a_document(tmp_path):
    folder = save(
        tmp_path,
        VpnConnections=[
            {"VpnConnectionId": "vpn-1", "CustomerGatewayConfiguration": "SECRET",
             "Options": {"TunnelOptions": [{"PreSharedKey": "SECRET"}]}}
        ],
        Reservations=[
            {"Instances": [{"InstanceId": "i-1", "UserData": "SECRET",
                            "Tags": [{"Key": "password", "Value": "SECRET"},
                                     {"Key": "Name", "Value": "web"}]}]}
        ],
        VpcEndpoints=[{"VpcEndpointId": "vpce-1", "PolicyDocument": "SECRET"}],
        Vpcs=[{"VpcId": "vpc-1", "State": {"SECRET": 1}, "CidrBlock": ["SECRET"]}],
    )  # fmt: skip
    found = sighting(folder)
    texts = "".join(found.configurations["document"].to_pylist())
    assert "SECRET" not in texts.replace('"CidrBlock":["SECRET"]', "")
    assert documents(found)["instance", "i-1"]["Tags"] == [
        {"Key": "Name", "Value": "web"}
    ]


def test_prefix_lists_get_their_entries_wherever_they_are_told(tmp_path):
    save(
        tmp_path,
        PrefixLists=[
            {"PrefixListId": "pl-0a", "PrefixListName": "mine", "Version": 3},
            {"PrefixListId": "pl-0b", "Cidrs": ["10.2.0.0/16", "10.1.0.0/16"]},
            {"PrefixListId": "pl-0c"},
        ],
    )
    entries = {"Entries": [{"Cidr": "10.9.0.0/16", "Description": "x"}]}
    (tmp_path / "entries-of-pl-0a.json").write_text(json.dumps(entries))
    found = documents(sighting(tmp_path))
    assert found["prefix_list", "pl-0a"]["Entries"] == [{"Cidr": "10.9.0.0/16"}]
    assert found["prefix_list", "pl-0b"]["Entries"] == [
        {"Cidr": "10.1.0.0/16"},
        {"Cidr": "10.2.0.0/16"},
    ]
    assert "Entries" not in found["prefix_list", "pl-0c"]


def test_attachments_of_both_calls_are_one_document(tmp_path):
    key = {"TransitGatewayAttachmentId": "tgw-attach-1"}
    folder = save(
        tmp_path,
        TransitGatewayAttachments=[
            {**key, "ResourceType": "vpc", "ResourceId": "vpc-1"}
        ],
        TransitGatewayVpcAttachments=[{**key, "SubnetIds": ["subnet-1"]}],
    )
    found = documents(sighting(folder))
    assert found == {
        ("transit_gateway_attachment", "tgw-attach-1"): {
            **key,
            "ResourceType": "vpc",
            "ResourceId": "vpc-1",
            "SubnetIds": ["subnet-1"],
        }
    }


# --- scopes ---------------------------------------------------------------------------


def scopes(*places, **options):
    return sorted({s.scope for s in read_saved(places, at=AT, **options)})


def test_accounts_and_regions_are_told_by_documents_folders_or_the_caller(tmp_path):
    plain = [{"FlowLogId": "fl-1"}]
    save(tmp_path / "444455556666/eu-north-1", FlowLogs=plain)
    assert scopes(tmp_path) == ["aws:444455556666:eu-north-1"]
    save(tmp_path / "b", FlowLogs=plain)
    assert scopes(tmp_path / "b") == ["aws:unknown:unknown"]
    assert scopes(tmp_path / "b", account="1", region="r") == ["aws:1:r"]
    caller = {"UserId": "u", "Account": "777788889999", "Arn": "arn:aws:iam::1:user/u"}
    (tmp_path / "b" / "caller.json").write_text(json.dumps(caller))
    save(tmp_path / "b", Subnets=[{"SubnetId": "s", "AvailabilityZoneId": "usw2-az1"}])
    assert scopes(tmp_path / "b") == ["aws:777788889999:us-west-2"]


@pytest.mark.parametrize(
    "told",
    [
        {"VpcEndpoints": [{"ServiceName": "com.amazonaws.eu-west-1.s3"}]},
        {"PrefixLists": [{"PrefixListName": "com.amazonaws.eu-west-1.s3"}]},
        {"NatGateways": [
            {"NatGatewayAddresses": [{"AvailabilityZone": "eu-west-1b"}]}]},
        {"LoadBalancers": [{"AvailabilityZones": [{"ZoneName": "eu-west-1b"}]}]},
        {"Listeners": [{"Certificates": [
            {"CertificateArn": "arn:aws:acm:eu-west-1:111122223333:certificate/1"}]}]},
        {"Reservations": [{"Instances": [
            {"PrivateDnsName": "ip-10-0-0-1.eu-west-1.compute.internal"}]}]},
    ],
)  # fmt: skip
def test_a_region_is_told_by_whatever_is_saved_beside(tmp_path, told):
    vpc = {"VpcId": "vpc-1", "OwnerId": "111122223333"}
    save(tmp_path / "a", Vpcs=[vpc])
    save(tmp_path / "b", **told)
    assert scopes(tmp_path) == ["aws:111122223333:eu-west-1"]
    # What is said of elsewhere counts for less than what a file says of itself.
    save(tmp_path / "b", Subnets=[{"SubnetId": "s", "AvailabilityZone": "us-east-1a"}])
    (tmp_path / "a" / "Vpcs.json").unlink()
    assert "aws:111122223333:us-east-1" not in scopes(tmp_path)
    assert {s.split(":")[2] for s in scopes(tmp_path)} <= {"us-east-1", "eu-west-1"}


def test_a_folder_called_after_a_minute_names_no_account(tmp_path):
    for name in ("202601010000", "202601010030"):
        save(tmp_path / name, FlowLogs=[{"FlowLogId": "fl-1"}])
    assert scopes(tmp_path) == ["aws:unknown:unknown"]


def test_a_folder_each_for_accounts_and_regions_is_a_scope_each(tmp_path):
    for account in ("111122223333", "444455556666"):
        for region in ("eu-west-1", "us-east-1"):
            eni = interface(OwnerId=account, AvailabilityZone=f"{region}a")
            del eni["AvailabilityZoneId"]
            folder = tmp_path / f"{account[:2]}-{region}"
            save(folder, NetworkInterfaces=[eni], FlowLogs=[{"FlowLogId": "fl-1"}])
    found = list(read_saved([tmp_path], at=AT))
    assert sorted(s.scope for s in found) == [
        "aws:111122223333:eu-west-1",
        "aws:111122223333:us-east-1",
        "aws:444455556666:eu-west-1",
        "aws:444455556666:us-east-1",
    ]
    assert all("flow_log" in s.lists for s in found)


def test_a_shared_vpcs_subnets_do_not_say_whose_listing_it_is(tmp_path):
    folder = save(
        tmp_path,
        Subnets=[{"SubnetId": f"s{n}", "OwnerId": "999999999999"} for n in range(9)],
        NetworkInterfaces=[interface(1)],
    )
    assert scopes(folder) == ["aws:111122223333:eu-west-1"]


# --- moments --------------------------------------------------------------------------


def looks(*places, **options):
    return [
        (s.at, sorted(a for _, a in held(s)), sorted(s.lists))
        for s in read_saved(places, **options)
    ]


T0, T1 = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 30, tzinfo=UTC)


def test_folders_called_after_moments_are_looks_in_the_order_of_time(tmp_path):
    save(tmp_path / "20260101T003000Z", NetworkInterfaces=[interface(2)])
    save(tmp_path / "2026-01-01T00:00:00Z", NetworkInterfaces=[interface(1)])
    lists = ["identities", "network_interface"]
    assert looks(tmp_path) == [
        (T0, ["10.0.0.1"], lists),
        (T1, ["10.0.0.2"], lists),
    ]
    assert {s.scope for s in read_saved([tmp_path])} == {"aws:111122223333:eu-west-1"}


def test_files_called_after_moments_are_explained_by_the_others(tmp_path):
    instance = {"InstanceId": "i-1", "Tags": [{"Key": "Name", "Value": "web"}]}
    save(tmp_path, Reservations=[{"Instances": [instance]}])
    eni = interface(Attachment={"InstanceId": "i-1"})
    for stamp in ("20260101T000000Z", "20260101T003000Z"):
        file = tmp_path / f"network-interfaces-{stamp}.json"
        file.write_text(json.dumps({"NetworkInterfaces": [eni]}))
    found = list(read_saved([tmp_path]))
    assert [s.at for s in found][:2] == [T0, T1]
    assert [r["name"] for s in found for r in s.identities.to_pylist()] == ["web"] * 2
    assert [sorted(s.lists) for s in found] == [
        ["identities", "network_interface"],
        ["identities", "network_interface"],
        ["instance"],
    ]


def written(file, moment):
    os.utime(file, (moment.timestamp(), moment.timestamp()))


def test_without_any_moment_the_time_of_writing_counts(tmp_path):
    folder = save(tmp_path, NetworkInterfaces=[interface(1)], Vpcs=[{"VpcId": "vpc-1"}])
    written(folder / "NetworkInterfaces.json", T1)
    written(folder / "Vpcs.json", T1 - timedelta(minutes=4))
    assert [at for at, _, _ in looks(tmp_path)] == [T1]
    written(folder / "Vpcs.json", T0)
    assert [at for at, _, _ in looks(tmp_path)] == [T0, T1]


def test_two_states_of_one_list_are_not_added_up(tmp_path):
    older, newer = tmp_path / "a.json", tmp_path / "b.json"
    both = [interface(1), interface(2)]
    newer.write_text(json.dumps({"NetworkInterfaces": [*both[:1], interface(3)]}))
    older.write_text(json.dumps({"NetworkInterfaces": both}))
    for file, moment in ((older, T0), (newer, T0 + timedelta(minutes=5))):
        written(file, moment)
    # Half of it is there again: pages drift, so these are pages.
    assert looks(tmp_path)[0][1] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    newer.write_text(json.dumps({"NetworkInterfaces": both[:1]}))
    written(newer, T0 + timedelta(minutes=5))
    report = Report()
    assert looks(tmp_path, report=report)[0][1] == ["10.0.0.1"]
    assert report.odd == {"lists_listed_twice": 1}


def test_a_list_without_its_last_page_claims_nothing_about_what_it_lacks(tmp_path):
    page = {"NetworkInterfaces": [interface(1)], "NextToken": "more"}
    (tmp_path / "1.json").write_text(json.dumps(page))
    report = Report()
    assert looks(tmp_path, at=AT, report=report) == [(AT, ["10.0.0.1"], [])]
    assert report.odd == {"lists_without_their_last_page": 1}
    save(tmp_path, NetworkInterfaces=[interface(2)])
    assert looks(tmp_path, at=AT) == [
        (AT, ["10.0.0.1", "10.0.0.2"], ["identities", "network_interface"])
    ]


def test_what_was_filtered_is_seen_and_tells_nothing_of_the_rest(tmp_path):
    elastic = {"PublicIp": "3.0.0.4", "AllocationId": "eipalloc-4",
               "NetworkInterfaceId": "eni-404"}  # fmt: skip
    mine = {"PublicIp": "3.0.0.1", "NetworkInterfaceId": "eni-1"}
    save(tmp_path, NetworkInterfaces=[interface(1)], Addresses=[elastic, mine])
    assert looks(tmp_path, at=AT)[0][1] == ["10.0.0.1", "3.0.0.1", "3.0.0.4"]
    # That no interface has it is not known: what is known of it may say whose it is.
    assert looks(tmp_path, at=AT, partial=True) == [(AT, ["10.0.0.1", "3.0.0.1"], [])]


def test_what_a_part_of_a_list_lacks_is_explained_by_earlier_ones(tmp_path):
    def named(number):
        return {"InstanceId": f"i-{number}",
                "Tags": [{"Key": "Name", "Value": f"web-{number}"}]}  # fmt: skip

    enis = [interface(n, Attachment={"InstanceId": f"i-{n}"}) for n in (1, 2)]
    for stamp, some in (("20260101T000000Z", (1, 2)), ("20260101T003000Z", (2,))):
        instances = [{"Instances": [named(n) for n in some]}]
        folder = save(tmp_path / stamp, NetworkInterfaces=enis)
        page = {
            "Reservations": instances,
            **({"NextToken": "x"} if some == (2,) else {}),
        }
        (folder / "instances.json").write_text(json.dumps(page))
    first, second = read_saved([tmp_path])
    names = {a: r["name"] for a, r in by_address(second).items()}
    assert names == {"10.0.0.1": "web-1", "10.0.0.2": "web-2"}
    assert ("instance", "i-1") in documents(first)
    assert ("instance", "i-1") not in documents(second)  # it was not shown again


def test_beside_a_broken_file_nothing_is_complete(tmp_path):
    save(tmp_path, NetworkInterfaces=[interface(1)])
    (tmp_path / "page2.json.gz").write_bytes(gzip.compress(b'{"NetworkInt')[:-3])
    report = Report()
    assert looks(tmp_path, at=AT, report=report) == [(AT, ["10.0.0.1"], [])]
    assert list(report.unreadable) == [str(tmp_path / "page2.json.gz")]
    assert report.unreadable[str(tmp_path / "page2.json.gz")].startswith("truncated: ")


def test_a_place_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SourceMissing):
        list(read_saved([tmp_path / "no"]))


# --- the simulated worlds -------------------------------------------------------------


def test_the_demos_inventory_is_read_without_a_word(tmp_path):
    from demo.network import inventory
    from demo.network.run import plan_of
    from demo.network.work import scene_of
    from demo.places import Directory

    plan = plan_of(
        records=10_000, seed=3, start=T0, clean=True, full_truth=False, windows=12
    )
    inventory.write(scene_of(plan), Directory(tmp_path))
    report = Report()
    found = list(read_saved((tmp_path / "inventory").glob("aws*"), report=report))
    assert [s.at for s in found] == sorted(s.at for s in found)
    assert {s.scope for s in found} == {
        "aws:111111111111:us-east-1",
        "aws:222222222222:eu-west-1",
    }
    assert report.odd == {}
    assert report.ignored == {}
    rows = [r for s in found for r in s.identities.to_pylist()]
    assert {"nat", "transit", None} == {r["forwards"] for r in rows}
    assert all(r["az"] for r in rows if r["vpc"])
    assert {r["address"] for r in rows if "/" in r["address"]}


@pytest.mark.parametrize(
    "picked", [[interface(2)], [[interface(2)]], ["10.0.0.2"], []], ids=str
)
def test_a_list_that_was_picked_from_an_answer_is_named(tmp_path, picked):
    save(tmp_path, NetworkInterfaces=[interface()])
    (tmp_path / "picked.json").write_text(json.dumps(picked))
    report = Report()
    found = sighting(tmp_path, report=report)
    assert list(by_address(found)) == ["10.0.0.1"]
    assert found.lists == frozenset()  # what was picked may be more of it
    assert "without --query" in report.unreadable[str(tmp_path / "picked.json")]
    assert not report.ignored


@pytest.mark.parametrize(
    "value",
    [None, "x", {}, [None, "s"], [{"NetworkInterfaceId": 5}, None], [{"VpcId": "v"}]],
    ids=str,
)
def test_a_list_that_is_none_or_garbage_alone_is_no_look(tmp_path, value):
    save(tmp_path, NetworkInterfaces=value)
    report = Report()
    assert looks(tmp_path, at=AT, report=report) == []
    path = str(tmp_path / "NetworkInterfaces.json")
    assert report.unreadable[path].startswith("garbled: NetworkInterfaces holds")
    save(tmp_path, Vpcs=[{"VpcId": "vpc-1"}], Reservations=["x"])
    report = Report()
    found = sighting(tmp_path, report=report)
    assert documents(found).keys() == {("vpc", "vpc-1")}
    assert found.lists == frozenset()
    assert len(report.unreadable) == 2


def test_a_list_with_some_garbage_is_read_and_tells_nothing_of_the_rest(tmp_path):
    save(tmp_path, NetworkInterfaces=[interface(1), None])
    assert looks(tmp_path, at=AT) == [(AT, ["10.0.0.1"], [])]
    save(tmp_path, NetworkInterfaces=[])  # an empty list is an answer
    assert looks(tmp_path, at=AT) == [(AT, [], ["identities", "network_interface"])]


def test_a_list_of_answers_is_read(tmp_path):
    pages = [{"NetworkInterfaces": [interface(n)]} for n in (1, 2)]
    (tmp_path / "pages.json").write_text(json.dumps(pages))
    assert list(by_address(sighting(tmp_path))) == ["10.0.0.1", "10.0.0.2"]
