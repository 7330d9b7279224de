"""Whatever is told of who held an address, in whatever order: nothing untrue."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ingest.inventory.merge import merge
from lake.tables import IDENTITIES, arrow_schema
from tests.histories import ADDRESSES, LAST, SCOPE, at, histories, in_turns, looks
from tests.plain_merge import Claim, claims
from transform.addresses import parse
from transform.codes import NONE
from transform.inventory import Inventory

# Shrinking takes minutes here, and what fails is small anyway.
LAWS = settings(max_examples=60, deadline=None, phases=(Phase.explicit, Phase.reuse,
                                                         Phase.generate))  # fmt: skip
NOTHING = arrow_schema(IDENTITIES).empty_table()


def told_of(rows):
    """Return a table's rows as claims."""
    found = []
    for row in rows.to_pylist():
        since, until = row["valid_from"], row["valid_until"] or row["last_seen"]
        found.append(
            Claim(
                (row["holder"], row["address"]),
                row["name"],
                None if since is None else (since, until),
                (row["earliest"], row["latest"]),
            )
        )
    return found


def in_order(found):
    """Return claims in an order, their times in minutes."""

    def minutes(times):
        return times and tuple(t and (t - at(0)).total_seconds() / 60 for t in times)

    return sorted(
        (c.key, c.name, str(minutes(c.surely)), str(minutes(c.possibly))) for c in found
    )


def in_turn(sightings):
    """Yield the rows after each sighting, brought in one after the other."""
    state, times = NOTHING, list[datetime]()
    for one in sightings:
        listed = {(SCOPE, "identities"): (min(times), max(times))} if times else {}
        state = merge(IDENTITIES, state, [one], listed=listed).rows
        times += [one.at] if one.lists else []
        yield state


def ticks():
    """Return the middle of each half minute."""
    return [at(half / 2 + 0.25) for half in range(-4, 2 * LAST + 10)]


def covers(span, tick):
    low, high = span
    return (low is None or low <= tick) and (high is None or tick <= high)


def surely(found, key, name, tick):
    return any(
        c.key == key and c.name == name and c.surely and covers(c.surely, tick)
        for c in found
    )


def possibly(found, key, name, tick):
    return any(
        c.key == key and c.name == name and covers(c.possibly, tick) for c in found
    )


def assert_claims_no_more(found, measure):
    """Sure where the measure is sure; whatever it thinks possible is possible."""
    names = {(c.key, c.name) for c in (*found, *measure)}
    for tick in ticks():
        for key, name in names:
            if surely(found, key, name, tick):
                assert surely(measure, key, name, tick), (key, name, tick)
            if possibly(measure, key, name, tick):
                assert possibly(found, key, name, tick), (key, name, tick)


@LAWS
@given(histories(), looks())
def test_all_at_once_is_what_plain_rules_tell(history, seen):
    sightings = [look.of(history) for look in seen]
    rows = merge(IDENTITIES, NOTHING, sightings).rows
    assert in_order(told_of(rows)) == in_order(claims(sightings))


@LAWS
@given(histories(), looks(mixed=False))
def test_in_order_of_time_one_by_one_is_all_at_once(history, seen):
    sightings = [look.of(history) for look in in_turns(seen)]
    *_, rows = in_turn(sightings)
    assert in_order(told_of(rows)) == in_order(claims(sightings))


@LAWS
@given(histories(), looks(), st.randoms(use_true_random=False))
def test_in_any_order_no_more_is_claimed_than_by_all_together(history, seen, random):
    sightings = [look.of(history) for look in seen]
    random.shuffle(sightings)
    for number, rows in enumerate(in_turn(sightings)):
        assert_claims_no_more(told_of(rows), claims(sightings[: number + 1]))


@LAWS
@given(histories(), looks(), st.randoms(use_true_random=False))
def test_what_is_told_again_changes_nothing(history, seen, random):
    sightings = [look.of(history) for look in seen]
    times = [s.at for s in sightings if s.lists]
    listed = {(SCOPE, "identities"): (min(times), max(times))} if times else {}
    rows = merge(IDENTITIES, NOTHING, sightings).rows
    again = merge(IDENTITIES, rows, sightings, listed=listed)
    assert not again.changed
    one = random.choice(sightings)
    assert not merge(IDENTITIES, rows, [one], listed=listed).changed


