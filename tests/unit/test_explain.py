"""`flowlake explain` and `/v1/explain`: one flow, rule by rule."""

import gzip
import json
from datetime import UTC, datetime

import pyarrow as pa
import pytest
import typer
from starlette.testclient import TestClient
from typer.testing import CliRunner

from api.app import create_app
from ingest.inventory.store import record
from ingest.job import Ingest, Request
from lake.errors import FlowlakeError, UnlimitedOnly, UsageError
from lake.settings import load_settings
from queries.engine import Engine
from queries.explain import command
from queries.explain.asked import explain, of_row
from queries.explain.configured import extended
from queries.explain.shown import text_of
from queries.limits import Limits
from tests.estate import HTTPS, documents, listed, put, received, refused, sent
from tests.lakes import open_lake
from tests.processes import flowlake

DAY = ("--since", "2026-01-01", "--until", "2026-01-02")
ASKED = {"since": "2026-01-01", "until": "2026-01-02"}
SSH = {**HTTPS, "FromPort": 22, "ToPort": 22}
NO_RULE = "sg-2 (web): no inbound rule allows tcp/443 from 10.0.0.1"
COMMAND = typer.Typer(pretty_exceptions_enable=False)
COMMAND.command()(command.explain)
EVERYBODY = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """A lake in which a rule was taken away some minutes before the rejections."""
    place = tmp_path_factory.mktemp("explain")
    settings = load_settings(lake=str(place / "lake"))
    looks = {-600: (HTTPS,), -30: (HTTPS,), -10: (SSH,), 600: (SSH,)}
    with open_lake(settings) as lake:
        for minute, rules in looks.items():
            told = documents(rules=rules, outbound=(EVERYBODY,))
            record(lake, [listed(minute, *told)])
        lines = [sent(-40), received(-40), sent(0), refused(received(0)),
                 refused(received(1)), sent(1)]  # fmt: skip
        logs = put(place / "logs", 0, *lines)
        Ingest(lake, Request((str(logs),))).run()
    return settings


@pytest.fixture
def client(settings):
    with TestClient(create_app(settings)) as opened:
        yield opened


def run(settings, *arguments, code=0):
    """Run the command; return what it prints, or the error that it ends with."""
    lake = {"FLOWLAKE_LAKE": str(settings.lake_path)}
    done = CliRunner().invoke(COMMAND, arguments, env=lake)
    if code == 0:
        assert done.exception is None, done.exception
        return json.loads(done.stdout)
    assert isinstance(done.exception, FlowlakeError)
    assert done.exception.exit_code == code
    return str(done.exception)


def test_a_rejection_is_explained_with_all_that_was_asked(settings):
    found = run(settings, "--port", "443", *DAY)
    assert (found["verdict"], found["cause"]) == ("rejected", "security_group")
    assert found["rule"].startswith(NO_RULE)
    assert [(s["at"], s["kind"], s["decision"]) for s in found["steps"]] == [
        ("source", "security_group", "passes"), ("source", "network_acl", "passes"),
        ("source", "route_table", "passes"), ("target", "network_acl", "passes"),
        ("target", "security_group", "fails"),
    ]  # fmt: skip
    [rule] = found["steps"][-1]["considered"]
    assert (rule["rule"], rule["differs"]) == ("tcp/22 from 10.0.0.1/32", ["port"])
    assert found["missing"] == []
    assert found["packet"]["records"] == 2
    assert found["meta"]["window"]["since"] == "2026-01-01T00:00:00Z"


def test_what_the_log_proves_is_said_apart_from_what_was_configured(settings):
    found = run(settings, "--port", "443", *DAY)
    rejected, let_out = (
        next(p for p in found["proves"] if word in p) for word in ("rejected", "out")
    )
    assert rejected.startswith("eni-2 rejected the request on its way in (2 records")
    assert let_out.startswith("eni-1 let the request out (")
    assert "it opens a conversation: a SYN without ACK was logged" in found["proves"]
    assert "no answer to it was recorded within an hour" in found["proves"]


