"""The REST service: the same answers as the engine, in one shape of errors."""

import base64
import hashlib
import io
import json
import re
from datetime import UTC, datetime
from html import unescape

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

import api.reports
from api.app import create_app
from api.negotiate import choose_format
from api.problems import MEDIA_TYPE, STATUSES
from ingest.job import Ingest, Request
from lake import errors
from lake.catalog import Lake
from lake.settings import load_settings
from lake.tables import FLOWS
from queries.answers import META_NAMES
from queries.catalogue import load_catalogue
from tests.lakes import open_lake

WINDOW = {"since": "2026-01-01", "until": "2026-01-02"}
IN_WINDOW = (
    pl.col("start_time") >= datetime(2026, 1, 1, tzinfo=UTC),
    pl.col("start_time") < datetime(2026, 1, 2, tzinfo=UTC),
)


@pytest.fixture(scope="module")
def client(answered):
    app = create_app(answered)
    with TestClient(app, raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def flows(answered):
    with Lake(answered) as lake:
        return pl.from_arrow(lake.load(FLOWS).scan().to_arrow())


def rejected(client, **params):
    return client.get("/v1/reports/rejected_traffic", params={**WINDOW, **params})


def test_the_answer_is_what_another_engine_computes(client, flows):
    asked = {"by": "address", "ports": "together", "limit": 10_000}
    body = rejected(client, **asked).json()
    answers = pl.col("initiator").eq("dst").fill_null(value=False)
    ends = {
        "client": pl.when(answers).then("dst_address").otherwise("src_address"),
        "server": pl.when(answers).then("src_address").otherwise("dst_address"),
    }
    refused = pl.col("action") == "REJECT", pl.col("counted").fill_null(value=True)
    theirs = (
        flows.filter(*refused, *IN_WINDOW)
        .group_by(**ends, protocol="protocol", reject_cause="reject_cause")
        .agg(pl.len(), pl.col("bytes").sum())
    )
    assert {
        (r["client"], r["server"], r["protocol"], r["reject_cause"], r["records"],
         r["bytes"] or 0)
        for r in body["rows"]
    } == set(theirs.iter_rows())  # fmt: skip
    assert len(body["rows"]) > 10


def test_meta_names_what_the_answer_was_computed_from(client, answered):
    meta = rejected(client).json()["meta"]
    with Lake(answered) as lake:
        head = lake.load(FLOWS).current_snapshot()
    assert head
    assert meta["snapshot"] == str(head.snapshot_id)
    assert meta["table"] == "flows"
    assert meta["window"] == {
        "since": "2026-01-01T00:00:00Z",
        "until": "2026-01-02T00:00:00Z",
    }
    assert meta["data_through"].endswith("Z")
    assert 0 < meta["completeness"]["share"] <= 1
    assert meta["completeness"]["unsettled"] == 0
    assert meta["completeness"]["skipdata"] > 0
    assert {"attributed", "files", "rows_read", "elapsed_ms", "warnings"} <= set(meta)


@pytest.mark.parametrize(
    ("asked", "media_type", "read"),
    [
        ("csv", "text/csv; charset=utf-8", lambda b: pl.read_csv(b).height),
        ("ndjson", "application/x-ndjson", lambda b: pl.read_ndjson(b).height),
        (
            "arrow",
            "application/vnd.apache.arrow.stream",
            lambda b: pa.ipc.open_stream(b).read_all().num_rows,
        ),
        (
            "parquet",
            "application/vnd.apache.parquet",
            lambda b: pq.read_table(io.BytesIO(b)).num_rows,
        ),
    ],
)
def test_every_format_has_the_same_rows_and_its_meta(client, asked, media_type, read):
    rows = rejected(client, limit=7).json()["rows"]
    by_parameter = rejected(client, limit=7, format=asked)
    by_header = client.get(
        "/v1/reports/rejected_traffic",
        params={**WINDOW, "limit": 7},
        headers={"accept": media_type.split(";")[0]},
    )
    for response in (by_parameter, by_header):
        assert response.headers["content-type"] == media_type
        assert read(response.content) == len(rows) == 7
    if asked in ("csv", "ndjson"):
        told = json.loads(by_parameter.headers["flowlake-meta"])
        assert told["report"] == "rejected_traffic"


@pytest.mark.parametrize(
    ("accept", "name"),
    [
        ("", "json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "json"),
        ("text/csv;q=0.5, application/json;q=0.4", "csv"),
        ("application/json;q=0, text/csv", "csv"),
        ("application/jsonl", "ndjson"),
        ("text/*", "csv"),
        ("application/json;q=0, */*", "csv"),
        ("*/*, application/json;q=0", "csv"),
        ("application/*;q=0, */*", "csv"),
        ("*/*;q=0, text/csv", "csv"),
        ("application/json;q=0, application/*", "ndjson"),
        ("text/csv;q=2, application/json", "json"),
        ("text/csv;q=nan, application/json;q=0.1", "json"),
        ("application/json; Q=0.1, text/csv;q=0.2", "csv"),
        ("*/*;q=0.1, application/vnd.apache.parquet", "parquet"),
    ],
)
def test_the_most_wanted_format_that_can_be_written_is_chosen(accept, name):
    assert choose_format([], accept).name == name


def test_the_media_type_sent_is_the_one_asked_for(client):
    headers = {"accept": "application/jsonl, application/x-ndjson;q=0"}
    response = client.get("/v1/reports/top_talkers", headers=headers)
    assert response.headers["content-type"] == "application/jsonl"


@pytest.mark.parametrize("accept", ["image/png", "*/*;q=0", "application/json;q=0"])
def test_nothing_acceptable_is_406(client, accept):
    response = client.get("/v1/reports/top_talkers", headers={"accept": accept})
    assert response.status_code == 406


@pytest.mark.parametrize(
    "path",
    ["/healthz", "/readyz", "/v1/status", "/v1/reports", "/docs", "/openapi.json",
     "/v1/reports/rejected_traffic?since=2026-01-01&until=2026-01-02"],
)  # fmt: skip
def test_head_answers_as_get_without_a_body(client, path):
    got, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "etag", "vary"):
        assert head.headers.get(name) == got.headers.get(name)
    assert int(head.headers["content-length"]) == pytest.approx(
        int(got.headers["content-length"]), abs=20
    )


def test_head_of_a_wrong_question_has_its_status_and_others_are_told(client):
    assert client.head("/v1/reports/nonsense").status_code == 404
    assert client.head("/v1/reports/top_talkers?limit=x").status_code == 422
    refused = client.post("/v1/reports")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


def test_an_unchanged_answer_is_not_computed_again(client, monkeypatch):
    first = rejected(client)
    monkeypatch.setattr(api.reports, "answer", None)  # to compute would now fail
    again = client.get(
        "/v1/reports/rejected_traffic",
        params=WINDOW,
        headers={"if-none-match": first.headers["etag"]},
    )
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"] == first.headers["etag"]


def test_an_answer_is_kept_by_its_caller_alone_and_asked_for_again(client):
    headers = rejected(client).headers
    assert re.fullmatch('W/"[0-9a-f]{32}-0-json"', headers["etag"])
    assert headers["cache-control"] == "private, no-cache"
    assert headers["vary"] == "Accept, Authorization, X-API-Key, Accept-Encoding"


@pytest.mark.parametrize("given", ["{0}", "{1}", '"a", {0}', 'W/"b",{1}', "*"])
def test_a_tag_is_compared_as_rfc_9110_says(client, given):
    etag = rejected(client).headers["etag"]
    headers = {"if-none-match": given.format(etag, etag.removeprefix("W/"))}
    path = "/v1/reports/rejected_traffic"
    for coding in ("gzip", "identity"):
        sent = {**headers, "accept-encoding": coding}
        again = client.get(path, params=WINDOW, headers=sent)
        assert (again.status_code, again.headers["etag"]) == (304, etag)
    headers = {"if-none-match": given.format('"c"', '"d"')}
    again = client.get(path, params=WINDOW, headers=headers)
    assert again.status_code == (304 if given == "*" else 200)


def test_the_etag_names_the_question_the_format_and_the_lake(tmp_path):
    line = (
        "version account-id interface-id srcaddr dstaddr srcport dstport protocol "
        "packets bytes start end action log-status\n2 123456789010 eni-1 10.0.0.1 "
        "10.0.0.2 1 443 6 1 40 {} 1767225660 REJECT OK\n"
    )
    settings = load_settings(lake=str(tmp_path / "lake"))
    source = tmp_path / "logs"
    source.mkdir()

    def ingest(name, start):
        (source / name).write_text(line.format(start))
        with open_lake(settings) as lake:
            Ingest(lake, Request((str(source),))).run()

    ingest("one.log", 1767225600)
    with TestClient(create_app(settings)) as client:
        one = rejected(client)
        assert rejected(client).headers["etag"] == one.headers["etag"]
        assert rejected(client, by="vpc").headers["etag"] != one.headers["etag"]
        assert rejected(client, format="csv").headers["etag"] != one.headers["etag"]
        ingest("two.log", 1767225601)
        two = rejected(client)
        assert two.headers["etag"] != one.headers["etag"]
        assert (one.json()["rows"][0]["records"], two.json()["rows"][0]["records"]) == (
            1,
            2,
        )


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/v1/reports/nonsense", 404, "unknown-report"),
        ("/v1/reports/rejected_traffic?by=colour", 422, "bad-parameter"),
        ("/v1/reports/rejected_traffic?colour=red", 422, "bad-parameter"),
        ("/v1/reports/rejected_traffic?since=yesterday-ish", 422, "bad-parameter"),
        ("/v1/reports/rejected_traffic?since=now&until=2020-01-01", 422, None),
        ("/v1/reports/rejected_traffic?address=10.0.0.300", 422, "bad-parameter"),
        ("/v1/reports/rejected_traffic?limit=1000000", 422, "bad-parameter"),
        ("/v1/reports/rejected_traffic?limit=-1", 422, "bad-parameter"),
        ("/v1/reports/rejected_traffic?limit=1&limit=2", 422, "bad-parameter"),
        ("/v1/reports/rejected_traffic?format=xml", 422, "bad-parameter"),
        ("/v1/reports/rejected_traffic?format=csv&format=json", 422, "bad-parameter"),
        ("/v1/reports/rejected_traffic?port=70000", 422, "bad-parameter"),
        ("/v1/reports/rejected_traffic?port=443&port=-1", 422, "bad-parameter"),
        ("/v1/reports/rejected_traffic?protocol=999", 422, "bad-parameter"),
        ("/v1/reports/rejected_traffic?limit=1_0", 422, "bad-parameter"),
        ("/v1/reports/rejected_traffic?limit=%2B1", 422, "bad-parameter"),
        ("/v1/reports/rejected_traffic?limit=%201", 422, "bad-parameter"),
        ("/v1/reports/rejected_traffic?limit=\u0661\u0662", 422, "bad-parameter"),
        ("/v1/reports/rejected_traffic?since=\u0662\u0664h", 422, "bad-parameter"),
        ("/v1/reports/rejected_traffic?since=999999999d", 422, "bad-parameter"),
        ("/v1/reports/rejected_traffic?since=999999d", 422, "bad-parameter"),
        ("/v1/reports/rejected_traffic?since=0001-01-01T00:00%2B14:00", 422, None),
        ("/v1/reports/rejected_traffic?until=9999-12-31T23:00-05:00", 422, None),
        ("/nowhere", 404, None),
    ],
)
def test_a_wrong_question_is_a_problem_that_says_what_would_be_right(
    client, path, status, kind
):
    response = client.get(path)
    body = response.json()
    assert response.status_code == body["status"] == status
    assert response.headers["content-type"] == MEDIA_TYPE
    assert body["title"]
    if kind:
        assert body["type"] == f"/docs#{kind}"
        assert f"id='{kind}'" in client.get("/docs").text
    if status == 422:
        assert body["errors"][0]["allowed"]


