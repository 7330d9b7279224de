"""Hours are settled by all that came, in whatever order it came, and no oftener."""

import itertools
import json
from contextlib import suppress
from datetime import timedelta

import pytest

import ingest.hour
import lake.rewrite
from ingest.enriching import Inventories
from ingest.inventory.store import record
from ingest.job import Ingest, Request
from ingest.reopened import reopened
from ingest.settling import Settler
from ingest.unheard import heed_later
from lake.catalog import Lake
from lake.expire import expire
from lake.rewrite import live_files
from lake.settings import load_settings
from lake.snapshots import ancestry, head_id, mark_of
from lake.tables import EDGES_HOURLY, FLOWS, SILENCES
from tests.estate import ENDS, NOON, listed, put, received, sent, silent
from tests.lakes import keep, open_lake, put_back
from tests.processes import flowlake
from tests.samples import rows_of


@pytest.fixture(scope="module")
def listed_twice(tmp_path_factory):
    """The settings of a lake that knows two looks at the network; it is kept."""
    path = tmp_path_factory.mktemp("listed-twice") / "lake"
    settings = load_settings(lake=str(path), workers=1)
    with open_lake(settings) as opened:
        record(opened, [listed(-600), listed(600)])
    keep(path)
    return settings


@pytest.fixture
def lake_(listed_twice):
    put_back(listed_twice.lake)
    with Lake(listed_twice) as opened:
        yield opened


def load(lake_, *objects, roll_up=False, **more):
    """Ingest objects; roll-ups follow only where they are looked at."""
    request = Request(tuple(map(str, objects)), roll_up=roll_up, **more)
    Ingest(lake_, request).run()


def settle(lake_, *, minute):
    """Settle at so many minutes after noon; return the hours that were rewritten."""
    settler = Settler(lake_, Inventories(lake_, {}))
    return settler.settle_due(now=NOON + timedelta(minutes=minute)).added


def roles(lake_):
    rows = lake_.load(FLOWS).scan().to_arrow().to_pylist()
    return {row["srcport"]: row["role"] for row in rows}


def roles_sent(lake_):
    """Return what became of what was sent, in the order of time."""
    rows = lake_.load(FLOWS).scan("interface_id = 'eni-1'").to_arrow().to_pylist()
    return [row["role"] for row in sorted(rows, key=lambda row: row["start_time"])]


def state(lake_):
    """Return all rows but those of `sources`, which tell where an object lies."""
    return {name: rows for name, rows in rows_of(lake_).items() if name != "sources"}


def objects(place):
    """Three hours of sending, and one end that is only ever silent."""
    return [
        put(place, 0, *(sent(60 * hour, port=hour) for hour in range(3))),
        put(place, 1, silent(1, "eni-2")),
        put(place, 2, silent(121, "eni-2")),
        put(place, 3, sent(70, port=9)),
    ]


def test_a_large_hour_of_few_conversations_has_parts_without_rows(
    lake_, tmp_path, monkeypatch
):
    monkeypatch.setattr(ingest.hour, "PART_ROWS", 2)
    load(lake_, put(tmp_path / "o", 0, *(sent(m) for m in range(10))), settle=False)
    assert settle(lake_, minute=6000)
    assert lake_.load(FLOWS).scan(row_filter="settled = true").to_arrow().num_rows == 10


@pytest.fixture(scope="module")
def at_once(listed_twice, tmp_path_factory):
    """Return the rows of a lake of all objects at once."""
    put_back(listed_twice.lake)
    with Lake(listed_twice) as opened:
        load(opened, *objects(tmp_path_factory.mktemp("at_once")), roll_up=True)
        return state(opened)


@pytest.mark.parametrize("order", [*itertools.permutations(range(4))][::9])
def test_objects_in_any_order_end_in_the_same_lake(at_once, lake_, tmp_path, order):
    found = objects(tmp_path / "objects")
    for number in order:
        load(lake_, found[number], roll_up=True)
    assert state(lake_) == at_once
    assert settle(lake_, minute=6000) == 0


