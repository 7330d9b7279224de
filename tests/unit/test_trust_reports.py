"""What reports say of the logs themselves is what the ledgers and every answer say."""

from datetime import UTC, datetime

import pytest

from queries.answers import answer, pose
from queries.catalogue import find_report
from queries.engine import Engine
from queries.status import lake_status

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def engine(answered):
    with Engine(answered) as engine:
        yield engine


def ask(engine, name, **given):
    window = {"since": "2026-01-01", "until": "2100-01-01", "limit": "100000"}
    texts = {key: [value] for key, value in (window | given).items()}
    found = answer(engine, pose(engine, find_report(name), texts, now=NOW))
    return found.rows.to_pylist(), found.meta


def total(rows, column):
    return sum(row[column] for row in rows)


@pytest.mark.parametrize("by", ["account", "vpc", "subnet", "observer"])
@pytest.mark.parametrize("hourly", ["false", "true"])
def test_coverage_adds_up_to_the_completeness_of_every_answer(engine, by, hourly):
    rows, meta = ask(engine, "coverage", by=by, hourly=hourly)
    expected, missing = (total(rows, f"windows_{n}") for n in ("expected", "missing"))
    assert expected > missing >= 0
    assert round(1 - missing / expected, 4) == meta["completeness"]["share"]


def test_freshness_has_every_object_and_record(engine):
    rows, meta = ask(engine, "freshness")
    held = lake_status(engine, now=NOW)
    assert total(rows, "objects") == held["objects"]["ingested"]
    tables = held["tables"]
    heads = (tables["flows"]["rows"], tables["tgw_flows"]["rows"])
    assert total(rows, "records") == sum(heads)
    newest = max(row["newest_record"] for row in rows if row["newest_record"])
    assert newest.isoformat().replace("+00:00", "Z") == meta["data_through"]


@pytest.mark.parametrize("per", ["hour", "day"])
def test_skipped_intervals_are_those_of_every_answer(engine, per):
    rows, meta = ask(engine, "skipped_data", per=per)
    assert total(rows, "skipped") == meta["completeness"]["skipdata"] > 0


def test_whole_objects_are_those_of_the_status(engine):
    rows, _ = ask(engine, "quarantine_summary")
    whole = lake_status(engine, now=NOW)["objects"]["quarantined_whole"]
    assert total(rows, "whole_objects") == whole > 0
