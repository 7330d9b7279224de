"""Two ends of one stream: what one sent, and what the other shows of it."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_enrich import AT, holder, known, rows_of
from tests.unit.test_logged import PLACES, log, settled
from transform.runs import conserved
from transform.shown import shown
from transform.twins import Windows


def ends(traffic="ALL"):
    return known(
        holder("10.0.0.1", eni="eni-1"),
        holder("10.0.0.2", eni="eni-2"),
        configurations=[*PLACES, log("fl-1", "eni-1"), log("fl-2", "eni-2", traffic)],
    )


def cut(passed, every, first, late=0):
    """Return packets, each a second and a size, as a flow log cuts them in windows."""
    found: dict[int, list[int]] = {}
    for second, size in passed:
        window = found.setdefault((second - first) // every, [second, second, 0, 0])
        window[1] = second
        window[2] += 1
        window[3] += size
    begin, end, packets, sizes = np.array([*found.values()], np.int64).T
    nobody = np.zeros(len(begin), np.int64)
    return Windows(nobody, nobody, begin + late, end + late, packets, sizes)


def lines(eni, shown_, action="ACCEPT"):
    """Return windows as records of one of the stream's ends."""
    way = "egress" if eni == "eni-1" else "ingress"
    columns = (shown_.packets, shown_.bytes, shown_.begin, shown_.end)
    return [
        f"{eni} 10.0.0.1 10.0.0.2 40000 443 6 {packets} {size} {begin} {end} {action} "
        f"OK vpc-1 subnet-1 - 16 10.0.0.1 10.0.0.2 {way}"
        for packets, size, begin, end in zip(*columns, strict=True)
    ]


def windows(eni, numbers, *, every, packets, late=0):
    """Return a steady stream's records by one of its ends, in windows of seconds."""
    way = "egress" if eni == "eni-1" else "ingress"
    return [
        f"{eni} 10.0.0.1 10.0.0.2 40000 443 6 {packets} {60 * packets} "
        f"{AT + every * n + late} {AT + every * n + every - 10 + late} ACCEPT OK vpc-1 "
        f"subnet-1 - 16 10.0.0.1 10.0.0.2 {way}"
        for n in numbers
    ]


def amounts(inventory, sent, came, **silences):
    """Return the packets by what became of them."""
    rows = pa.concat_tables(
        [rows_of(sent, log="fl-1"), rows_of(came, log="fl-2")],
        promote_options="default",
    ).unify_dictionaries()
    found: Counter[str] = Counter()
    decided = settled(inventory, rows, **silences)
    for packets, row in zip(rows["packets"].to_pylist(), decided, strict=True):
        if row["counted"] or row["role"]:
            found[row["verdict"] or row["role"]] += packets
    return found


def test_a_window_of_ten_minutes_that_looks_like_three_others_takes_none_away():
    passed = [(AT + 5 + 5 * n, 100) for n in range(50)]
    sent, came = (
        lines(eni, cut(passed, *how))
        for eni, how in (("eni-1", (60, AT)), ("eni-2", (600, AT + 185)))
    )
    assert amounts(ends("ACCEPT"), sent, came) == {"accepted": 50}


def test_minutes_half_a_minute_apart_that_look_alike_are_of_the_same_packets():
    passed = [(AT + 31 + 30 * n, 100) for n in range(8)]
    sent = lines("eni-1", cut(passed, 60, AT))
    came = lines("eni-2", cut(passed, 60, AT + 30), action="REJECT")
    assert amounts(ends("REJECT"), sent, came) == {"rejected": 8}


def test_what_looks_alike_before_and_after_others_is_of_the_same_packets():
    talks = [[(AT + 31 + 360 * m + 30 * n, 100) for n in range(8)] for m in range(2)]
    others = [(AT + 290 + 2 * n, 70) for n in range(25)]  # let in, and not rejected
    passed = sorted([*talks[0], *others, *talks[1]])
    sent = lines("eni-1", cut(passed, 60, AT + 45))
    came = lines("eni-2", cut([*talks[0], *talks[1]], 60, AT + 15), action="REJECT")
    found = amounts(ends("REJECT"), sent, came)
    assert found == {"rejected": 16, "accepted": 25}


