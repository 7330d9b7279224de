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
        ("24h", datetime(2026, 2, 28, 10), datetime(2026, 2, 28, 11)),
        ("now", datetime(2026, 3, 1, 10), datetime(2026, 3, 1, 11)),
        ("today", datetime(2026, 3, 1), datetime(2026, 3, 1)),
        ("yesterday", datetime(2026, 2, 28), datetime(2026, 2, 28)),
        ("2026-02-01", datetime(2026, 2, 1), datetime(2026, 2, 1)),
        ("2026-02-01T01:30+01:00", datetime(2026, 2, 1, 0, 30),
         datetime(2026, 2, 1, 0, 30)),
    ],
)  # fmt: skip
def test_a_time_is_read_and_a_relative_one_snaps_outward(text, since, until):
    assert parse_moment("since", text, NOW) == since.replace(tzinfo=UTC)
    assert parse_moment("until", text, NOW) == until.replace(tzinfo=UTC)


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
        bound = bind(REPORT, {"since": ["today"], "baseline": [text]}, NOW)
        window = window_of(REPORT, bound)
        assert window
        reach_of(window, bound)
