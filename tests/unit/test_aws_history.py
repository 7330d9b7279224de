"""AWS Config's items become what was known in the past."""

import gzip
import json
from datetime import UTC, datetime

import pyarrow as pa

from ingest.inventory.aws import Report, read_saved
from ingest.inventory.merge import merge
from lake.tables import CONFIGURATIONS, IDENTITIES, arrow_schema

SCOPE = "aws:111122223333:eu-west-1"


def hour(number):
    return datetime(2026, 1, 1, number, tzinfo=UTC)


def item(at, configuration, *, type_="NetworkInterface", id_="eni-1", **fields):
    return {
        "awsAccountId": "111122223333",
        "awsRegion": "eu-west-1",
        "configurationItemCaptureTime": at.isoformat().replace("+00:00", ".123Z"),
        "configurationItemStatus": "OK",
        "resourceType": f"AWS::EC2::{type_}",
        "resourceId": id_,
        "configuration": configuration,
        **fields,
    }


def eni(*addresses, groups=("sg-1",), id_="eni-1"):
    return {
        "networkInterfaceId": id_,
        "ownerId": "111122223333",
        "vpcId": "vpc-1",
        "subnetId": "subnet-1",
        "interfaceType": "interface",
        "privateIpAddress": addresses[0],
        "attachment": {"instanceId": "i-1", "attachTime": "2025-12-31T00:00:00.000Z",
                       "status": "attached"},
        "groups": [{"groupId": g, "groupName": "n"} for g in groups],
        "privateIpAddresses": [
            {"privateIpAddress": a, "primary": a == addresses[0]} for a in addresses
        ],
        "tagSet": [{"key": "Name", "value": "web"}],
    }  # fmt: skip


def deleted(at, **fields):
    return item(at, None, configurationItemStatus="ResourceDeleted", **fields)


def read(folder, items, **options):
    folder.mkdir(exist_ok=True)
    body = json.dumps({"fileVersion": "1.0", "configurationItems": items})
    (folder / "history.json.gz").write_bytes(gzip.compress(body.encode()))
    return list(read_saved([folder], **options))


def rows(sighting):
    return {r["address"]: r for r in sighting.identities.to_pylist()}


def capture(number):
    return hour(number).replace(microsecond=123_000)


def test_each_capture_is_a_look_at_one_resource_that_says_nothing_of_others(tmp_path):
    found = read(
        tmp_path,
        [item(hour(2), eni("10.0.0.1")), item(hour(1), eni("10.0.0.1"))],
    )
    assert [(s.scope, s.at) for s in found] == [(SCOPE, capture(n)) for n in (1, 2)]
    for sighting in found:
        assert sighting.lists == frozenset()
        row = rows(sighting)["10.0.0.1"]
        assert (row["holder"], row["kind"], row["name"]) == ("eni-1", "instance", "web")
        assert row["started_at"] == datetime(2025, 12, 31, tzinfo=UTC)
        assert row["security_groups"] == ["sg-1"]


def test_an_address_that_the_next_capture_lacks_ended_in_between(tmp_path):
    items = [
        item(hour(1), eni("10.0.0.1", "10.0.0.2")),
        item(hour(2), eni("10.0.0.1")),
        item(hour(3), eni("10.0.0.1", "10.0.0.2")),
    ]
    _, second, third = read(tmp_path, items)
    ended = rows(second)["10.0.0.2"]
    assert (ended["ended_at"], ended["latest"]) == (capture(1), capture(2))
    begun = rows(third)["10.0.0.2"]
    assert (begun["earliest"], begun["started_at"]) == (capture(2), capture(3))
    assert rows(third)["10.0.0.1"]["ended_at"] is None


def test_merged_the_past_covers_what_was_seen_and_no_more(tmp_path):
    items = [
        item(hour(1), eni("10.0.0.1", "10.0.0.2")),
        item(hour(2), eni("10.0.0.1", "10.0.0.2")),
        item(hour(3), eni("10.0.0.1")),
        item(hour(4), eni("10.0.0.1", "10.0.0.2")),
        deleted(hour(5)),
    ]
    state = arrow_schema(IDENTITIES).empty_table()
    merged = merge(IDENTITIES, state, read(tmp_path, items)).rows.to_pylist()
    second = [r for r in merged if r["address"] == "10.0.0.2"]
    spans = sorted((r["valid_from"], r["valid_until"], r["latest"]) for r in second)
    assert spans == [
        (capture(1), capture(2), capture(3)),
        (capture(4), capture(4), capture(5)),
    ]
    (first,) = (r for r in merged if r["address"] == "10.0.0.1")
    assert first["valid_from"] == datetime(2025, 12, 31, tzinfo=UTC)
    assert (first["valid_until"], first["latest"]) == (capture(4), capture(5))


def test_a_deleted_resource_is_told_as_deleted_and_its_document_ends(tmp_path):
    group = {"groupId": "sg-1", "vpcId": "vpc-1", "ipPermissions": []}
    items = [
        item(hour(1), group, type_="SecurityGroup", id_="sg-1"),
        deleted(hour(2), type_="SecurityGroup", id_="sg-1"),
        item(hour(1), eni("10.0.0.1")),
        deleted(hour(2)),
    ]
    found = read(tmp_path, items)
    assert sorted(found[1].deleted) == ["eni-1", "sg-1"]
    state = arrow_schema(CONFIGURATIONS).empty_table()
    merged = merge(CONFIGURATIONS, state, found).rows.to_pylist()
    ends = {(r["resource_id"], r["valid_until"], r["latest"]) for r in merged}
    assert ends == {(id_, capture(1), capture(2)) for id_ in ("eni-1", "sg-1")}


