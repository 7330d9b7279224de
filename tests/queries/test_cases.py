"""Every case in these folders: flow-log text in, the report's rows out.

`identities.csv`, where a case has it, is what one listing showed at 2026-01-01T02:00Z:
columns of `identities`, and `started_at` since when it surely was so.
"""

import csv
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from ingest.inventory.sighting import SIGHTED, Sighting
from ingest.inventory.store import record
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


def sighting(path):
    """Return the listing that a case's file holds."""
    with path.open() as file:
        rows = [{k: v or None for k, v in row.items()} for row in csv.DictReader(file)]
    for row in rows:
        row["started_at"] = datetime.fromisoformat(row["started_at"] or "")
        row["source"] = row.get("source") or "kubernetes"
    at = datetime(2026, 1, 1, 2, tzinfo=UTC)
    listed = pa.Table.from_pylist(rows, schema=SIGHTED)
    return Sighting("kubernetes:c", at, listed, lists=frozenset({"identities"}))


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.parent.name}/{c.name}")
def test_a_report_answers_as_written_by_hand(case, tmp_path):
    told = tomllib.loads((case / "case.toml").read_text())
    settings = load_settings(lake=str(tmp_path))
    with Lake(settings, create=True) as lake:
        lake.ensure_all()
        if (case / "identities.csv").exists():
            record(lake, [sighting(case / "identities.csv")])
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
