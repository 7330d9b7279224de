"""A live inventory: paged calls, several Regions and accounts, refusals."""

import json
from datetime import UTC, datetime

import boto3
import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.loaders import create_loader
from moto import mock_aws

from ingest.inventory.aws import ASSUME, Report, actions, collect, read_saved
from ingest.inventory.aws.calls import CALLS

NOW = datetime(2026, 3, 1, tzinfo=UTC)
# What the simulated AWS does not know.
UNKNOWN = (
    "DescribeTrunkInterfaceAssociations",
    "DescribeVpcBlockPublicAccessOptions",
    "DescribeVpcBlockPublicAccessExclusions",
    "DescribeVpcEncryptionControls",
)
LOADER = create_loader()
REFUSED = "UnauthorizedOperation"


class Account:
    """Sessions that write down what is called, refuse some of it, and page the rest."""

    def __init__(self, refused=UNKNOWN, page=None, enabled=()):
        self.refused = refused
        self.enabled = enabled
        self.page = page
        self.called = []
        self.made = []

    def session(self, **credentials):
        core = botocore.session.Session()
        core.register_component("data_loader", LOADER)  # it keeps what it has parsed
        session = boto3.session.Session(botocore_session=core, **credentials)
        session.events.register("before-call", self._before)
        self.made.append(credentials)
        make = session.client

        def client(service, **arguments):
            made = make(service, **arguments)
            if service == "ec2" and self.page:
                self._paged(made, "describe_network_interfaces", "NetworkInterfaces")
            if service == "ec2" and self.enabled:
                self._enabled(made)
            return made

        session.client = client
        return session

    def _before(self, model, **_):
        name = model.service_model.signing_name
        self.called.append(f"{name}:{model.name}")
        if model.name in self.refused:
            error = {"Error": {"Code": REFUSED, "Message": "secret"}}
            raise ClientError(error, model.name)

    def _enabled(self, client):
        every = client.describe_regions

        def call():
            regions = every()["Regions"]
            return {"Regions": [r for r in regions if r["RegionName"] in self.enabled]}

        client.describe_regions = call

    def _paged(self, client, operation, key):
        whole = getattr(client, operation)

        def call(NextToken="0", **arguments):
            arguments.pop("MaxResults")
            answer = whole(**arguments)
            begin, rest = int(NextToken), answer[key][int(NextToken) :]
            answer[key] = rest[: self.page]
            if len(rest) > self.page:
                answer["NextToken"] = str(begin + self.page)
            return answer

        setattr(client, operation, call)


