"""Each query that AWS documents has a command of ours, and every one of them runs."""

import json
import re
import shlex
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

import flowlake
from ingest.job import Ingest, Request
from lake.settings import load_settings
from queries.catalogue import load_catalogue
from queries.engine import Engine
from tests.lakes import open_lake

PAGE = (Path(__file__).parents[2] / "docs/aws_queries.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"`(flowlake (?:report|sql) [^`]+)`", PAGE)))
NAMED = (
    *("AcceptedTraffic", "AdminPortTraffic", "IPv4Traffic", "IPv6Traffic"),
    *("RejectedTCPTraffic", "RejectedTraffic", "SshRdpTraffic", "TopTalkers"),
    *("TopTalkersPacketLevel", "TopTalkingInstances", "TopTalkingSubnets"),
    *("TopTCPTraffic", "TotalBytesTransferred", "TotalBytesTransferredPacketLevel"),
    *("TrafficFrmSrcAddr", "TrafficToDstAddr"),
)
SECTIONS = ("Insights", "NAT", "Contributor", "OpenSearch", "Security Lake",
            "Well-Architected", "playbook", "Tailpipe", "SKIPDATA")  # fmt: skip
HEAD = (
    "version account-id interface-id vpc-id subnet-id instance-id srcaddr dstaddr "
    "pkt-srcaddr pkt-dstaddr srcport dstport protocol packets bytes start end "
    "tcp-flags region flow-direction traffic-path action log-status"
)
TALKS = (  # interface, source, destination, source port, port, protocol, action
    ("eni-web", "10.0.1.10", "10.0.2.20", 40000, 443, 6, "ACCEPT"),
    ("eni-web", "10.0.1.10", "198.51.100.7", 40001, 443, 6, "ACCEPT"),
    ("eni-web", "10.0.1.10", "10.0.2.20", 40002, 5432, 6, "ACCEPT"),
    ("eni-db", "10.0.1.10", "10.0.2.20", 40002, 5432, 6, "ACCEPT"),
    ("eni-web", "10.0.1.10", "10.117.3.4", 40003, 53, 17, "ACCEPT"),
    ("eni-web", "10.0.1.10", "198.51.100.7", 0, 0, 47, "ACCEPT"),
    ("eni-web", "2001:db8::2", "2001:db8::1", 40004, 443, 6, "ACCEPT"),
    ("eni-db", "203.0.113.9", "10.0.2.20", 50000, 22, 6, "ACCEPT"),
    ("eni-db", "203.0.113.9", "10.0.2.20", 50001, 3389, 6, "ACCEPT"),
    ("eni-db", "203.0.113.9", "10.0.2.20", 50002, 3389, 6, "REJECT"),
)


def lines(begin):
    """Give records of a few minutes: each talk as its own end has it; and silences."""
    yield HEAD
    for eni, src, dst, srcport, port, protocol, action in TALKS:
        way = "egress 1" if src == "10.0.1.10" and eni == "eni-web" else "ingress -"
        yield (
            f"5 123456789010 {eni} vpc-1 subnet-{eni} i-{eni} {src} {dst} {src} {dst} "
            f"{srcport} {port} {protocol} 20 2000 {begin} {begin + 59} 2 us-east-1 "
            f"{way} {action} OK"
        )
    for status, at in (("NODATA", begin + 60), ("SKIPDATA", begin + 120)):
        yield (
            f"5 123456789010 eni-db vpc-1 subnet-eni-db i-eni-db {'- ' * 9}"
            f"{at} {at + 60} - us-east-1 - - - {status}"
        )


@pytest.fixture(scope="module")
def recent(tmp_path_factory):
    """The engine of a lake of records of three hours ago."""
    begin = datetime.now(UTC).replace(minute=0, second=0) - timedelta(hours=3)
    log = tmp_path_factory.mktemp("logs") / "flows.log"
    log.write_text("\n".join([*lines(int(begin.timestamp())), ""]))
    settings = load_settings(lake=str(tmp_path_factory.mktemp("lake")), workers=1)
    with open_lake(settings) as lake:
        done = Ingest(lake, Request((str(log),))).run()
    assert (done.flows, done.silences, done.quarantined) == (len(TALKS), 2, 0)
    with Engine(settings) as engine, pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "_pin", cache(engine._pin))  # nothing changes any more
        yield engine


def test_every_named_query_of_aws_is_there():
    assert len(NAMED) == 16
    for name in NAMED:
        assert f"VpcFlowLogs{name}" in PAGE
    for section in SECTIONS:
        assert re.search(f"^## .*{section}", PAGE, re.MULTILINE)


def test_every_row_has_a_command():
    rows = [r for r in PAGE.splitlines() if re.match(r"\| (?!AWS |they |view |---)", r)]
    assert len(rows) > 60
    assert [row for row in rows if "`flowlake " not in row] == []


def test_every_report_on_the_page_exists():
    named = set(re.findall(r"flowlake report (\w+)", PAGE))
    assert named <= load_catalogue().keys()


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_answers(line, recent, monkeypatch, capsysbinary):
    _, command, *words = shlex.split(line)
    monkeypatch.setattr("queries.cli.Engine", lambda _: nullcontext(recent))
    monkeypatch.setattr(flowlake, "configure_logging", lambda _: None)
    flowlake.app([command, *words], standalone_mode=False)
    found = json.loads(capsysbinary.readouterr().out)
    rows = found["rows"] if command == "report" else found
    assert rows or "nat_traffic" in words
