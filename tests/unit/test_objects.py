"""Packed objects are the objects; a plan of them is small, and reads a day once."""

import tracemalloc
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ingest.known import Known
from ingest.listing import source_object
from ingest.objects import Objects
from ingest.plan import make_plan

T0 = datetime(2026, 1, 1, tzinfo=UTC)
PLACES = st.sampled_from(["s3://b/", "s3://b/AWSLogs/x_y/", "/var/log_s/", "s3://c/é/"])
AWS = st.builds(
    "{:012d}_vpcflowlogs_eu-west-1_fl-0a_202601{:02d}T0005Z_{:04x}.log.gz".format,
    st.integers(0, 3),
    st.integers(1, 31),
    st.integers(0, 5),
)
NAMES = st.one_of(AWS, st.text("ab_/.\n", min_size=1, max_size=9))


def listed(place, name, etag, size, seconds):
    return source_object(
        place + name,
        etag=etag,
        size=size,
        modified=T0 + timedelta(seconds=seconds, microseconds=size),
        local=not place.startswith("s3://"),
    )


SOURCES = st.lists(
    st.builds(listed, PLACES, NAMES, st.sampled_from(["e1", "e2-7"]),
              st.integers(0, 999), st.integers(-9, 9))
)  # fmt: skip


@given(SOURCES)
def test_what_is_packed_comes_out_as_it_was(sources):
    packed = Objects(sources)
    assert list(packed) == sources
    assert (len(packed), packed.size) == (len(sources), sum(s.size for s in sources))
    days = [(day, s) for day, lot in packed.by_day(2) for s in lot]
    assert sorted(map(repr, (s for _, s in days))) == sorted(map(repr, sources))
    assert all(day == (s.key_time and s.key_time.date()) for day, s in days)
    lots = list(packed.newest_first(max_bytes=1000, max_objects=3))
    assert sorted(repr(s) for lot in lots for s in lot) == sorted(map(repr, sources))
    times = [
        s.key_time or datetime.min.replace(tzinfo=UTC) for b in lots for s in b[::-1]
    ]
    assert times == sorted(times, reverse=True)
    assert all(len(b) == 1 or sum(s.size for s in b) <= 1000 for b in lots)


@given(SOURCES)
def test_a_plan_holds_each_object_once_and_counts_every_other(sources):
    plan = make_plan(None, [sources[:3], sources[3:]])
    left = {s.identity: s for s in plan.new}
    assert len(plan.new) == len(left) == len({s.identity for s in sources})
    assert len(plan.new) + plan.skipped == len(sources)
    assert plan.size == sum(s.size for s in left.values())
    for source in sources:
        kept = left[source.identity]
        assert source.etag == kept.etag or source.modified <= kept.modified


def names(accounts, days, a_day):
    for account in range(accounts):
        for day in range(days):
            yield [
                listed(
                    f"s3://b/AWSLogs/{account:012d}/vpcflowlogs/eu-west-1/2026/01/",
                    f"{account:012d}_vpcflowlogs_eu-west-1_fl-0123456789abcdef0_"
                    f"202601{day + 1:02d}T0005Z_{n:08x}.log.gz",
                    f"{n:032x}", 20_000, 0,
                )
                for n in range(a_day)
            ]  # fmt: skip


def test_a_planned_object_costs_little_memory():
    tracemalloc.start()
    plan = make_plan(None, names(2, 10, 500))
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(plan.new) == 10_000
    assert held / len(plan.new) < 160  # bytes


def test_each_day_is_looked_up_once_whatever_order_the_listing_has():
    asked = []

    class Nothing(Known):
        def __init__(self):
            pass

        def find(self, day, sources):
            asked.append(day)
            return {}

    make_plan(Nothing(), names(8, 5, 2))
    assert len(asked) == 5