def test_configs_spelling_is_that_of_describe_in_the_end(tmp_path):
    permission = {"ipProtocol": "tcp", "fromPort": 22, "toPort": 22}
    peer = {"vpcId": "vpc-1", "cidrBlockSet": [{"cidrBlock": "10.0.0.0/16"}]}
    items = [
        item(hour(1), {
            "groupId": "sg-1",
            "ipPermissions": [
                {**permission, "ipv4Ranges": [{"cidrIp": "10.0.0.0/8"}],
                 "ipRanges": ["10.0.0.0/8"],
                 "prefixListIds": [{"prefixListId": "pl-1"}],
                 "userIdGroupPairs": [{"groupId": "sg-2", "userId": "1"}]}],
            "ipPermissionsEgress": [{**permission, "ipRanges": ["0.0.0.0/0"]}],
        }, type_="SecurityGroup", id_="sg-1"),
        item(hour(1), json.dumps({
            "networkAclId": "acl-1", "isDefault": True,
            "entries": [{"ruleNumber": 100, "egress": False, "protocol": "6",
                         "ruleAction": "allow", "cidrBlock": "0.0.0.0/0",
                         "portRange": {"from": 1, "to": 2},
                         "icmpTypeCode": {"type": 8, "code": -1}}],
        }), type_="NetworkAcl", id_="acl-1"),
        item(hour(1), {"vpcPeeringConnectionId": "pcx-1", "status": {"code": "active"},
                       "accepterVpcInfo": peer}, type_="VPCPeeringConnection",
             id_="pcx-1"),
        item(hour(1), {"Id": "fl-1", "ResourceId": "vpc-1", "TrafficType": "ALL",
                       "LogFormat": "${version}"}, type_="FlowLog", id_="fl-1"),
    ]  # fmt: skip
    (found,) = read(tmp_path, items)
    documents = {
        r["resource_id"]: json.loads(r["document"])
        for r in found.configurations.to_pylist()
    }
    assert documents["sg-1"]["IpPermissions"] == [
        {
            "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
            "IpRanges": [{"CidrIp": "10.0.0.0/8"}],
            "PrefixListIds": [{"PrefixListId": "pl-1"}],
            "UserIdGroupPairs": [{"GroupId": "sg-2", "UserId": "1"}],
        }
    ]  # fmt: skip
    egress = documents["sg-1"]["IpPermissionsEgress"]
    assert egress[0]["IpRanges"] == [{"CidrIp": "0.0.0.0/0"}]
    entry = documents["acl-1"]["Entries"][0]
    assert entry["PortRange"] == {"From": 1, "To": 2}
    assert entry["IcmpTypeCode"] == {"Type": 8, "Code": -1}
    assert documents["pcx-1"] == {
        "VpcPeeringConnectionId": "pcx-1",
        "Status": {"Code": "active"},
        "AccepterVpcInfo": {
            "VpcId": "vpc-1",
            "CidrBlockSet": [{"CidrBlock": "10.0.0.0/16"}],
        },
    }
    assert documents["fl-1"]["FlowLogId"] == "fl-1"


def test_items_are_known_by_content_and_useless_ones_are_counted(tmp_path):
    kept = item(hour(1), eni("10.0.0.1"))
    epoch = {**kept, "configurationItemCaptureTime": hour(2).timestamp()}
    body = {"configurationItems": [
        kept, epoch, "?", item(hour(1), {}), item(hour(1), "{"),
        item(hour(1), {"a": 1}, configurationItemStatus="ResourceNotRecorded"),
        item(hour(1), {"a": 1}, type_="Volume", id_="vol-1"),
        {**kept, "configurationItemCaptureTime": "?"},
    ]}  # fmt: skip
    (tmp_path / "anything.json").write_text(json.dumps(body))
    report = Report()
    found = list(read_saved([tmp_path], report=report))
    assert [s.at for s in found] == [capture(1), hour(2)]
    assert report.ignored == {
        "Config: AWS::EC2::NetworkInterface": 4,
        "Config: AWS::EC2::Volume": 1,
        "Config: not an item": 1,
    }


def test_the_past_is_told_with_what_a_saved_listing_names(tmp_path):
    zone = {"subnetId": "subnet-1", "availabilityZone": "eu-west-1a"}
    listed = {"AvailabilityZones": [
        {"ZoneName": "eu-west-1a", "ZoneId": "euw1-az2", "RegionName": "eu-west-1"}
    ]}  # fmt: skip
    folder = tmp_path / "111122223333"
    folder.mkdir()
    (folder / "zones.json").write_text(json.dumps(listed))
    items = [item(hour(1), {**eni("10.0.0.1"), **zone})]
    found = read(folder, items, at=hour(9))
    assert [s.at for s in found] == [capture(1), hour(9)]
    assert {s.scope for s in found} == {SCOPE}
    assert rows(found[0])["10.0.0.1"]["az"] == "euw1-az2"


def test_many_captures_of_many_interfaces_are_read_by_the_column(tmp_path):
    items = [
        item(hour(h), eni(f"10.0.{n}.1", f"10.0.{n}.{h + 2}", id_=f"eni-{n}"),
             id_=f"eni-{n}")
        for n in range(50)
        for h in range(6)
    ]  # fmt: skip
    found = read(tmp_path, items)
    assert len(found) == 6
    everything = pa.concat_tables([s.identities for s in found])
    ended = [r for r in everything.to_pylist() if r["ended_at"]]
    assert len(ended) == 50 * 5
    assert everything.num_rows == 50 * (6 * 2 + 5)