def test_a_format_that_cannot_be_written_is_406(client):
    headers = {"accept": "image/png"}
    response = client.get("/v1/reports/rejected_traffic", headers=headers)
    assert response.status_code == 406
    assert response.headers["content-type"] == MEDIA_TYPE
    assert client.post("/v1/reports").status_code == 405


def test_an_unexpected_failure_does_not_tell_its_text(client, monkeypatch):
    def fail(*args, **more):
        raise RuntimeError("a secret path")

    monkeypatch.setattr(api.reports, "answer", fail)
    response = rejected(client)
    assert response.status_code == 500
    assert response.headers["content-type"] == MEDIA_TYPE
    assert "secret" not in response.text


def test_text_from_the_outside_is_bound_and_never_run(client):
    evil = "x' OR 1=1; DROP TABLE flows; --"
    assert rejected(client, eni=evil).json()["rows"] == []
    assert rejected(client).json()["rows"]


def test_a_lake_that_is_not_there_yet_is_503_until_it_is(tmp_path):
    settings = load_settings(lake=str(tmp_path / "lake"))
    with TestClient(create_app(settings)) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        waiting = client.get("/readyz")
        assert waiting.status_code == 503
        assert waiting.json()["type"] == "/docs#lake-missing"
        assert waiting.headers["retry-after"]
        open_lake(settings).close()
        assert client.get("/readyz").json() == {"status": "ready"}