@pytest.mark.parametrize(
    ("minute", "reopened"), [(-121, 0), (-61, 1), (-59, 2), (1, 3), (179, 2), (241, 0)]
)
def test_a_late_silence_reopens_what_hears_it_once(lake_, tmp_path, minute, reopened):
    place = tmp_path / "objects"
    load(
        lake_, put(place, 0, *(sent(60 * hour, port=9 + hour) for hour in range(-1, 3)))
    )
    assert set(roles(lake_).values()) == {None}
    load(lake_, put(place, 1, silent(minute, "eni-2")), settle=False)
    assert settle(lake_, minute=6000) == reopened
    assert list(roles(lake_).values()).count("unmatched") == reopened
    assert settle(lake_, minute=6000) == 0


def test_a_silence_that_tells_nothing_new_reopens_nothing(lake_, tmp_path):
    place = tmp_path / "objects"
    load(lake_, put(place, 0, sent(0), silent(1, "eni-2")))
    for number in range(1, 4):
        load(lake_, put(place, number, silent(20 * number, "eni-2")), settle=False)
        assert settle(lake_, minute=6000) == 0


def test_a_late_skip_within_a_connection_reopens_what_it_hides(lake_, tmp_path):
    place = tmp_path / "objects"
    # Two of them no source shows: one may be that of the minute of which there is none.
    heard = [received(minute) for minute in (0, 2, 2.6, 2.8)]
    load(lake_, put(place, 0, *(sent(minute) for minute in range(3)), *heard))
    assert roles_sent(lake_) == [None] * 3
    load(lake_, put(place, 1, silent(1, "eni-2", "SKIPDATA")), settle=False)
    assert settle(lake_, minute=6000) == 1
    assert roles_sent(lake_) == [None, "unmatched", None]
    assert settle(lake_, minute=6000) == 0
    load(lake_, put(place, 2, received(1)), settle=False)
    assert settle(lake_, minute=6000) == 1
    assert roles_sent(lake_) == [None] * 3


def test_silences_of_young_hours_wait_until_these_are_old(lake_, tmp_path):
    place = tmp_path / "objects"
    load(lake_, put(place, 0, sent(0), sent(60, port=1)), settle=False)
    assert settle(lake_, minute=120) == 1  # noon's hour; the next is young
    for number in range(1, 4):
        load(lake_, put(place, number, silent(60 + number, f"eni-{number}")),
             settle=False)  # fmt: skip
        assert settle(lake_, minute=130) == 0
    assert settle(lake_, minute=180) == 2  # and noon's hour as of old, beside it
    assert settle(lake_, minute=6000) == 0
    assert set(roles(lake_).values()) == {"unmatched"}


def test_whoever_is_killed_at_any_commit_loses_no_late_silence(tmp_path, monkeypatch):
    place = tmp_path / "objects"
    late = put(place, 1, silent(1, "eni-2"))
    first = put(place, 0, *(sent(60 * hour, port=9 + hour) for hour in range(-1, 2)))
    settings = load_settings(lake=str(tmp_path / "lake"), workers=1)
    with open_lake(settings) as opened:
        record(opened, [listed(-600), listed(600)])
        load(opened, first)
        load(opened, late, settle=False)
    keep(settings.lake)
    for number in range(5):
        put_back(settings.lake)
        with Lake(settings) as opened:
            with monkeypatch.context() as dying, suppress(KeyboardInterrupt):
                kill_at(dying, number)
                settle(opened, minute=6000)
            settle(opened, minute=6000)
            assert set(roles(opened).values()) == {"unmatched"}
            assert settle(opened, minute=6000) == 0


def kill_at(patch, number):
    """Die instead of the commit of some number."""
    left = [number]

    def counted(real):
        def commit_(*given, **more):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return real(*given, **more)

        return commit_

    for place in ("lake.rewrite.commit", "ingest.unheard.set_properties"):
        module, name = place.rsplit(".", 1)
        real = getattr(__import__(module, fromlist=[name]), name)
        patch.setattr(place, counted(real))


