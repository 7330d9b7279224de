"""The audit log: who asked what; every request that came to the gate, no secrets."""

import fcntl
import json
import os
import stat
import threading
from contextlib import closing
from datetime import UTC, datetime

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from api.access.audit import MOST, MOST_OF, AuditLog, canonical_query
from api.access.keys import Keys
from api.access.masking import masked
from api.access.principal import Scope
from api.app import create_app
from ingest.job import Ingest, Request
from lake.errors import SettingsError
from lake.settings import load_settings
from queries.limits import UNLIMITED
from tests.lakes import open_lake

NAMES = {
    *("at", "principal", "key_id", "client", "method", "route", "path", "query"),
    *("snapshots", "rows", "status", "bytes", "duration_ms", "request_id"),
}
LOG = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets "
    "bytes start end action log-status\n2 123456789010 eni-1 10.0.0.1 10.0.0.2 1 443 6 "
    "1 40 1767225600 1767225660 REJECT OK\n"
)


def make(settings, *scopes):
    with closing(Keys(settings)) as keys:
        key, _ = keys.create(
            "dash", frozenset(scopes or Scope), limits=UNLIMITED,
            now=datetime.now(UTC), expires=None,
        )  # fmt: skip
    return key


@pytest.fixture
def key(settings):
    return make(settings)


@pytest.fixture
def client(settings, key):
    headers = {"authorization": f"Bearer {key.text}"}
    with TestClient(
        create_app(settings), headers=headers, raise_server_exceptions=False
    ) as opened:
        yield opened


def lines(settings):
    text = (settings.lake_path / "audit.jsonl").read_text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_an_answer_is_noted_with_who_what_and_how_much(settings, client, key, tmp_path):
    (tmp_path / "a.log").write_text(LOG)
    with open_lake(settings) as lake:
        Ingest(lake, Request((str(tmp_path / "a.log"),))).run()
    asked = "until=2026-01-02&since=2026-01-01&by=eni&format=csv"
    answer = client.get(f"/v1/reports/rejected_traffic?{asked}")
    meta = json.loads(answer.headers["flowlake-meta"])
    (line,) = lines(settings)
    assert set(line) == NAMES
    assert datetime.fromisoformat(line["at"]).tzinfo
    assert (line["principal"], line["key_id"]) == ("dash", key.id)
    assert (line["method"], line["status"]) == ("GET", 200)
    assert line["route"] == line["path"] == "/v1/reports/rejected_traffic"
    assert line["query"] == "by=eni&format=csv&since=2026-01-01&until=2026-01-02"
    assert (line["rows"], line["snapshots"]) == (1, [meta["snapshot"]])
    assert line["bytes"] == len(answer.content)
    assert line["duration_ms"] > 0
    assert line["client"] == "testclient"


def test_what_was_refused_or_failed_is_noted_too(settings, client, key, monkeypatch):
    narrow = make(settings, Scope.SQL)
    client.get("/v1/status", headers={"authorization": "Bearer nobody"})
    client.get("/v1/status", headers={"authorization": f"Bearer {narrow.text}"})
    client.head("/v1/reports/nonsense")
    client.get("/v1/reports/top_talkers?limit=x")
    monkeypatch.setattr("api.service.Service.engine", None)  # to ask is a failure now
    client.get("/v1/status")
    found = lines(settings)
    assert [line["status"] for line in found] == [401, 403, 404, 503, 500]
    assert [line["key_id"] for line in found] == [None, narrow.id, *[key.id] * 3]
    assert [line["method"] for line in found] == ["GET", "GET", "HEAD", "GET", "GET"]
    assert "flk_" in found[0]["refused"]
    assert "status" in found[1]["refused"]
    assert all("refused" not in line for line in found[2:])


def test_what_is_public_is_not_noted_nor_anything_where_nobody_is_asked(
    settings, tmp_path
):
    opened = TestClient(create_app(settings))
    for path in ("/healthz", "/docs", "/v1/reports", "/nowhere"):
        opened.get(path)
    assert not settings.lake_path.exists()
    make(settings)
    for path in ("/healthz", "/docs", "/openapi.json", "/nowhere"):
        opened.get(path)
    assert not (settings.lake_path / "audit.jsonl").exists()
    place = tmp_path / "logs" / "who.jsonl"
    told = load_settings(lake=str(tmp_path / "other"), audit=str(place))
    TestClient(create_app(told)).get("/v1/reports")
    line = json.loads(place.read_text())
    assert (line["principal"], line["status"]) == ("local", 200)


def test_a_key_in_the_query_or_a_header_is_never_noted(settings, client, key):
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmVk"  # noqa: S105
    for query in (
        f"api_key={key.text}", f"x={key.text}", f"{key.text}=1", f"a=b{key.text}",
        f"access_token={token}", f"q={token}", f"password={key.secret}",
        f"X-API-Key={key.secret}", f"client_secret={key.secret}",
    ):  # fmt: skip
        client.get(f"/v1/reports/top_talkers?{query}")
    kept = (settings.lake_path / "audit.jsonl").read_text()
    assert kept.count("***") == 9
    assert key.secret not in kept
    assert token not in kept
    assert token.split(".")[1] not in kept