def test_the_change_before_it_is_shown_with_its_difference(settings):
    [change] = run(settings, "--port", "443", *DAY)["changes"]
    assert change == {
        "kind": "security_group", "resource": "sg-2", "names": ["sg-2"],
        "after": "2026-01-01T11:30:00Z", "by": "2026-01-01T11:50:00Z",
        "removed": ["inbound tcp/443 from 10.0.0.1/32"],
        "added": ["inbound tcp/22 from 10.0.0.1/32"], "explains": True,
    }  # fmt: skip


def event(name, at, *, group="sg-2", **more):
    return {"eventName": name, "eventTime": at, "eventID": name, "readOnly": False,
            "userIdentity": {"arn": "arn:aws:iam::1:user/ann"},
            "requestParameters": {"groupId": group}, **more}  # fmt: skip


def test_events_of_cloudtrail_say_who_made_a_change(settings, tmp_path):
    revoked = "RevokeSecurityGroupIngress"
    told = [
        event(revoked, "2026-01-01T11:40:00Z"),
        event("AuthorizeSecurityGroupIngress", "2026-01-01T11:41:00Z", group="sg-9"),
        event("CreateSecurityGroup", "2026-01-01T11:20:00Z"),
        event("DescribeSecurityGroups", "2026-01-01T11:42:00Z", readOnly=True),
        event("RevokeSecurityGroupEgress", "2026-01-01T12:40:00Z"),
        event("ModifySecurityGroupRules", "2026-01-01T11:43:00Z",
              errorCode="UnauthorizedOperation"),
    ]  # fmt: skip
    trail = tmp_path / "trail"
    trail.mkdir()
    (trail / "a.json.gz").write_bytes(
        gzip.compress(json.dumps({"Records": told}).encode())
    )
    looked_up = {"Events": [{"CloudTrailEvent": json.dumps(told[0])}]}
    (tmp_path / "b.json").write_text(json.dumps(looked_up))
    for path in (trail, tmp_path / "b.json"):
        found = run(settings, "--port", "443", *DAY, "--cloudtrail", str(path))
        [change] = found["changes"]
        assert [(e["event"], e["by"]) for e in change["events"]] == [
            (revoked, "arn:aws:iam::1:user/ann")]  # fmt: skip
        assert f"{revoked} by arn" in text_of(found)
    (tmp_path / "c.json").write_text("[]")
    error = run(
        settings, "--port", "443", "--cloudtrail", str(tmp_path / "c.json"), code=2
    )
    assert "neither Records nor Events" in error


def test_a_row_of_a_report_is_explained(settings, tmp_path):
    lake, file = str(settings.lake_path), tmp_path / "report.json"

    def of(*arguments):
        file.write_text(flowlake("--lake", lake, "report", *arguments, *DAY).stdout)
        return run(settings, "--row", str(file))

    found = of("rejected_traffic", "--by", "eni")
    assert found["rule"].startswith(NO_RULE)
    assert of("records", "--filter", "action = 'REJECT'")["rule"] == found["rule"]
    row = json.loads(file.read_text())["rows"][0]
    assert of_row(json.dumps(row), 0)["eni"] == ["eni-2"]


def test_an_accepted_flow_is_explained_too(settings):
    found = run(settings, "--port", "443", "--at", "2026-01-01T11:20Z")
    assert (found["verdict"], found["cause"]) == ("accepted", None)
    last = found["steps"][-1]
    assert (last["decision"], last["rule"]) == (
        "passes", "sg-2 (web): tcp/443 from 10.0.0.1/32")  # fmt: skip
    assert found["tried"] == []


