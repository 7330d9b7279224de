"""What changed rules let through or break, and what nobody can know of it."""

import json
from typing import Any

import pyarrow as pa
import pytest

from ingest.inventory.store import record
from ingest.job import Ingest, Request
from lake.errors import UsageError
from lake.settings import load_settings
from lake.tables import CONFIGURATIONS, arrow_schema
from queries.backtest import backtested
from queries.engine import Engine
from tests.estate import HTTPS, documents, listed, put, received, refused, sent
from tests.lakes import open_lake
from tests.policies import ALL, HOUR, NOON, OPEN, group, interface, network, row
from tests.processes import flowlake
from transform.policy.backtest import WHY, Backtest
from transform.policy.policy import Policy
from transform.policy.resolved import resolved
from transform.policy.written import read_change

OUT = {**ALL, "Egress": True}
NOBODY = {**ALL, "RuleNumber": 90, "RuleAction": "deny"}
WEB = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443,
       "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}  # fmt: skip
UNCONFIGURED, UNOPENED, CONTRARY, NO_CAUSE, FAR_END, ON_ITS_WAY, UNMATCHED = WHY
LET_IN = "+sg-1 inbound tcp/443 from 10.0.0.0/16"
LET_OUT = "+sg-1 outbound tcp/443 to 10.0.0.0/16"
NOT_IN = "-sg-1 inbound tcp/443 from 10.0.0.0/16"
NOT_OUT = "-sg-1 outbound tcp/443 to 10.0.0.0/16"


def packet(**given):
    """Return a request from eni-2 (10.0.1.7) at eni-1 (10.0.0.7), tcp/443, rejected."""
    made = {
        "interface": "eni-1", "inbound": True, "peer_address": "10.0.1.7",
        "own_address": "10.0.0.7", "peer_interface": "eni-2", "peer_vpc": "vpc-1",
        "own_vpc": "vpc-1", "protocol": 6, "port": 443, "is_accepted": False,
        "is_request": True, "reject_cause": "security_group", "is_passing": False,
        "is_unmatched": False, "begin": NOON, "end": NOON + 50,
    }  # fmt: skip
    return {**made, **given}


def accepted(**given):
    return packet(**{"is_accepted": True, "reject_cause": None, **given})


def judged(packets, *texts, rules=(), outbound=(), far=(OPEN,), far_out=(OPEN,),
           entries=(ALL, OUT), **times):  # fmt: skip
    """Return (effect, why, stage) of those of some packets that have one, in order.

    Args:
        packets: See `packet`.
        texts: Changes, ``+`` or ``-`` before each.
        rules, outbound: Of eni-1's group; far, far_out: of eni-2's.
        entries: Of the network ACL of eni-1's subnet.
    """
    rows = [
        *network(acl=entries),
        interface("eni-1", "sg-1"),
        interface("eni-2", "sg-2", subnet="subnet-0"),
        group("sg-1", *rules, outbound=outbound, **times),
        group("sg-2", *far, outbound=far_out),
    ]
    other = {"NetworkAclId": "acl-2", "Entries": [ALL, OUT],
             "Associations": [{"SubnetId": "subnet-0"}]}  # fmt: skip
    rows.append(row("network_acl", "acl-2", other))
    schema = pa.schema([f.with_nullable(True) for f in arrow_schema(CONFIGURATIONS)])
    table = pa.Table.from_pylist(rows, schema=schema)
    changes = [read_change(text[1:], adds=text[0] == "+") for text in texts]
    definite, _ = resolved(table, changes)
    test = Backtest(table, definite, Policy.of(table))
    types = {"port": pa.int32(), "protocol": pa.int32(), "is_request": pa.bool_(),
             "peer_interface": pa.string(), "peer_vpc": pa.string(),
             "reject_cause": pa.string()}  # fmt: skip
    asked = pa.Table.from_pylist(list(packets))
    for name, type_ in types.items():
        place = asked.schema.get_field_index(name)
        asked = asked.set_column(place, name, asked[name].cast(type_))
    found = test.judge(asked)
    columns = (found[name].to_pylist() for name in ("effect", "why", "stage"))
    return list(zip(*columns, strict=True))


