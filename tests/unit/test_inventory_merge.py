"""What is claimed of who held an address lies within what was so."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.inventory.merge import merge
from ingest.inventory.sighting import CONFIGURED, SIGHTED, Sighting
from lake.tables import CONFIGURATIONS, IDENTITIES, arrow_schema

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
SCOPE = "aws:111111111111:us-east-1"
NOTHING = arrow_schema(IDENTITIES).empty_table()
LAST = 60  # minutes of the world


def at(minute):
    return BEGIN + timedelta(minutes=minute)


@st.composite
def histories(draw):
    """Return who held which address when: (holder, address, from, until), minutes."""
    held: list[tuple[str, str, int, int]] = []
    for address in ("10.0.0.1", "10.0.0.2"):
        now = draw(st.integers(0, 5))
        while now < LAST and len(held) < 8:
            until = now + draw(st.integers(1, 25))
            held.append((f"eni-{len(held)}", address, now, until))
            now = until + draw(st.integers(0, 6))
    return held


moments = st.lists(st.integers(0, LAST), min_size=1, max_size=6, unique=True)
tellings = st.sampled_from(["nothing", "start", "earliest"])


def sighting(history, minute, told="nothing", *, complete=True, deleted=()):
    rows = []
    for holder, address, since, until in history:
        if not since <= minute < until:
            continue
        row = dict.fromkeys(SIGHTED.names)
        row |= {"source": "aws", "holder": holder, "address": address, "vpc": "vpc-1"}
        row |= {"eni": holder}
        if told == "start":
            row |= {"started_at": at(since), "earliest": at(since - 1)}
        elif told == "earliest":
            row["earliest"] = at(since - 1)
        rows.append(row)
    return Sighting(
        SCOPE,
        at(minute),
        pa.Table.from_pylist(rows, schema=SIGHTED),
        lists=frozenset({"identities"} if complete else ()),
        deleted=deleted,
    )


def known(state, *sightings):
    return merge(IDENTITIES, state, sightings).rows


def comparable(rows):
    return sorted(repr(sorted(row.items(), key=str)) for row in rows.to_pylist())


def assert_sound(rows, history):
    """Certain is a part of what was so, which is a part of what is possible."""
    truth = {(h, a): (at(since), at(until)) for h, a, since, until in history}
    for row in rows.to_pylist():
        since, until = truth[row["holder"], row["address"]]
        assert since <= row["valid_from"]
        assert (row["valid_until"] or row["last_seen"]) <= until
        assert row["earliest"] is None or row["earliest"] <= since
        assert row["latest"] is None or row["latest"] >= until


@settings(deadline=None)
@given(histories(), moments, tellings)
def test_what_is_certain_was_so_and_what_was_so_is_possible(history, minutes, told):
    rows = known(NOTHING, *(sighting(history, m, told) for m in minutes))
    assert_sound(rows, history)
    holders = [row["holder"] for row in rows.to_pylist()]
    assert len(holders) == len(set(holders))  # nothing changed: one interval each


@settings(deadline=None)
@given(histories(), moments, tellings)
def test_the_same_sightings_again_change_nothing(history, minutes, told):
    sightings = [sighting(history, m, told) for m in minutes]
    once = known(NOTHING, *sightings)
    again = merge(IDENTITIES, once, sightings)
    assert comparable(again.rows) == comparable(once)
    assert not again.changed


@settings(deadline=None)
@given(histories(), moments, tellings)
def test_one_run_of_many_sightings_is_many_runs_of_one(history, minutes, told):
    sightings = [sighting(history, m, told) for m in sorted(minutes)]
    state = NOTHING
    listed: dict[tuple[str, str], tuple[datetime, datetime]] = {}
    for one in sightings:
        state = merge(IDENTITIES, state, [one], listed=listed).rows
        listed = {(SCOPE, "identities"): (sightings[0].at, one.at)}
    assert comparable(state) == comparable(known(NOTHING, *sightings))


@settings(max_examples=120, deadline=None)
@given(histories(), moments, tellings, st.randoms(use_true_random=False))
def test_older_sightings_never_make_a_false_claim(history, minutes, told, random):
    sightings = [sighting(history, m, told) for m in minutes]
    random.shuffle(sightings)
    state = NOTHING
    for one in sightings:
        state = known(state, one)
        assert_sound(state, history)


@settings(deadline=None)
@given(histories(), moments, st.integers(0, LAST))
def test_what_was_seen_to_go_is_over(history, minutes, end):
    listing = sighting(history, min(minutes))
    gone = [h for h, _, since, until in history if since <= min(minutes) < until <= end]
    deletion = Sighting(SCOPE, at(end), deleted=tuple(gone))
    rows = known(NOTHING, listing, deletion)
    assert_sound(rows, history)
    over = {row["holder"] for row in rows.to_pylist() if row["latest"] is not None}
    assert over == set(gone)


def test_a_changed_attribute_ends_an_interval_and_begins_another():
    history = [("eni-1", "10.0.0.1", 0, 60)]
    first, second = sighting(history, 10), sighting(history, 20)
    moved = second.identities.set_column(
        SIGHTED.get_field_index("instance"), "instance", pa.array(["i-2"])
    )
    rows = known(
        NOTHING, first, Sighting(SCOPE, at(20), moved, lists=frozenset({"identities"}))
    )
    old, new = sorted(rows.to_pylist(), key=lambda row: row["valid_from"])
    assert (old["valid_until"], old["latest"]) == (at(10), at(20))
    assert (new["valid_from"], new["earliest"]) == (at(20), at(10))
    assert (old["instance"], new["instance"]) == (None, "i-2")
    assert new["day"] is None
    assert old["day"] == BEGIN.date()


def test_an_incomplete_listing_says_nothing_of_what_it_lacks():
    history = [("eni-1", "10.0.0.1", 0, 60), ("eni-2", "10.0.0.2", 0, 60)]
    part = sighting(history[:1], 9, complete=False)
    rows = known(NOTHING, sighting(history, 5), part)
    assert all(row["valid_until"] is None for row in rows.to_pylist())


def test_rows_of_other_scopes_are_handed_through():
    history = [("eni-1", "10.0.0.1", 0, 60)]
    elsewhere = sighting(history, 5)
    other = Sighting("aws:2:r", at(5), elsewhere.identities, lists=elsewhere.lists)
    state = known(NOTHING, other)
    after = known(state, sighting([], 9))
    assert comparable(after) == comparable(state)


def watched(begin, end):
    row = dict.fromkeys(CONFIGURED.names)
    row |= {"resource_type": "k8s_watch", "resource_id": "c", "document": "{}"}
    row |= {"started_at": at(begin), "ended_at": at(end)}
    rows = pa.Table.from_pylist([row], schema=CONFIGURED)
    return Sighting("kubernetes:c", at(end), configurations=rows)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_watch_that_broke_off_is_two_spans(at_once):
    spans = [watched(0, 5), watched(0, 9), watched(20, 25), watched(20, 40)]
    state = arrow_schema(CONFIGURATIONS).empty_table()
    for some in [spans] if at_once else [[one] for one in spans]:
        state = merge(CONFIGURATIONS, state, some).rows
    found = sorted((r["valid_from"], r["valid_until"]) for r in state.to_pylist())
    assert found == [(at(0), at(9)), (at(20), at(40))]


def test_what_never_changes_is_known_whoever_did_not_tell_it():
    def seen(minute, zone):
        found = sighting([("eni-1", "10.0.0.1", 0, 60)], minute, complete=False)
        place = SIGHTED.get_field_index("az")
        rows = found.identities.set_column(place, "az", pa.array([zone], pa.string()))
        return Sighting(SCOPE, at(minute), rows)

    looks = [seen(10, "use1-az1"), seen(20, None), seen(30, "use1-az1"), seen(40, None)]
    state = NOTHING
    for one in looks:
        state = known(state, one)
    for rows in (state, known(NOTHING, *looks)):
        (row,) = rows.to_pylist()
        assert (row["valid_from"], row["last_seen"]) == (at(10), at(40))
        assert row["az"] == "use1-az1"
