"""Every case in these folders: flow-log text in, the report's rows out."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from ingest.job import Ingest, Request
from lake.catalog import Lake
from lake.settings import load_settings
from queries.answers import answer, pose
from queries.catalogue import find_report
from queries.engine import Engine
from queries.plain import plain_rows

HERE = Path(__file__).parent
CASES = sorted(path.parent for path in HERE.glob("*/*/case.toml"))


def texts(values):
    return [str(v) for v in values] if isinstance(values, list) else [str(values)]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.parent.name}/{c.name}")
def test_a_report_answers_as_written_by_hand(case, tmp_path):
    told = tomllib.loads((case / "case.toml").read_text())
    settings = load_settings(lake=str(tmp_path))
    with Lake(settings, create=True) as lake:
        Ingest(lake, Request((str(case / "flows.log"),))).run()
    given = {name: texts(value) for name, value in told["params"].items()}
    with Engine(settings) as engine:
        report = find_report(case.parent.name)
        now = datetime(2026, 1, 2, tzinfo=UTC)
        rows = answer(engine, pose(engine, report, given, now=now)).rows
    with duckdb.connect() as reader:
        found = reader.from_arrow(plain_rows(rows))
        names = ", ".join(f"CAST({c} AS VARCHAR) AS {c}" for c in found.columns)
        ours = found.project(names).fetchall()
        wanted = reader.read_csv(
            str(case / "expect.csv"), header=True, all_varchar=True, delimiter=","
        )
        assert wanted.columns == found.columns, told["why"]
        assert ours == wanted.fetchall(), told["why"]


def test_every_report_has_a_case():
    reports = {path.stem for path in (HERE.parents[1] / "queries/sql").glob("*.sql")}
    assert reports == {case.parent.name for case in CASES}
