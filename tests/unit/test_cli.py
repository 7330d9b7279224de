"""The command line as scripts use it: clean JSON, exit codes, messages that help."""

import gzip
import json
import os
import subprocess
import sys
import urllib.request

import pytest

import flowlake
from tests.processes import flowlake as command

HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets "
    "bytes start end action log-status"
)
RECORD = (
    "2 123456789010 eni-1 10.0.0.1 10.0.0.2 1 443 6 1 40 1767225600 1767225660 {} OK"
)
KEYS = ["objects", "skipped", "failed", "lines", "headers", "flows", "silences",
        "quarantined", "snapshot", "elapsed_s"]  # fmt: skip
NAME = (
    "123456789010_vpcflowlogs_us-east-1_fl-0123456789abcdef0_2026010{}T0000Z_{}.log.gz"
)


@pytest.fixture
def logs(tmp_path):
    place = tmp_path / "logs"
    place.mkdir()
    text = "\n".join([HEADER, RECORD.format("ACCEPT"), RECORD.format("REJECT"), ""])
    for day in (1, 5):
        name = NAME.format(day, f"{day:08x}")
        (place / name).write_bytes(gzip.compress(text.encode()))
    return place


def test_ingest_ends_with_one_line_of_counts_that_add_up(logs, tmp_path):
    lake = tmp_path / "lake"
    done = command("ingest", logs, lake=lake)
    told = json.loads(done.stdout)
    assert (done.returncode, list(told)) == (0, KEYS)
    assert (told["objects"], told["lines"], told["headers"], told["flows"]) == (
        2,
        6,
        2,
        4,
    )
    again = json.loads(command("ingest", logs, lake=lake).stdout)
    assert (again["objects"], again["skipped"], again["snapshot"]) == (
        0,
        2,
        told["snapshot"],
    )


def test_a_whole_object_in_quarantine_is_exit_1_and_a_missing_source_3(logs, tmp_path):
    lake = tmp_path / "lake"
    (logs / "picture.log.gz").write_bytes(b"\x89PNG\r\n\x1a\n")
    done = command("ingest", logs, lake=lake)
    assert done.returncode == 1
    assert json.loads(done.stdout)["flows"] == 4
    lost = command("ingest", tmp_path / "nowhere", lake=lake)
    assert lost.returncode == 3
    assert "nowhere" in lost.stderr
    assert "Traceback" not in lost.stderr


def test_wrong_usage_is_exit_2_and_says_what_would_be_right(tmp_path):
    lake = tmp_path / "lake"
    command("ingest", tmp_path, lake=lake)
    for arguments, hint in [
        (("ingest", ".", "--since", "soon"), "24h"),
        (("ingest", ".", "--shard", "5/2"), "I/N"),
        (("report", "nonsense"), "rejected_traffic"),
        (("report", "rejected_traffic", "--where", "eni"), "FIELD=VALUE"),
        (("sql", "SELECT 1", "--format", "xml"), "table, json"),
        (("nonsense",), "No such command"),
    ]:
        done = command(*arguments, lake=lake)
        assert done.returncode == 2, arguments
        assert hint in done.stderr, arguments


def test_a_wrong_setting_is_named():
    done = command("status", FLOWLAKE_WORKERS="many")
    assert done.returncode == 2
    assert "FLOWLAKE_WORKERS" in done.stderr


def test_a_mistyped_setting_is_said_with_the_one_that_is_meant():
    done = command("settings", FLOWLAKE_WARHOUSE="s3://lake", FLOWLAKE_DEBUG="0")
    assert done.returncode == 0
    (line,) = map(json.loads, done.stderr.splitlines())
    assert (line["name"], line["meant"]) == ("FLOWLAKE_WARHOUSE", "FLOWLAKE_WAREHOUSE")


def test_a_lake_that_is_not_there_is_exit_3(tmp_path):
    done = command("sql", "SELECT 1", lake=tmp_path / "none")
    assert done.returncode == 3
    assert "flowlake ingest" in done.stderr


def test_dry_run_says_what_would_be_read_and_reads_nothing(logs, tmp_path):
    lake = tmp_path / "lake"
    told = json.loads(command("ingest", logs, "--dry-run", lake=lake).stdout)
    assert told["objects"] == 2
    assert told["bytes"] == sum(p.stat().st_size for p in logs.iterdir())
    assert told["expected_s"] >= 0
    assert json.loads(command("ingest", logs, lake=lake).stdout)["objects"] == 2


def test_a_window_selects_by_key_time_and_slack_and_keeps_outside_records(
    logs, tmp_path
):
    window = ("--since", "2026-01-03T12:00:00Z", "--until", "2026-01-04T01:00:00Z")
    one = json.loads(command("ingest", logs, *window, lake=tmp_path / "a").stdout)
    assert one["objects"] == 1  # of the 5th, a day past the end; its records of the 1st
    assert one["flows"] == 2
    wide = json.loads(
        command("ingest", logs, *window, "--slack", "3d", lake=tmp_path / "b").stdout
    )
    assert wide["objects"] == 2


def test_json_on_a_pipe_is_clean_and_times_end_in_z(logs, tmp_path):
    lake = tmp_path / "lake"
    command("ingest", logs, lake=lake)
    sql = "SELECT start_time, action FROM flows ORDER BY action LIMIT 1"
    rows = json.loads(command("sql", "--format", "json", sql, lake=lake).stdout)
    assert rows == [{"start_time": "2026-01-01T00:00:00Z", "action": "ACCEPT"}]
    asked = ("report", "rejected_traffic", "--since", "2026-01-01", "--until",
             "2026-01-02", "--format", "json")  # fmt: skip
    told = json.loads(command(*asked, lake=lake).stdout)
    assert list(told) == ["meta", "rows"]
    assert told["rows"][0]["records"] == 2
    status = json.loads(command("status", "--format", "json", lake=lake).stdout)
    assert status["tables"]["flows"]["rows"] == 4
    csv = command("sql", "--format", "csv", "SELECT '=1+1' AS x", lake=lake).stdout
    assert "'=1+1" in csv


@pytest.mark.parametrize("name", flowlake.COMMANDS)
def test_every_command_explains_itself(name):
    done = command(name, "--help")
    assert done.returncode == 0
    assert "Usage:" in done.stdout


def test_serve_answers_and_stops(logs, tmp_path):
    lake = tmp_path / "lake"
    command("ingest", logs, lake=lake)
    server = subprocess.Popen(
        [sys.executable, "-m", "flowlake", "serve", "--port", "0"],
        env={**os.environ, "FLOWLAKE_LAKE": str(lake)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr is not None
    try:
        line = next(line for line in server.stderr if "running on" in line)
        url = line.split("running on ")[1].split()[0]
        with urllib.request.urlopen(f"{url}/readyz", timeout=30) as answered:  # noqa: S310
            assert json.load(answered) == {"status": "ready"}
    finally:
        server.terminate()
        server.wait(30)
        server.stderr.close()
    assert server.returncode in (0, -15)
