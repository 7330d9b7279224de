"""Roll-ups that do not keep the internet's addresses whole: else they say the same."""

import hashlib
import hmac
import ipaddress
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from ingest.rollup.follower import roll_up
from ingest.rollup.sums import LIMITS, SILENT, Sums
from lake.errors import SettingsError
from lake.settings import load_settings
from lake.snapshots import hides_addresses
from lake.tables import EDGES_HOURLY, ENDPOINTS_HOURLY, REJECTIONS_HOURLY, ROLLUPS
from queries.answers import answer, pose
from queries.catalogue import find_report
from queries.engine import Engine
from tests.lakes import open_lake
from tests.plain_sums import as_table, dice_of, flows_of, put
from tests.traces import traces
from transform.hidden import cut, hashed

KEY = "a secret of ours, long enough"
HOW = {
    "full": {},
    "cut": {"rollup_addresses": "cut"},
    "hashed": {"rollup_addresses": "hashed", "address_key": KEY},
}
ROLLED = "rejections_hourly"
REPORT = find_report("rejected_traffic")
NOW = datetime(2026, 2, 1, tzinfo=UTC)


def is_outside(address):
    return ipaddress.ip_address(address).is_global


def rows():
    """Return random rows; the internet's addresses are of few networks."""
    found = [row for seed in range(8) for row in flows_of(seed, (0, 1, 2))]
    dice = dice_of(9)
    for row in found:
        row["counted"] = bool(row["counted"])
        for side in ("src", "dst"):
            if row[f"{side}_kind"] == "internet":
                row[f"{side}_address"] = dice.choice(
                    ["8.8.4.4", "8.8.4.200", "8.8.8.8", "2600:1:2::7", "2600:1:2:9::1"]
                )
    return found


@pytest.fixture(scope="module")
def lakes(tmp_path_factory):
    """By how they keep addresses, the settings of lakes of the same rows."""
    found = {}
    for how, given in HOW.items():
        place = tmp_path_factory.mktemp(how) / "lake"
        found[how] = load_settings(lake=str(place), **given)
        with open_lake(found[how]) as lake:
            put(lake, rows())
            roll_up(lake)
    return found


def added_up(how, table):
    """Return a roll-up's rows of one hour, whose sums fold."""
    hour = datetime(2026, 1, 1, 23, tzinfo=UTC)
    some = as_table([r for r in rows() if r["start_time"].hour == hour.hour])
    with Sums(load_settings(**HOW[how])) as sums:
        sums.add(iter([some]), SILENT.empty_table())
        return pa.concat_tables(sums.of_hour(table, hour)).to_pylist()


def stored(settings, table):
    with open_lake(settings) as lake:
        return lake.load(table).scan().to_arrow().to_pylist()


def sums(rows):
    """Return what rejections add up to by everything but the source's address."""
    found: Counter[Any] = Counter()
    for row in rows:
        group = tuple(
            row[n]
            for n in row
            if n not in ("source_address", "source_addresses", "distinct_ports",
                         "records", "packets", "bytes", "first_seen", "last_seen")
        )  # fmt: skip
        for name in ("records", "packets", "bytes"):
            found[*group, name] += row[name]
    return found


@pytest.mark.parametrize("how", ["cut", "hashed"])
def test_everything_but_the_addresses_is_the_same(monkeypatch, how):
    monkeypatch.setitem(LIMITS, ROLLED, {"ports_kept": 2, "sources_kept": 3})
    for table in (EDGES_HOURLY, ENDPOINTS_HOURLY, REJECTIONS_HOURLY):
        whole, hidden = added_up("full", table), added_up(how, table)
        assert whole
        if table is REJECTIONS_HOURLY:
            assert sums(whole) == sums(hidden)
            assert any(row["source_kind"] == "other" for row in hidden)
            assert whole != hidden
        else:
            assert sorted(map(repr, whole)) == sorted(map(repr, hidden))


@pytest.mark.parametrize("how", ["cut", "hashed"])
def test_who_is_outside_is_in_no_file_of_the_roll_ups(lakes, how):
    every = {row["source_address"] for row in stored(lakes["full"], REJECTIONS_HOURLY)}
    outside = sorted(a for a in every if a and is_outside(a))
    assert len(outside) > 3
    assert traces(f"{lakes['full'].lake}/warehouse/{ROLLED}", *outside)
    for table in ROLLUPS:
        assert traces(f"{lakes[how].lake}/warehouse/{table.name}", *outside) == []
    assert traces(lakes[how].lake, KEY) == []


def test_who_is_ours_stays_as_it_is(lakes):
    ours = [
        Counter(a for row in stored(lakes[how], REJECTIONS_HOURLY)
                if (a := row["source_address"]) and a.startswith("10."))
        for how in HOW
    ]  # fmt: skip
    assert ours[0]
    assert ours[0] == ours[1] == ours[2]