ALLOWED = ("allowed", None, "security_group")
BROKEN = ("broken", None, "security_group")


def open_(why):
    return ("undetermined", why, None)


def test_what_no_rule_let_in_passes_with_one():
    assert judged([packet()], LET_IN) == [ALLOWED]
    assert judged([packet(port=80)], LET_IN) == []
    assert judged([packet()], "+sg-1 inbound tcp/443 from sg-2") == [ALLOWED]
    assert judged([packet()], "+sg-1 inbound tcp/443 from sg-1") == []


def test_what_the_acl_denies_too_is_not_let_in_by_a_group():
    assert judged([packet()], LET_IN, entries=(NOBODY, ALL, OUT)) == []


def test_what_only_the_acl_denied_passes_with_an_entry_before_it():
    late = packet(is_request=False, reject_cause="network_acl")
    acl = "+acl-1 inbound 80 allow tcp/443 from 10.0.0.0/16"
    entries = (NOBODY, ALL, OUT)
    passes = ("allowed", None, "network_acl")
    assert judged([late], acl, entries=entries) == [passes]  # no group is asked
    ask = packet(reject_cause="network_acl")
    assert judged([ask], acl, entries=entries) == []  # the group has no rule
    assert judged([ask], acl, entries=entries, rules=(WEB,)) == [passes]
    assert judged([ask], acl, LET_IN, entries=entries) == [passes]
    nobody = packet(reject_cause="network_acl", is_request=None)
    assert judged([nobody], acl, entries=entries) == [open_(UNOPENED)]


@pytest.mark.parametrize(
    "cause",
    ["late_packet", "idle_timeout", "block_public_access", "encryption_control"],
)
def test_what_no_rule_rejected_no_rule_lets_pass(cause):
    assert judged([packet(reject_cause=cause)], LET_IN) == []


def test_what_was_rejected_for_no_known_cause_is_undetermined():
    assert judged([packet(reject_cause="undetermined")], LET_IN) == [open_(NO_CAUSE)]
    assert judged([packet(reject_cause=None)], LET_IN) == [open_(NO_CAUSE)]
    # By its configuration it passes already: the rule changes nothing.
    told = packet(reject_cause="undetermined")
    assert judged([told], LET_IN, rules=(WEB,)) == []


def test_a_log_that_the_configuration_speaks_against_decides_nothing():
    assert judged([packet()], LET_IN, rules=(WEB,)) == [open_(CONTRARY)]
    other = {**WEB, "IpRanges": [{"CidrIp": "10.9.0.0/16"}]}
    rules = {"rules": (WEB, other)}
    passed = accepted(peer_address="10.9.0.1", peer_interface=None)
    assert judged([passed], "-sg-1 inbound tcp/443 from 10.9.0.0/16", **rules) == [
        BROKEN
    ]
    blocked = (NOBODY, ALL, OUT)
    assert judged([accepted()], NOT_IN, rules=(WEB,), entries=blocked) == [
        open_(CONTRARY)
    ]


def test_what_goes_out_must_be_let_in_at_the_other_end():
    out = packet(inbound=False)
    assert judged([out], LET_OUT) == [ALLOWED]
    assert judged([out], LET_OUT, far=()) == []
    away = packet(inbound=False, peer_interface=None, peer_vpc=None,
                  peer_address="203.0.113.5")  # fmt: skip
    assert judged([away], "+sg-1 outbound tcp/443 to 0.0.0.0/0") == [ALLOWED]
    for unknown in ("eni-3", None):
        lost = packet(inbound=False, peer_interface=unknown)
        assert judged([lost], LET_OUT) == [open_(FAR_END)]


def test_what_is_let_in_must_still_be_let_out_at_the_other_end():
    less = "-sg-2 outbound all to 0.0.0.0/0"
    assert judged([packet()], LET_IN, less) == []


def test_what_is_stopped_on_its_way_is_undetermined():
    assert judged([packet(is_passing=True)], LET_IN) == [open_(ON_ITS_WAY)]