@LAWS
@given(histories(), looks(told=("start", "earliest")))
def test_where_begins_are_told_claims_are_true(history, seen):
    found = told_of(merge(IDENTITIES, NOTHING, [k.of(history) for k in seen]).rows)
    for claim in (c for c in found if c.surely):
        for tick in ticks():
            held = [s for s in history if at(s.since) <= tick < at(s.until)]
            mine = {((s.holder, s.address), s.name) for s in held}
            if covers(claim.surely, tick):
                assert (claim.key, claim.name) in mine
            named = {(c.key, c.name) for c in found}
            for key, name in mine & named:
                seen_then = any(
                    at(s.since) <= at(k.minute + 0.5) < at(s.until)
                    for s in held
                    for k in seen
                    if ((s.holder, s.address), s.name) == (key, name)
                )
                assert not seen_then or possibly(found, key, name, tick)


def answers(rows):
    """Return who is said to have held each address in windows of a minute."""
    inventory = Inventory(rows)
    who = list(zip(rows["holder"].to_pylist(), rows["name"].to_pylist(), strict=True))
    begin = np.array([int(tick.timestamp()) for tick in ticks()])
    vpc = np.full(len(begin), inventory.vpc_code("vpc-1"))
    found = {}
    for address in ADDRESSES:
        asked = parse(pa.array([address] * len(begin)))
        key = inventory.interfaces.find(vpc, asked)
        told = inventory.interfaces.at(key, begin, begin + 60)
        for tick, status, row in zip(ticks(), told.status, told.who, strict=True):
            found[address, tick] = int(status), row >= 0 and who[row]
    return found


@LAWS
@given(histories(), looks(), st.randoms(use_true_random=False))
def test_no_answer_changes_outside_of_what_a_merge_concerns(history, seen, random):
    sightings = [look.of(history) for look in seen]
    random.shuffle(sightings)
    state, times = NOTHING, list[datetime]()
    before = answers(state)
    for one in sightings:
        listed = {(SCOPE, "identities"): (min(times), max(times))} if times else {}
        merged = merge(IDENTITIES, state, [one], listed=listed)
        state, after = merged.rows, answers(merged.rows)
        times += [one.at] if one.lists else []
        for (address, tick), answer in after.items():
            if answer != before[address, tick]:
                assert merged.concerns is not None
                since, until = merged.concerns
                assert since is None or tick + timedelta(minutes=1) >= since
                assert until is None or tick <= until
        before = after


def public(sighting, address):
    """Return a sighting in which an address is a public one: it lies in no VPC."""
    rows = sighting.identities
    vpc = pc.if_else(pc.equal(rows["address"], address), None, rows["vpc"])
    place = rows.schema.get_field_index("vpc")
    return replace(sighting, identities=rows.set_column(place, "vpc", vpc))


@LAWS
@given(histories(), looks(), st.randoms(use_true_random=False))
def test_what_an_interface_ever_had_and_its_vpc_hold_at_any_time(history, seen, random):
    sightings = [public(look.of(history), ADDRESSES[1]) for look in seen]
    random.shuffle(sightings)
    shown, homed = set(), set()
    for number, rows in enumerate(in_turn(sightings)):
        for row in sightings[number].identities.to_pylist():
            shown.add((row["eni"], row["address"]))
            homed |= {row["eni"]} if row["vpc"] else set()
        inventory = Inventory(rows)
        enis = inventory.columns["eni"]
        for eni in ("h0", "h1"):
            code = enis.code_of(eni)
            owned = inventory.owned.has(
                np.array([code] * 2), parse(pa.array(ADDRESSES))
            )
            assert owned.tolist() == [(eni, address) in shown for address in ADDRESSES]
            home = inventory.columns["vpc"].code_of("vpc-1") if eni in homed else NONE
            assert code < 0 or inventory.vpc_of_eni[code] == home
