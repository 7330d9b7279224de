"""An interface that several accounts list is one holder of its addresses."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ingest.inventory.merge import merge
from lake.tables import IDENTITIES, arrow_schema
from tests.histories import ADDRESSES, LAST, histories, listing, looks
from tests.histories import at as minute_of
from transform.addresses import parse
from transform.inventory import Inventory
from transform.timeline import AMBIGUOUS, EXACT

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
OWNER, GUEST = "aws:111111111111:eu-west-1", "aws:222222222222:eu-west-1"
NOTHING = arrow_schema(IDENTITIES).empty_table()
LAWS = settings(max_examples=60, deadline=None, phases=(Phase.explicit, Phase.reuse,
                                                        Phase.generate))  # fmt: skip


def look(scope, minute, *enis, name=None):
    rows = [
        {"source": "aws", "holder": eni, "eni": eni,
         "address": "10.0.0.1", "vpc": "vpc-1", "account": "222222222222",
         "name": name}
        for eni in enis
    ]  # fmt: skip
    return listing(scope, minute, rows)


def known(*sightings):
    return merge(IDENTITIES, NOTHING, sightings).rows


def ask(rows, minute, address="10.0.0.1"):
    inventory = Inventory(rows)
    begin = np.array([int((BEGIN + timedelta(minutes=minute)).timestamp())])
    vpc = np.array([inventory.vpc_code("vpc-1")])
    key = inventory.interfaces.find(vpc, parse(pa.array([address])))
    found = inventory.interfaces.at(key, begin, begin + 60)
    who = int(found.who[0])
    row = rows.to_pylist()[who] if who >= 0 else {}
    return int(found.status[0]), row.get("eni"), row.get("name")


@pytest.mark.parametrize("turned", [False, True])
def test_the_one_who_has_it_names_it_and_both_say_for_how_long(turned):
    sightings = [
        look(OWNER, 0, "eni-1"),
        look(GUEST, 5, "eni-1", name="mine"),
        look(OWNER, 10, "eni-1"),
        look(GUEST, 20, "eni-1", name="mine"),
    ]
    rows = known(*(sightings[::-1] if turned else sightings))
    assert rows.num_rows == 2
    for minute in (0, 5, 9, 15, 19):
        assert ask(rows, minute) == (EXACT, "eni-1", "mine")


def test_a_scope_that_is_looked_at_no_more_does_not_stand_in_the_way():
    rows = known(
        *(look("aws:222222222222:unknown", minute, "eni-1") for minute in (0, 5)),
        *(look(GUEST, minute, "eni-1") for minute in (10, 20, 30)),
    )
    assert ask(rows, 15)[:2] == (EXACT, "eni-1")
    assert ask(rows, 25)[:2] == (EXACT, "eni-1")


def test_of_several_interfaces_none_is_named():
    rows = known(
        *(look(OWNER, minute, "eni-1") for minute in (0, 10)),
        *(look(GUEST, minute, "eni-1", "eni-2") for minute in (0, 10)),
    )
    assert ask(rows, 5) == (AMBIGUOUS, None, None)


@LAWS
@given(histories(), looks(told=("start", "earliest")), st.data())
def test_whoever_is_named_had_it(history, seen, data):
    sightings = [
        replace(each.of(history), scope=data.draw(st.sampled_from([OWNER, GUEST])))
        for each in seen
    ]
    rows = known(*sightings)
    inventory = Inventory(rows)
    ticks = np.arange(0, LAST + 5, 0.5)
    begin = np.array([int(minute_of(tick).timestamp()) for tick in ticks])
    vpc = np.full(len(begin), inventory.vpc_code("vpc-1"))
    for address in ADDRESSES:
        key = inventory.interfaces.find(vpc, parse(pa.array([address] * len(begin))))
        found = inventory.interfaces.at(key, begin, begin + 30)
        for tick, status, who in zip(ticks, found.status, found.who, strict=True):
            if status == EXACT:
                eni = rows["eni"][int(who)].as_py()
                assert any(
                    s.holder == eni and s.address == address
                    and s.since <= tick + 0.5 and tick <= s.until
                    for s in history
                )  # fmt: skip
