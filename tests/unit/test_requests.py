"""Every request has an id, every failure one shape, every answer safe headers."""

import gzip
import json
import re
from typing import Any

import pytest
import structlog
from fastapi import Response
from pydantic import BaseModel
from starlette.testclient import TestClient

from api.app import create_app
from api.bodies import WORTH_IT
from api.problems import MEDIA_TYPE, REFUSALS, STATUSES, known_problems
from api.requests import SAFE_HEADERS
from lake import errors
from lake.settings import load_settings

MOST = 2048
JSON = {"content-type": "application/json"}
RAISED = {
    "bad-cursor": errors.BadCursor("is none"),
    "cursor-expired": errors.CursorExpired("is older than a day"),
    "too-many-requests": errors.TooManyRequests(7),
    "service-busy": errors.ServiceBusy("64 questions wait already", 9),
    "query-timeout": errors.QueryTimeout("stopped"),
    "lake-error": errors.BadDataFile("of two days"),
    "result-too-large": errors.ResultTooLarge("too many rows"),
    "snapshot-gone": errors.SnapshotGone("flows", 7),
    "filter-error": errors.FilterError("dst_port = ", 11, "a number"),
}


class Wanted(BaseModel):
    sql: str
    limits: dict[str, int] = {}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """The service without a lake, and with routes that fail in every way."""
    nowhere = str(tmp_path_factory.mktemp("none") / "lake")
    app = create_app(load_settings(lake=nowhere, max_body_bytes=MOST))

    @app.post("/echo")
    def echo(wanted: Wanted) -> Wanted:
        return wanted

    @app.get("/fails")
    def fails():
        structlog.get_logger().info("about_to_fail")
        raise RuntimeError("a secret path")

    @app.get("/fails/ours")
    def fails_with_ours():
        raise errors.SourceDenied("s3://a-secret-place")

    @app.get("/raises/{kind}")
    def raises(kind: str, says: str = ""):
        raise errors.QueryError(says) if says else RAISED[kind]

    @app.get("/long/{media_type:path}")
    def long(media_type: str):
        return Response(b"a" * 2 * WORTH_IT, media_type=media_type)

    with TestClient(app, raise_server_exceptions=False) as opened:
        yield opened


def chunks():
    for _ in range(4):
        yield b" " * MOST


