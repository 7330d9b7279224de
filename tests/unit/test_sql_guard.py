"""What may be asked in SQL over REST, on DuckDB 2.0 and 1.5: one SELECT, no more."""

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from lake.errors import QueryError, SqlRefused
from queries.isolated import allow
from queries.isolated.allow import Named, allowed, check, statement
from tests.sql_corpus import cases, known, verdicts

ROOT = Path(__file__).parents[2]
NOT_IN_1_5 = {"binom", "if", "overlay"}


@pytest.fixture(scope="module", params=["2.0", "1.5"])
def told(request, answered, tmp_path_factory):
    """What became of the corpus, and of the lake's files meanwhile."""
    folder = tmp_path_factory.mktemp("files")
    before = files_of(answered.lake_path)
    if request.param == "1.5":
        place = request.getfixturevalue("duckdb_15")
        done = subprocess.run(
            [sys.executable, "-m", "tests.sql_corpus", answered.lake, str(folder)],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": f"{place}:{ROOT}"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        found = json.loads(done.stdout.splitlines()[-1])
    else:
        found = verdicts(answered.lake, folder)
    assert found["version"].startswith(request.param)
    return {**found, "lake_changed": files_of(answered.lake_path) != before}


@pytest.fixture(scope="module")
def parser():
    with duckdb.connect() as database:
        yield database


def files_of(folder):
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_every_bypass_is_refused_for_its_own_reason(told):
    old = told["version"].startswith("1.5")
    wrong = {}
    for case in cases("bypasses"):
        says = case.get("says_1_5", case["says"]) if old else case["says"]
        said = told["bypasses"][case["name"]]
        if not re.search(says, said):
            wrong[case["name"]] = said
    assert wrong == {}
    assert len(told["bypasses"]) >= 80


def test_the_locked_database_alone_refuses_those_about_files(told):
    assert {name for name, said in told["alone"].items() if not said} == set()
    assert len(told["alone"]) >= 40


def test_nothing_was_written_meanwhile(told):
    assert told["files"] == ["secret.csv"]
    assert not told["lake_changed"]


def test_every_good_query_passes_and_runs(told):
    assert {name: said for name, said in told["good"].items() if said} == {}


def test_what_takes_all_there_is_ends_within_the_limits(told):
    ends = told.get("bombs", {})  # of 2.0 each is a test of its own
    assert {
        case["name"]: ends[case["name"]]
        for case in cases("bombs")
        if ends and ends[case["name"]] not in case["ends"]
    } == {}


def test_every_allowed_function_is_one_of_duckdb(told):
    missing = allowed("functions") - set(told["functions"])
    assert missing == (NOT_IN_1_5 if told["version"].startswith("1.5") else set())


def parts(item):
    """Give every part of a tree that has a type of its own, to be changed in place."""
    waiting = [item]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if isinstance(part.get("type"), str):
                yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


@pytest.mark.parametrize("name", ["class", "type", "function_name", "table_name"])
def test_a_part_that_is_not_known_is_refused_wherever_it_stands(
    parser, monkeypatch, name
):
    """Each part of each good query, put in the place of one that nobody listed."""
    seen = 0
    for case in cases("good"):
        tree = allow._tree(parser, statement(case["sql"]))
        for number, part in enumerate(parts(tree)):
            counts = name in part and (name != "type" or "class" not in part)
            if not counts or (part["type"] == "SHOW_REF" and name == "table_name"):
                continue
            changed = copy.deepcopy(tree)
            next(p for n, p in enumerate(parts(changed)) if n == number)[name] = "new"
            monkeypatch.setattr(allow, "_tree", lambda *given, found=changed: found)
            with pytest.raises(SqlRefused):
                check(parser, case["sql"], known())
            monkeypatch.undo()
            seen += 1
    assert seen > 30


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("SELECT 1", "SELECT 1"),
        ("SELECT 'é' ; -- done;\n;", "SELECT 'é' "),
        ("SELECT ';' /* ; */", "SELECT ';' /* ; */"),
        ("SELECT $a$;$a$;;", "SELECT $a$;$a$"),
    ],
)
def test_a_statement_is_what_stands_before_its_semicolon(sql, wanted):
    assert statement(sql) == wanted


def test_it_says_what_a_query_names(parser):
    sql = "WITH silences AS (FROM Flows) SELECT 1 FROM silences, top_talkers(by := 'x')"
    assert check(parser, sql, known()) == Named({"flows"}, {"top_talkers"})


@pytest.mark.parametrize("tree", [[{"type": "BASE_TABLE"}], [{"class": "FUNCTION"}]])
def test_a_tree_of_another_shape_is_refused(parser, monkeypatch, tree):
    monkeypatch.setattr(allow, "_tree", lambda *given: tree)
    with pytest.raises(SqlRefused, match="not known here"):
        check(parser, "SELECT 1", known())


def test_the_text_of_a_refused_statement_is_only_parsed(parser, tmp_path):
    """To extract its statements, DuckDB 1.5 would read this folder."""
    with pytest.raises(QueryError, match="IMPORT is not allowed"):
        check(parser, f"IMPORT DATABASE '{tmp_path}'", known())