def test_the_catalogue_the_openapi_document_and_the_docs_agree(client):
    listed = client.get("/v1/reports").json()["reports"]
    assert [r["name"] for r in listed] == sorted(load_catalogue())
    paths = client.get("/openapi.json").json()["paths"]
    page = client.get("/docs").text
    for report in listed:
        told = paths[report["href"]]["get"]["parameters"]
        own = {p["name"] for p in report["parameters"]}
        assert {p["name"] for p in told} >= {*own, "format"}
        assert {p["name"] for p in told} <= {*own, "last", "cursor", "format"}
        assert f"GET {report['href']}" in page


def test_the_start_leads_to_the_documentation(client):
    assert client.get("/").url.path == "/docs"


def test_meta_has_the_same_documented_names_everywhere(client):
    meta = rejected(client).json()["meta"]
    assert set(meta) == {*META_NAMES, "next"}
    assert set(
        json.loads(rejected(client, format="csv").headers["flowlake-meta"])
    ) == set(meta)
    for kind, read in (
        ("arrow", lambda b: pa.ipc.open_stream(b).schema),
        ("parquet", lambda b: pq.read_schema(io.BytesIO(b))),
    ):
        schema = read(rejected(client, format=kind).content)
        assert set(json.loads(schema.metadata[b"flowlake.meta"])) == set(meta)
    page = client.get("/docs").text
    assert all(f"<td>{name}" in page for name in META_NAMES)


