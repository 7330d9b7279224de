"""References to groups of other VPCs, and what rules are called."""

import pytest

from tests.policies import ask, group, interface, policy_of, row
from transform.policy.asked import ALLOWED, DENIED, UNKNOWN
from transform.policy.rules import Rule
from transform.policy.texts import group_texts, named

FROM_CLIENTS = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443,
                "UserIdGroupPairs": [{"GroupId": "sg-client"}]}  # fmt: skip


def far(name, *groups):
    document = {"NetworkInterfaceId": name, "SubnetId": "subnet-9", "VpcId": "vpc-2",
                "Groups": [{"GroupId": g} for g in groups]}  # fmt: skip
    return row("network_interface", name, document)


def vpcs():
    for name, cidr in (("vpc-1", "10.0.0.0/16"), ("vpc-2", "10.9.0.0/16")):
        yield row("vpc", name, {"VpcId": name, "CidrBlock": cidr})


def peering(*regions):
    ends = {f"{n}VpcInfo": {"VpcId": v, **({"Region": regions[i]} if regions else {})}
            for i, (n, v) in enumerate((("Requester", "vpc-1"),
                                        ("Accepter", "vpc-2")))}  # fmt: skip
    document = {"VpcPeeringConnectionId": "pcx-1", "Status": {"Code": "active"}, **ends}
    yield row("vpc_peering_connection", "pcx-1", document)


def transit(gateway, one, other):
    def options(support):
        if support is None:
            return {}
        return {"Options": {"SecurityGroupReferencingSupport": support}}

    yield row("transit_gateway", "tgw-1", {"TransitGatewayId": "tgw-1"}
              | options(gateway))  # fmt: skip
    for vpc, support in (("vpc-1", one), ("vpc-2", other)):
        document = {"TransitGatewayId": "tgw-1", "VpcId": vpc, "ResourceType": "vpc",
                    "State": "available", "ResourceId": vpc}  # fmt: skip
        yield row("transit_gateway_attachment", f"a-{vpc}", document | options(support))


def verdict(links, *, inbound=True):
    rules = {"outbound": () if inbound else (FROM_CLIENTS,)}
    server = group("sg-server", *((FROM_CLIENTS,) if inbound else ()), **rules)
    ends = interface("eni-1", "sg-server"), far("eni-2", "sg-client")
    policy = policy_of([*vpcs(), *links, *ends, server, group("sg-client")])
    _, _, [(_, found)] = ask(policy, [("eni-1", inbound, "10.9.0.5", "eni-2", 6, 443)])
    return found


@pytest.mark.parametrize("inbound", [True, False])
def test_a_peer_s_group_is_meant_both_ways(inbound):
    assert verdict(peering(), inbound=inbound) == ALLOWED


@pytest.mark.parametrize(
    ("regions", "wanted"),
    [(("us-east-1", "us-east-1"), ALLOWED), (("us-east-1", "eu-west-1"), DENIED)],
)
def test_a_peer_s_group_is_meant_within_a_region(regions, wanted):
    assert verdict(peering(*regions)) == wanted


@pytest.mark.parametrize(
    ("support", "wanted"),
    [
        (("enable", "enable", "enable"), ALLOWED),
        (("enable", "disable", "enable"), DENIED),
        (("disable", "enable", "enable"), DENIED),
        (("enable", "enable", None), UNKNOWN),
        ((None, None, None), UNKNOWN),
    ],
)
def test_across_a_transit_gateway_inbound_rules_refer_where_all_support_it(
    support, wanted
):
    assert verdict(transit(*support)) == wanted


def test_across_a_transit_gateway_outbound_rules_never_refer():
    assert verdict(transit("enable", "enable", "enable"), inbound=False) == DENIED


def test_of_two_ways_that_disagree_nobody_knows_which_was_taken():
    both = [*peering(), *transit("disable", "enable", "enable")]
    assert verdict(both) == UNKNOWN


def test_without_any_known_way_nobody_knows():
    assert verdict([]) == UNKNOWN


def rule_document(name, port, *, group_id="sg-server"):
    return row(
        "security_group_rule",
        name,
        {"SecurityGroupRuleId": name, "GroupId": group_id, "IsEgress": False,
         "IpProtocol": "tcp", "FromPort": port, "ToPort": port,
         "ReferencedGroupInfo": {"GroupId": "sg-client"}},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        (["sgr-1"], "; nearest: sgr-1 allows tcp/443 from sg-client"),
        (["sgr-1", "sgr-2"], "; nearest: tcp/443 from sg-client"),
        ([], "; nearest: tcp/443 from sg-client"),
    ],
)
def test_the_nearest_rule_is_called_by_its_id_if_that_is_known(rules, wanted):
    policy = policy_of([
        *vpcs(), interface("eni-1", "sg-server"), interface("eni-2"),
        group("sg-server", FROM_CLIENTS), group("sg-client"),
        *(rule_document(name, 443) for name in rules),
        rule_document("sgr-8", 444), rule_document("sgr-9", 443, group_id="sg-other"),
    ])  # fmt: skip
    asked, decided, _ = ask(policy, [("eni-1", True, "10.0.0.5", "eni-2", 6, 443)])
    [text] = group_texts(decided, asked, [0], ["10.0.0.5"]).to_pylist()
    assert text.endswith(wanted)


def test_an_id_tells_no_two_rules_apart():
    one = Rule(6, 443, 443, typed=False, kind="cidr", peer="10.0.0.0/8", id="sgr-1")
    other = Rule(6, 443, 443, typed=False, kind="cidr", peer="10.0.0.0/8")
    assert one == other
    assert hash(one) == hash(other)
    assert named(one, True) == "sgr-1 allows tcp/443 from 10.0.0.0/8"