@pytest.mark.parametrize(
    ("before", "meanwhile", "role"),
    [
        ([sent(59)], silent(61, "eni-2"), "unmatched"),
        ([sent(59), silent(1, "eni-2")], received(60), None),
    ],
)
def test_what_comes_while_an_hour_is_settled_is_not_missed(
    lake_, tmp_path, monkeypatch, before, meanwhile, role
):
    """It comes after the hour was read and is there before the hour is committed."""
    place = tmp_path / "objects"
    load(lake_, put(place, 0, *before), settle=False)
    real, raced = lake.rewrite.commit, list[bool]()  # type: ignore[attr-defined]

    def overtaken(*given, **more):
        if not raced:
            raced.append(True)
            load(lake_, put(place, 1, meanwhile), settle=False)
        return real(*given, **more)

    monkeypatch.setattr("lake.rewrite.commit", overtaken)
    settle(lake_, minute=6000)
    settle(lake_, minute=6000)
    assert settle(lake_, minute=6000) == 0
    rows = lake_.load(FLOWS).scan().to_arrow().to_pylist()
    assert [r["role"] for r in rows if r["observer"] == "eni-1"] == [role]


def test_what_is_yet_to_be_heeded_survives_expiry(lake_, tmp_path):
    place = tmp_path / "objects"
    load(lake_, put(place, 0, sent(0)))
    load(lake_, put(place, 1, silent(1, "eni-2")), settle=False)
    for number in range(2, 6):
        load(lake_, put(place, number, sent(6000, port=number)), settle=False)
    expire(lake_, FLOWS, keep=1, slack=0)
    expire(lake_, SILENCES, keep=1, slack=0)
    settle(lake_, minute=6000)
    assert roles(lake_)[40_000] == "unmatched"


def test_what_waits_to_be_heeded_needs_no_history(lake_, tmp_path):
    place = tmp_path / "objects"
    load(lake_, put(place, 0, sent(0), sent(60, port=1)), settle=False)
    assert settle(lake_, minute=120) == 1
    load(lake_, put(place, 1, silent(1, "eni-2")), settle=False)
    heed_later(lake_)
    expire(lake_, FLOWS, keep=1, slack=0)
    assert settle(lake_, minute=120) == 1
    load(lake_, put(place, 2, silent(61, "eni-1")), settle=False)
    heed_later(lake_)
    expire(lake_, FLOWS, keep=1, slack=0)
    assert len(ancestry(lake_.load(FLOWS))) == 1
    assert settle(lake_, minute=130) == 0
    assert settle(lake_, minute=6000) == 2
    assert settle(lake_, minute=6000) == 0
    assert set(roles(lake_).values()) == {"unmatched"}


def test_a_silence_that_a_replaced_object_no_longer_tells_is_forgotten(lake_, tmp_path):
    place = tmp_path / "objects"
    load(lake_, put(place, 0, sent(0)), put(place, 1, silent(1, "eni-2")))
    assert roles(lake_)[40_000] == "unmatched"
    load(lake_, put(place, 1, sent(600, port=1)), replace=True)
    assert roles(lake_)[40_000] is None
    assert settle(lake_, minute=6000) == 0


def compacted(lake_, *, minute, since=None):
    settler = Settler(lake_, Inventories(lake_, {}))
    first = None if since is None else NOON + timedelta(minutes=since)
    return settler.compact(
        since=first, until=None, now=NOON + timedelta(minutes=minute)
    )


def files(lake_):
    return sorted(f.record_count for f in live_files(lake_.load(FLOWS)))


def test_compacting_settles_what_is_old_enough_and_merges_the_rest(lake_, tmp_path):
    place = tmp_path / "objects"
    load(lake_, put(place, 0, sent(0), silent(1, "eni-2")), settle=False)
    load(lake_, put(place, 1, sent(2, port=1), sent(62, port=2)), settle=False)
    load(lake_, put(place, 2, sent(64, port=3)), settle=False)
    assert files(lake_) == [1, 1, 1, 1]
    assert compacted(lake_, minute=120).added == 2
    assert files(lake_) == [2, 2]
    assert roles(lake_) == {40_000: "unmatched", 1: "unmatched", 2: None, 3: None}
    assert settle(lake_, minute=120) == 0
    settled = lake_.load(FLOWS).scan().to_arrow()["settled"].to_pylist()
    assert sorted(settled) == [False, False, True, True]
    assert compacted(lake_, minute=120).added == 0


