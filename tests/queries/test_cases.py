"""Every case in these folders: flow-log text in, the report's rows out.

The flow logs are `flows.log`, or all files called `*.log`; they are read at
2026-01-01T02:00Z, and prices are those of `rates.csv` beside this file.
`identities.csv`, where a case has it, is what one listing showed at 2026-01-01T02:00Z:
columns of `identities`, and `started_at` since when it surely was so.
`configurations.json` is what two looks showed, then and two hours before: [resource
type, AWS's document] of each; its first value is its id. `indicators.txt`
and `places.json` (records of a MaxMind DB by network) are what the user brings. Cases
with equal files are asked of one lake, which takes most of the time.
"""

import csv
import json
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from ingest.inventory.sighting import CONFIGURED, SIGHTED, Sighting
from ingest.inventory.store import record
from ingest.job import Ingest, Request
from ingest.ledger_rows import LedgerRows
from lake.settings import load_settings
from lake.tables import ROLLUPS
from queries.answers import answer, pose
from queries.catalogue import find_report
from queries.engine import Engine
from queries.plain import plain_rows
from tests.lakes import open_lake
from tests.mmdb import write_mmdb

HERE = Path(__file__).parent
AT = datetime(2026, 1, 1, 2, tzinfo=UTC)


def files_of(case):
    """Return the texts that a case's lake is made of."""
    paths = [
        *sorted(case.glob("*.log")),
        *case.glob("identities.csv"),
        *case.glob("configurations.json"),
    ]
    return tuple((path.name, path.read_text()) for path in paths)


CASES = sorted(
    (path.parent for path in HERE.glob("*/*/case.toml")),
    key=lambda case: (files_of(case), case),  # equal lakes side by side
)


def reads_rollups(case):
    """Whether the report of a case may be answered from a roll-up, or reads one."""
    report = find_report(case.parent.name)
    return bool(report.rolled or {table.name for table in ROLLUPS} & {*report.reads})


@pytest.fixture(scope="module")
def lake_of(tmp_path_factory):
    """Give the settings of a lake that holds a case's files."""
    made = {}
    rolled = {files_of(case) for case in CASES if reads_rollups(case)}

    def settings_of(case):
        files = files_of(case)
        if files not in made:
            place = tmp_path_factory.mktemp("lake")
            made[files] = ingested(case, place, roll_up=files in rolled)
        return made[files]

    return settings_of


def ingested(case, path, *, roll_up):
    settings = load_settings(lake=str(path), rates=str(HERE / "rates.csv"))
    logs = tuple(str(log) for log in sorted(case.glob("*.log")))
    with open_lake(settings) as lake:
        if (case / "identities.csv").exists():
            record(lake, [sighting(case / "identities.csv")])
        if (case / "configurations.json").exists():
            record(lake, [*configured(case / "configurations.json")])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ingest.batch.LedgerRows", lambda id_, _: LedgerRows(id_, AT))
            Ingest(lake, Request(logs, roll_up=roll_up)).run()
    return settings


def texts(values):
    return [str(v) for v in values] if isinstance(values, list) else [str(values)]


def sighting(path):
    """Return the listing that a case's file holds."""
    with path.open() as file:
        rows = [{k: v or None for k, v in row.items()} for row in csv.DictReader(file)]
    for row in rows:
        row["started_at"] = datetime.fromisoformat(row["started_at"] or "")
        row["source"] = row.get("source") or "kubernetes"
    listed = pa.Table.from_pylist(rows, schema=SIGHTED)
    return Sighting("kubernetes:c", AT, listed, lists=frozenset({"identities"}))


def configured(path):
    """Yield the two looks that a case's file tells of."""
    told = json.loads(path.read_text())
    rows = [
        {"resource_type": kind, "resource_id": next(iter(document.values())),
         "vpc": document.get("VpcId"), "account": document.get("OwnerId"),
         "document": json.dumps(document)}
        for kind, document in told
    ]  # fmt: skip
    seen = pa.Table.from_pylist(
        [{**dict.fromkeys(CONFIGURED.names), **row} for row in rows], schema=CONFIGURED
    )
    kinds = frozenset(kind for kind, _ in told)
    for at in (AT - timedelta(hours=2), AT):
        yield Sighting("aws:1:us-east-1", at, configurations=seen, lists=kinds)


def brought(case, place):
    """Return the settings of what a case's user brings."""
    found = {}
    if (case / "indicators.txt").exists():
        found["indicators"] = str(case / "indicators.txt")
    if (case / "places.json").exists():
        records = json.loads((case / "places.json").read_text())
        found["mmdb"] = str(write_mmdb(place / "places.mmdb", records))
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.parent.name}/{c.name}")
def test_a_report_answers_as_written_by_hand(case, lake_of, tmp_path):
    told = tomllib.loads((case / "case.toml").read_text())
    given = {name: texts(value) for name, value in told["params"].items()}
    settings = lake_of(case).model_copy(update=brought(case, tmp_path))
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
