"""What should have been heard and was not: heads, tails, whole hours, and no more."""

import json
from datetime import timedelta

import pytest

from ingest.inventory.store import record
from ingest.job import Ingest, Request
from lake.catalog import Lake
from lake.settings import load_settings
from lake.shape import conform
from lake.tables import COVERAGE_HOURLY
from queries.answers import answer, pose
from queries.catalogue import load_catalogue
from queries.engine import Engine
from tests.estate import LOG, NOON, listed, put, sent, silent
from tests.lakes import open_lake


@pytest.fixture
def settings(tmp_path):
    return load_settings(lake=str(tmp_path / "lake"), workers=1)


def load(settings, *objects):
    """Ingest objects; what is settled of them changes no window."""
    with open_lake(settings) as lake:
        Ingest(lake, Request(tuple(map(str, objects)), settle=False)).run()


def spoken(place, number, minutes):
    """Write an object of an interface that speaks in these minutes after noon."""
    return put(place, number, *(
        sent(m) if m % 2 else silent(m, "eni-1") for m in minutes
    ))  # fmt: skip


def expected(settings):
    """Return {hour after noon: (windows expected, heard)} of the one interface."""
    with Lake(settings) as lake:
        rows = lake.load(COVERAGE_HOURLY).scan().to_arrow().to_pylist()
    return {
        (row["hour"] - NOON) // timedelta(hours=1): (
            row["windows_expected"], row["windows_seen"] + row["windows_silent"]
        )
        for row in rows
    }  # fmt: skip


def completeness(settings, since, until):
    """Return what `meta` says of some hours after noon."""
    hours = {"since": since, "until": until}
    given = {
        name: [f"{NOON + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ}"]
        for name, hour in hours.items()
    }
    with Engine(settings) as engine:
        report = load_catalogue()["top_talkers"]
        question = pose(engine, report, given, now=NOON)
        meta = answer(engine, question).meta
    json.dumps(meta)
    return meta["completeness"]


@pytest.mark.parametrize(
    ("minutes", "found"),
    [
        # all of two hours
        (range(120), {0: (60, 60), 1: (60, 60)}),
        # a tail of 20 windows and a head of 10; one less, as ever
        ([*range(40), *range(70, 120)], {0: (59, 40), 1: (60, 50)}),
        # two whole hours
        ([*range(60), *range(180, 240)],
         {0: (60, 60), 1: (59, 0), 2: (60, 0), 3: (60, 60)}),
        # the begin and the end of what is known of it
        (range(50, 70), {0: (10, 10), 1: (10, 10)}),
        # for longer than a day nobody knows that it was logged
        ([*range(60), *range(25 * 60, 26 * 60)], {0: (60, 60), 25: (60, 60)}),
    ],
)  # fmt: skip
def test_windows_are_missing_between_two_that_were_heard_of(
    settings, tmp_path, minutes, found
):
    load(settings, spoken(tmp_path / "objects", 0, minutes))
    assert expected(settings) == found


def of(settings, observer):
    """Return the windows expected and heard of one interface, at noon."""
    with Lake(settings) as lake:
        rows = lake.load(COVERAGE_HOURLY).scan().to_arrow().to_pylist()
    (row,) = [r for r in rows if r["observer"] == observer and r["hour"] == NOON]
    return row["windows_expected"], row["windows_seen"] + row["windows_silent"]


LONG = [sent(m, by="eni-2", seconds=590) for m in range(0, 60, 10)]


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        # Nitro: a record or a silence each minute; of five lost four are sure
        ([sent(m) for m in range(60) if not 20 <= m < 25], (59, 55)),
        ([silent(m, "eni-1") for m in range(60) if not 20 <= m < 25], (59, 55)),
        # short records alone tell of no window's length: ten minutes, as of its log
        ([sent(m, seconds=3) for m in range(60) if not 20 <= m < 25], (6, 6)),
        ([sent(m, seconds=3) for m in range(0, 60, 7)], (6, 6)),
        # a long one tells of long windows, whatever else is short
        ([sent(30, port=1, seconds=300), *(sent(m) for m in range(30))], (4, 4)),
    ],
)
def test_an_interfaces_windows_may_be_shorter_than_its_flow_logs(
    settings, tmp_path, lines, found
):
    load(settings, put(tmp_path / "objects", 0, *lines, *LONG))
    assert of(settings, "eni-2") == (6, 6)
    assert of(settings, "eni-1") == found


def test_hours_change_when_others_come_or_go(settings, tmp_path):
    place = tmp_path / "objects"
    load(settings, spoken(place, 0, range(60)))
    assert expected(settings) == {0: (60, 60)}
    load(settings, spoken(place, 1, range(180, 240)))
    assert expected(settings) == {0: (60, 60), 1: (59, 0), 2: (60, 0), 3: (60, 60)}
    load(settings, spoken(place, 2, range(100, 120)))
    assert expected(settings)[1] == (59, 20)
    assert expected(settings)[2] == (59, 0)
    load(settings, spoken(place, 3, [*range(60, 100), *range(120, 180)]))
    assert expected(settings) == dict.fromkeys(range(4), (60, 60))