def test_compacting_attributes_with_the_newest_inventory(lake_, tmp_path):
    place = tmp_path / "objects"
    load(lake_, put(place, 0, sent(0)), settle=False)
    load(lake_, put(place, 1, sent(2, port=1)), settle=False)
    load(lake_, put(place, 2, sent(182, port=2)), settle=False)
    named = {**ENDS, "eni-3": "10.0.0.3"}
    record(lake_, [listed(610, holders=named), listed(620, holders=named)])
    record(lake_, [listed(-610, holders=named)])
    assert compacted(lake_, minute=200).added == 2
    assert files(lake_) == [1, 2]
    assert settle(lake_, minute=200) == 0
    change = reopened(lake_, lake_.load(FLOWS))
    assert not change.is_new


def test_an_hour_that_is_settled_is_never_only_merged(lake_, tmp_path):
    """Merged, it would look newer than what came beside it since."""
    place = tmp_path / "objects"
    load(lake_, put(place, 0, sent(59), silent(1, "eni-2")))
    assert roles(lake_)[40_000] == "unmatched"
    load(lake_, put(place, 1, received(60)), put(place, 2, sent(58, port=1)),
         settle=False)  # fmt: skip
    compacted(lake_, minute=6000, since=-60)
    assert settle(lake_, minute=6000) == 0
    rows = lake_.load(FLOWS).scan().to_arrow().to_pylist()
    assert {r["srcport"]: r["role"] for r in rows if r["observer"] == "eni-1"} == {
        40_000: None, 1: "unmatched",
    }  # fmt: skip


def test_the_command_compacts_settles_and_rolls_up(lake_, tmp_path):
    place = tmp_path / "objects"
    load(lake_, put(place, 0, sent(0), silent(1, "eni-2")), settle=False)
    load(lake_, put(place, 1, sent(2, port=1)), settle=False)
    done = flowlake("compact", "flows", "silences", lake=lake_.settings.lake)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert list(told) == ["flows", "silences"]
    assert told["flows"] == {"removed": 2, "added": 1, "rows": 2}
    assert set(roles(lake_).values()) == {"unmatched"}
    mark = mark_of(lake_.load(EDGES_HOURLY), FLOWS.name)
    assert mark == head_id(lake_.load(FLOWS))


PKT_ONLY = (
    "version account-id interface-id pkt-srcaddr pkt-dstaddr srcport dstport protocol "
    "packets bytes start end action log-status"
)
V2 = PKT_ONLY.replace("pkt-", "")


@pytest.mark.parametrize(
    ("header", "line"),
    [
        (PKT_ONLY, "5 111111111111 eni-1 10.0.0.1 10.0.1.5"),
        (V2, "2 111111111111 eni-1 10.0.0.1 -"),
        (V2, "2 111111111111 eni-1 - 10.0.1.5"),
        (V2, "2 111111111111 eni-1 - -"),
    ],
)
def test_records_without_an_address_are_loaded_and_settled(tmp_path, header, line):
    start = int(NOON.timestamp())
    lines = [f"{line} {40_000 + n} 443 6 3 180 {start} {start + 30} ACCEPT OK"
             for n in range(10)]  # fmt: skip
    (tmp_path / "a.log").write_text("\n".join([header, *lines, ""]))
    with open_lake(load_settings(lake=str(tmp_path / "lake"))) as lake:
        for _ in range(2):
            load(lake, tmp_path / "a.log", roll_up=True)
        settle(lake, minute=600)
        rows = lake.load(FLOWS).scan().to_arrow()
    assert rows.num_rows == 10
    assert set(rows["settled"].to_pylist()) == {True}
