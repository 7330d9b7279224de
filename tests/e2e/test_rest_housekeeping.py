"""Housekeeping behind a REST catalog, which keeps histories by rules of its own."""

import uuid
from datetime import date, timedelta

import pytest

from ingest.job import Ingest, Request
from lake.catalog import Lake
from lake.expire import collect, expire
from lake.follow import follow_all
from lake.retain import retain
from lake.settings import load_settings
from lake.snapshots import above, ancestry
from lake.tables import FLOWS, TABLES
from tests.samples import rows_of, write_objects

pytestmark = pytest.mark.s3


@pytest.fixture
def lake(seaweed):
    name = f"lake_{uuid.uuid4().hex[:12]}"
    settings = load_settings(
        catalog=seaweed.catalog,
        namespace=name,
        evidence=f"s3://{seaweed.bucket}/{name}-evidence",
        workers=2,
    )
    with Lake(settings, create=True) as opened:
        yield opened


@pytest.fixture
def objects(tmp_path):
    return sorted(write_objects(tmp_path / "AWSLogs").iterdir())


def ingest(lake, *paths, roll_up=False):
    request = Request(tuple(map(str, paths)), settle=False, roll_up=roll_up)
    return Ingest(lake, request).run()


def test_history_is_whole_until_its_first_snapshot_expires(lake, objects):
    for path in objects[:3]:
        ingest(lake, path)
    newest, middle, oldest = ancestry(lake.load(FLOWS))
    assert above(lake.load(FLOWS), None) == [oldest, middle, newest]
    assert expire(lake, FLOWS, keep=1, slack=0) == 2
    table = lake.load(FLOWS)
    assert len(ancestry(table)) == 1
    assert above(table, None) is None
    assert above(table, oldest.snapshot_id) is None
    assert above(table, newest.snapshot_id) == []


def test_a_follower_behind_survives_expiry(lake, objects, monkeypatch):
    ingest(lake, objects[0])
    with monkeypatch.context() as stopped:
        stopped.setattr("ingest.load.follow_all", lambda lake: 0)
        for path in objects[1:3]:
            ingest(lake, path)
    expire(lake, FLOWS, keep=1, slack=0)
    follow_all(lake)
    assert len(rows_of(lake)["sources"]) == 3


def test_ingest_goes_on_after_retention_and_gc(lake, objects):
    ingest(lake, *objects[:6], roll_up=True)
    retain(lake, {t: date(2026, 2, 1) for t in TABLES.values() if t.name != "sources"})
    assert rows_of(lake)["flows"] == []
    before = rows_of(lake)
    assert collect(lake, min_age=timedelta(0)).files > 0
    assert rows_of(lake) == before
    done = ingest(lake, *objects, roll_up=True)
    assert (done.objects, done.skipped) == (5, 6)
    assert len(rows_of(lake)["sources"]) == 11
