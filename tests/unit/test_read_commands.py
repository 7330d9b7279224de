"""The commands that read, called as the command line calls them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingest.job import Ingest, Request
from lake.errors import BadParameter, FlowlakeError, QueryError, UsageError
from lake.settings import load_settings
from queries import cli, formats
from queries.answers import META_NAMES
from tests.lakes import open_lake

TGW = (
    "version resource-type account-id tgw-id tgw-attachment-id srcaddr dstaddr srcport "
    "dstport protocol packets bytes start end log-status\n6 TransitGateway "
    "123456789010 tgw-1 tgw-attach-1 10.0.0.1 10.0.1.1 1 443 6 1 40 1767225600 "
    "1767225660 OK\n"
)
DAY: dict[str, Any] = {"since": "2026-01-01", "until": "2026-01-02"}


@pytest.fixture(autouse=True)
def _lake(answered, monkeypatch):
    monkeypatch.setenv("FLOWLAKE_LAKE", answered.lake)


@pytest.mark.parametrize("kind", formats.FORMATS)
def test_an_output_that_cannot_be_written_is_named(tmp_path, kind):
    for place in (tmp_path / "missing/x.out", tmp_path, "/dev/full"):
        path = tmp_path / place
        with pytest.raises(UsageError, match=str(path)) as told:
            cli.report("top_talkers", **DAY, format_=kind, output=path)
        assert told.value.exit_code == 2
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", formats.FORMATS)
def test_a_failed_answer_leaves_the_file_as_it_was(tmp_path, kind):
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("before")
    failing = (
        "SELECT CASE WHEN i = 45_000 THEN error('late') ELSE i::VARCHAR END AS i "
        "FROM range(50_000) many(i)"
    )
    for path in (old, new):
        if kind == "table":
            failing = failing.replace("45_000", "500")
        with pytest.raises(QueryError, match="late"):
            cli.sql(failing, format_=kind, output=path)
    assert [p.name for p in tmp_path.iterdir()] == ["old"]
    assert old.read_text() == "before"


def test_a_link_is_written_through_and_keeps_its_place(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    cli.report("top_talkers", **DAY, output=tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert json.loads((tmp_path / "file").read_text())["rows"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("port", "70000"),
        ("port", "4_43"),
        ("protocol", "256"),
        ("protocol", "\u0666"),
        ("limit", "1_0"),
        ("limit", "\u0661"),
        ("limit", "1e3"),
        ("limit", "2147483648"),
        ("since", "999999999d"),
        ("since", "999999d"),
        ("since", "\u0662\u0664h"),
        ("since", "0001-01-01T00:00:00+14:00"),
        ("until", "9999-12-31T23:00:00-05:00"),
        ("until", ""),
    ],
)
def test_a_value_that_is_no_such_thing_is_refused_by_name(name, text):
    options: dict[str, Any] = {name: text}
    if name in ("port", "protocol"):
        options = {"where": [f"{name}={text}"]}
    with pytest.raises(BadParameter) as told:
        cli.report("top_talkers", **options)
    assert (told.value.param, told.value.exit_code) == (name, 2)
    assert told.value.allowed


@pytest.mark.parametrize(
    ("since", "until"),
    [("0001-01-01", "9999-12-31T23:59:59.999999"), ("999999h", "2026-01-02"),
     ("1500-01-01", "3000-01-01")],
)  # fmt: skip
def test_a_window_of_ages_is_answered(capfdbinary, since, until):
    cli.report("top_talkers", since=since, until=until, format_="json")
    assert json.loads(capfdbinary.readouterr().out)["rows"]
    cli.sql("SELECT count(*) AS n FROM flows", since=since, until=until, format_="json")
    assert json.loads(capfdbinary.readouterr().out)[0]["n"] > 0


@pytest.mark.parametrize(
    ("since", "until"),
    [("2026-01-02", "2026-01-01"), ("now", "2026-01-01"), ("999999999d", None),
     ("999999d", None), ("", None)],
)  # fmt: skip
def test_a_window_that_holds_nothing_is_refused_in_sql(since, until):
    with pytest.raises(BadParameter) as told:
        cli.sql("SELECT 1", since=since, until=until)
    assert told.value.param == "since"


def test_a_report_says_what_it_takes(capfdbinary):
    cli.report("top_talkers", describe_=True, format_="table")
    told = capfdbinary.readouterr().out.decode()
    for part in ("--since", "24h", "--where port=…", "bytes bigint", "bytes desc"):
        assert part in told
    cli.report("top_talkers", describe_=True, format_="json")
    told = json.loads(capfdbinary.readouterr().out)
    assert [p["name"] for p in told["parameters"]][:3] == ["since", "until", "by"]
    cli.report(format_="json")
    assert "top_talkers --describe" in capfdbinary.readouterr().out.decode()


def test_meta_has_the_documented_names(capfdbinary):
    cli.report("top_talkers", **DAY, format_="json")
    meta = json.loads(capfdbinary.readouterr().out)["meta"]
    assert list(meta) == list(META_NAMES)


def test_a_window_without_records_says_where_there_are_some(capfdbinary):
    cli.report("top_talkers", since="2030-01-01", until="2030-01-02", format_="json")
    (warning,) = json.loads(capfdbinary.readouterr().out)["meta"]["warnings"]
    assert "records are known up to 2026-01-01T01:04" in warning


def test_csv_leaves_what_it_rests_on_to_the_errors(capfdbinary):
    cli.report("top_talkers", **DAY, limit="1", format_="csv")
    rows, said = capfdbinary.readouterr()
    assert rows.count(b"\n") == 2
    assert b"data through 2026-01-01T01:04" in said
    assert b"the limit left rows out" in said


@pytest.mark.parametrize("content", ["nothing", "transit gateway"])
def test_a_lake_without_flows_says_so(
    tmp_path, monkeypatch, capfdbinary, world, content
):
    settings = load_settings(lake=str(tmp_path / "lake"))
    with open_lake(settings) as lake:
        if content != "nothing":
            (tmp_path / "tgw.log").write_text(TGW)
            Ingest(lake, Request((str(tmp_path / "tgw.log"),))).run()
    monkeypatch.setenv("FLOWLAKE_LAKE", settings.lake)
    for kind in ("json", "csv", "parquet", "arrow", "table"):
        cli.report("top_talkers", **DAY, format_=kind, output=tmp_path / kind)
    told = json.loads((tmp_path / "json").read_text())
    assert told["rows"] == []
    assert told["meta"]["data_through"] is None
    assert "flows is empty" in told["meta"]["warnings"][0]
    cli.status(format_="table")
    said = capfdbinary.readouterr().out.decode()
    assert ("run `flowlake ingest SOURCE`" in said) == (content == "nothing")
    cli.sql("SELECT count(*) AS n FROM tgw_flows", format_="json")
    count = 0 if content == "nothing" else 1
    assert json.loads(capfdbinary.readouterr().out) == [{"n": count}]
    cli.sql(attach=tmp_path / "x.duckdb")
    with duckdb.connect(str(tmp_path / "x.duckdb"), read_only=True) as database:
        assert database.sql("SELECT count(*) FROM tgw_flows").fetchall() == [(count,)]
        assert database.sql("FROM top_talkers()").fetchall() == []


def test_a_full_disk_is_told_on_stdout_too():
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "flowlake", "report"],
            stdout=full, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.decode().strip().startswith("flowlake: stdout: could not be")


def test_attach_goes_with_nothing_else_and_names_what_it_cannot_write(tmp_path):
    with pytest.raises(UsageError, match="leave query and output out"):
        cli.sql("SELECT 1", attach=tmp_path / "x.duckdb")
    with pytest.raises(FlowlakeError, match="missing") as told:
        cli.sql(attach=tmp_path / "missing/x.duckdb")
    assert told.value.exit_code == 2
