"""That a rule is unused is said only where nothing may have used it unseen."""

import json
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from ingest.inventory.store import record
from ingest.job import Ingest, Request
from lake.errors import UnlimitedOnly
from lake.settings import load_settings
from queries.answers import answer, pose
from queries.catalogue import find_report
from queries.engine import Engine
from queries.limits import Limits
from queries.values import Window, cut
from tests.estate import LOG, NOON, listed, put, received, silent
from tests.lakes import open_lake

NOW = datetime(2026, 1, 2, tzinfo=UTC)
HOUR = 60  # minutes
HTTPS = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443,
         "IpRanges": [{"CidrIp": "10.0.0.1/32"}]}  # fmt: skip
DNS = {**HTTPS, "IpProtocol": "udp", "FromPort": 53, "ToPort": 53}
REPORT = find_report("rule_usage")


def documents(rules=(HTTPS, DNS), *, traffic="ALL", **more):
    """Return a listing: the second interface has a group with rules."""
    told = [
        ("subnet", "subnet-1", {"SubnetId": "subnet-1", "VpcId": "vpc-1",
                                "CidrBlock": "10.0.0.0/24"}),
        ("security_group", "sg-2", {"GroupId": "sg-2", "GroupName": "web",
                                    "VpcId": "vpc-1", "IpPermissions": list(rules),
                                    "IpPermissionsEgress": []}),
        ("flow_log", LOG, {"FlowLogId": LOG, "ResourceId": "vpc-1",
                           "TrafficType": traffic, "LogDestinationType": "s3"}),
    ]  # fmt: skip
    for eni, groups in ({"eni-1": (), "eni-2": ("sg-2",)} | more).items():
        carried = [{"GroupId": name} for name in groups]
        told.append((
            "network_interface", eni,
            {"NetworkInterfaceId": eni, "SubnetId": "subnet-1", "VpcId": "vpc-1",
             "Status": "in-use", "Groups": carried},
        ))  # fmt: skip
    return [(kind, name, json.dumps(document)) for kind, name, document in told]


@pytest.fixture
def usage(tmp_path):
    """Return what says of each rule of the group how it was used, and why not."""

    numbers = count()

    def ask(*lines, looks=None, **given):
        place = tmp_path / f"{next(numbers)}"
        settings = load_settings(lake=str(place / "lake"))
        always = {at: documents() for at in (-600, 600)}
        with open_lake(settings) as lake:
            record(lake, [listed(at, *told) for at, told in (looks or always).items()])
            Ingest(lake, Request((str(put(place / "logs", 0, *lines)),))).run()
        texts = {"since": [f"{NOON:%Y-%m-%dT%H:%MZ}"], "resource": ["sg-2"],
                 "until": [f"{NOON + timedelta(hours=1):%Y-%m-%dT%H:%MZ}"]}  # fmt: skip
        texts |= {name: [value] for name, value in given.items()}
        with Engine(settings) as engine:
            rows = answer(engine, pose(engine, REPORT, texts, now=NOW)).rows.to_pylist()
        return {row["text"].partition(" ")[0]: row for row in rows}

    return ask


def quiet(*enis, but=(), minutes=range(HOUR)):
    """Return an hour of silence of interfaces, but for some minutes."""
    some = enis or ("eni-1", "eni-2")
    return [silent(m, eni) for eni in some for m in minutes if m not in but]


HEARD = [received(0), *quiet("eni-1"), *quiet("eni-2", but=[0])]


def test_what_nothing_used_is_unused_where_each_minute_was_told_of(usage):
    found = usage(*HEARD)
    web, dns = found["tcp/443"], found["udp/53"]
    assert (web["usage"], web["records"], web["packets"]) == ("used", 1, 1)
    assert web["last_used"] == NOON + timedelta(seconds=50)
    assert (dns["usage"], dns["why"], dns["last_used"]) == ("unused", None, None)
    assert (dns["completeness"], dns["interfaces"], dns["wider"]) == (1.0, 1, None)


@pytest.mark.parametrize(("lost", "wanted"), [((), True), ((30, 31), None)])
def test_wider_is_said_only_where_all_was_heard(usage, lost, wanted):
    told = documents(({**HTTPS, "ToPort": 500},))
    found = usage(received(0), *quiet("eni-1"), *quiet("eni-2", but=(0, *lost)),
                  looks={-600: told, 600: told})  # fmt: skip
    [rule] = found.values()
    assert (rule["usage"], rule["wider"]) == ("used", wanted)


@pytest.mark.parametrize(("lost", "wanted"), [(0, "unused"), (3, "unknown")])
def test_unused_is_not_said_where_minutes_are_missing(usage, lost, wanted):
    found = usage(*quiet("eni-1"), *quiet("eni-2", but=range(20, 20 + lost)))
    dns = found["udp/53"]
    assert (dns["usage"], dns["completeness"] < 0.99) == (wanted, bool(lost))
    why = f"completeness {dns['completeness']:.4f} of its interfaces"
    assert dns["why"] == (why if lost else None)


def test_a_minute_that_aws_skipped_is_missing_too(usage):
    found = usage(*quiet("eni-1"), *quiet("eni-2", but=[20]),
                  silent(20, "eni-2", "SKIPDATA"))  # fmt: skip
    assert found["udp/53"]["why"] == "completeness 0.9833 of its interfaces"


def test_what_began_to_be_logged_within_the_window_is_not_complete(usage):
    told = documents()  # it may have been there before it was first listed
    found = usage(*quiet("eni-1"), *quiet("eni-2", minutes=range(30, HOUR)),
                  looks={20: told, 600: told})  # fmt: skip
    assert found["udp/53"]["usage"] == "unknown"
    assert 0.5 <= found["udp/53"]["completeness"] < 0.55


