"""Hours of coverage that are kept are those that the lake holds now."""

from datetime import UTC, datetime, timedelta

import pytest

from ingest.rollup.follower import roll_up
from lake.compact import compact
from lake.tables import COVERAGE_HOURLY
from queries.hours import hours_of
from queries.limits import UNLIMITED, Limits
from queries.values import Window
from tests.lakes import lake_and_engine
from tests.plain_sums import dice_of, flows_of, put

BEGIN = datetime(2026, 1, 1, 20, tzinfo=UTC)
LIMITS = [UNLIMITED, Limits(accounts=frozenset({"a"})),
          Limits(namespaces=frozenset({"shop"}))]  # fmt: skip
SUMMED = ("records", "undecided", "sides", "unmatched")


def rows_of(seed, hours):
    rows = flows_of(seed, hours)
    for number, row in enumerate(rows):
        row |= {"account_id": "ab"[number % 2], "vpc_id": "vpc-1"}
    return rows


@pytest.fixture
def both(tmp_path):
    with lake_and_engine(tmp_path) as opened:
        yield opened


def plain(lake, window, limits):
    """Return the sums, row by row."""
    rows = lake.load(COVERAGE_HOURLY).scan().to_arrow().to_pylist()
    since = window.since.replace(minute=0, second=0)
    chosen = [
        row
        for row in rows
        if since <= row["hour"] < window.until
        and (not limits.accounts or row["account_id"] in limits.accounts)
        and not limits.namespaces
    ]
    heard = {row["hour"] for row in chosen if row["records"]}
    touched = -(-(window.until - window.since) // timedelta(hours=1))
    sums = {n: sum(row[n] or 0 for row in chosen) for n in SUMMED} if chosen else {}
    return sums, touched - len(heard)


def test_what_is_kept_of_days_is_what_they_hold_whatever_comes(both):
    lake, engine = both
    dice = dice_of(1)
    steps = [
        lambda: put(lake, rows_of(1, [0, 3, 4, 26, 50])),
        lambda: put(lake, rows_of(2, [3, 27])),
        lambda: compact(lake, COVERAGE_HOURLY),
        lambda: put(lake, rows_of(3, [100])),
    ]
    for step in steps:
        step()
        roll_up(lake)
        pinned = engine.pin([COVERAGE_HOURLY.name])[COVERAGE_HOURLY.name]
        for limits in LIMITS:
            for _ in range(5):
                ends = sorted(dice.sample(range(240), 2))
                window = Window(*(BEGIN + timedelta(minutes=30 * end) for end in ends))
                hours = hours_of(engine, pinned, window, limits)
                found = hours.sums(window)
                told = {name: found[name] for name in SUMMED if name in found}
                assert (told, hours.unheard(window)) == plain(lake, window, limits)


def test_days_with_the_same_files_are_not_read_again(both, monkeypatch):
    lake, engine = both
    put(lake, rows_of(1, [0, 3, 26]))
    roll_up(lake)
    window = Window(BEGIN, BEGIN + timedelta(days=5))
    pinned = engine.pin([COVERAGE_HOURLY.name])[COVERAGE_HOURLY.name]
    first = hours_of(engine, pinned, window, UNLIMITED)
    assert first.rows
    monkeypatch.setattr(engine, "session", None)  # to read would now fail
    longer = Window(BEGIN - timedelta(days=1), window.until)
    assert hours_of(engine, pinned, longer, UNLIMITED) == first
