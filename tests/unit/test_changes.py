"""Changes to rules: read from words and JSON, and made to what was configured."""

import json

import pyarrow as pa
import pytest

from lake.errors import UsageError
from lake.tables import CONFIGURATIONS, arrow_schema
from tests.policies import ALL, HOUR, NOON, group, interface, network, row
from transform.policy.change import Change
from transform.policy.changed import changed, documents_of
from transform.policy.resolved import resolved
from transform.policy.written import read_change, read_changes

SSH = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
       "IpRanges": [{"CidrIp": "0.0.0.0/0"}, {"CidrIp": "10.0.0.0/8"}],
       "UserIdGroupPairs": [{"GroupId": "sg-peer", "UserId": "1"}]}  # fmt: skip
OWN = {"SecurityGroupRuleId": "sgr-1", "GroupId": "sg-web", "IsEgress": False,
       "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
       "CidrIpv4": "10.0.0.0/8"}  # fmt: skip


def table(*rows):
    schema = pa.schema([f.with_nullable(True) for f in arrow_schema(CONFIGURATIONS)])
    return pa.Table.from_pylist([*rows], schema=schema)


@pytest.fixture
def configured():
    return table(
        *network(acl=[ALL, {**ALL, "Egress": True}]),
        interface("eni-1", "sg-web"),
        group("sg-web", SSH, until=NOON),
        group("sg-web", {**SSH, "FromPort": 20}, since=NOON, seen=NOON + HOUR),
        group("sg-peer"),
        row("security_group_rule", "sgr-1", OWN),
    )


def added(text):
    return read_change(text, adds=True)


def removed(text):
    return read_change(text, adds=False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sg-0a inbound tcp/5432 from sg-0b", "sg-0a: add inbound tcp/5432 from sg-0b"),
        ("sg-0a egress udp/53-54 to pl-1", "sg-0a: add outbound udp/53-54 to pl-1"),
        ("sg-0a inbound tcp from ::/0", "sg-0a: add inbound tcp from ::/0"),
        ("sg-0a inbound all traffic from 10.0.0.9",
         "sg-0a: add inbound all traffic from 10.0.0.9/32"),
        ("sg-0a ingress -1 from fd00::9",
         "sg-0a: add inbound all traffic from fd00::9/128"),
        ("sg-0a inbound protocol 47 from 10.0.0.0/8",
         "sg-0a: add inbound protocol 47 from 10.0.0.0/8"),
        ("sg-0a\tinbound  protocol \t47 from  10.0.0.0/8",
         "sg-0a: add inbound protocol 47 from 10.0.0.0/8"),
        ("sg-0a inbound all  traffic from ::/0",
         "sg-0a: add inbound all traffic from ::/0"),
        ("acl-1 inbound 90 allow tcp/443 from 10.0.0.0/8",
         "acl-1: add inbound rule 90 allows tcp/443 from 10.0.0.0/8"),
        ("acl-1 outbound 7 deny all to ::/0",
         "acl-1: add outbound rule 7 denies all traffic to ::/0"),
    ],
)  # fmt: skip
def test_a_change_in_words_is_the_same_in_json(text, words):
    change = added(text)
    assert change.text() == words
    document = json.loads(json.dumps(change.to_json()))
    assert Change.from_json(document) == change
    assert read_changes(json.dumps([document])) == [change]


@pytest.mark.parametrize("text", ["acl-1 inbound 90", "sgr-0abc"])
def test_what_is_removed_may_be_named_alone(text):
    change = removed(text)
    assert Change.from_json(change.to_json()) == change
    assert not change.adds


