"""What surrounds interfaces is the same from memory as by SQL, and as in the whole."""

import json
import random
from datetime import timedelta
from typing import Any

import pytest

from ingest.inventory.store import record
from lake.settings import load_settings
from queries.engine import Engine
from queries.explain import inventory
from queries.explain.configured import around
from queries.explain.inventory import inventory_of
from queries.policies import policy_of
from tests.estate import NOON, listed
from tests.lakes import open_lake
from transform.policy.reply import replies
from transform.policy.walk import steps
from transform.policy.way import End, Way

SUBNETS, GROUPS, INTERFACES = 6, 8, 14
EVERYBODY = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
LOOKS = (-60, 0, 60)  # minutes from noon


def estate(seed):
    """Return documents: what is placed, carried and named differs by the seed."""
    chance = random.Random(seed)  # noqa: S311
    subnets = [f"subnet-{n}" for n in range(SUBNETS)]
    groups = [f"sg-{n}" for n in range(GROUPS)]
    made: list[tuple[str, str, dict[str, Any]]] = []
    for number, name in enumerate(subnets):
        made.append(("subnet", name, {"SubnetId": name, "VpcId": "vpc-1",
                                      "CidrBlock": f"10.0.{number}.0/24"}))  # fmt: skip
    places = chance.sample(subnets, SUBNETS)
    for number, some in enumerate((places[:2], places[2:5], places[5:])):
        made.append(("network_acl", f"acl-{number}", {
            "NetworkAclId": f"acl-{number}", "VpcId": "vpc-1",
            "Associations": [{"SubnetId": name} for name in some],
            "Entries": [{"RuleNumber": 100, "Egress": out, "Protocol": "-1",
                         "RuleAction": "allow", "CidrBlock": "10.0.0.0/16"}
                        for out in (True, False)]}))  # fmt: skip
        told = [{"Main": True}] if number == 0 else [{"SubnetId": n} for n in some]
        made.append(("route_table", f"rtb-{number}", {
            "RouteTableId": f"rtb-{number}", "VpcId": "vpc-1", "Associations": told,
            "Routes": [{"DestinationPrefixListId": f"pl-{number}",
                        "GatewayId": "vpce-1", "State": "active"},
                       {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local",
                        "State": "active"}]}))  # fmt: skip
        made.append(("prefix_list", f"pl-{number}",
                     {"PrefixListId": f"pl-{number}", "Cidrs": ["10.0.1.0/24"],
                      "Entries": [{"Cidr": "10.0.1.0/24"}]}))  # fmt: skip
    for number, name in enumerate(groups):
        port = chance.choice((22, 443))
        peers = {
            "UserIdGroupPairs": [{"GroupId": chance.choice(groups)}],
            "PrefixListIds": [{"PrefixListId": f"pl-{chance.randrange(4)}"}],
        }
        rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **peers}
        made.append(("security_group", name, {
            "GroupId": name, "GroupName": f"n{number}", "VpcId": "vpc-1",
            "IpPermissions": [rule],
            "IpPermissionsEgress": [EVERYBODY]}))  # fmt: skip
        made.append(("security_group_rule", f"sgr-{number}", {
            "SecurityGroupRuleId": f"sgr-{number}", "GroupId": name, "IsEgress": False,
            "IpProtocol": "tcp", "FromPort": port, "ToPort": port,
            "ReferencedGroupInfo": {
                "GroupId": peers["UserIdGroupPairs"][0]["GroupId"]}}))  # fmt: skip
    for number in range(INTERFACES):
        kind = "network_load_balancer" if number % 7 == 0 else "interface"
        made.append(("network_interface", f"eni-{number}", {
            "NetworkInterfaceId": f"eni-{number}", "InterfaceType": kind,
            "SubnetId": chance.choice(subnets), "VpcId": "vpc-1",
            "PrivateIpAddress": f"10.0.{number % SUBNETS}.{number}",
            "Groups": [{"GroupId": g} for g in chance.sample(groups, 2)]}))  # fmt: skip
    made.append(("transit_gateway", "tgw-1", {"TransitGatewayId": "tgw-1"}))
    made.append(("internet_gateway", "igw-1", {"InternetGatewayId": "igw-1"}))
    return made


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    place = tmp_path_factory.mktemp("near")
    settings = load_settings(lake=str(place))
    with open_lake(settings) as lake:
        for seed, minute in enumerate(LOOKS):
            told = [(k, i, json.dumps(d)) for k, i, d in estate(seed)]
            record(lake, [listed(minute, *told)])
    with Engine(settings) as engine:
        yield engine