@pytest.mark.parametrize(
    ("port", "verdict"), [("22", "passes"), ("443", "fails"), ("80", "fails")]
)
def test_packets_that_nobody_sent_pass_or_fail_by_the_rules_of_now(
    settings, port, verdict
):
    found = run(settings, "--from", "eni-1", "--to", "10.0.0.2", "--port", port)
    assert found["verdict"] == verdict
    assert found["configuration_seen"] == "2026-01-01T22:00:00Z"
    then = ("--at", "2026-01-01T11:20Z")
    found = run(settings, "--from", "eni-1", "--to", "10.0.0.2", "--port", port, *then)
    assert found["verdict"] == ("passes" if port == "443" else "fails")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "what is to be explained?"),
        (("--from", "eni-1"), "from and to go together"),
        (("--from", "nobody", "--to", "eni-1", "--port", "1"), "pod/NAME"),
        (("--from", "pod/none", "--to", "eni-1", "--port", "1"), "nobody of that name"),
        (("--from", "eni-1", "--to", "eni-2"), "the port of the server"),
        (("--from", "eni-1", "--to", "eni-2", "--port", "70000"), "0 to 65535"),
        (("--from", "eni-1", "--to", "eni-2", "--since", "1h"), "of packets not sent"),
        (("--src", "10.9.9.9", *DAY), "no record fits"),
        (("--row", "/nowhere.json"), "--row"),
        (("--where", "pod"), "FIELD=VALUE"),
        (("--port", "443", "--at", "now", "--since", "1h"), "without since and until"),
    ],
)
def test_what_cannot_be_asked_is_said_with_what_to_do(settings, arguments, says):
    code = 3 if "no record" in says else 2
    assert says in run(settings, *arguments, code=code)


@pytest.mark.parametrize(
    ("ends", "says"),
    [
        (("8.8.8.8", "1.1.1.1"), "neither of the two is one"),
        (("10.0.0.1", "10.0.0.1"), "a host's own packets pass no rule"),
        (("10.0.0.1/24", "eni-2"), "pod/NAME"),
        (("10.0.0.1@", "eni-2"), "pod/NAME"),
        (("eni-1/", "eni-2"), "pod/NAME"),
        (("eni-1", "169.254.169.254"), "the instance metadata service"),
        (("eni-1", "8.8.8.8@vpc-9"), "it lies in none of its ranges"),
    ],
)
def test_ends_between_which_nothing_could_be_told_are_refused(settings, ends, says):
    asked = ("--from", ends[0], "--to", ends[1], "--port", "443")
    assert says in run(settings, *asked, code=2)


@pytest.mark.parametrize(
    "arguments",
    [
        (
            "--from",
            "eni-1",
            "--to",
            "eni-2",
            "--port",
            "1",
            "--at",
            "9999-12-31T23:59Z",
        ),
        ("--src", "10.0.0.1", "--at", "0001-01-01"),
        ("--from", "eni-1", "--to", "eni-2", "--port", "9" * 5000),
        ("--from", "eni-1", "--to", "eni-2", "--port", "443", "--protocol", "icmp"),
    ],
)
def test_numbers_and_times_beyond_all_measure_are_refused(settings, arguments):
    assert "is not allowed" in run(settings, *arguments, code=2)


def test_a_window_may_reach_as_far_as_time_does(settings):
    asked = (
        "--port",
        "443",
        "--since",
        "0001-01-01",
        "--until",
        "9999-12-31T23:59:59Z",
    )
    assert run(settings, *asked)["cause"] == "security_group"


@pytest.mark.parametrize(
    "text",
    ['{"meta":[1],"rows":[1]}', '{"meta":{"parameters":[1]},"rows":[2]}', "[" * 99_999,
     '{"meta":{"window":{"since":5}},"rows":[[]]}'],
)  # fmt: skip
def test_what_is_no_report_s_row_is_refused(text):
    with pytest.raises(UsageError):
        of_row(text, 0)


