"""A rejection has the cause that its record, its configuration or the log proves."""

import pytest

from ingest.inventory.store import record
from ingest.job import Ingest, Request
from lake.catalog import Lake
from lake.settings import load_settings
from lake.tables import FLOWS
from tests.estate import (
    HTTPS,
    IN,
    NOBODY,
    OUT,
    TCP,
    TCP_IN,
    documents,
    listed,
    put,
    received,
    refused,
    sent,
)
from tests.lakes import open_lake

COLUMNS = ("reject_cause", "reject_evidence", "also_blocked_by", "reject_rule")
NO_RULE = "sg-2 (web): no inbound rule allows tcp/443 from 10.0.0.1"


@pytest.fixture
def blamed(tmp_path):
    """Return what says why rejected lines were, as ingested and as settled."""

    def ask(*lines, looks=None, settle=True, number=0, **configured):
        settings = load_settings(lake=str(tmp_path / "lake"))
        always = {at: documents(**configured) for at in (-600, 600)}
        with open_lake(settings) as lake:
            some = (always if looks is None else looks).items()
            record(lake, [listed(at, *told) for at, told in some])
            place = put(tmp_path / "logs", number, *lines)
            Ingest(lake, Request((str(place),), roll_up=False, settle=settle)).run()
        with Lake(settings) as lake:
            rows = lake.load(FLOWS).scan("action = 'REJECT'").to_arrow().to_pylist()
        return [tuple(row[name] for name in COLUMNS) for row in rows]

    return ask


@pytest.mark.parametrize("settle", [False, True])
def test_a_syn_that_no_rule_lets_in_is_the_groups(blamed, settle):
    found = blamed(refused(received(0)), settle=settle)
    rule = f"{NO_RULE}; there are none"
    assert found == [("security_group", "config", None, rule)]


def test_the_rule_that_comes_nearest_is_named(blamed):
    other = {**HTTPS, "IpRanges": [{"CidrIp": "192.0.2.0/24"}]}
    ssh = {**HTTPS, "FromPort": 22, "ToPort": 22}
    [(*_, rule)] = blamed(refused(received(0)), rules=(ssh, other))
    assert rule == f"{NO_RULE}; nearest: tcp/443 from 192.0.2.0/24"


@pytest.mark.parametrize("settle", [False, True])
def test_an_acl_comes_first_and_the_group_beside_it(blamed, settle):
    rule = "acl-2: inbound rule 90 denies all traffic from 0.0.0.0/0"
    line, entries = refused(received(0)), (NOBODY, IN, OUT)
    assert blamed(line, settle=settle, entries=entries) == [
        ("network_acl", "config", "security_group", rule)
    ]


def test_an_acl_stops_packets_whatever_their_flags_a_group_only_what_opens(blamed):
    rule = "acl-2: inbound rule 90 denies all traffic from 0.0.0.0/0"
    lines = [refused(received(0), flags=flags) for flags in (1, 18)]
    assert blamed(*lines, entries=(NOBODY, IN, OUT)) == [
        ("network_acl", "config", None, rule)
    ] * 2  # fmt: skip


@pytest.mark.parametrize("flags", [0, 1, 4, 18, 19])
def test_no_group_is_blamed_for_what_does_not_open_a_conversation(blamed, flags):
    found = blamed(refused(received(0), flags=flags))
    assert found == [("undetermined", None, None, None)]


def test_what_left_out_of_an_acl_in_answer_is_proved_twice(blamed):
    ask = received(0)
    reply = refused(sent(0, by="eni-2", to="10.0.0.1"), flags=18)
    reply = reply.replace(" 40000 443 ", " 443 40000 ")
    rule = "acl-2: outbound rule * denies what no rule allows"
    found = blamed(ask, reply, entries=(IN,), rules=(HTTPS,))
    assert found == [("network_acl", "both", None, rule)]