@pytest.mark.parametrize(
    ("text", "adds", "says"),
    [
        ("eni-1 inbound tcp/1 from ::/0", True, "neither a security group"),
        ("sg-0a sideways tcp/1 from ::/0", True, "direction 'sideways'"),
        ("sg-0a inbound tcp/1 to ::/0", True, "is 'from' somebody"),
        ("sg-0a inbound tcp/1", True, 'write "sg-0a inbound tcp/5432 from'),
        ("sg-0a inbound tcp/1 from 10.0.0/8", True, "'10.0.0/8' is no CIDR"),
        ("sg-0a inbound tcp/70000 from ::/0", True, "from 0 to 65535"),
        ("sg-0a inbound tcp/9-1 from ::/0", True, "the lower one comes first"),
        ("sg-0a inbound icmp/8 from ::/0", True, "icmp has no ports"),
        ("sg-0a inbound all/8 from ::/0", True, "all traffic has no ports"),
        ("sg-0a inbound tpc/8 from ::/0", True, "protocol 'tpc' is none"),
        ("sg-0a inbound protocol 256 from ::/0", True, "protocol '256' is none"),
        ("sg-0a inbound 22 from ::/0", True, "write tcp/22, or protocol 22"),
        ("acl-1 inbound 9 allow 22 from ::/0", True, "write tcp/22, or protocol 22"),
        (f"sg-0a inbound tcp/{'9' * 5000} from ::/0", True, "write tcp/443"),
        (f"sg-0a inbound protocol {'9' * 5000} from ::/0", True, "is none: tcp"),
        (f"acl-1 inbound {'9' * 5000}", False, "is no change"),
        ("acl-1 inbound tcp/1 from ::/0", True, 'write "acl-1 inbound 90 allow'),
        ("acl-1 inbound 90", True, "action None is not one of allow, deny"),
        ("acl-1 inbound 40000 allow all from ::/0", True, "from 1 to 32766"),
        ("acl-1 inbound 90 allow all from sg-0b", True, "'sg-0b' is no CIDR:"),
        ("sgr-0abc", True, "a rule's own id"),
        ("acl-1 inbound", False, '(or "acl-1 inbound 90")'),
    ],
)
def test_an_error_says_which_part_is_wrong(text, adds, says):
    with pytest.raises(UsageError) as told:
        read_change(text, adds=adds)
    assert says in str(told.value)


WHOLE = {"change": "add", "resource": "sg-0a", "direction": "ingress",
         "protocol": "tcp", "from_port": 1, "to_port": 2, "peer": "::/0"}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"change": "ad"}, "change 'ad' is not one of add, remove"),
        ({"resource": 7}, "resource 7"),
        ({"direction": None}, "direction None"),
        ({"protocol": None}, "protocol None is none"),
        ({"from_port": "1"}, "ports '1' to 2"),
        ({"from_port": True}, "ports True to 2"),
        ({"peer": None}, "peer None is no CIDR"),
        ({"number": 90}, "its rules have no number"),
        ({"port": 7}, "a change has no 'port'"),
        ({"resource": "acl-1"}, "no number: an entry of acl-1 is named by one"),
    ],
)
def test_an_error_in_json_says_which_change_and_part(given, says):
    with pytest.raises(UsageError) as told:
        read_changes(json.dumps([WHOLE, {**WHOLE, **given}]))
    assert "change 2: " in str(told.value)
    assert says in str(told.value)


@pytest.mark.parametrize(
    "text", ["{", '{"change": "add"}', "[7]", "[" * 100_000, "[" * 900 + "]" * 900,
             f'[{{"number": {"9" * 5000}}}]', json.dumps([{"a": "9" * 5000}]),
             json.dumps([{"change": "add", "resource": "sg-0a", "peer": "::/0",
                          "direction": "ingress", "protocol": "9" * 5000}])],
    ids=range(8),
)  # fmt: skip
def test_what_is_no_list_of_changes_is_refused(text):
    with pytest.raises(UsageError):
        read_changes(text)


def inbound(configurations, name="sg-web"):
    documents = documents_of(configurations, "security_group", name)
    return [document["IpPermissions"] for document in documents]


def test_a_rule_is_taken_out_of_every_version_and_no_other_with_it(configured):
    after = changed(configured, [removed("sg-web inbound tcp/22 from 10.0.0.0/8")])
    newest, oldest = inbound(after)
    assert newest == [{**SSH, "FromPort": 20}]  # of other ports
    [left] = oldest
    assert left["IpRanges"] == [{"CidrIp": "0.0.0.0/0"}]
    assert left["UserIdGroupPairs"] == SSH["UserIdGroupPairs"]
    assert inbound(after, "sg-peer") == inbound(configured, "sg-peer")
    assert after.drop_columns("document") == configured.drop_columns("document")


