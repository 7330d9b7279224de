"""The analysts' page says what is so: its examples run, or are checked, as it says."""

import json
import re
import runpy
import shlex
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import pytest
import sqlglot
import trino_sql_validator
from fastapi.testclient import TestClient

from api.app import create_app
from ingest.job import Ingest, Request
from lake.settings import load_settings
from lake.tables import TABLES
from queries.engine import Engine
from queries.shell.vocabulary import ROWS_OF, load_helpers
from queries.sqldoor import SqlDoor
from tests.lakes import open_lake
from tests.processes import flowlake
from tests.samples import write_objects

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/sql.md").read_text()
NOW = datetime(2026, 1, 2, tzinfo=UTC)
BLOCK = re.compile(r"^```(\w+)(?: ([\w ]+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [(kind, words or "", body) for kind, words, body in BLOCK.findall(PAGE)]


def blocks(kind, word):
    found = [body for k, words, body in BLOCKS if k == kind and word in words.split()]
    assert found
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a lake, ``lake``, and its attached database, ``lake.duckdb``."""
    folder = tmp_path_factory.mktemp("docs")
    settings = load_settings(lake=str(folder / "lake"))
    with open_lake(settings) as lake:
        Ingest(lake, Request((str(write_objects(folder / "logs")),))).run()
    with Engine(settings) as engine:
        SqlDoor(engine, now=NOW).write_database(folder / "lake.duckdb")
    return folder


def test_every_statement_for_duckdb_runs_in_the_shell_and_attached(place):
    settings = load_settings(lake=str(place / "lake"))
    with (
        Engine(settings) as engine,
        SqlDoor(engine, now=NOW).opened() as session,
        duckdb.connect(str(place / "lake.duckdb"), read_only=True) as attached,
    ):
        attached.execute("SET TimeZone = 'UTC'")
        for sql in blocks("sql", "duckdb"):
            with session.stream(sql) as reader:
                rows = reader.read_all()
            assert rows.num_rows or sql in blocks("sql", "inventory"), sql
            assert attached.sql(sql).to_arrow_table().num_rows == rows.num_rows, sql


def test_every_block_of_python_runs(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")
    for source in blocks("python", "run"):
        (place / "block.py").write_text(source)
        runpy.run_path("block.py")
    told = capsys.readouterr().out
    assert "tcp" in told  # from the attached database
    assert "rejected" in told  # from PyIceberg


@pytest.mark.parametrize("engine", ["athena", "trino"])
def test_every_statement_for_trino_is_checked_and_not_run(engine):
    for sql in blocks("sql", engine):
        checked = trino_sql_validator.validate(sql)
        assert checked.valid, checked.error
        assert not checked.warnings, checked.warnings


def test_every_statement_for_spark_is_parsed_and_not_run():
    for sql in blocks("sql", "spark"):
        parsed = sqlglot.parse_one(sql, dialect="spark")
        tables = list(parsed.find_all(sqlglot.exp.Table))
        assert {table.catalog for table in tables} == {"lake"}
        assert not list(parsed.find_all(sqlglot.exp.Anonymous))  # unknown functions


@pytest.mark.parametrize("kind", ["athena", "trino", "spark"])
def test_statements_for_other_engines_name_columns_that_exist(kind):
    known = {field.name for table in TABLES.values() for field in table.fields}
    dialect = "spark" if kind == "spark" else "trino"
    for sql in blocks("sql", kind):
        parsed = sqlglot.parse_one(sql, dialect=dialect)
        named = {column.name for column in parsed.find_all(sqlglot.exp.Column)}
        made = {alias.alias for alias in parsed.find_all(sqlglot.exp.Alias)}
        assert named - made - {"range"} <= known, sql


def test_every_block_says_what_a_test_does_with_it():
    told = {(kind, words) for kind, words, _ in BLOCKS if kind in ("sql", "python")}
    assert told == {("sql", "duckdb"), ("sql", "duckdb inventory"), ("sql", "athena"),
                    ("sql", "trino"), ("sql", "spark"), ("python", "run")}  # fmt: skip


def test_the_page_has_every_table_and_every_function():
    assert set(ROWS_OF) == set(TABLES)
    for name, sentence in ROWS_OF.items():
        assert f"| `{name}` | {sentence} |" in PAGE
    for helper in load_helpers().values():
        assert f"| `{helper.call}` |" in PAGE


def test_pages_of_docs_are_in_its_index_and_their_links_lead_somewhere():
    index = (ROOT / "docs/README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"]({page.name})" in index
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_anchors_within_the_page_exist():
    heads = {h.lower().replace(" ", "-") for h in re.findall(r"^#+ (.+)$", PAGE, re.M)}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= heads


def test_the_first_question_is_answered_as_the_readme_says(tmp_path, monkeypatch):
    """By CLI, SQL and curl, in one command each: the same rows, pods and causes."""
    page = (ROOT / "README.md").read_text()
    part = page[page.index("Which pods were refused") : page.index("`flowlake report`")]
    commands = re.findall(r"^\$ (.+)$", part, re.MULTILINE)
    report, sql, curl, *making = (shlex.split(command) for command in commands)
    for _, *words in making:
        run(*words, cwd=tmp_path)
    by_cli = json.loads(run(*report[1:], "--format", "json", cwd=tmp_path))["rows"]
    by_sql = json.loads(run(*sql[1:], "--format", "json", cwd=tmp_path))
    url = urlsplit(curl[1])
    monkeypatch.chdir(tmp_path)
    with TestClient(create_app(load_settings())) as client:
        by_curl = client.get(f"{url.path}?{url.query}").json()["rows"]
    assert by_cli == by_sql == by_curl
    assert any(row["client"].startswith("checkout-") for row in by_cli)
    assert all(row["reject_cause"] for row in by_cli)
    [(_, *words)] = map(
        shlex.split, re.findall(r"^\$ (flowlake backtest .+)$", page, re.M)
    )
    tried = json.loads(run(*words, "--format", "json", cwd=tmp_path))["rows"]
    assert {(row["effect"], row["client"]) for row in tried} >= {
        ("allowed", "checkout"), ("broken", "checkout"),
    }  # fmt: skip
    explained = re.findall(r"^\$ (flowlake explain --.+)$", page, re.M)
    recorded, sent = (
        json.loads(run(*shlex.split(one)[1:], "--format", "json", cwd=tmp_path))
        for one in explained
    )
    assert (recorded["cause"], sent["verdict"]) == ("security_group", "fails")
    assert recorded["rule"].partition(":")[0] == sent["steps"][-1]["resource"]
    [asked] = re.findall(r"^\$ curl '(.+/v1/explain.+)'$", page, re.M)
    url = urlsplit(asked)
    with TestClient(create_app(load_settings())) as client:
        found = client.get(f"{url.path}?{url.query}").json()
    assert found["cause"] == "security_group"


def run(*words, cwd):
    done = flowlake(*words, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_command_of_the_page_on_privacy_runs(tmp_path):
    page = (ROOT / "docs/privacy.md").read_text()
    env, ran = {"FLOWLAKE_LAKE": str(tmp_path / "lake")}, 0
    with open_lake(load_settings(lake=env["FLOWLAKE_LAKE"])):
        pass
    for line in re.findall(r"^\$ (.+)$", page, re.M):
        first, *words = shlex.split(line)
        if first == "export":
            env |= dict(word.split("=", 1) for word in words)
            continue
        done = flowlake(*words, **env)
        assert (first, done.returncode) == ("flowlake", 0), done.stderr
        ran += 1
    assert ran == 5
    assert "rejections_hourly" in env["FLOWLAKE_RETAIN_DAYS"]