def test_hashing_keeps_every_row_apart_and_cutting_joins_networks(lakes):
    many = [len(stored(lakes[how], REJECTIONS_HOURLY)) for how in HOW]
    assert many[0] == many[2] > many[1]
    seen = {row["source_address"] for row in stored(lakes["cut"], REJECTIONS_HOURLY)}
    outside = {a for a in seen if a and not a.startswith("10.")}
    assert outside == {"8.8.4.0/24", "8.8.8.0/24", "2600:1:2::/48"}


@pytest.fixture(scope="module")
def engines(lakes):
    with ExitStack() as opened:
        yield {how: opened.enter_context(Engine(lakes[how])) for how in HOW}


def ask(engine, **given):
    window = {"since": ["2026-01-01"], "until": ["2026-01-09"], "limit": ["10000"]}
    return answer(engine, pose(engine, REPORT, window | given, now=NOW))


def says(found, what):
    return any(what in warning for warning in found.meta["warnings"])


def test_answers_say_how_addresses_are_kept_and_are_the_same_but_for_sources(engines):
    found = {how: ask(each, by=["workload"]) for how, each in engines.items()}
    assert {each.meta["table"] for each in found.values()} == {ROLLED}
    told = {
        h: [w for w in f.meta["warnings"] if "keeps" in w] for h, f in found.items()
    }
    assert told["full"] == []
    assert "counts these" in told["cut"][0]
    assert "hashed" in told["hashed"][0]
    assert found["full"].rows.equals(found["hashed"].rows)
    plain = [found[how].rows.drop_columns("sources") for how in ("full", "cut")]
    assert plain[0].equals(plain[1])


@pytest.mark.parametrize(
    ("how", "given"),
    [
        ("cut", {"address": ["8.8.4.4"]}),
        ("hashed", {"network": ["8.8.4.4/31"]}),
        ("cut", {"by": ["address"]}),
    ],
    ids=str,
)
def test_who_asks_for_a_whole_address_is_answered_from_flows(engines, how, given):
    whole, hidden = (ask(engines[each], **given) for each in ("full", how))
    assert hidden.meta["table"] == "flows"
    assert hidden.rows.num_rows
    assert whole.rows.equals(hidden.rows)


def test_hours_of_another_setting_stay_until_repair_and_answers_say_so(tmp_path):
    place = str(tmp_path / "lake")
    with open_lake(load_settings(lake=place)) as lake:
        put(lake, [r for r in rows() if r["start_time"].hour == 22])
        roll_up(lake)
        assert not hides_addresses(lake.load(REJECTIONS_HOURLY))
    settings = load_settings(lake=place, **HOW["cut"])
    with open_lake(settings) as lake, Engine(settings) as engine:
        put(lake, [r for r in rows() if r["start_time"].hour != 22])
        roll_up(lake)
        assert says(ask(engine, by=["workload"]), "cut or full")
        roll_up(lake, anew=[REJECTIONS_HOURLY])
        assert says(ask(engine, by=["workload"]), "counts these")
        in_part = ask(engine, by=["workload"], since=["2026-01-01T22:30:00Z"])
        assert in_part.meta["table"] == ROLLED
        assert says(in_part, "cut or full")


def test_equal_addresses_stand_for_one_and_other_networks_for_others():
    texts = ["8.8.4.4", "8.8.4.200", "8.8.5.4", "2600:1:2::1", "2600:1:2:ffff::",
             "2600:1:3::1", "2600::", "2600:0:0:0::9", None, "none"]  # fmt: skip
    assert cut(pa.array(texts)).to_pylist() == [
        "8.8.4.0/24", "8.8.4.0/24", "8.8.5.0/24", "2600:1:2::/48", "2600:1:2::/48",
        "2600:1:3::/48", "2600::/48", "2600::/48", None, None,
    ]  # fmt: skip
    stands = hashed(pa.array(texts), KEY.encode()).to_pylist()
    expected = hmac.new(KEY.encode(), b"8.8.4.4", hashlib.sha256).hexdigest()
    assert stands[0] == f"h:{expected[:32]}"
    assert len({s for s in stands if s}) == len([t for t in texts if t]) - 1
    spelled = hashed(pa.array(["2600:0::1", "2600::1", "::ffff:8.8.4.4"]), KEY.encode())
    assert spelled[0] == spelled[1]
    assert spelled[2].as_py() == stands[0]
    assert hashed(pa.array(["8.8.4.4"]), b"another")[0].as_py() != stands[0]


@pytest.mark.parametrize("key", [{}, {"address_key": "short"}])
def test_hashing_needs_a_key(key):
    with pytest.raises(SettingsError, match="FLOWLAKE_ADDRESS_KEY"):
        load_settings(rollup_addresses="hashed", **key)