def test_a_log_that_the_configuration_speaks_against_proves_nothing(blamed):
    reply = refused(sent(0, by="eni-2", to="10.0.0.1"), flags=18)
    reply = reply.replace(" 40000 443 ", " 443 40000 ")
    found = blamed(received(0), reply, rules=(HTTPS,))
    assert found == [("undetermined", None, None, None)]


@pytest.mark.parametrize("settle", [False, True])
def test_what_may_all_pass_has_no_cause(blamed, settle):
    found = blamed(refused(received(0)), settle=settle, rules=(HTTPS,))
    assert found == [("undetermined", None, None, None)]


def test_udp_that_answers_is_not_the_groups_udp_that_asks_is(blamed):
    ask = sent(0, by="eni-2", to="10.0.0.1").replace(" 443 6 ", " 443 17 ")
    answer = refused(received(0.5), protocol=17)
    answer = answer.replace(" 40000 443 ", " 443 40000 ")
    fresh = refused(received(3, port=50_000), protocol=17)
    early = (sent(minute, by="eni-2") for minute in (-50, -40, -30, -20))
    causes = [cause for cause, *_ in blamed(*early, ask, answer, fresh)]
    assert sorted(causes) == ["security_group", "undetermined"]


@pytest.mark.parametrize("protocol", [1, 17])
def test_what_may_answer_a_request_that_is_not_shown_is_not_the_groups(
    blamed, protocol
):
    answer = refused(received(0), protocol=protocol)
    answer = answer.replace(" 40000 443 ", " 40000 50000 ")
    assert blamed(answer) == [("undetermined", None, None, None)]


def test_tcp_without_flags_is_never_the_groups(blamed):
    found = blamed(refused(received(0), flags="-"))
    assert found == [("undetermined", None, None, None)]


@pytest.mark.parametrize("allowed", [{"rules": (TCP,)}, {"entries": (TCP_IN, OUT)}])
@pytest.mark.parametrize("settle", [False, True])
@pytest.mark.parametrize("lacks", ["protocol", "ports"])
def test_what_was_not_logged_may_be_what_is_allowed(blamed, allowed, settle, lacks):
    line = refused(received(0))
    line = line.replace(" 40000 443 6 ", " 40000 443 - " if lacks == "protocol"
                        else " - - 6 ")  # fmt: skip
    assert blamed(line, settle=settle, **{"rules": (TCP,), **allowed}) == [
        ("undetermined", None, None, None)
    ]


def test_what_goes_out_meets_the_groups_whatever_is_known_of_the_acl(blamed):
    known = [one for one in documents() if one[1] != "acl-2"]
    looks = {-600: known, 600: known}
    rule = "sg-2 (web): no outbound rule allows tcp/443 to 10.0.0.1; there are none"
    found = blamed(refused(sent(0, by="eni-2", to="10.0.0.1")), looks=looks)
    assert found == [("security_group", "config", None, rule)]
    found = blamed(refused(received(1)), looks=looks, number=1)
    assert found[-1] == ("undetermined", None, None, None)


def test_rules_that_changed_between_two_looks_decide_nothing(blamed):
    looks = {-600: documents(), 600: documents(rules=(HTTPS,))}
    found = blamed(refused(received(0)), looks=looks)
    assert found == [("undetermined", None, None, None)]


@pytest.mark.parametrize(
    ("minute", "seconds", "cause"),
    [(-1, 50, "security_group"), (0, 50, "undetermined"), (-1, 130, "undetermined")],
)
def test_rules_that_changed_within_the_record_or_a_minute_of_it_decide_nothing(
    blamed, minute, seconds, cause
):
    before, after = documents(), documents(rules=(HTTPS,))
    looks = {-600: before, 1: before, 1.1: after, 600: after}
    [(found, *_)] = blamed(refused(received(minute, seconds=seconds)), looks=looks)
    assert found == cause


def test_without_a_listing_nothing_is_named(blamed):
    found = blamed(refused(received(0)), looks={-600: [], 600: []})
    assert found == [("undetermined", None, None, None)]
