"""Roll-ups hold the sums of `flows`, whatever happened to it and to them."""

from collections import defaultdict
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies

from ingest.rollup import follower, joined
from ingest.rollup.follower import roll_up, stopped
from ingest.rollup.joined import HOURLY, join_days
from ingest.rollup.sums import LIMITS, Sums
from lake.compact import compact
from lake.errors import FollowerStopped
from lake.expire import expire
from lake.follow import follow_all
from lake.retain import drop_days
from lake.rewrite import hour_of, hours_property, live_files, swap
from lake.settings import load_settings
from lake.snapshots import ABSORBED, TOUCHING, head_id
from lake.store import Change, commit
from lake.tables import (
    COVERAGE_HOURLY,
    EDGES_DAILY,
    EDGES_HOURLY,
    ENDPOINTS_HOURLY,
    FLOWS,
    ROLLUPS,
)
from tests.lakes import open_lake
from tests.plain_sums import (
    PORTS,
    SHAPES,
    SOURCES,
    dice_of,
    edges_of,
    expected_of,
    flows_of,
    in_all,
    put,
    rolled,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _few_of_a_kind(monkeypatch):
    for name, limits in LIMITS.items():
        small = {"ports_kept": PORTS, "sources_kept": SOURCES}
        monkeypatch.setitem(LIMITS, name, limits | {k: small[k] for k in limits
                                                    if k in small})  # fmt: skip


def new_lake(path):
    opened = open_lake(load_settings(lake=str(path)))
    return opened


@pytest.fixture
def lake_(tmp_path):
    with new_lake(tmp_path / "lake") as opened:
        yield opened


class World:
    """A lake, its plain rows, and what each hour's sums should be."""

    def __init__(self, lake_):
        self.lake = lake_
        self.known: dict[datetime, list[Any]] = {}
        self.expected: dict[datetime, dict[str, int]] = {}
        self.kept_from = date.min

    def ingest(self, seed):
        put(self.lake, flows_of(seed, [0, 1, 2, 3]))

    def ingest_apart(self, seed):
        """Leave hours between, so that what is heard of is not heard in each."""
        put(self.lake, flows_of(seed, dice_of(seed).choice(APART)))

    def replace(self, seed):
        files = live_files(self.lake.load(FLOWS))
        if files:
            gone = dice_of(seed).choice(files)
            put(self.lake, flows_of(seed, [1, 2]), op="replace", removed=[gone])

    def settle(self, seed):
        stored = self.lake.load(FLOWS)
        files = live_files(stored)
        if files:
            file = dice_of(seed).choice(files)
            swap(self.lake, FLOWS, [file], op="settle", transform=decided,
                 summary=hours_property([hour_of(stored, file)]))  # fmt: skip

    def compact(self, seed):
        for table in (FLOWS, *ROLLUPS):
            compact(self.lake, table)

    def retain(self, seed):
        self.roll_up()
        drop_days(self.lake, FLOWS, date(2026, 1, 2))
        if self.lake.load(FLOWS).properties.get("flowlake.retained-from"):
            self.kept_from = date(2026, 1, 2)

    def expire(self, seed):
        expire(self.lake, FLOWS, keep=1, slack=0)

    def crash(self, seed):
        """Die before or after one of the commits of a pass."""
        dice, real = dice_of(seed), commit
        left, after = [dice.randrange(len(ROLLUPS))], dice.random() < 0.5

        def dying(lake_, table, change, **more):
            left[0] -= 1
            if left[0] < 0 and not after:
                raise KeyboardInterrupt
            landed = real(lake_, table, change, **more)
            if left[0] < 0:
                raise KeyboardInterrupt
            return landed

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(follower, "commit", dying)
            with suppress(KeyboardInterrupt):
                roll_up(self.lake)

    def roll_up(self, seed=0):
        roll_up(self.lake)
        hours = defaultdict(list)
        for row in self.lake.load(FLOWS).scan().to_arrow().to_pylist():
            hours[row["start_time"].replace(minute=0, second=0)].append(row)
        for hour in {*hours, *self.known}:
            if hour.date() >= self.kept_from:
                self.known[hour] = hours[hour]
        expected = expected_of(self.known)
        self.expected = {
            hour: expected.get(hour, {}) if hour.date() >= self.kept_from
            else self.expected.get(hour, {})
            for hour in {*expected, *self.expected}
        }  # fmt: skip


def decided(rows):
    """Settle rows: what was undecided is no longer."""
    counted = pa.chunked_array([pa.array([True] * rows.num_rows)])
    kept = [name for name in rows.column_names if name != "counted"]
    return rows.select(kept).append_column("counted", counted)


APART = ([0], [3, 6], [5, 29], [5, 30], [53])
STEPS = ("ingest", "ingest_apart", "ingest_apart", "replace", "settle", "compact",
         "expire", "crash", "roll_up", "retain")  # fmt: skip


def holds(world):
    """Assert that each roll-up has the sums of its hours, and no other hour."""
    for table, (sums_of, *_) in SHAPES.items():
        expected = {hour: sums_of(rows) for hour, rows in world.known.items()}
        found = rolled(world.lake, table)
        if table is COVERAGE_HOURLY:  # it also tells of whom it has not heard
            found = {hour: {k: v for k, v in rows.items() if v[0]}
                     for hour, rows in found.items()}  # fmt: skip
            found = {hour: rows for hour, rows in found.items() if rows}
        assert found == {h: e for h, e in expected.items() if e}
    covered: Any = defaultdict(dict)
    for row in world.lake.load(COVERAGE_HOURLY).scan().to_arrow().to_pylist():
        covered[row["hour"]][row["observer"]] = row["windows_expected"]
    assert covered == {h: names for h, names in world.expected.items() if names}
    days = defaultdict(list)
    for hour, rows in world.known.items():
        days[hour.date()].extend(rows)
    daily = rolled(world.lake, EDGES_DAILY, "day")
    for day, rows in days.items():
        together = daily.get(day, {})
        assert in_all(together) == in_all(edges_of(rows))
        assert all(named <= PORTS for named in ports_named(together).values())
    assert set(daily) <= set(days)


def ports_named(edges):
    named: dict[Any, int] = defaultdict(int)
    for *edge, port, _ in edges:
        named[tuple(edge)] += port is not None
    return named


@settings(max_examples=8, deadline=None)
@given(steps=strategies.lists(
    strategies.tuples(strategies.sampled_from(STEPS), strategies.integers(0, 10**6)),
    min_size=1, max_size=6))  # fmt: skip
def test_roll_ups_are_the_sums_of_flows(tmp_path_factory, steps):
    with new_lake(tmp_path_factory.mktemp("lake")) as lake_:
        world = World(lake_)
        world.ingest(1)
        for step, seed in steps:
            getattr(world, step)(seed)
        world.roll_up()
        holds(world)


def heads(lake_):
    return [head_id(lake_.load(table)) for table in ROLLUPS]


def test_rolling_up_twice_changes_nothing(lake_):
    world = World(lake_)
    assert roll_up(lake_) == 0  # nothing was ingested yet
    world.ingest(1)
    assert roll_up(lake_) == 4
    before = heads(lake_)
    assert roll_up(lake_) == 0
    assert heads(lake_) == before


@pytest.mark.parametrize("op", TOUCHING)
def test_only_touched_hours_are_added_up_again(lake_, op):
    put(lake_, flows_of(1, [0, 1, 2]))
    roll_up(lake_)
    names = {f.file_path for f in live_files(lake_.load(EDGES_HOURLY))}
    put(lake_, flows_of(2, [1]), op=op)
    assert roll_up(lake_) == 1
    assert len(names & {f.file_path for f in live_files(lake_.load(EDGES_HOURLY))}) == 2


SECOND = range(2, 9)  # hours of the second of January


def files_of_second(lake_, table):
    day = (date(2026, 1, 2) - date(1970, 1, 1)).days
    return sum(f.partition[0] == day for f in live_files(lake_.load(table)))


def test_the_hours_of_a_day_that_has_ended_become_one_file(lake_, monkeypatch):
    monkeypatch.setattr(joined, "FILES_A_DAY", 2)
    world = World(lake_)
    put(lake_, flows_of(1, [0, *SECOND, 30]))
    world.roll_up()
    assert [files_of_second(lake_, table) for table in HOURLY] == [1] * len(HOURLY)
    holds(world)
    put(lake_, flows_of(2, [3]))
    monkeypatch.setattr(joined, "FILES_A_DAY", 3)
    world.roll_up()
    assert files_of_second(lake_, EDGES_HOURLY) == 2
    holds(world)


def test_a_day_is_joined_once_its_last_hour_may_be_settled(lake_, monkeypatch):
    put(lake_, flows_of(1, SECOND))
    monkeypatch.setattr(joined, "FILES_A_DAY", 99)
    roll_up(lake_)
    monkeypatch.setattr(joined, "FILES_A_DAY", 2)
    settled = datetime(2026, 1, 3, 1, tzinfo=UTC)
    join_days(lake_, now=settled - timedelta(seconds=1))
    assert files_of_second(lake_, EDGES_HOURLY) > 1
    join_days(lake_, now=settled)
    assert files_of_second(lake_, EDGES_HOURLY) == 1


def test_what_a_roll_up_has_yet_to_absorb_survives_expiry(lake_):
    world = World(lake_)
    world.ingest(1)
    roll_up(lake_)
    for seed in range(2, 5):
        world.ingest(seed)
    follow_all(lake_)
    world.expire(0)
    world.roll_up()
    holds(world)


def test_compaction_moves_only_the_mark(lake_):
    for seed in range(3):
        put(lake_, flows_of(seed, [0]))
    roll_up(lake_)
    compact(lake_, FLOWS)
    assert roll_up(lake_) == 0
    marks = {lake_.load(table).properties[ABSORBED] for table in ROLLUPS}
    assert marks == {str(head_id(lake_.load(FLOWS)))}


def test_a_commit_that_does_not_name_its_hours_has_all_added_up(lake_):
    world = World(lake_)
    world.ingest(1)
    roll_up(lake_)
    base = lake_.load(FLOWS)
    gone = live_files(base)[:1]
    change = Change(op="erased", commit_id="x", begun=datetime.now(UTC), removed=gone)
    commit(lake_, FLOWS, change, base=base, check=lambda table, since: None)
    world.roll_up()
    holds(world)


def test_of_two_at_once_neither_spoils_the_other(lake_, monkeypatch):
    world = World(lake_)
    world.ingest(1)
    real, raced = Sums.add, list[bool]()

    def add_(self, *args):
        if not raced:
            raced.append(True)
            put(lake_, flows_of(2, [0]))
            roll_up(lake_)
        real(self, *args)

    monkeypatch.setattr(Sums, "add", add_)
    world.roll_up()
    holds(world)


def test_a_dropped_day_keeps_its_sums_when_late_records_come(lake_):
    world = World(lake_)
    world.ingest(1)
    world.retain(0)
    world.ingest(2)
    world.roll_up()
    assert {hour.date() for hour in world.known} == {date(2026, 1, 1), date(2026, 1, 2)}
    holds(world)


def test_sums_that_were_dropped_stay_dropped(lake_):
    world = World(lake_)
    for seed in range(4):
        world.ingest(seed)
    roll_up(lake_)
    for table in ROLLUPS:
        assert drop_days(lake_, table, date(2026, 1, 2)).rows
    world.ingest(4)
    roll_up(lake_)
    for table in ROLLUPS:
        days = lake_.load(table).scan(selected_fields=("day",)).to_arrow()["day"]
        assert set(days.to_pylist()) == {date(2026, 1, 2)}


def test_a_day_keeps_its_sums_when_its_hours_are_dropped(lake_):
    world = World(lake_)
    world.ingest(1)
    roll_up(lake_)
    before = rolled(lake_, EDGES_DAILY, "day")[date(2026, 1, 1)]
    drop_days(lake_, EDGES_HOURLY, date(2026, 1, 2))
    world.ingest(2)
    roll_up(lake_)
    assert rolled(lake_, EDGES_DAILY, "day")[date(2026, 1, 1)] == before


def test_a_mark_that_is_no_ancestor_stops_one_roll_up_until_it_is_made_anew(lake_):
    world = World(lake_)
    world.ingest(1)
    roll_up(lake_)
    change = Change(op="follow", commit_id="x", begun=datetime.now(UTC),
                    properties={ABSORBED: "42"})  # fmt: skip
    base = lake_.load(ENDPOINTS_HOURLY)
    commit(lake_, ENDPOINTS_HOURLY, change, base=base, check=lambda table, since: None)
    world.ingest(2)
    with pytest.raises(FollowerStopped, match="flowlake repair endpoints_hourly"):
        roll_up(lake_)
    assert stopped(lake_) == [ENDPOINTS_HOURLY]
    world.known = {}
    roll_up(lake_, anew=stopped(lake_))
    world.roll_up()
    holds(world)
