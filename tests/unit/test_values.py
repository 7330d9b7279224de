"""What people write for a window is read as they mean it."""

from datetime import UTC, datetime, timedelta

import pytest

from lake.errors import BadParameter
from queries.catalogue import find_report
from queries.values import bind, parse_moment, reach_of, window_of

NOW = datetime(2026, 3, 1, 10, 20, 30, tzinfo=UTC)
REPORT = find_report("rejected_traffic")


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("24h", "2026-02-28T10:00", "2026-02-28T11:00"),
        ("now", "2026-03-01T10:00", "2026-03-01T11:00"),
        ("today", "2026-03-01T00:00", "2026-03-01T00:00"),
        ("yesterday", "2026-02-28T00:00", "2026-02-28T00:00"),
        ("2026-02-01", "2026-02-01T00:00", "2026-02-01T00:00"),
        ("2026-02-01T01:30+01:00", "2026-02-01T00:30", "2026-02-01T00:30"),
    ],
)
def test_a_time_is_read_and_a_relative_one_snaps_outward(text, since, until):
    for name, time in (("since", since), ("until", until)):
        assert parse_moment(name, text, NOW) == datetime.fromisoformat(f"{time}Z")


def test_last_is_since_so_long_ago():
    last = bind(REPORT, {"last": ["7d"]}, NOW)
    assert last == bind(REPORT, {"since": ["7d"]}, NOW)
    with pytest.raises(BadParameter, match="last"):
        bind(REPORT, {"last": ["7d"], "until": ["now"]}, NOW)


def test_a_baseline_reaches_back_before_the_window():
    bound = bind(REPORT, {"since": ["today"], "baseline": ["7d"]}, NOW)
    window = window_of(REPORT, bound)
    assert window
    assert window.since - reach_of(window, bound).since == timedelta(days=7)
    assert reach_of(window, {"baseline": None}) == window


@pytest.mark.parametrize("text", ["0d", "7", "d", "-1d", "1w", "999999d"])
def test_a_baseline_that_is_none_is_refused(text):
    with pytest.raises(BadParameter, match="baseline"):
        asked(text)


def asked(baseline):
    bound = bind(REPORT, {"since": ["today"], "baseline": [baseline]}, NOW)
    window = window_of(REPORT, bound)
    assert window
    return reach_of(window, bound)
