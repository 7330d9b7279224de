"""Objectives and metrics of the lake: what is promised, kept, and told to whom."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import typer
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from api.access.principal import Scope
from api.app import create_app
from ingest import cli as ingest_cli
from ingest.job import Ingest, Request
from lake.catalog import Lake
from lake.settings import load_settings
from lake.signals.metrics import METRICS
from lake.signals.run import run_of
from queries import cli
from queries.limits import Limits
from queries.status import lake_status
from tests.lakes import lake_and_engine
from tests.samples import TGW
from tests.unit.test_gate import bearer, make

MINUTE = timedelta(minutes=1)
HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets "
    "bytes start end action log-status\n"
)


def write_log(path, first, minutes, *, without=()):
    """Write a record a minute of one interface; minutes that are left out are lost."""
    begin = int(first.timestamp())
    path.write_text(HEADER + "".join(
        f"2 123456789010 eni-1 10.0.0.1 10.0.0.2 49152 443 6 10 840 "
        f"{start} {start + 59} ACCEPT OK\n"
        for start in (begin + 60 * n for n in range(minutes) if n not in without)
    ))  # fmt: skip


def hour_ago(hours):
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return now - timedelta(hours=hours)


def minutes_since(first):
    return int((datetime.now(UTC) - first) / MINUTE)


def ingested(tmp_path, monkeypatch, **log):
    """Ingest a log of the last hours by the command; give its lake."""
    write_log(tmp_path / "log.txt", **log)
    monkeypatch.setenv("FLOWLAKE_LAKE", str(tmp_path / "lake"))
    with run_of("ingest"), pytest.raises(typer.Exit):
        ingest_cli.ingest([str(tmp_path / "log.txt")])
    return tmp_path / "lake"


def objectives(lake, *, now=None, **settings):
    with lake_and_engine(lake) as (_, engine):
        engine.settings = load_settings(lake=str(lake), **settings)
        found = lake_status(engine, now=now or datetime.now(UTC))
    return {each["slo"]: each for each in found["objectives"]}, found["window"]


def test_a_lake_that_is_fresh_and_whole_meets_every_objective(tmp_path, monkeypatch):
    first = hour_ago(4)
    lake = ingested(
        tmp_path, monkeypatch, first=first, minutes=minutes_since(first) - 3
    )
    found, window = objectives(lake)
    assert {slo: each["met"] for slo, each in found.items()} == dict.fromkeys(
        ("recency", "freshness", "completeness", "followers"), True
    )
    assert window["completeness"] == 1.0
    assert 2 <= found["recency"]["value"] <= 6
    assert 120 <= window["lag_p50_s"] == window["lag_p95_s"] <= 360


def test_what_is_late_or_stopped_or_lost_is_missed(tmp_path, monkeypatch):
    first = hour_ago(4)
    lost = range(70, 100)  # half an hour of an hour that is settled
    lake = ingested(tmp_path, monkeypatch, first=first, minutes=180, without=lost)
    late = minutes_since(first) - 180  # the last record is from the hour before
    found, window = objectives(lake)
    assert found["completeness"]["met"] is False
    settled = minutes_since(first) - 60
    heard = settled - settled % 60 - 30
    # A gap's first window may have begun before it: one less is sure to be lost.
    assert window["completeness"] in (
        round(heard / (heard + 30), 4), round(heard / (heard + 29), 4)
    )  # fmt: skip
    assert found["recency"]["met"] is False
    assert late - 1 <= found["recency"]["value"] <= late + 3
    assert found["freshness"]["met"] is False
    loose = {"slo_completeness": 0.5, "slo_recency_minutes": 300}
    found, _ = objectives(lake, **loose, slo_freshness_minutes=300)
    assert all(each["met"] for each in found.values())
    days_later = datetime.now(UTC) + timedelta(days=2)
    found, _ = objectives(lake, **loose, now=days_later)
    assert found["recency"]["met"] is False
    assert (found["freshness"]["value"], found["freshness"]["met"]) == (None, False)


def test_of_a_new_lake_nothing_is_said_that_nobody_can_know(tmp_path, monkeypatch):
    now = datetime.now(UTC)
    lake = ingested(tmp_path, monkeypatch, first=now - 6 * MINUTE, minutes=5)
    found, _ = objectives(lake)
    assert found["completeness"]["value"] is None
    assert found["completeness"]["met"] is None
    found, _ = objectives(lake, now=now + timedelta(hours=4))
    assert found["completeness"]["met"] in (True, False)


def of_lines(tmp_path, header, lines, **request):
    """Ingest lines, five hours ago as it seems; give the lake's objectives."""
    (tmp_path / "log.txt").write_text("\n".join([header.strip(), *lines, ""]))
    settings = load_settings(lake=str(tmp_path / "lake"))
    with Lake(settings, create=True) as lake:
        Ingest(lake, Request((str(tmp_path / "log.txt"),), **request)).run()
    later = datetime.now(UTC) + timedelta(hours=5)
    found, _ = objectives(settings.lake, now=later, slo_recency_minutes=310)
    assert found["recency"]["value"] >= 300
    return {slo: each["met"] for slo, each in found.items()}


def test_where_all_is_silent_the_silence_is_heard(tmp_path):
    begin = int(hour_ago(3).timestamp())
    silent = "2 123456789010 eni-1 - - - - - - - {} {} - NODATA"
    minutes = range(minutes_since(hour_ago(3)) - 2)
    lines = [silent.format(begin + 60 * n, begin + 60 * n + 59) for n in minutes]
    assert of_lines(tmp_path, HEADER, lines) == {
        "recency": True, "freshness": None, "completeness": True, "followers": True,
    }  # fmt: skip
    found, _ = objectives(tmp_path / "lake")
    assert 1 <= found["recency"]["value"] <= 4


