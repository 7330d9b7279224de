"""Two ends of one stream: what one sent, and what the other shows of it."""

from collections import Counter

import pyarrow as pa
import pytest

from tests.unit.test_enrich import AT, holder, known, rows_of
from tests.unit.test_logged import PLACES, log, settled


def ends(traffic="ALL"):
    return known(
        holder("10.0.0.1", eni="eni-1"),
        holder("10.0.0.2", eni="eni-2"),
        configurations=[*PLACES, log("fl-1", "eni-1"), log("fl-2", "eni-2", traffic)],
    )


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
    # The minute beside the last that came may be told by it.
    assert amounts(ends(), sent, came) == {"accepted": 20, "unmatched": 35}