REJECTS = "fl-0123456789abcdef1"


def rejecting(place, number, minutes):
    """Write an object of a second flow log, which has nothing to tell."""
    quiet = (silent(m, "eni-1") for m in minutes)
    return put(place, number, *quiet, log=REJECTS)


def test_a_flow_log_that_is_heard_does_not_hide_one_that_is_not(settings, tmp_path):
    place = tmp_path / "objects"
    load(settings, rejecting(place, 0, range(240)))
    load(settings, spoken(place, 1, [*range(40), *range(200, 240)]))
    assert expected(settings) == {
        0: (119, 100), 1: (120, 60), 2: (120, 60), 3: (120, 100),
    }  # fmt: skip
    load(settings, spoken(place, 2, range(40, 200)))
    assert expected(settings) == dict.fromkeys(range(4), (120, 120))


def look(settings, minute, *logs):
    """Record a complete look at AWS, which shows these flow logs."""
    shown = (
        ("flow_log", log, json.dumps({"FlowLogId": log, "ResourceId": "vpc-1"}))
        for log in logs
    )
    with open_lake(settings) as lake:
        record(lake, [listed(minute, *shown)])


def test_a_listed_flow_log_that_is_heard_no_more_is_missing(settings, tmp_path):
    place = tmp_path / "objects"
    for minute in (0, 180):
        look(settings, minute, LOG, REJECTS)
    load(settings, spoken(place, 0, range(40)), rejecting(place, 1, range(240)))
    # It was surely there until the last look at it.
    assert expected(settings) == {
        0: (119, 100), 1: (120, 60), 2: (120, 60), 3: (60, 60),
    }  # fmt: skip
    look(settings, 270, LOG, REJECTS)
    load(settings, rejecting(place, 2, range(240, 250)))
    assert expected(settings)[3] == (120, 60)
    assert expected(settings)[4] == (20, 10)


def test_a_flow_log_that_was_deleted_is_not_missing(settings, tmp_path):
    place = tmp_path / "objects"
    look(settings, 0, LOG, REJECTS)
    look(settings, 45, REJECTS)
    load(settings, spoken(place, 0, range(40)), rejecting(place, 1, range(120)))
    assert expected(settings) == {0: (100, 100), 1: (60, 60)}


def test_a_flow_log_in_place_of_another_leaves_nothing_missing(settings, tmp_path):
    place = tmp_path / "objects"
    load(settings, spoken(place, 0, range(70)), rejecting(place, 1, range(70, 120)))
    assert expected(settings) == dict.fromkeys(range(2), (60, 60))


def test_completeness_tells_of_skipped_windows(settings, tmp_path):
    lines = [silent(m, "eni-1", "SKIPDATA" if 10 <= m < 25 else "NODATA")
             for m in range(60)]  # fmt: skip
    load(settings, put(tmp_path / "objects", 0, *lines))
    assert expected(settings) == {0: (60, 45)}
    assert completeness(settings, 0, 1)["share"] == pytest.approx(0.75)


def test_completeness_tells_of_hours_in_which_nothing_was_heard(settings, tmp_path):
    load(settings, spoken(tmp_path / "objects", 0, [*range(60), *range(180, 240)]))
    assert completeness(settings, 0, 1)["share"] == 1
    assert completeness(settings, 2, 3)["share"] == 0
    assert completeness(settings, 0, 4)["share"] == pytest.approx(120 / 239, abs=1e-4)
    beyond = completeness(settings, 9, 10)
    assert beyond["share"] is None
    assert "no interface was heard of" in beyond["reason"]


def test_what_is_not_rolled_up_is_said_to_be(settings, tmp_path):
    open_lake(settings).close()
    assert "nothing has been ingested" in completeness(settings, 0, 1)["reason"]
    source = spoken(tmp_path / "objects", 0, range(60))
    with Lake(settings) as lake:
        Ingest(lake, Request((str(source),), roll_up=False)).run()
    assert "not rolled up" in completeness(settings, 0, 1)["reason"]


def test_rows_of_before_flow_logs_were_told_apart_stay(settings, tmp_path, monkeypatch):
    place = tmp_path / "objects"

    def without(rows, schema):
        return conform(rows.drop_columns(["flow_logs"]), schema)

    load(settings, spoken(place, 0, range(60)))
    monkeypatch.setattr("ingest.rollup.coverage.conform", without)
    load(settings, spoken(place, 1, range(120, 180)))
    assert expected(settings) == {0: (60, 60), 2: (60, 60)}
