"""What a run tells of itself: its last log line, its metrics, its traces."""

import threading
from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import typer
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from structlog.testing import capture_logs

import flowlake
from api.app import create_app
from ingest.job import Ingest, Request
from lake.errors import LakeError
from lake.settings import load_settings
from lake.signals import listed, traces
from lake.signals.exposed import _place_and_who
from lake.signals.metrics import METRICS
from lake.signals.run import note, run_of, tell
from tests.lakes import open_lake

LINE = (
    "2 123456789010 eni-1 10.0.0.1 10.0.0.2 49152 443 6 10 840 1767225600 1767225659 "
    "ACCEPT OK\n"
)


def families(text):
    return {family.name: family for family in text_string_to_metric_families(text)}


def samples(path):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families(path.read_text()).values()
        for sample in family.samples
    }


@contextmanager
def listening(status=200):
    """Take what is sent; give the place and what came: (method, path, body)."""
    came = []

    class Handler(BaseHTTPRequestHandler):
        def _take(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came.append((self.command, self.path, body))
            self.send_response(status)
            self.end_headers()

        do_POST = do_PUT = _take  # as the library calls them

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", came
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ended_by(error):
    return nullcontext() if error is None else pytest.raises(type(error))


def raise_if(error):
    if error is not None:
        raise error


def ended(logs):
    (line,) = [line for line in logs if line["event"] == "run_ended"]
    return line


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 0),
        (typer.Exit(1), 1),
        (typer.Exit(0), 0),
        (LakeError("gone"), 3),
        (ValueError("unforeseen"), 3),
        (KeyboardInterrupt(), 130),
        (SystemExit(2), 2),
    ],
)
def test_a_run_ends_with_one_line_that_says_how(error, code):
    with capture_logs() as logs, ended_by(error), run_of("ingest"):
        note(objects=3)
        raise_if(error)
    line = ended(logs)
    assert (line["command"], line["exit_code"], line["objects"]) == ("ingest", code, 3)
    with capture_logs() as logs:
        note(objects=4)
        tell("flowlake_run_exit_code", 4)
    assert logs == []


@pytest.mark.parametrize("error", [LakeError("gone"), MemoryError()], ids=repr)
def test_a_run_that_fails_keeps_when_the_last_one_did_its_work(
    tmp_path, monkeypatch, error
):
    monkeypatch.setenv("FLOWLAKE_METRICS_DIR", str(tmp_path))
    file = tmp_path / "flowlake_flowlake_ingest.prom"
    labels = (("command", "ingest"), ("lake", "flowlake"))
    with run_of("ingest"):
        tell("flowlake_ingest_lag_seconds", 30, "0.95")
    first = samples(file)
    with pytest.raises(type(error)), run_of("ingest"):
        raise error
    second = samples(file)
    succeeded = ("flowlake_run_succeeded_timestamp_seconds", labels)
    assert second[succeeded] == first[succeeded]
    assert second["flowlake_run_exit_code", labels] == 3
    lag = ("flowlake_ingest_lag_seconds", (*labels, ("quantile", "0.95")))
    assert second[lag] == 30
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_a_file_that_is_no_metrics_is_replaced_and_said(tmp_path, monkeypatch):
    monkeypatch.setenv("FLOWLAKE_METRICS_DIR", str(tmp_path))
    file = tmp_path / "flowlake_flowlake_gc.prom"
    file.write_text("flowlake_ingest_lag_seconds{ nonsense\n")
    with capture_logs() as logs, run_of("gc"):
        pass
    assert "metrics_not_understood" in {line["event"] for line in logs}
    assert (
        samples(file)[
            "flowlake_run_exit_code", (("command", "gc"), ("lake", "flowlake"))
        ]
        == 0
    )


@pytest.mark.parametrize("status", [200, 500])
def test_metrics_are_pushed_and_a_gateway_that_fails_fails_no_run(status, monkeypatch):
    with listening(status) as (place, came), capture_logs() as logs:
        monkeypatch.setenv("FLOWLAKE_PUSHGATEWAY", place)
        with run_of("settle"):
            pass
    ((method, path, body),) = came
    assert method == "POST"
    assert path == "/metrics/job/flowlake/command/settle/lake/flowlake"
    assert b"flowlake_run_exit_code 0.0" in body
    failed = "metrics_not_pushed" in {line["event"] for line in logs}
    assert failed == (status == 500)
    assert ended(logs)["exit_code"] == 0