@pytest.fixture
def aws(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with mock_aws():
        yield


def network(region, interfaces):
    ec2 = boto3.client("ec2", region)
    subnet = ec2.describe_subnets()["Subnets"][0]
    made = [
        ec2.create_network_interface(SubnetId=subnet["SubnetId"])
        for _ in range(interfaces)
    ]
    return ec2, subnet, [m["NetworkInterface"] for m in made]


def look(account, **options):
    options.setdefault("regions", ["us-east-1"])
    return list(collect(session_factory=account.session, now=lambda: NOW, **options))


@pytest.mark.usefixtures("aws")
def test_every_page_and_region_is_listed():
    _, _, ours = network("us-east-1", 7)
    _, _, theirs = network("eu-west-1", 2)
    account = Account(page=3)
    found = look(account, regions=["us-east-1", "eu-west-1"])
    assert [s.scope for s in found] == [
        "aws:123456789012:us-east-1",
        "aws:123456789012:eu-west-1",
    ]
    for sighting, made in zip(found, (ours, theirs), strict=True):
        held = {r["holder"]: r["address"] for r in sighting.identities.to_pylist()}
        assert held == {i["NetworkInterfaceId"]: i["PrivateIpAddress"] for i in made}
        assert sighting.at == NOW
        assert {r["az"][-3:-1] for r in sighting.identities.to_pylist()} == {"az"}
    assert account.called.count("ec2:DescribeNetworkInterfaces") == 3 + 1


@pytest.mark.usefixtures("aws")
def test_a_live_look_and_the_same_saved_are_one(tmp_path):
    ec2, subnet, (eni, *_) = network("us-east-1", 2)
    public = ec2.allocate_address(Domain="vpc")
    ec2.associate_address(
        AllocationId=public["AllocationId"],
        NetworkInterfaceId=eni["NetworkInterfaceId"],
    )
    nat = ec2.create_nat_gateway(
        SubnetId=subnet["SubnetId"], ConnectivityType="private"
    )["NatGateway"]
    balancing = boto3.client("elbv2", "us-east-1")
    other = ec2.describe_subnets()["Subnets"][1]["SubnetId"]
    balancer = balancing.create_load_balancer(
        Name="edge", Type="network", Subnets=[subnet["SubnetId"], other]
    )["LoadBalancers"][0]["LoadBalancerArn"]
    group = balancing.create_target_group(
        Name="web", Protocol="TCP", Port=80, VpcId=subnet["VpcId"], TargetType="ip"
    )["TargetGroups"][0]["TargetGroupArn"]
    balancing.create_listener(
        LoadBalancerArn=balancer,
        Protocol="TCP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
    )
    prefixes = ec2.create_managed_prefix_list(
        PrefixListName="mine", MaxEntries=3, AddressFamily="IPv4",
        Entries=[{"Cidr": "10.9.0.0/16"}],
    )["PrefixList"]["PrefixListId"]  # fmt: skip
    (live,) = look(Account())
    documents = {
        r["resource_id"]: json.loads(r["document"])
        for r in live.configurations.to_pylist()
    }
    assert documents[prefixes]["Entries"] == [{"Cidr": "10.9.0.0/16"}]
    created = documents[nat["NatGatewayId"]]["CreateTime"]
    assert datetime.fromisoformat(created) == nat["CreateTime"]
    keys = {a["Key"] for a in documents[group]["Attributes"]}
    assert keys == {"preserve_client_ip.enabled"} & keys
    assert documents[group]["Targets"] == []
    _save(tmp_path, ec2, balancing, group=group, prefixes=prefixes)
    (saved,) = read_saved([tmp_path], at=NOW, account="123456789012")
    assert saved.scope == live.scope
    assert saved.identities == live.identities
    lists = live.lists & saved.lists
    assert lists >= {
        "identities",
        "nat_gateway",
        "target_group",
        "prefix_list",
        "listener",
    }
    assert documents_of(saved, lists) == documents_of(live, lists)


def documents_of(sighting, types):
    return {
        (r["resource_type"], r["resource_id"]): r["document"]
        for r in sighting.configurations.to_pylist()
        if r["resource_type"] in types
    }


def _save(folder, ec2, balancing, *, group, prefixes):
    listed = ec2.describe_managed_prefix_lists()["PrefixLists"]
    answers = {
        "eni": ec2.describe_network_interfaces(),
        "eip": ec2.describe_addresses(),
        "nat": ec2.describe_nat_gateways(),
        "subnets": ec2.describe_subnets(),
        "zones": ec2.describe_availability_zones(),
        "groups": ec2.describe_security_groups(),
        "lb": balancing.describe_load_balancers(),
        "tg": balancing.describe_target_groups(),
        "attributes-web": balancing.describe_target_group_attributes(
            TargetGroupArn=group
        ),
        "health-web": balancing.describe_target_health(TargetGroupArn=group),
        "pl": {"PrefixLists": listed},
    }
    arn = balancing.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    answers["listeners"] = balancing.describe_listeners(LoadBalancerArn=arn)
    for found in listed:
        id_ = found["PrefixListId"]
        answers[f"entries-{id_}"] = ec2.get_managed_prefix_list_entries(
            PrefixListId=id_
        )
    for name, answer in answers.items():
        (folder / f"{name}.json").write_text(
            json.dumps(answer, default=lambda time: time.isoformat())
        )


@pytest.mark.usefixtures("aws")
def test_a_refused_call_is_reported_and_only_its_list_is_missing(caplog, capsys):
    network("us-east-1", 1)
    report = Report()
    refused = ("DescribeFlowLogs", "GetManagedPrefixListEntries", *UNKNOWN)
    (found,) = look(Account(refused), report=report)
    assert found.identities.num_rows == 1
    assert "identities" in found.lists
    assert not found.lists & {
        "flow_log", "prefix_list", "trunk_interface_association",
        "vpc_encryption_control",
    }  # fmt: skip
    assert {m.call for m in report.missing} == {
        "ec2:GetManagedPrefixListEntries",
        *(f"ec2:{name}" for name in refused),
    }
    assert {m.reason for m in report.missing} == {REFUSED}
    assert len(report.missing) == len(refused)
    assert "secret" not in caplog.text + "".join(capsys.readouterr())


@pytest.mark.usefixtures("aws")
def test_without_interfaces_no_address_is_said_to_be_gone():
    network("us-east-1", 1)
    (found,) = look(Account(("DescribeNetworkInterfaces", *UNKNOWN)))
    assert found.identities.num_rows == 0
    assert not found.lists & {"identities", "network_interface"}


@pytest.mark.usefixtures("aws")
def test_roles_are_assumed_with_the_external_id_and_refused_ones_reported():
    network("us-east-1", 1)
    roles, asked = ["arn:aws:iam::222222222222:role/look", None], []

    class Asking(Account):
        def session(self, **credentials):
            made = super().session(**credentials)
            made.events.register(
                "provide-client-params.sts.AssumeRole",
                lambda params, **_: asked.append(params),
            )
            return made

    account, report = Asking(), Report()
    found = look(account, roles=roles, external_id="word", report=report)
    assert [s.scope for s in found] == [
        "aws:222222222222:us-east-1",
        "aws:123456789012:us-east-1",
    ]
    assert [(a["RoleArn"], a["ExternalId"]) for a in asked] == [(roles[0], "word")]
    assert account.made[1]["aws_session_token"]
    refused = Account(("AssumeRole", *UNKNOWN))
    report = Report()
    found = look(refused, roles=roles, report=report)
    assert [s.scope for s in found] == ["aws:123456789012:us-east-1"]
    assert (roles[0], ASSUME) in {(m.scope, m.call) for m in report.missing}


@pytest.mark.usefixtures("aws")
def test_where_nothing_is_answered_nothing_is_said():
    every = tuple(call.action.partition(":")[2] for call in CALLS)
    report = Report()
    assert look(Account(every), report=report) == []
    assert "ec2:DescribeNetworkInterfaces" in {m.call for m in report.missing}


@pytest.mark.usefixtures("aws")
def test_the_actions_listed_are_the_actions_taken():
    ec2, subnet, _ = network("us-east-1", 1)
    ec2.create_managed_prefix_list(
        PrefixListName="mine", MaxEntries=1, AddressFamily="IPv4"
    )
    balancing = boto3.client("elbv2", "us-east-1")
    subnets = [s["SubnetId"] for s in ec2.describe_subnets()["Subnets"][:2]]
    balancing.create_load_balancer(Name="edge", Type="network", Subnets=subnets)
    balancing.create_target_group(
        Name="web", Protocol="TCP", Port=80, VpcId=subnet["VpcId"]
    )
    account = Account(enabled=("us-east-1",))
    assert [s.scope for s in look(account, regions=())] == [
        "aws:123456789012:us-east-1"
    ]
    assert set(account.called) == set(actions())


@pytest.mark.usefixtures("aws")
def test_only_what_aws_pages_is_paged_and_no_page_is_larger_than_it_allows():
    clients = {n: boto3.client(n, "us-east-1") for n in ("ec2", "elb", "elbv2")}
    for call in CALLS:
        client = clients[call.service]
        name = client.meta.method_to_api_mapping[call.operation]
        members = client.meta.service_model.operation_model(name).input_shape.members
        size = members.get("MaxResults") or members.get("PageSize")
        assert (size is None) == (call.page_size is None), call
        if call.page_size:
            most = size.metadata.get("max", 1000)
            least = size.metadata.get("min", 5)
            assert least <= call.page_size <= most, call
        assert call.action.endswith(f":{name}")
        assert {"ec2": "ec2"}.get(call.service, "elasticloadbalancing") in call.action