def test_what_was_let_in_by_one_rule_breaks_without_it():
    assert judged([accepted()], NOT_IN, rules=(WEB,)) == [BROKEN]
    assert judged([accepted()], NOT_IN, rules=(WEB, OPEN)) == []
    assert judged([accepted(port=80)], NOT_IN, rules=(WEB,)) == []
    assert judged([accepted(is_request=False)], NOT_IN, rules=(WEB,)) == []
    assert judged([accepted(is_request=None)], NOT_IN, rules=(WEB,)) == [
        open_(UNOPENED)
    ]
    assert judged([packet()], NOT_IN, rules=(WEB,)) == []


@pytest.mark.parametrize("request_", [True, False, None])
def test_an_acl_breaks_packets_of_either_direction(request_):
    deny = "+acl-1 inbound 50 deny tcp/443 from 10.0.1.0/24"
    found = judged([accepted(is_request=request_)], deny, rules=(WEB,))
    assert found == [("broken", None, "network_acl")]


def test_of_what_goes_out_what_was_refused_at_the_other_end_never_passed():
    out = accepted(inbound=False)
    rules = {"outbound": (WEB,)}
    assert judged([out], NOT_OUT, **rules) == [BROKEN]
    assert judged([out], NOT_OUT, far=(), **rules) == []
    lost = accepted(inbound=False, is_unmatched=True)
    assert judged([lost], NOT_OUT, **rules) == [open_(UNMATCHED)]


def test_what_is_no_longer_let_out_is_shown_there_and_not_where_it_came_in():
    left = accepted(interface="eni-2", inbound=False, own_address="10.0.1.7",
                    peer_address="10.0.0.7", peer_interface="eni-1")  # fmt: skip
    texts = NOT_IN, "-sg-2 outbound tcp/443 to 10.0.0.0/16"
    rules = {"rules": (WEB,), "far_out": (WEB,)}
    came = accepted()
    assert judged([left, came], *texts, **rules) == [BROKEN]
    assert judged([came], *texts, **rules) == [BROKEN]  # who sent it is not logged


def test_what_goes_out_is_stopped_by_groups_first_what_comes_in_by_the_acl():
    texts = ("-acl-1 inbound 100", "-acl-1 outbound 100", NOT_IN, NOT_OUT)
    rules = {"rules": (WEB,), "outbound": (WEB,)}
    found = judged([accepted(), accepted(inbound=False)], *texts, **rules)
    assert [stage for *_, stage in found] == ["network_acl", "security_group"]


def test_what_was_not_configured_as_long_as_the_hour_decides_nothing():
    times = {"since": NOON + 20, "seen": NOON + HOUR}
    assert judged([packet()], LET_IN, **times) == [open_(UNCONFIGURED)]
    assert judged([accepted()], NOT_IN, rules=(WEB,), **times) == [open_(UNCONFIGURED)]
    assert judged([accepted()], LET_IN, **times) == []  # a rule more breaks nothing
    assert judged([packet(port=80)], LET_IN, **times) == []  # and is not for others
    assert judged([packet()], "+sg-1 inbound tcp/443 from sg-1", **times) == []
    away = packet(peer_address="203.0.113.5", peer_interface=None, peer_vpc=None)
    assert judged([away], "+sg-1 inbound tcp/443 from sg-2", **times) == []


def test_without_packets_there_is_nothing():
    assert judged([packet()][:0] or [packet(port=1)], LET_IN) == []


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """A lake: tcp/443 of eni-1 was let in at eni-2, a port that nobody lets in not."""
    place = tmp_path_factory.mktemp("backtest")
    settings = load_settings(lake=str(place / "lake"))
    with open_lake(settings) as lake:
        told = documents(rules=(HTTPS,))
        record(lake, [listed(at, *told) for at in (-600, 600)])
        lines = [received(0), sent(0)]
        lines += [refused(received(1, port=port)).replace(" 443 6 ", f" {to} 6 ")
                  for port, to in ((50_000, 22), (50_001, 22))]  # fmt: skip
        lines += [refused(received(2, port=port)).replace(" 443 6 ", f" {port} 6 ")
                  for port in range(9_000, 9_021)]  # fmt: skip
        Ingest(lake, Request((str(put(place / "logs", 0, *lines)),))).run()
    return settings