FAILURES: dict[str, tuple[str, str, dict[str, Any], int, str]] = {
    "host": ("GET", "http://127.0.0.1/", {"headers": {"host": "evil.example"}}, 421,
             "misdirected-request"),
    "path": ("GET", "/nowhere", {}, 404, "not-found"),
    "slash": ("GET", "/v1/reports/", {}, 404, "not-found"),
    "report": ("GET", "/v1/reports/nonsense", {}, 404, "unknown-report"),
    "method": ("POST", "/v1/reports", {}, 405, "method-not-allowed"),
    "verb": ("BREW", "/v1/identities", {}, 405, "method-not-allowed"),
    "accept": ("GET", "/v1/reports/top_talkers",
               {"headers": {"accept": "image/png"}}, 406, "not-acceptable"),
    "large": ("POST", "/echo", {"content": b" " * (MOST + 1), "headers": JSON}, 413,
              "content-too-large"),
    "growing": ("POST", "/echo", {"content": chunks(), "headers": JSON}, 413,
                "content-too-large"),
    "media type": ("POST", "/echo",
                   {"content": b"sql", "headers": {"content-type": "text/plain"}}, 415,
                   "unsupported-media-type"),
    "no JSON": ("POST", "/echo", {"content": b'{"sql": ', "headers": JSON}, 400,
                "malformed-request"),
    "no text": ("POST", "/echo", {"content": b'{"sql": "\xff"}', "headers": JSON}, 400,
                "malformed-request"),
    "deep": ("POST", "/echo", {"content": b"[" * MOST, "headers": JSON}, 400,
             "malformed-request"),
    "body": ("POST", "/echo", {"json": {"limits": {"a/b": "x"}}}, 422,
             "bad-parameter"),
    "no body": ("POST", "/echo", {}, 422, "bad-parameter"),
    "missing": ("GET", "/v1/identities", {}, 422, "bad-parameter"),
    "value": ("GET", "/v1/identities?address=10.0.0.300", {}, 422, "bad-parameter"),
    "unknown": ("GET", "/v1/identities?address=::1&colour=red", {}, 422,
                "bad-parameter"),
    "twice": ("GET", "/v1/identities?address=::1&address=::2", {}, 422,
              "bad-parameter"),
    "time": ("GET", "/v1/identities?address=::1&at=noon", {}, 422, "bad-parameter"),
    "none here": ("GET", "/v1/reports?colour=red", {}, 422, "bad-parameter"),
    "none of a status": ("GET", "/v1/status?since=24h", {}, 422, "bad-parameter"),
    "lake": ("GET", "/v1/status", {}, 503, "lake-missing"),
    "fault": ("GET", "/fails", {}, 500, "unexpected-failure"),
    "our fault": ("GET", "/fails/ours", {}, 500, "unexpected-failure"),
    **{
        kind: ("GET", f"/raises/{kind}", {}, status, kind)
        for kind, status in {
            "bad-cursor": 400, "cursor-expired": 410, "too-many-requests": 429,
            "service-busy": 503, "query-timeout": 504, "lake-error": 503,
            "result-too-large": 422, "snapshot-gone": 410, "filter-error": 422,
        }.items()
    },
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_every_failure_is_a_problem_of_one_shape(client, name):
    method, path, more, status, kind = FAILURES[name]
    headers = {**more.get("headers", {}), "x-request-id": "ticket-17"}
    response = client.request(method, path, **{**more, "headers": headers})
    body = response.json()
    assert response.status_code == body["status"] == status
    assert response.headers["content-type"] == MEDIA_TYPE
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-request-id"] == body["instance"] == "ticket-17"
    assert body["type"] == f"/docs#{kind}"
    assert body["title"]
    assert body["detail"]
    assert "secret" not in response.text
    if status in (429, 503):
        assert int(response.headers["retry-after"]) > 0
    if status == 422 and not path.startswith("/raises"):
        for error in body["errors"]:
            assert set(error) - {"parameter", "pointer"} == {"value", "allowed"}


def test_every_kind_of_problem_was_walked_and_has_an_entry_in_the_docs(client):
    page = client.get("/docs").text
    kinds = {kind for kind, *_ in known_problems()}
    assert all(f"<tr id='{kind}'>" in page for kind in kinds)
    walked = {kind for *_, kind in FAILURES.values()}
    # Those of keys and tokens are walked beside the gate, those of SQL beside its
    # process, what users bring and what explains beside that; the last is a root.
    assert kinds - walked == {
        "not-authenticated",
        "scope-missing",
        "limits-missing",
        "unlimited-only",
        "access-unavailable",
        "not-brought",
        "nothing-to-explain",
        "sql-disabled",
        "sql-refused",
        "memory-exceeded",
        "query-error",
    }
    assert {*REFUSALS, *STATUSES.values()} >= {s for *_, s, _ in FAILURES.values()}


def test_what_is_wrong_is_named_by_parameter_or_by_pointer(client):
    body = client.post("/echo", json={"limits": {"a/b": "x"}}).json()
    assert [e["pointer"] for e in body["errors"]] == ["#/sql", "#/limits/a~1b"]
    body = client.get("/v1/identities?colour=red").json()
    assert {e["parameter"] for e in body["errors"]} == {"address", "colour"}
    assert "address: Field required" in body["detail"]


LONG = "x" * 60_000


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"/v1/reports/{LONG}", None),
        (f"/v1/reports?{LONG}=1", None),
        (f"/v1/reports?since={LONG}", None),
        (f"/v1/identities?address={LONG}", None),
        (f"/v1/identities?address=::1&at=2h&{LONG}=1", None),
        (f"/v1/identities?{'&'.join(f'x{n}=1' for n in range(6_000))}", None),
        (f"/raises/query-error?says={LONG}", None),
        ("/echo", {"sql": [LONG[:1000]]}),
        ("/echo", {"sql": "", "limits": {LONG[:1000]: "x"}}),
    ],
)
def test_no_problem_repeats_all_that_was_sent(client, path, body):
    response = client.post(path, json=body) if body else client.get(path)
    assert 400 <= response.status_code < 500
    assert "errors" not in response.json() or response.json()["errors"][0]["allowed"]
    assert len(response.content) < 6_000


