"""A report from roll-ups says what it says from `flows`, and says which it was."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings, strategies

from ingest.job import Ingest, Request
from ingest.rollup.follower import roll_up
from ingest.rollup.sums import LIMITS, PORTS_KEPT
from lake.catalog import Lake
from lake.retain import drop_days
from lake.settings import load_settings
from lake.tables import EDGES_DAILY, EDGES_HOURLY, FLOWS
from queries.answers import answer, pose
from queries.catalogue import find_report, load_catalogue
from queries.contract import ContractError
from queries.engine import Engine
from tests.plain_sums import flows_of, put
from tests.samples import write_objects

REPORT = find_report("conversations")
NOW = datetime(2026, 2, 1, tzinfo=UTC)
HOURS = (0, 1, 2, 30, 31, 55, 80, 81, 130, 144)  # from the 1st, 22:00, to the 7th
assert REPORT.rolled
HELD = REPORT.rolled.values["by"]


def many(*seeds):
    return [row for seed in seeds for row in flows_of(seed, HOURS)]


@pytest.fixture
def own(tmp_path):
    """An empty lake and its engine."""
    found = load_settings(lake=str(tmp_path))
    with Lake(found, create=True) as lake:
        lake.ensure_all()
        with Engine(found) as engine:
            yield lake, engine


@contextmanager
def rolled_up(path, ports_kept):
    """Give the engine of a lake whose edges fold all but some ports."""
    found = load_settings(lake=str(path))
    with Lake(found, create=True) as lake:
        lake.ensure_all()
        put(lake, many(*range(30)))
        with pytest.MonkeyPatch.context() as patch:
            for name in ("edges_hourly", "edges_daily"):
                patch.setitem(LIMITS, name, {"ports_kept": ports_kept})
            roll_up(lake)
        with Engine(found) as engine:
            yield engine


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    with rolled_up(tmp_path_factory.mktemp("full"), PORTS_KEPT) as engine:
        yield engine


@pytest.fixture(scope="module")
def folded(tmp_path_factory):
    with rolled_up(tmp_path_factory.mktemp("folded"), 1) as engine:
        yield engine


def ask(engine, report=REPORT, **given):
    window = {"since": "2026-01-01", "until": "2026-01-09", "limit": 10_000}
    texts = {name: v if isinstance(v, list) else [str(v)]
             for name, v in (window | given).items() if v is not None}  # fmt: skip
    return answer(engine, pose(engine, report, texts, now=NOW))


def from_flows(engine, **given):
    found = ask(engine, replace(REPORT, rolled=None), **given)
    assert found.meta["table"] == "flows"
    return found


def moments():
    days, hours = strategies.integers(1, 8), strategies.integers(0, 23)
    return strategies.builds(lambda d, h: f"2026-01-{d:02}T{h:02}:00:00Z", days, hours)


def maybe(*values):
    some = strategies.sampled_from(values)
    return strategies.none() | strategies.lists(some, min_size=1, max_size=2)


QUESTIONS = strategies.fixed_dictionaries(
    {
        "times": strategies.lists(moments(), min_size=2, max_size=2, unique=True),
        "by": strategies.sampled_from(HELD),
        "ports": strategies.sampled_from(["each", "together"]),
        "verdict": strategies.sampled_from([None, "accepted", "rejected"]),
        "workload": maybe("web", "db", "n1", "office", "i-1", "internet"),
        "namespace": maybe("shop"),
        "cluster": maybe("c"),
        "vpc": maybe("vpc-1"),
        "protocol": maybe("6", "17"),
    }
)


def asked_both_ways(engine, asked):
    """Ask with and without roll-ups, and require the same rows."""
    given = {name: value for name, value in asked.items() if name != "times"}
    given |= zip(("since", "until"), sorted(asked["times"]), strict=True)
    rolled, plain = ask(engine, **given), from_flows(engine, **given)
    assert rolled.rows.to_pylist() == plain.rows.to_pylist()
    assert rolled.rows.schema == plain.rows.schema
    assert rolled.meta["snapshot"] == plain.meta["snapshot"]
    return rolled


@settings(max_examples=12, deadline=None)
@given(asked=QUESTIONS)
def test_roll_ups_answer_as_flows_do(full, asked):
    rolled = asked_both_ways(full, asked)
    assert rolled.meta["table"] in ("edges_hourly", "edges_daily")


@settings(max_examples=12, deadline=None)
@given(asked=QUESTIONS, limit=strategies.sampled_from([1, 2, 3, 20, 10_000]))
def test_the_first_rows_are_the_same_whatever_was_folded(folded, asked, limit):
    asked_both_ways(folded, asked | {"limit": limit})


def test_ports_that_were_folded_behind_the_first_rows_need_no_flows(own, monkeypatch):
    lake, engine = own
    monkeypatch.setitem(LIMITS, "edges_hourly", {"ports_kept": 1})
    (row, *_) = (r for r in many(1) if r["counted"] and r["initiator"] == "src")
    busy = {**row, "protocol": 6, "service_port": 443, "bytes": 1000}
    sweep = [{**busy, "protocol": 17, "service_port": port, "bytes": 333}
             for port in (22, 53, 80)]  # fmt: skip
    put(lake, [busy, *sweep])
    roll_up(lake)
    for limit, table in ((1, "edges_hourly"), (2, "flows"), (9, "flows")):
        found = ask(engine, limit=limit, since="2026-01-06")
        assert found.meta["table"] == table
        assert found.rows["service_port"][0].as_py() == 443
    put(lake, [{**sweep[0], "bytes": 1}])  # 1,000 in all: no longer surely behind
    roll_up(lake)
    assert ask(engine, limit=1, since="2026-01-06").meta["table"] == "flows"


def test_whole_days_of_a_long_window_are_read_by_the_day(full):
    long = ask(full, since="2026-01-01T05:00Z", until="2026-01-08T03:00Z")
    assert set(long.meta["snapshots"]) == {"edges_hourly", "edges_daily"}
    assert set(ask(full).meta["snapshots"]) == {"edges_daily"}
    short = ask(full, since="2026-01-02", until="2026-01-05")
    assert set(short.meta["snapshots"]) == {"edges_hourly"}
    assert long.meta["rows_read"] < from_flows(full).meta["rows_read"]


@pytest.mark.parametrize(
    "given",
    [
        {"since": "2026-01-01T00:30Z"},
        {"until": "2026-01-08T00:00:01Z"},
        {"by": "pod"},
        {"by": "eni"},
        {"pod": "p1"},
        {"node": "n1"},
        {"address": "10.0.0.1"},
        {"network": "10.0.0.0/30"},
        {"port": "443"},
    ],
)
def test_what_roll_ups_do_not_tell_apart_is_read_from_flows(full, given):
    assert ask(full, **given).meta["table"] == "flows"


def test_folded_ports_are_looked_up_where_they_are_asked_for(own, monkeypatch):
    lake, engine = own
    monkeypatch.setitem(LIMITS, "edges_hourly", {"ports_kept": 1})
    put(lake, many(*range(9)))
    roll_up(lake)
    assert ask(engine).meta["table"] == "flows"
    together = ask(engine, ports="together", until="2026-01-03")
    assert together.meta["table"] == "edges_hourly"
    plain = from_flows(engine, ports="together", until="2026-01-03")
    assert together.rows.to_pylist() == plain.rows.to_pylist()


def test_a_single_folded_port_is_missed_too(own, monkeypatch):
    lake, engine = own
    monkeypatch.setitem(LIMITS, "edges_hourly", {"ports_kept": 1})
    (row, *_) = (r for r in many(1) if r["counted"] and r["initiator"])
    put(lake, [{**row, "service_port": port} for port in (22, 443)])
    roll_up(lake)
    wide = ask(engine, by="vpc")
    assert wide.meta["table"] == "flows"
    assert sorted(wide.rows["service_port"].to_pylist()) == [22, 443]


def test_hours_that_are_not_absorbed_yet_are_read_from_flows(own):
    lake, engine = own
    put(lake, many(1))
    assert ask(engine).meta["table"] == "flows"
    roll_up(lake)
    assert ask(engine).meta["table"] == "edges_daily"
    put(lake, flows_of(2, [30]))  # of the 3rd, 04:00
    assert ask(engine).meta["table"] == "flows"
    assert "1 hours of the window have changed" in " ".join(
        ask(engine).meta["warnings"]
    )
    before = {"since": "2026-01-01", "until": "2026-01-03T04:00Z"}
    after = {"since": "2026-01-03T05:00Z", "until": "2026-01-05"}
    for window in (before, after):
        rolled = ask(engine, **window)
        assert rolled.meta["table"] == "edges_hourly"
        plain = from_flows(engine, **window)
        assert rolled.rows.to_pylist() == plain.rows.to_pylist()
    within = {"since": "2026-01-03T04:00Z", "until": "2026-01-03T05:00Z"}
    assert ask(engine, **within).meta["table"] == "flows"


def test_what_raw_days_said_outlives_them(own):
    lake, engine = own
    put(lake, many(1, 2, 3))
    roll_up(lake)
    before = from_flows(engine).rows
    drop_days(lake, FLOWS, date(2026, 1, 5))
    roll_up(lake)
    plain, rolled = from_flows(engine), ask(engine)
    assert plain.rows.num_rows < before.num_rows
    assert rolled.rows.to_pylist() == before.to_pylist()
    told = "flows has dropped its days before 2026-01-05"
    assert told in " ".join(plain.meta["warnings"])
    assert told not in " ".join(rolled.meta["warnings"])
    kept = from_flows(engine, since="2026-01-05")
    assert told not in " ".join(kept.meta["warnings"])


def test_days_that_a_roll_up_has_dropped_are_read_elsewhere(own):
    lake, engine = own
    put(lake, many(1, 2, 3))
    roll_up(lake)
    drop_days(lake, EDGES_DAILY, date(2026, 1, 5))
    assert ask(engine).meta["table"] == "edges_hourly"
    drop_days(lake, EDGES_HOURLY, date(2026, 1, 5))
    assert ask(engine).meta["table"] == "flows"
    assert ask(engine, since="2026-01-05").meta["table"] == "edges_daily"
    assert ask(engine).rows.to_pylist() == from_flows(engine).rows.to_pylist()


def test_days_whose_hours_were_dropped_before_flows_are_not_kept_up(own):
    lake, engine = own
    put(lake, many(1, 2, 3))
    roll_up(lake)
    drop_days(lake, EDGES_HOURLY, date(2026, 1, 5))
    put(lake, flows_of(4, [30, 31]))  # of the 3rd
    roll_up(lake)
    assert ask(engine).meta["table"] == "flows"
    drop_days(lake, FLOWS, date(2026, 1, 5))
    assert ask(engine).meta["table"] == "edges_daily"  # what is left of those days


def test_a_window_without_rows_is_empty_from_roll_ups_too(full):
    found = ask(full, since="2026-01-20", until="2026-01-21")
    assert found.rows.num_rows == 0
    assert found.meta["table"] == "edges_hourly"
    assert "holds" not in found.rows.column_names


HEADER = ("-- Count.\n-- Params: $since timestamptz = 24h, $until timestamptz = now, "
          "$by varchar in a|b = a\n-- Returns: n bigint\n-- Order: none\n"
          "-- Reads: flows\nSELECT count(*) AS n FROM flows WHERE $by = 'a' AND "
          "start_time >= $since AND start_time < $until")  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "-- Holds: $by in c\n-- Reads: edges_hourly\nSELECT $by, $since, $until",
        "-- Holds: $by in a\n-- Reads: flows\nSELECT $by, $since, $until",
        "-- Holds: $by in a\n-- Reads: edges_hourly\nSELECT $by, $since",
        "-- Holds: $by in a\n-- Reads: edges_daily\nSELECT $by, $since, $until",
        "-- Holds: $by in a\n-- Reads: edges_hourly\nSELECT $by, $since, $until, "
        "$first_day, $last_day",
    ],
)
def test_a_file_for_roll_ups_that_does_not_fit_its_report_is_refused(tmp_path, text):
    (tmp_path / "rolled").mkdir()
    (tmp_path / "counted.sql").write_text(HEADER)
    (tmp_path / "rolled" / "counted.sql").write_text(text)
    with pytest.raises(ContractError):
        load_catalogue(tmp_path)


def test_an_ingest_leaves_roll_ups_alone_if_told_so(tmp_path):
    objects = write_objects(tmp_path / "AWSLogs")
    for rollups in (False, True):
        found = load_settings(lake=str(tmp_path / "lake"), rollups=rollups)
        with Lake(found, create=True) as lake:
            Ingest(lake, Request((str(objects),))).run()
            assert (lake.load(EDGES_HOURLY).current_snapshot() is not None) == rollups
