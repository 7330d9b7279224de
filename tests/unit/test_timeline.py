"""Who held a key throughout a window: the same answers as asking each interval."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transform.timeline import (
    AMBIGUOUS,
    EXACT,
    NOBODY,
    NOT_COVERED,
    TOLD_AFTER,
    Spans,
    Timeline,
)

KEYS = 3
interval = st.tuples(
    st.integers(0, KEYS - 1),  # key
    st.integers(10, 60),  # surely from
    st.integers(0, 20),  # for so long
    st.integers(0, 5),  # possibly so much earlier
    st.integers(0, 5),  # and later
    st.integers(0, 1),  # watcher
    st.integers(-1, 1),  # holder
)
span = st.tuples(st.integers(0, 1), st.integers(10, 70), st.integers(1, 120))
question = st.tuples(st.integers(-1, KEYS - 1), st.integers(0, 70), st.integers(1, 12))


def column(rows, place):
    return np.array([row[place] for row in rows], np.int64)


def disjoint(spans):
    """Return spans of which none touches another of its watcher."""
    kept: list[tuple[int, int, int]] = []
    for watcher, begin, length in sorted(spans):
        if not kept or kept[-1][0] != watcher or kept[-1][2] < begin:
            kept.append((watcher, begin, begin + length))
    return kept


def plainly(intervals, spans, key, begin, end):
    """Return (who, status), one interval after the other."""
    mine = [
        (
            n,
            since,
            since + length,
            since - before,
            max(since + length, since + 1) + after,
            by,
            n if holder < 0 else f"holder {holder}",
        )
        for n, (k, since, length, before, after, by, holder) in enumerate(intervals)
        if k == key
    ]
    sure = [row for row in mine if row[1] < row[2] and row[1] < end and row[2] > begin]
    able = [row for row in mine if row[3] < end and row[4] > begin]
    if len(sure) == 1 and sure[0][1] <= begin and end <= sure[0][2]:
        return sure[0][0], EXACT
    if (
        len(able) == 1
        and able[0][1] <= begin
        and end <= able[0][4]
        and any(
            w == able[0][5] and b <= begin and end + TOLD_AFTER <= e
            for w, b, e in spans
        )
    ):
        return able[0][0], EXACT
    if len({row[6] for row in (*able, *sure)}) > 1:
        return -1, AMBIGUOUS
    return -1, NOT_COVERED if able else NOBODY


@given(st.lists(interval, max_size=12), st.lists(span, max_size=4), st.lists(question))
def test_a_timeline_answers_as_its_intervals_do(intervals, spans, questions):
    spans = disjoint(spans)
    begin, length = column(intervals, 1), column(intervals, 2)
    timeline = Timeline(
        column(intervals, 0),
        (begin, begin + length),
        (
            begin - column(intervals, 3),
            np.maximum(begin + length, begin + 1) + column(intervals, 4),
        ),
        watcher=column(intervals, 5),
        spans=Spans(column(spans, 0), column(spans, 1), column(spans, 2)),
        whose=column(intervals, 6),
    )
    asked = column(questions, 1)
    found = timeline.at(column(questions, 0), asked, asked + column(questions, 2))
    assert list(zip(found.who.tolist(), found.status.tolist(), strict=True)) == [
        plainly(intervals, spans, key, begin, begin + length)
        for key, begin, length in questions
    ]


@pytest.mark.parametrize(("beyond", "status"), [(-1, NOT_COVERED), (0, EXACT)])
def test_a_watch_that_breaks_off_has_not_heard_of_the_next_holder(beyond, status):
    gone = 100
    timeline = Timeline(
        np.array([0]),
        (np.array([10]), np.array([gone])),
        (np.array([10]), np.array([gone + 2])),
        watcher=np.array([0]),
        spans=Spans(*np.array([[0], [0], [gone + 1 + TOLD_AFTER + beyond]])),
    )
    found = timeline.at(np.array([0]), np.array([gone - 50]), np.array([gone + 1]))
    assert found.status.tolist() == [status]