def test_the_docs_load_nothing_from_elsewhere(client):
    response = client.get("/docs")
    page = response.text.replace("http://testserver/", "")
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page
    policy = response.headers["content-security-policy"]
    style = page.split("<style>")[1].split("</style>")[0].encode()
    digest = base64.b64encode(hashlib.sha256(style).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert " style=" not in page


def test_the_docs_lead_to_all_their_chapters_and_show_commands(client):
    page = client.get("/docs").text
    targets = re.findall("<a href='#([a-z]+)'>", page)
    assert {"authentication", "questions", "paging", "formats", "limits"} <= set(
        targets
    )
    assert all(f"<h2 id='{target}'>" in page for target in targets)
    paths = re.findall(r"curl '[^']*/(v1/[^']*)'", page)
    assert len(paths) > 4
    for path in paths:
        asked = client.get(f"/{unescape(path)}")
        is_of_records = "explain?src=" in path  # which this lake has none of
        assert asked.status_code == (404 if is_of_records else 200), asked.text
    (filter_,) = re.findall("'filter=([^']*)'", page)
    asked = client.get("/v1/reports/accepted_traffic", params={"filter": filter_})
    assert asked.status_code == 200, asked.text


def test_status_says_what_the_lake_holds(client, flows):
    body = client.get("/v1/status").json()
    assert body["tables"]["flows"]["rows"] == flows.height
    assert body["objects"]["quarantined_whole"] == 1
    assert sum(body["quarantine"].values()) == 1
    assert set(body["followers"].values()) == {0}


def test_every_error_of_a_query_or_the_lake_has_a_status():
    kinds = [errors.QueryError, errors.LakeError]
    while kinds:
        kind = kinds.pop()
        assert any(base in STATUSES for base in kind.__mro__), kind
        kinds.extend(kind.__subclasses__())