def asked(seed):
    chance = random.Random(seed)  # noqa: S311
    names = [f"eni-{chance.randrange(INTERFACES + 2)}" for _ in range(3)]
    subnets = [None, "subnet-1", "subnet-9"][: chance.randrange(1, 4)]
    return names, subnets


def rows_of(table):
    return sorted(table.to_pylist(), key=repr)


@pytest.mark.parametrize("seed", range(12))
def test_memory_and_sql_give_the_same_rows(engine, seed, monkeypatch):
    [pinned] = engine.pin(["configurations"]).values()
    _, near = around(engine, pinned, *asked(seed))
    assert inventory_of(engine, pinned) is not None
    monkeypatch.setattr(inventory, "MOST_BYTES", 1000)
    with Engine(engine.settings) as other:
        [pinned] = other.pin(["configurations"]).values()
        _, read = around(other, pinned, *asked(seed))
        assert inventory_of(other, pinned) is None
    assert rows_of(near) == rows_of(read)
    assert near.schema.names == read.schema.names
    assert near.num_rows < 100  # of some hundred and more


def test_another_group_s_vpc_is_its_own_not_a_peer_s(tmp_path, monkeypatch):
    pair = {"GroupId": "sg-9", "VpcId": "vpc-9"}
    told = [(k, i, json.dumps(d, sort_keys=True)) for k, i, d in (
        ("network_interface", "eni-1", {"NetworkInterfaceId": "eni-1", "Groups": [
            {"GroupId": "sg-1"}]}),
        ("security_group", "sg-1", {"GroupId": "sg-1", "IpPermissions": [
            {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "sg-2"}]}]}),
        ("security_group", "sg-2", {"GroupId": "sg-2", "VpcId": "vpc-1",
         "IpPermissions": [{"IpProtocol": "-1", "UserIdGroupPairs": [pair]}]}),
    )]  # fmt: skip
    settings = load_settings(lake=str(tmp_path))
    with open_lake(settings) as lake:
        record(lake, [listed(0, *told)])
    for most in (inventory.MOST_BYTES, 0):
        monkeypatch.setattr(inventory, "MOST_BYTES", most)
        with Engine(settings) as engine:
            [pinned] = engine.pin(["configurations"]).values()
            policy, _ = around(engine, pinned, ["eni-1"])
            assert policy.known.vpc_of_group["sg-2"] == "vpc-1"


@pytest.mark.parametrize("seed", range(12))
def test_what_is_near_decides_as_the_whole_inventory_does(engine, seed):
    [pinned] = engine.pin(["configurations"]).values()
    whole = policy_of(engine, pinned)
    chance = random.Random(seed)  # noqa: S311
    one, other = (
        End(address=f"10.0.{n % SUBNETS}.{n}", interface=f"eni-{n}", vpc="vpc-1")
        for n in chance.sample(range(INTERFACES), 2)
    )
    near, _ = around(engine, pinned, [one.interface, other.interface])
    for minute in (-30, 30):
        second = int((NOON + timedelta(minutes=minute)).timestamp())
        for port in (22, 443, 80):
            way = Way(one, other, 6, port, second, second)
            assert steps(near, way) == steps(whole, way)
            assert replies(near, way, None) == replies(whole, way, None)