def test_rejections_alone_tell_nothing_of_what_was_let_in(usage):
    told = documents(traffic="REJECT")
    found = usage(*quiet(), looks={-600: told, 600: told})
    assert {(r["usage"], r["why"]) for r in found.values()} == {
        ("unknown", "no flow log of its interfaces records ACCEPT")
    }


def test_an_unlisted_flow_log_records_what_it_shows(usage):
    told = [one for one in documents() if one[0] != "flow_log"]
    looks = {-600: told, 600: told}
    assert usage(*quiet(), looks=looks)["udp/53"]["usage"] == "unknown"
    assert usage(*HEARD, looks=looks)["udp/53"]["usage"] == "unused"


def test_who_opened_is_not_known_so_it_may_have_been_used(usage):
    odd = received(0).replace(" 40000 443 6 ", " 40000 53 17 ")
    odd = odd.replace("ACCEPT OK 2", "ACCEPT OK 0").replace(" 53 17 ", " 40001 17 ")
    both = {**DNS, "FromPort": 40_001, "ToPort": 40_001}
    told = documents((HTTPS, both))
    found = usage(odd, *quiet("eni-1"), *quiet("eni-2", but=[0]),
                  looks={-600: told, 600: told})  # fmt: skip
    assert found["udp/40001"]["why"] == "1 records may have used it"


def test_an_answer_uses_no_rule(usage):
    out = {"IpProtocol": "tcp", "FromPort": 40_000, "ToPort": 40_000,
           "IpRanges": [{"CidrIp": "10.0.0.1/32"}]}  # fmt: skip
    told = documents((HTTPS, out))
    answer_ = received(0).replace("ACCEPT OK 2", "ACCEPT OK 18")
    answer_ = answer_.replace(" 40000 443 ", " 443 40000 ")
    found = usage(answer_, *quiet("eni-1"), *quiet("eni-2", but=[0]),
                  looks={-600: told, 600: told})  # fmt: skip
    assert found["tcp/40000"]["usage"] == "unused"


def test_of_a_group_on_no_interface_or_on_one_never_heard_of_nobody_knows(usage):
    told = documents(**{"eni-2": ()})
    found = usage(*quiet(), looks={-600: told, 600: told})
    assert {r["why"] for r in found.values()} == {"no interface carries it"}
    told = documents(**{"eni-3": ("sg-2",)})
    found = usage(*quiet(), looks={-600: told, 600: told})
    assert found["udp/53"]["why"] == "completeness 0.5000 of its interfaces"


def test_an_interface_that_nobody_listed_may_carry_the_group(usage):
    stranger = received(0, by="eni-2").replace(" eni-2 ", " eni-9 ")
    stranger = stranger.replace("10.0.0.2", "10.0.0.9")
    assert usage(stranger, *quiet())["udp/53"]["why"] == (
        "1 interfaces of its VPC were never listed"
    )


def test_a_rule_that_came_within_the_window_tells_from_when(usage):
    looks = {-600: documents((HTTPS,)), 29: documents((HTTPS,)), 30: documents(),
             600: documents()}  # fmt: skip
    found = usage(*HEARD, looks=looks)
    assert found["tcp/443"]["existed_from"] is None
    assert found["udp/53"]["existed_from"] == NOON + timedelta(minutes=30)
    assert found["udp/53"]["existed_until"] is None
    assert found["udp/53"]["usage"] == "unused"


def test_past_the_last_look_nothing_is_known(usage):
    told = documents()
    found = usage(*HEARD, looks={-600: told, -300: told})
    why = "nobody looked if it was there within the window"
    assert found["udp/53"]["why"] != why  # the last one told of may still be there
    assert found["udp/53"]["usage"] == "unused"
    assert found["tcp/443"]["why"] == "1 records may have used it"
    looked = {300: told, 600: told}
    assert usage(*HEARD, looks=looked)["udp/53"]["why"] == why


def test_it_is_refused_to_those_with_limits_and_served_to_others(usage, tmp_path):
    usage(*HEARD)
    settings = load_settings(lake=str(tmp_path / "0" / "lake"))
    given = {"since": ["2026-01-01T12:00Z"], "until": ["2026-01-01T13:00Z"]}
    with Engine(settings) as engine:
        rows = answer(engine, pose(engine, REPORT, given, now=NOW)).rows
        for name, value, number in [
            ("usage", "used", 1), ("usage", "unused", 1), ("usage", "unknown", 0),
            ("kind", "network_acl", 0), ("vpc", "vpc-1", 2), ("account", "1", 0),
        ]:  # fmt: skip
            chosen = pose(engine, REPORT, given | {name: [value]}, now=NOW)
            assert answer(engine, chosen).rows.num_rows == number
        with pytest.raises(UnlimitedOnly):
            pose(engine, REPORT, given, now=NOW, limits=Limits(vpcs=frozenset("v")))
    with TestClient(create_app(settings)) as client:
        params = {name: value for name, [value] in given.items()}
        pages = [client.get("/v1/reports/rule_usage", params=params | {"limit": "1"})]
        while "next" in pages[-1].links:
            url = f"/v1/reports/rule_usage{pages[-1].links['next']['url']}"
            pages.append(client.get(url))
    served = [row["text"] for page in pages for row in page.json()["rows"]]
    assert served == rows["text"].to_pylist()
    assert len(served) == 2


def test_a_window_is_cut_where_days_begin():
    begin = datetime(2026, 1, 1, 5, tzinfo=UTC)
    window = Window(begin, begin + timedelta(days=2))
    days = [*cut(window, timedelta(days=1))]
    assert [part.since.hour for part in days] == [5, 0, 0]
    assert days[-1].until == window.until
    assert all(a.until == b.since for a, b in pairwise(days))