def test_of_a_lake_that_is_never_rolled_up_nobody_knows_how_complete_it_is(tmp_path):
    write_log(tmp_path / "flows", first=hour_ago(1), minutes=5)
    lines = (tmp_path / "flows").read_text().splitlines()[1:]
    found = of_lines(tmp_path, HEADER, lines, roll_up=False)
    assert (found["completeness"], found["freshness"]) == (None, False)


def test_a_lake_of_transit_gateways_alone_expects_no_interface(tmp_path):
    begin = int((datetime.now(UTC) - 3 * MINUTE).timestamp())
    line = f"6 TransitGateway tgw-1 a-1 10.0.0.1 10.1.0.1 5 443 6 1 40 {begin}"
    assert of_lines(tmp_path, TGW, [f"{line} {begin + 60} OK 1"]) == {
        "recency": True, "freshness": True, "completeness": None, "followers": True,
    }  # fmt: skip


def test_one_record_of_tomorrow_hides_no_outage(tmp_path):
    begin = int(datetime.now(UTC).timestamp())
    old, ahead = begin - 6 * 3600, begin + 20 * 3600
    write = "2 123456789010 eni-1 10.0.0.1 10.0.0.2 49152 443 6 10 840 {} {} ACCEPT OK"
    silent = "2 123456789010 eni-1 - - - - - - - {} {} - NODATA"
    shapes = [(write, old), (write, ahead), (silent, ahead)]
    lines = [shape.format(at, at + 59) for shape, at in shapes]
    assert of_lines(tmp_path, HEADER, lines)["recency"] is True
    found, _ = objectives(
        tmp_path / "lake", now=datetime.now(UTC) + timedelta(hours=21)
    )
    assert found["recency"]["met"] is False


def test_check_tells_a_scheduler_by_its_exit_code(tmp_path, monkeypatch, capsys):
    first = hour_ago(4)
    ingested(tmp_path, monkeypatch, first=first, minutes=minutes_since(first) - 3)
    capsys.readouterr()
    with capture_logs(), pytest.raises(typer.Exit) as met:
        cli.status(check=True, format_="json")
    assert met.value.exit_code == 0
    assert json.loads(capsys.readouterr().out)["objectives"]
    monkeypatch.setenv("FLOWLAKE_SLO_RECENCY_MINUTES", "0.5")
    with capture_logs() as logs, pytest.raises(typer.Exit) as missed:
        cli.status(check=True, format_="table")
    assert missed.value.exit_code == 1
    (told,) = [line for line in logs if line["event"] == "slo_missed"]
    assert (told["slo"], told["target"]) == ("recency", 0.5)
    assert "flowlake ingest" in told["do"]
    assert "recency: MISSED" in capsys.readouterr().out


def names_of(text):
    return {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(text)
        if family.name.startswith("flowlake_")
    }


def test_every_metric_of_the_table_is_told_and_no_other(tmp_path, monkeypatch, capsys):
    first = hour_ago(4)
    metrics = tmp_path / "metrics"
    monkeypatch.setenv("FLOWLAKE_METRICS_DIR", str(metrics))
    lake = ingested(
        tmp_path, monkeypatch, first=first, minutes=minutes_since(first) - 3
    )
    with pytest.raises(typer.Exit):
        cli.status(check=True, format_="json")
    by_run = {path.name: names_of(path.read_text()) for path in metrics.iterdir()}
    assert set(by_run) == {
        "flowlake_flowlake_ingest.prom",
        "flowlake_flowlake_status.prom",
    }
    with TestClient(create_app(load_settings(lake=str(lake)))) as client:
        assert client.get("/v1/status").status_code == 200
        served = names_of(client.get("/metrics").text)
    of = {
        kind: {m.name for m in METRICS.values() if m.told_by == kind}
        for kind in ("run", "ingest", "lake", "service")
    }
    assert by_run["flowlake_flowlake_ingest.prom"] == of["run"] | of["ingest"]
    assert by_run["flowlake_flowlake_status.prom"] == of["run"] | of["lake"]
    assert served == of["service"] | of["lake"] | {"flowlake_build_info"}


def served(client, **headers):
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_what_clients_make_up_is_no_label(tmp_path):
    settings = load_settings(lake=str(tmp_path / "lake"))
    with TestClient(create_app(settings)) as client:
        for n in range(3):
            client.get(f"/made/up/{n}")
            client.get(f"/v1/reports/made-up-{n}")
            client.request(f"MADEUP{n}", "/v1/status")
        found = served(client)
        counted = {
            key: value for key, value in found.items()
            if key[0] == "flowlake_http_requests_total"
        }  # fmt: skip
        assert set(counted.values()) == {3}
        assert len(counted) == 3
        assert "made" not in repr(found).lower()


def test_a_lake_that_cannot_be_read_is_told_and_the_rest_goes_on(tmp_path):
    settings = load_settings(lake=str(tmp_path / "none"))
    with TestClient(create_app(settings)) as client:
        found = served(client)
    assert found["flowlake_lake_readable", ("lake", "flowlake")] == 0
    assert found["flowlake_turns", ("lake", "flowlake")] >= 4
    assert found["process_open_fds",] > 0


def test_metrics_need_a_key_that_may_see_the_status_of_all(settings):
    whole, part = make(settings, Scope.STATUS), make(
        settings, Scope.STATUS, name="part", limits=Limits(accounts=frozenset({"1"}))
    )  # fmt: skip
    reports = make(settings, Scope.REPORTS, name="reports")
    with TestClient(create_app(settings)) as client:
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers=bearer(reports)).status_code == 403
        assert client.get("/metrics", headers=bearer(part)).status_code == 403
        assert served(client, **bearer(whole))