def test_a_rule_is_added_to_every_version(configured):
    after = changed(configured, [added("sg-web inbound tcp/5432 from sg-peer")])
    rule = {"IpProtocol": "6", "UserIdGroupPairs": [{"GroupId": "sg-peer"}],
            "FromPort": 5432, "ToPort": 5432}  # fmt: skip
    assert [permissions[-1] for permissions in inbound(after)] == [rule, rule]


def test_an_entry_takes_the_place_of_one_that_goes(configured):
    changes, notes = resolved(
        configured,
        [added("acl-1 inbound 100 deny tcp/22 from 10.0.0.0/8"),
         removed("acl-1 inbound 100")],
    )  # fmt: skip
    assert notes == []
    assert changes[1].text() == (
        "acl-1: remove inbound rule 100 allows all traffic from 0.0.0.0/0"
    )
    [document] = documents_of(changed(configured, changes), "network_acl", "acl-1")
    assert document["Entries"] == [
        {**ALL, "Egress": True},
        {"RuleNumber": 100, "Protocol": "6", "RuleAction": "deny", "Egress": False,
         "CidrBlock": "10.0.0.0/8", "PortRange": {"From": 22, "To": 22}},
    ]  # fmt: skip


def test_a_rule_is_found_by_its_own_id(configured):
    [change], _ = resolved(configured, [removed("sgr-1")])
    assert change.text() == "sg-web: remove inbound tcp/22 from 10.0.0.0/8"


def test_a_rule_that_is_there_already_is_said(configured):
    _, notes = resolved(configured, [added("sg-web inbound tcp/20-22 from sg-peer")])
    assert notes == [
        "sg-web: add inbound tcp/20-22 from sg-peer: the rule is there already"
    ]


@pytest.mark.parametrize(
    ("text", "adds", "says"),
    [
        ("sg-wep inbound tcp/1 from ::/0", True, "(near it: sg-web"),
        ("sg-web inbound tcp/1 from sg-pear", True, "(near it: sg-peer"),
        ("sg-web inbound tcp/1 from pl-1", True, "no inventory has listed pl-1"),
        ("acl-2 inbound 1 allow all from ::/0", True, "(near it: acl-1)"),
        ("acl-1 inbound 100 allow all from ::/0", True,
         'remove it too with --remove "acl-1 inbound 100"'),
        ("acl-1 inbound 90", False, "no inbound rule 90 to remove; it has 100"),
        ("acl-1 inbound 100 deny all from ::/0", False, "as written (all traffic"),
        ("sg-web outbound tcp/22 to ::/0", False, "it has none at all"),
        ("sg-web inbound tcp/22 from ::/0", False, "it has tcp/20-22 from 0.0.0.0/0"),
        ("sgr-2", False, "no inventory has listed sgr-2"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_said_with_what_is(configured, text, adds, says):
    with pytest.raises(UsageError) as told:
        resolved(configured, [read_change(text, adds=adds)])
    assert says in str(told.value)


def test_one_number_cannot_be_given_twice(configured):
    entry = "acl-1 inbound 90 allow all from ::/0"
    with pytest.raises(UsageError, match="has an inbound rule 90 already"):
        resolved(configured, [added(entry), added(entry)])


def test_what_cannot_be_read_is_left_as_it_is():
    odd = [{**group("sg-web"), "document": text}
           for text in ("[]", '{"GroupId": "sg-web", "IpPermissions": 7}',
                        '{"GroupId": "sg-web", "IpPermissions": [7]}')]  # fmt: skip
    after = changed(table(*odd), [removed("sg-web inbound tcp/1 from ::/0")])
    assert [json.loads(text) for text in after["document"].to_pylist()] == [
        json.loads(one["document"]) for one in odd
    ]