def test_a_key_in_the_path_is_never_noted_nor_logged(settings, client, key):
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmVk"  # noqa: S105
    with structlog.testing.capture_logs() as logged:
        given = {"x-request-id": key.text}
        answer = client.get(f"/v1/reports/{key.text}", headers=given)
        client.get(f"/v1/reports/x{token}")
        client.get(f"/nowhere/{key.text.replace('_', '%5F')}")
    kept = (settings.lake_path / "audit.jsonl").read_text() + str(logged)
    assert [line["path"] for line in lines(settings)] == ["/v1/reports/***"] * 2
    assert key.secret not in kept
    assert token not in kept
    assert key.secret not in answer.headers["x-request-id"]
    assert len(logged) == 3


def test_masking_a_long_text_takes_one_pass():
    assert masked("eyJ" * 100_000) == "eyJ" * 100_000  # of a quadratic one, minutes


def test_lines_cannot_be_forged_nor_steer_a_terminal(settings, client):
    evil = '\n{"at": 1}\r\x1b[31m\u202e\u2028\x7f\x9b'
    client.get("/v1/reports/top_talkers", params={"eni": evil, "x": "\x00"})
    client.get("/v1/reports/a%0Ab%1B%5B31m%E2%80%AE")
    octets = (settings.lake_path / "audit.jsonl").read_bytes()
    assert len(octets.splitlines()) == len(lines(settings)) == 2
    assert all(32 <= octet < 127 for octet in octets if octet != 10)
    assert all(
        value.isprintable()
        for line in lines(settings) for value in line.values() if isinstance(value, str)
    )  # fmt: skip


@given(st.dictionaries(st.text(), st.text() | st.lists(st.text()) | st.integers()))
def test_any_text_makes_one_line_of_plain_json(tmp_path_factory, line):
    place = tmp_path_factory.getbasetemp() / f"audit-{os.getpid()}.jsonl"
    place.unlink(missing_ok=True)
    AuditLog(load_settings(audit=str(place))).write(line)
    octets = place.read_bytes()
    assert octets.count(b"\n") == 1
    assert set(octets) <= {10, *range(32, 127)}
    assert set(json.loads(octets)) == set(line)


def test_a_long_value_is_cut_and_named_and_a_filter_is_kept_whole(settings, client):
    most = MOST_OF["query"]
    client.get(f"/v1/reports/top_talkers?eni={'x' * 20_000}")
    client.get(f"/v1/reports/{'x' * 20_000}")
    client.get("/v1/reports/top_talkers", params={"filter": "= " * 2_000})
    query, path, whole = lines(settings)
    assert (query["query"], query["cut"]) == (f"eni={'x' * (most - 4)}", ["query"])
    assert (len(path["path"]), path["cut"]) == (MOST, ["path"])
    assert whole["query"] == f"filter={'%3D+' * 2_000}"
    assert set(whole) == NAMES


def test_a_query_is_the_same_text_in_any_order_and_spelling():
    one = canonical_query(b"b=2&a=1&b=10&c=&d=10.0.0.0/8")
    assert one == "a=1&b=10&b=2&c=&d=10.0.0.0/8"
    assert one == canonical_query(b"d=10.0.0.0%2F8&c=&b=10&%61=1&b=2")
    assert canonical_query(b"") == ""
    assert canonical_query(b"\xff\xfe=%ff") == canonical_query(b"\xff\xfe=%FF")


def test_the_file_is_private_appended_to_and_may_be_moved_away(settings, client):
    place = settings.lake_path / "audit.jsonl"
    client.get("/v1/reports")
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    client.get("/v1/reports")
    place.rename(place.with_suffix(".1"))
    client.get("/v1/reports")
    assert len(lines(settings)) == 1
    assert len(place.with_suffix(".1").read_text().splitlines()) == 2


def test_writers_at_once_do_not_mix_their_lines(settings):
    settings.lake_path.mkdir()
    log = AuditLog(settings)

    def write(name):
        for number in range(200):
            AuditLog(settings).write({"who": name * 50, "number": number})

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = lines(settings)
    assert len(found) == 800
    assert {line["who"] for line in found} == {name * 50 for name in "abcd"}
    assert log.path == settings.lake_path / "audit.jsonl"


def test_a_log_that_cannot_be_written_is_told_and_the_answer_goes_out(
    settings, client, tmp_path
):
    (settings.lake_path / "audit.jsonl").mkdir()
    with structlog.testing.capture_logs() as logged:
        assert client.get("/v1/reports").status_code == 200
    assert "audit_not_written" in [line["event"] for line in logged]
    with pytest.raises(SettingsError, match="FLOWLAKE_AUDIT"):
        AuditLog(load_settings(audit="/dev/full/x")).check()
    with structlog.testing.capture_logs() as logged:
        AuditLog(load_settings(audit="/dev/full")).write({"a": 1})
    assert "audit_not_written" in [line["event"] for line in logged]


def test_each_line_is_one_write_to_the_end(settings, monkeypatch):
    write, wrote = os.write, []

    def noted(descriptor, text):
        wrote.append(fcntl.fcntl(descriptor, fcntl.F_GETFL))
        return write(descriptor, text)

    monkeypatch.setattr(os, "write", noted)
    AuditLog(settings).write({"a": "b" * 1000})
    assert [flags & os.O_APPEND for flags in wrote] == [os.O_APPEND]


def test_a_request_id_is_taken_over(settings, client):
    client.get("/v1/reports", headers={"x-request-id": "abc-1"})
    assert lines(settings)[0]["request_id"] == "abc-1"


def test_a_hyphen_is_standard_output(capfd):
    log = AuditLog(load_settings(audit="-"))
    log.check()
    log.write({"who": "dashboard"})
    assert capfd.readouterr().out == '{"who": "dashboard"}\n'