def test_a_long_value_is_cut_and_what_to_do_is_still_told():
    told = str(errors.BadParameter("since", LONG, "a time such as 24h"))
    assert told == f"since='{LONG[:200]}…' is not allowed: a time such as 24h"
    said = str(errors.UnknownReport(LONG, ["records"]))
    assert said == f"no report is called '{LONG[:200]}…': try records"


def test_a_method_that_is_not_allowed_is_told_which_are(client):
    assert client.post("/v1/reports").headers["allow"] == "GET, HEAD"
    assert client.get("/echo").headers["allow"] == "POST"


@pytest.mark.parametrize("given", ["a", "Trace-1.2_3", "x" * 128])
def test_a_sane_id_of_the_client_is_kept(client, given):
    response = client.get("/healthz", headers={"x-request-id": given})
    assert response.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a\tb", "\u00e9", "<script>"])
def test_any_other_is_replaced(client, given):
    headers = {"x-request-id": given.encode()}
    found = client.get("/healthz", headers=headers).headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", found)


def test_two_requests_have_two_ids(client):
    ids = {client.get("/healthz").headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


@pytest.fixture
def logged():
    """What is logged, line by line."""
    merge = structlog.contextvars.merge_contextvars
    config = structlog.get_config()
    lines = []

    def keep(logger, method, event):
        lines.append(dict(event))
        raise structlog.DropEvent

    structlog.configure(processors=[merge, keep])
    yield lines
    structlog.configure(**config)


def test_what_is_logged_of_a_request_has_its_id_and_no_other_has(client, logged):
    client.get("/fails", headers={"x-request-id": "ticket-17"})
    structlog.get_logger().info("outside")
    assert [(line["event"], line.get("request_id")) for line in logged] == [
        ("about_to_fail", "ticket-17"),
        ("request_failed", "ticket-17"),
        ("request_answered", "ticket-17"),
        ("outside", None),
    ]
    assert logged[2]["status"] == 500


def test_a_fault_is_logged_whole_and_told_by_its_number_alone(client, logged):
    for path in ("/fails", "/fails/ours"):
        told = client.get(path).json()
        (failed,) = (line for line in logged if line["event"] == "request_failed")
        assert failed["exc_info"]
        assert told["instance"] == failed["request_id"]
        assert told["instance"] in told["detail"]
        logged.clear()


@pytest.mark.parametrize("path", ["/healthz", "/docs", "/nowhere", "/fails"])
def test_every_answer_has_safe_headers_and_no_banner(client, path):
    headers = client.get(path).headers
    for name, value in SAFE_HEADERS.items():
        assert headers[name].startswith(value.split(";")[0])
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "server" not in headers


def test_a_body_as_large_as_is_taken_is_taken(client):
    body = json.dumps({"sql": "SELECT 1"}).ljust(MOST).encode()
    response = client.post("/echo", content=body, headers=JSON)
    assert response.json() == {"sql": "SELECT 1", "limits": {}}


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0, *", False),
        ("gzip;q=0", False),
        ("*;q=0, gzip", True),
        ("identity", False),
        ("", False),
        ("gzipped", False),
    ],
)
def test_answers_are_compressed_for_those_who_take_gzip(client, accepted, compressed):
    headers = {"accept-encoding": accepted}
    with client.stream("GET", "/long/text/csv", headers=headers) as response:
        body = b"".join(response.iter_raw())
    assert (response.headers.get("content-encoding") == "gzip") == compressed
    assert response.headers["vary"] == "Accept-Encoding"
    assert int(response.headers["content-length"]) == len(body)
    assert (gzip.decompress(body) if compressed else body) == b"a" * 2 * WORTH_IT


def test_what_is_small_or_packed_already_is_not_compressed(client):
    for path in ("/healthz", "/long/application/vnd.apache.parquet"):
        response = client.get(path, headers={"accept-encoding": "gzip"})
        assert "content-encoding" not in response.headers