@pytest.mark.parametrize("late", [-20, -3, 0, 3, 20])
def test_a_steady_stream_in_pieces_is_all_there(late):
    sent = windows("eni-1", range(30), every=60, packets=3)
    came = windows("eni-2", range(3), every=600, packets=30, late=late)
    assert amounts(ends("ACCEPT"), sent, came) == {"accepted": 90}


@pytest.mark.parametrize("late", [-55, -31, -20, 0, 20, 31, 55])
def test_a_long_window_that_was_skipped_is_unmatched_whatever_clocks_differ(late):
    sent = windows("eni-1", range(6), every=600, packets=60)
    came = windows("eni-2", (0, 1, 3, 4, 5), every=600, packets=60, late=late)
    skipped = [("eni-2", AT + 1200, AT + 1799)]
    found = amounts(ends(), sent, came, skipped=skipped)
    assert found == {"accepted": 300, "unmatched": 60}


def test_what_is_sent_after_the_destination_has_gone_is_unmatched():
    sent = windows("eni-1", range(12), every=60, packets=5)
    came = windows("eni-2", range(4), every=60, packets=5)
    assert amounts(ends(), sent, came) == {"accepted": 20, "unmatched": 40}


@pytest.mark.parametrize("late", [-20, 0, 20])
@pytest.mark.parametrize("minutes", [1, 2, 3])
def test_minutes_that_were_dropped_on_the_way_are_unmatched(minutes, late):
    sent = windows("eni-1", range(8), every=60, packets=12)
    numbers = [n for n in range(8) if not 3 <= n < 3 + minutes]
    came = windows("eni-2", numbers, every=60, packets=12, late=late)
    lost = 12 * minutes
    assert amounts(ends(), sent, came) == {"accepted": 96 - lost, "unmatched": lost}


def test_a_minute_that_another_may_show_with_it_is_not_unmatched():
    sent = windows("eni-1", range(8), every=60, packets=12)
    came = windows("eni-2", (0, 1, 2, 5, 6, 7), every=60, packets=12)
    came += windows("eni-2", [4], every=60, packets=13)
    assert amounts(ends(), sent, came) == {"accepted": 85}


def test_minutes_at_the_edge_of_what_is_at_hand_may_be_told_elsewhere():
    # Three hours: the stream begins before them, where its first record may be.
    sent = windows("eni-1", range(180), every=60, packets=12)
    came = windows("eni-2", [n for n in range(180) if n != 90], every=60, packets=12)
    assert amounts(ends(), sent, came) == {"accepted": 179 * 12}


CUTS = st.tuples(st.sampled_from([60, 600]), st.integers(0, 599))
STEADY = st.tuples(
    st.integers(1, 60), st.sampled_from([1, 5, 20, 45, 75]), st.sampled_from([60, 100])
)


@given(st.lists(STEADY, min_size=1, max_size=4), CUTS, CUTS, st.integers(-30, 30))
@settings(max_examples=300, deadline=None)
def test_however_two_cut_the_same_packets_all_are_shown(pieces, one, other, late):
    """Also where windows happen to show as many; no clock differs more than half."""
    passed, second = [], AT
    for count, gap, size in pieces:
        passed += [(second + gap * n, size) for n in range(count)]
        second += gap * count
    every, first = other
    sent, came = cut(passed, *one), cut(passed, every, first, late=late)
    assert shown(sent, came).all()
    assert shown(came, sent).all()


def test_windows_of_which_the_amounts_are_not_known_add_up_to_nothing():
    sent = cut([(AT + 30 * n, 60) for n in range(8)], 60, 0)
    came = cut([(AT + 30 * n, 60) for n in range(8)], 60, 30)
    unknown = replace(came, packets=came.packets * 0 - 1, bytes=came.bytes * 0 - 1)
    assert conserved(sent, came)[0].all()
    assert not conserved(sent, unknown)[0].any()
    assert not conserved(unknown, unknown)[0].any()


def test_as_much_at_another_time_is_not_the_same():
    sent = cut([(AT + 5 * n, 60) for n in range(36)], 60, 0)
    came = replace(sent, begin=sent.begin + 180, end=sent.end + 180)
    assert not shown(sent, came).any()