def test_a_row_of_what_was_accepted_is_explained_as_that(settings, tmp_path):
    lake, file = str(settings.lake_path), tmp_path / "rows.json"
    for report, test in (("records", "action"), ("conversations", "verdict")):
        told = flowlake(
            "--lake", lake, "report", report, *DAY, "--format", "json"
        ).stdout
        file.write_text(told)
        for number, row in enumerate(json.loads(told)["rows"]):
            found = run(settings, "--row", str(file), "--number", str(number))
            wanted = row[test] in ("ACCEPT", "accepted")
            assert (found["verdict"] != "rejected") == wanted, row


def test_what_may_be_over_is_not_taken_as_going_on():
    seen, later = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    times = {
        "valid_until": [None, None, seen],
        "latest": [None, seen, None],
        "last_seen": [seen, seen, seen],
    }
    rows = pa.table(
        {n: pa.array(t, pa.timestamp("us", "UTC")) for n, t in times.items()}
    )
    found = extended(rows, later)["last_seen"].to_pylist()
    assert [t > seen for t in found] == [True, False, False]


def test_an_inventory_that_is_old_is_missing(settings):
    found = run(settings, "--from", "eni-1", "--to", "eni-2", "--port", "22")
    [stale] = found["missing"]
    assert stale["resource"] == "inventory"
    assert "list it again" in stale["why"]
    assert found["not_followed"]


@pytest.mark.parametrize(
    "raw",
    [b'{"Records":[1, "x"]}', b'{"Records":5}',
     b'{"Events":[{"CloudTrailEvent":"[1]"}]}',
     b'{"Records":[{"eventName":"X","userIdentity":"y"}]}'],
)  # fmt: skip
def test_odd_events_of_cloudtrail_are_none(settings, tmp_path, raw):
    (tmp_path / "odd.json").write_bytes(raw)
    asked = ("--port", "443", *DAY, "--cloudtrail", str(tmp_path / "odd.json"))
    assert run(settings, *asked)["changes"][0]["events"] == []


@pytest.mark.parametrize("raw", [b"\x1f\x8bxxxx", b"[" * 99_999])
def test_broken_events_of_cloudtrail_are_said(settings, tmp_path, raw):
    (tmp_path / "odd.json").write_bytes(raw)
    asked = ("--port", "443", *DAY, "--cloudtrail", str(tmp_path / "odd.json"))
    assert "--cloudtrail" in run(settings, *asked, code=2)


def test_rest_says_what_the_command_says(settings, client):
    answer = client.get("/v1/explain", params={**ASKED, "dstport": "443"})
    assert answer.status_code == 200
    told = run(settings, "--port", "443", *DAY)
    found = answer.json()
    assert {**found, "meta": 0} == {**told, "meta": 0}
    query = {"from": "eni-1", "to": "eni-2", "port": 443, "at": "2026-01-01T13:00Z"}
    assert client.get("/v1/explain", params=query).json()["verdict"] == "fails"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 422),
        ({"dstport": "443", "bogus": "1"}, 422),
        ({"from": "eni-1"}, 422),
        ({"from": "eni-1", "to": "??", "port": 1}, 422),
        ({"filter": "nonsense"}, 422),
        ({**ASKED, "src": "10.9.9.9"}, 404),
    ],
)
def test_rest_answers_what_cannot_be_asked_with_a_problem(client, query, status):
    answer = client.get("/v1/explain", params=query)
    assert answer.status_code == status
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    "asked",
    [{"dstport": ["443"]}, {"from": ["eni-1"], "to": ["eni-2"], "port": ["1"]}],
)
def test_what_was_configured_is_for_nobody_with_limits(settings, asked):
    limits = Limits(vpcs=frozenset({"vpc-1"}))
    with Engine(settings) as engine, pytest.raises(UnlimitedOnly):
        explain(engine, asked, now=datetime.now(UTC), limits=limits)


def test_a_person_is_shown_what_decided(settings):
    text = text_of(run(settings, "--port", "443", *DAY))
    for part in ("the log proves:", "tried:", "fails     security groups of the target",
                 "tcp/22 from 10.0.0.1/32: no, other port", "this explains it",
                 "flow logs never show:"):  # fmt: skip
        assert part in text