WINDOW: dict[str, Any] = {"since": "2026-01-01", "until": "2026-01-02"}


def tried(settings, *texts, **more):
    changes = [read_change(text[1:], adds=text[0] == "+") for text in texts]
    with Engine(settings) as engine:
        return backtested(engine, changes, **WINDOW, **more)


def test_the_answer_has_rows_sums_and_what_it_rests_on(settings):
    found = tried(settings, "-sg-2 inbound tcp/443 from 10.0.0.1/32",
                   "+sg-2 inbound tcp/22 from 10.0.0.0/24")  # fmt: skip
    told = ("effect", "client", "server", "service_port", "stage", "records")
    assert [tuple(row[n] for n in told) for row in found.rows.to_pylist()] == [
        ("broken", "eni-1", "eni-2", 443, "security_group", 1),
        ("allowed", "eni-1", "eni-2", 22, "security_group", 2),
    ]
    meta = found.meta
    assert meta["report"] == "backtest"
    assert meta["window"]["since"] == "2026-01-01T00:00:00Z"
    assert meta["changes"] == [
        "sg-2: remove inbound tcp/443 from 10.0.0.1/32",
        "sg-2: add inbound tcp/22 from 10.0.0.0/24",
    ]
    assert meta["interfaces"] == {"reached": 1, "heard": 1}
    assert meta["effects"]["broken"] == {"records": 1, "packets": 1, "bytes": 40}
    assert meta["completeness"]["share"] is not None
    assert not meta["more"]


def test_the_limit_cuts_rows_and_no_sums(settings):
    texts = ("-sg-2 inbound tcp/443 from 10.0.0.1/32",
             "+sg-2 inbound tcp/22 from 10.0.0.0/24")  # fmt: skip
    found = tried(settings, *texts, limit=1)
    assert found.rows.num_rows == 1
    assert found.meta["more"]
    assert found.meta["effects"]["allowed"]["records"] == 2


def test_a_sweep_is_one_row(settings):
    found = tried(settings, "+sg-2 inbound tcp/9000-9020 from 10.0.0.0/24")
    [row] = found.rows.to_pylist()
    assert (row["service_port"], row["many_ports"], row["records"]) == (None, True, 21)


def test_what_reaches_nothing_is_said(settings):
    found = tried(settings, "+sg-1 outbound tcp/443 to 10.0.0.0/24",
                   "+sg-1 outbound tcp/443 to 10.0.0.0/24")  # fmt: skip
    assert found.rows.num_rows == 0
    assert any("is there already" in text for text in found.meta["warnings"])
    with pytest.raises(UsageError, match="no change is given"):
        tried(settings)


def test_the_command_takes_changes_in_words_and_from_a_file(settings, tmp_path):
    file = tmp_path / "changes.json"
    change = read_change("sg-2 inbound tcp/22 from 10.0.0.1/32", adds=True)
    file.write_text(json.dumps([change.to_json()]))
    window = ("--since", WINDOW["since"], "--until", WINDOW["until"])
    words = ("--lake", settings.lake, "backtest", *window, "--changes", str(file),
             "--remove", "sg-2 inbound tcp/443 from 10.0.0.1/32")  # fmt: skip
    done = flowlake(*words)
    assert done.returncode == 0, done.stderr
    effects = [row["effect"] for row in json.loads(done.stdout)["rows"]]
    assert effects == ["broken", "allowed"]
    shown = flowlake(*words, "--format", "table").stdout
    assert shown.splitlines()[0].split()[:3] == ["effect", "client", "server"]
    file.write_text('[{"change": "add"}]')
    done = flowlake(*words)
    assert done.returncode == 2
    assert f"--changes {file}: change 1: resource None" in done.stderr
