"""A report from roll-ups says what it says from `flows`, and says which it was."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings, strategies

from ingest.job import Ingest, Request
from ingest.rollup.follower import roll_up
from ingest.rollup.sums import PORTS_KEPT, SOURCES_KEPT
from lake.retain import drop_days
from lake.settings import load_settings
from lake.tables import EDGES_DAILY, EDGES_HOURLY, FLOWS, REJECTIONS_HOURLY, ROLLUPS
from queries.answers import answer, pose
from queries.catalogue import find_report, load_catalogue
from queries.compose import FOLDER, load_asked
from queries.engine import Engine
from queries.limits import Limits
from tests.lakes import lake_and_engine, open_lake
from tests.plain_sums import dice_of, flows_of, put
from tests.samples import write_objects

REPORT = find_report("conversations")
ROLLED = [report for report in load_catalogue().values() if report.rolled]
NOW = datetime(2026, 2, 1, tzinfo=UTC)
HOURS = (0, 1, 2, 30, 31, 55, 80, 81, 130, 144)  # from the 1st, 22:00, to the 7th


def many(*seeds, hours=HOURS):
    """Return random rows of which each is known to count or not."""
    dice = dice_of(seeds[0])
    rows = [row for seed in seeds for row in flows_of(seed, hours)]
    for row in rows:
        row["counted"] = bool(row["counted"])
        if row["verdict"] == "accepted" and dice.random() < 0.2:
            row["verdict"] = "unconfirmed"
    return rows


def sweeps(dice, rows):
    """Return rows of about as many ports as are folded, in one hour or in several."""
    known = [row for row in rows if row["counted"] and row["initiator"]]
    found = []
    for ports in (15, PORTS_KEPT, PORTS_KEPT + 1, 30, 45):
        times = [row["start_time"] for row in dice.sample(known, dice.choice((1, 3)))]
        swept = dice.choice(known)
        for port in range(1000, 1000 + ports):
            start = dice.choice(times)
            found.append({**swept, "service_port": port, "start_time": start,
                          "end_time": start})  # fmt: skip
    return found


@pytest.fixture
def own(tmp_path):
    """An empty lake and its engine."""
    with lake_and_engine(tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """The engine of a lake of conversations and sweeps, rolled up."""
    found = load_settings(lake=str(tmp_path_factory.mktemp("full")))
    rows = many(*range(30))
    dice = dice_of(1)
    with open_lake(found) as lake:
        put(lake, [*rows, *(row for _ in range(6) for row in sweeps(dice, rows))])
        roll_up(lake)
        with Engine(found) as engine:
            yield engine


def ask(engine, report=REPORT, **given):
    window = {"since": "2026-01-01", "until": "2026-01-09", "limit": 100_000}
    texts = {name: v if isinstance(v, list) else [str(v)]
             for name, v in (window | given).items() if v is not None}  # fmt: skip
    return answer(engine, pose(engine, report, texts, now=NOW))


def from_flows(engine, report=REPORT, **given):
    found = ask(engine, replace(report, rolled=()), **given)
    assert found.meta["table"] == "flows"
    return found


def moments():
    days, hours = strategies.integers(1, 8), strategies.sampled_from([0, 0, 4, 5, 22])
    minutes = strategies.sampled_from([0, 0, 0, 30])
    return strategies.builds(
        lambda d, h, m: f"2026-01-{d:02}T{h:02}:{m:02}:00Z", days, hours, minutes
    )


def maybe(*values):
    some = strategies.sampled_from(values)
    return strategies.none() | strategies.lists(some, min_size=1, max_size=2)


FILTERS = {
    "verdict": maybe("accepted", "rejected", "unconfirmed"),
    "scope": maybe("internal", "inbound"),
    "cause": maybe("security_group"),
    "workload": maybe("web", "db", "n1", "office", "i-1", "internet"),
    "namespace": maybe("shop"),
    "cluster": maybe("c"),
    "pod": maybe("p1"),
    "vpc": maybe("vpc-1"),
    "az": maybe("a"),
    "protocol": maybe("6", "17"),
}
EXPRESSIONS = (
    "service_port = 443",
    "NOT service_port = 1003",
    "service_port < 1010 OR protocol = 17",
    "service_port IS NULL",
    "verdict = 'rejected' AND client_workload = 'web'",
)
OWN = {
    "ports": strategies.sampled_from(["each", "each", "together"]),
    "baseline": strategies.sampled_from(["1h", "30h", "5d"]),
    "step": strategies.sampled_from(["hour", "day"]),
    "split": strategies.sampled_from(["none", "client", "cause"]),
    "metric": strategies.sampled_from(["bytes", "records"]),
}


@strategies.composite
def questions(draw, report):
    """Draw what a report may be asked that its roll-up tells apart."""
    asked = load_asked(report.rolled[0])
    ends = sorted(
        draw(strategies.lists(moments(), min_size=2, max_size=2, unique=True))
    )
    given = dict(zip(("since", "until"), ends, strict=True))
    for name in ("by", "server_by"):
        some = strategies.sampled_from(asked.values[name])
        given[name] = draw(some if name == "by" else strategies.none() | some)
    some = draw(strategies.sets(strategies.sampled_from(sorted(FILTERS)), max_size=2))
    for name, values in (OWN | {name: FILTERS[name] for name in some}).items():
        if report.parameter(name):
            given[name] = draw(values)
    given["filter"] = draw(strategies.none() | strategies.sampled_from(EXPRESSIONS))
    return given


def same_both_ways(engine, report, given):
    """Ask with and without roll-ups, and require the same rows."""
    rolled, plain = ask(engine, report, **given), from_flows(engine, report, **given)
    assert rolled.rows.to_pylist() == plain.rows.to_pylist()
    assert rolled.rows.schema == plain.rows.schema
    assert rolled.meta["snapshot"] == plain.meta["snapshot"]
    return rolled


@pytest.mark.parametrize("report", ROLLED, ids=lambda report: report.name)
@settings(max_examples=5, deadline=None)
@given(data=strategies.data())
def test_roll_ups_answer_as_flows_do(full, report, data):
    rolled = same_both_ways(full, report, data.draw(questions(report)))
    assert rolled.meta["table"] in {t.name for t in ROLLUPS} | {"flows"}


@pytest.mark.parametrize("report", ROLLED, ids=lambda report: report.name)
def test_every_report_that_says_so_is_answered_from_its_roll_up(full, report):
    given = {"since": "2026-01-05T04:00Z", "until": "2026-01-07T05:00Z"}
    if report.parameter("baseline"):
        given["baseline"] = "2d"
    rolled = same_both_ways(full, report, given)
    assert rolled.rows.num_rows > 1
    assert rolled.meta["table"] in load_asked(report.rolled[0]).reads


def test_reports_fold_as_roll_ups_do():
    """What is folded in a roll-up must be folded in every answer, no more, no less."""
    for file in (FOLDER / "pairs.sql", FOLDER.parent / "sql" / "rejected_traffic.sql"):
        assert f"> {PORTS_KEPT}\n" in file.read_text() or (
            f"> {PORTS_KEPT} OR " in file.read_text()
        )
    assert f"<= {SOURCES_KEPT}\n" in file.read_text()


def scan(sources):
    """Return rejected records of as many of the internet, two of each."""
    (row, *_) = (r for r in many(3) if r["verdict"] == "rejected" and r["initiator"])
    row |= {"initiator": "src", "src_kind": "internet", "src_workload": None}
    for name in ("pod", "node", "instance", "eni", "network", "cluster", "namespace"):
        row[f"src_{name}"] = None
    return [{**row, "src_address": f"198.51.{n // 256}.{n % 256}"}
            for n in range(sources) for _ in range(2)]  # fmt: skip


def test_sources_past_a_thousand_are_not_told_either_way(own):
    lake, engine = own
    put(lake, scan(SOURCES_KEPT + 5))
    roll_up(lake)
    rolled = same_both_ways(engine, find_report("rejected_traffic"), {})
    assert rolled.meta["table"] == "rejections_hourly"
    assert rolled.rows["sources"].to_pylist() == [None]


@pytest.mark.parametrize("given", [{}, {"ports": "together"}, {"by": "namespace"}])
def test_sources_are_told_of_each_port_of_a_server_that_many_tried(own, given):
    """Of 1,100 sources the hundred at another port tried the least, and were folded."""
    lake, engine = own
    many_, few = scan(1000), scan(1100)[2000::2]
    put(lake, [*many_, *({**row, "service_port": 2222} for row in few)])
    roll_up(lake)
    rolled = same_both_ways(engine, find_report("rejected_traffic"), given)
    told = rolled.rows["sources"].to_pylist()
    assert told == ([None] if given.get("ports") else [1000, 100])


@pytest.mark.parametrize("by", ["workload", "namespace", "pod"])
def test_folded_sources_are_of_the_internet_to_those_with_limits_too(own, by):
    lake, engine = own
    rows = [{**row, "dst_kind": "pod", "dst_namespace": "shop"} for row in scan(2200)]
    put(lake, rows)
    roll_up(lake)
    limits = Limits(namespaces=frozenset({"shop"}))
    report = find_report("rejected_traffic")
    given = {"since": ["2026-01-01"], "until": ["2026-01-09"], "by": [by]}
    told = [
        answer(engine, pose(engine, each, given, now=NOW, limits=limits))
        for each in (report, replace(report, rolled=()))
    ]
    assert told[0].meta["table"] == "rejections_hourly"
    assert told[0].rows.to_pylist() == told[1].rows.to_pylist()
    assert told[0].rows["client"].to_pylist() == ["internet"]


@pytest.mark.parametrize(
    "given", [{}, {"by": "pod"}, {"pod": "web-3"}, {"filter": 'client_pod = "web-3"'}]
)
def test_a_workload_whose_sources_were_folded_is_asked_for_in_flows(own, given):
    """Of 1,010 sources of one server and hour the twenty pods tried the least."""
    lake, engine = own
    (row, *rest) = scan(990)
    pods = [{**row, "src_kind": "pod", "src_workload": "web", "src_pod": f"web-{n}",
             "src_address": f"10.0.1.{n}"} for n in range(20)]  # fmt: skip
    put(lake, [row, *rest, *pods])
    roll_up(lake)
    rolled = same_both_ways(engine, find_report("rejected_traffic"), given)
    assert rolled.meta["table"] == "flows"
    assert rolled.rows.num_rows


def test_whole_days_of_a_long_window_are_read_by_the_day(full):
    long = ask(full, since="2026-01-01T05:00Z", until="2026-01-08T03:00Z")
    assert set(long.meta["snapshots"]) == {"edges_hourly", "edges_daily"}
    assert set(ask(full).meta["snapshots"]) == {"edges_daily"}
    short = ask(full, since="2026-01-02", until="2026-01-05")
    assert set(short.meta["snapshots"]) == {"edges_hourly"}
    assert long.meta["rows_read"] < from_flows(full).meta["rows_read"]


@pytest.mark.parametrize(
    ("since", "until", "baseline"),
    [
        ("2026-01-07T12:00Z", "2026-01-08", "5d"),  # the baseline's days as such
        ("2026-01-03T04:00Z", "2026-01-08", "30h"),  # the window's
        ("2026-01-05T05:00Z", "2026-01-08", "2d"),  # none, each is too short
        ("2026-01-05", "2026-01-08", "2d"),  # both
    ],
)
def test_the_day_in_which_the_window_begins_is_no_whole_day(
    full, since, until, baseline
):
    given = {"since": since, "until": until, "baseline": baseline}
    rolled = same_both_ways(full, find_report("new_edges"), given)
    is_short = since == "2026-01-05T05:00Z"
    assert ("edges_daily" in rolled.meta["snapshots"]) != is_short


@pytest.mark.parametrize(
    "given",
    [
        {"since": "2026-01-02T00:30Z"},
        {"since": "2026-01-02T00:30Z", "until": "2026-01-05T05:00:01Z"},
        {"since": "2026-01-05T05:30Z", "baseline": "30h"},
        {"since": "2026-01-05T05:30Z", "baseline": "150m"},
        {"since": "2026-01-02T01:30Z", "until": "2026-01-02T05:00Z", "baseline": "3h"},
    ],
)
@pytest.mark.parametrize("name", ["new_edges", "conversations", "rejected_traffic"])
def test_hours_that_the_window_cuts_are_read_from_flows(full, name, given):
    report = find_report(name)
    known = {k: v for k, v in given.items() if report.parameter(k)}
    rolled = same_both_ways(full, report, known)
    assert "flows" in rolled.meta["snapshots"]
    assert rolled.meta["table"] != "flows"


def test_a_series_of_hours_reads_no_days(full):
    for step, name in (("hour", "edges_hourly"), ("day", "edges_daily")):
        rolled = same_both_ways(full, find_report("timeseries"), {"step": step})
        assert set(rolled.meta["snapshots"]) == {name, "coverage_hourly"}


@pytest.mark.parametrize("name", ["rejected_traffic", "conversations", "timeseries"])
def test_a_port_among_many_that_were_scanned_is_found(own, name):
    lake, engine = own
    scan = next(row for row in many(1) if row["counted"] and row["initiator"] == "src")
    scan |= {"verdict": "rejected", "src_address": "203.0.113.7"}
    put(lake, [{**scan, "service_port": port} for port in range(22, 22 + 25)])
    roll_up(lake)
    report = find_report(name)
    found = same_both_ways(engine, report, {"filter": "service_port = 22"})
    assert sum(filter(None, found.rows["records"].to_pylist())) == 1
    same_both_ways(engine, report, {"filter": "NOT service_port = 22"})
    same_both_ways(engine, report, {"filter": "service_port IS NULL"})


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("conversations", {"filter": "service_port = 1003"}),
        ("conversations", {"by": "pod"}),
        ("conversations", {"server_by": "eni"}),
        ("conversations", {"pod": "p1"}),
        ("conversations", {"node": "n1"}),
        ("conversations", {"address": "10.0.0.1"}),
        ("conversations", {"network": "10.0.0.0/30"}),
        ("conversations", {"port": "443"}),
        ("conversations", {"ports": "all"}),
        ("rejected_traffic", {"vpc": "vpc-1"}),
        ("rejected_traffic", {"protocol": "6"}),
        ("timeseries", {"step": "minute"}),
        ("timeseries", {"split": "port"}),
    ],
)
def test_what_roll_ups_do_not_tell_apart_is_read_from_flows(full, name, given):
    window = {"since": "2026-01-01", "until": "2026-01-02"}
    found = ask(full, find_report(name), **(window | given))
    assert found.meta["table"] == "flows"


@pytest.mark.parametrize("hour", [1, 80])
def test_records_of_which_nobody_knows_if_they_count_are_in_flows_alone(own, hour):
    """Also those of the baseline, here the 3rd: the window begins on the 4th."""
    lake, engine = own
    rows = many(1, 2, hours=(1, 80))
    put(lake, rows)
    roll_up(lake)
    edges = find_report("new_edges")
    given = {"since": "2026-01-04", "baseline": "3d"}
    assert ask(engine, edges, **given).meta["table"] == "edges_daily"
    (row, *_) = many(5, hours=(hour,))
    put(lake, [{**row, "counted": None, "verdict": None, "role": None}])
    roll_up(lake)
    assert ask(engine, edges, **given).meta["table"] == "flows"


def test_hours_that_are_not_absorbed_yet_are_read_from_flows(own):
    lake, engine = own
    put(lake, many(1))
    assert ask(engine).meta["table"] == "flows"
    roll_up(lake)
    assert ask(engine).meta["table"] == "edges_daily"
    put(lake, many(2, hours=[30]))  # of the 3rd, 04:00
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
    edges = find_report("new_edges")
    assert ask(engine, edges, **after, baseline="1h").meta["table"] == "flows"


def test_a_baseline_that_was_not_heard_is_told(own):
    lake, engine = own
    put(lake, many(1, 2, 3, hours=(80, 81)))  # of the 5th, 06:00
    roll_up(lake)
    edges = find_report("new_edges")
    given = {"since": "2026-01-05T07:00Z", "baseline": "10h"}
    told = "in 9 hours of the baseline nothing was heard"
    assert told in " ".join(ask(engine, edges, **given).meta["warnings"])
    heard = ask(engine, edges, **(given | {"baseline": "1h"})).meta["warnings"]
    assert "of the baseline" not in " ".join(heard)


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
    rejected = find_report("rejected_traffic")
    assert ask(engine, rejected).meta["table"] == "rejections_hourly"
    drop_days(lake, REJECTIONS_HOURLY, date(2026, 1, 5))
    assert ask(engine, rejected).meta["table"] == "flows"


def test_days_whose_hours_were_dropped_before_flows_are_not_kept_up(own):
    lake, engine = own
    put(lake, many(1, 2, 3))
    roll_up(lake)
    drop_days(lake, EDGES_HOURLY, date(2026, 1, 5))
    put(lake, many(4, hours=[30, 31]))  # of the 3rd
    roll_up(lake)
    assert ask(engine).meta["table"] == "flows"
    drop_days(lake, FLOWS, date(2026, 1, 5))
    assert ask(engine).meta["table"] == "edges_daily"  # what is left of those days


def test_a_window_without_rows_is_empty_from_roll_ups_too(full):
    found = ask(full, since="2026-01-20", until="2026-01-21")
    assert found.rows.num_rows == 0
    assert found.meta["table"] == "edges_hourly"


def test_an_ingest_leaves_roll_ups_alone_if_told_so(tmp_path):
    objects = write_objects(tmp_path / "AWSLogs")
    for rollups in (False, True):
        found = load_settings(lake=str(tmp_path / "lake"), rollups=rollups)
        with open_lake(found) as lake:
            Ingest(lake, Request((str(objects),))).run()
            assert (lake.load(EDGES_HOURLY).current_snapshot() is not None) == rollups