@pytest.mark.parametrize(
    "gateway",
    ["http://u:wrong@127.0.0.1", "http://u:w/x@127.0.0.1", "http://h:port", "u:w@[h"],
)
def test_a_gateway_whose_url_is_none_fails_no_run(gateway, monkeypatch):
    monkeypatch.setenv("FLOWLAKE_PUSHGATEWAY", gateway)
    with capture_logs() as logs, run_of("settle"):
        pass
    assert "metrics_not_pushed" in {line["event"] for line in logs}


def test_a_gateway_is_given_the_password_of_its_url():
    place = "http://prometheus:9091/at"
    assert _place_and_who(place) == (place,)
    assert _place_and_who("http://me:a%2Fb@prometheus:9091/at") == (place, "me", "a/b")


def test_a_folder_that_cannot_be_written_fails_no_run(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FLOWLAKE_METRICS_DIR", str(tmp_path / "file"))
    with capture_logs() as logs, run_of("gc"):
        pass
    assert "metrics_not_written" in {line["event"] for line in logs}


def spans_of(came):
    """Return the spans that were sent."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTraceServiceRequest,
    )

    assert all(path == "/v1/traces" for _, path, _ in came)
    return [
        span
        for _, _, body in came
        for part in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in part.scope_spans
        for span in scope.spans
    ]


def test_a_request_is_a_span_of_its_callers_trace(settings, monkeypatch):
    caller = "4bf92f3577b34da6a3ce929d0e0e4736"
    with listening() as (place, came):
        monkeypatch.setenv("FLOWLAKE_TRACES", "true")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", place)
        with TestClient(create_app(settings)) as client:
            assert traces.start()
            headers = {"traceparent": f"00-{caller}-00f067aa0ba902b7-01"}
            client.get("/v1/reports/made-up?since=10.0.0.1", headers=headers)
            client.get("/healthz")
            traces.stop()
    first, second = spans_of(came)
    assert (first.name, first.trace_id.hex()) == ("GET /v1/reports/{name}", caller)
    assert (second.name, second.trace_id.hex() == caller) == ("GET /healthz", False)
    assert b"made-up" not in b"".join(body for _, _, body in came)


def test_steps_of_a_run_are_one_trace_whose_id_is_the_runs(tmp_path, monkeypatch):
    source = tmp_path / "log.txt"
    source.write_text(
        "version account-id interface-id srcaddr dstaddr srcport dstport protocol "
        f"packets bytes start end action log-status\n{LINE}"
    )
    settings = load_settings(lake=str(tmp_path / "lake"))
    with (
        listening() as (place, came),
        capture_logs() as logs,
        open_lake(settings) as lake,
    ):
        monkeypatch.setenv("FLOWLAKE_TRACES", "true")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", place)
        with run_of("ingest") as run:
            Ingest(lake, Request((str(source),))).run()
    spans = spans_of(came)
    assert {span.trace_id.hex() for span in spans} == {run.id}
    names = {span.name for span in spans}
    assert names >= {"flowlake ingest", "plan", "batch", "commit", "follow", "roll_up"}
    assert ended(logs)["commits"]["landed"] == sum(s.name == "commit" for s in spans)
    assert traces.start() is True  # a later run may be traced again
    traces.stop()


def test_without_the_setting_nothing_is_traced(monkeypatch):
    with listening() as (place, came):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", place)
        with run_of("ingest"), traces.span("step") as span:
            assert span is None
    assert came == []


def test_every_run_of_a_scheduler_is_one_and_is_a_command():
    assert set(flowlake.COMMANDS) >= flowlake.RUNS - {"verify"}


def test_the_page_of_metrics_is_up_to_date():
    assert listed.PLACE.read_text() == listed.text(), (
        "run python -m lake.signals.listed"
    )


def test_metrics_are_named_as_prometheus_wants():
    for metric in METRICS.values():
        assert metric.name.startswith("flowlake_")
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert metric.doc.endswith(".")
        assert not {"address", "pod", "eni", "path"} & set(metric.labels)
