"""When a file was taken: one rule for what AWS and what Kubernetes printed."""

import json
import os
from datetime import UTC, date, datetime, timedelta

import pytest

from ingest.inventory.aws import read_saved
from ingest.inventory.kubernetes.saved import Saved
from ingest.inventory.stamps import day_in, stamp_in, without_stamps
from lake.errors import UsageError
from tests.kube_objects import node

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
T0 = datetime(2026, 1, 1, 0, 30, tzinfo=UTC)
T1 = T0 + timedelta(hours=1)
STAMP0, STAMP1 = "20260101T003000Z", "2026-01-01T01-30-00"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pods-20260101T003000Z.json", T0),
        ("2026-01-01T00:30:00Z.json", T0),
        ("2026-01-01 00:30:00.json", T0),
        ("2026-01-01T00-30-00Z-pods.json", T0),
        ("pods-2026-01-01T02:30:00+02:00.json", T0),
        ("pods-2026-01-01T02:30:00+0200.json", T0),
        ("pods-2025-12-31T19:00:00-05:30.json", T0),
        ("pods_20260101T0030Z.yaml", T0),
        ("20260101-003000", T0),
        ("pods-2026-01-01-00-30-00.json", T0),
        ("20250101T000000Z-20260101T003000Z", T0),
        ("pods-20261341T003000Z.json", None),
        ("pods-2026-01-01.json", None),
        ("e2e-29707813.json", None),
    ],
)
def test_a_name_tells_when_a_file_was_taken(name, expected):
    assert stamp_in(name) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("pods-2026-01-31.json", date(2026, 1, 31)),
        ("20260131/list.json", date(2026, 1, 31)),
        ("2026-01-31T14/list.json", date(2026, 1, 31)),
        ("2026/01/31/list.json", date(2026, 1, 31)),
        ("year=2026/month=01/day=31/list.json", date(2026, 1, 31)),
        ("day=2026-01-30/pods-2026_01_31.json", date(2026, 1, 31)),
        ("2026-01-31/pods-2026-13-41.json", date(2026, 1, 31)),
        ("2026-01/list.json", None),
        ("111120260131/list.json", None),
        ("2026-02-30/list.json", None),
    ],
)
def test_names_tell_a_day(names, expected):
    assert day_in(names) == expected


def test_what_is_left_of_a_name_is_the_same_at_all_moments():
    assert without_stamps(f"prod-{STAMP0}") == "prod"
    assert without_stamps(f"{STAMP1}_prod") == "prod"
    assert without_stamps("20261341T003000Z") == "20261341T003000Z"


# What was saved of AWS and of Kubernetes is read by the same rule.
CONTENTS = {
    "aws": {"Vpcs": [{"VpcId": "vpc-1", "OwnerId": "111122223333"}]},
    "kubernetes": {"kind": "List", "items": [node()]},
}


@pytest.fixture(params=sorted(CONTENTS))
def saved(request, tmp_path):
    def save(name, written=AT):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(CONTENTS[request.param]))
        os.utime(file, (written.timestamp(), written.timestamp()))
        return file

    def times(*places, **options):
        read = Saved if request.param == "kubernetes" else read_saved
        return [sighting.at for sighting in read(places, **options)]

    return save, times


def test_without_a_word_the_nearest_name_tells_else_the_time_of_writing(
    saved,
):
    save, times = saved
    assert times(save("a/list.json", T0)) == [T0]
    assert times(save(f"b-{STAMP1}/list-{STAMP0}.json")) == [T0]
    named = save(f"c-{STAMP0}/list.json")
    for place in (named, named.parent, named.parent.parent / f"c-{STAMP0}"):
        assert times(place) == [T0]


@pytest.mark.parametrize(
    "name",
    [
        "2026-02-28/list.json",
        "list-20260228.json",
        "look-20260301T110000Z/2026-02-28/list.json",
    ],
)
def test_a_file_that_is_not_of_the_day_in_its_name_is_not_read(saved, tmp_path, name):
    save, times = saved
    save(name)
    assert times(tmp_path) == []
    assert times(tmp_path, at=T0) == [T0]


def test_what_a_file_of_another_day_may_hold_is_not_gone(tmp_path):
    for name in ("list.json", "list-2026-02-28.json"):
        (tmp_path / name).write_text(json.dumps(CONTENTS["aws"]))
        os.utime(tmp_path / name, (AT.timestamp(), AT.timestamp()))
    (sighting,) = read_saved([tmp_path])
    assert sighting.lists == frozenset()


def test_a_day_in_a_name_leaves_the_time_to_the_file_or_to_a_moment(saved):
    save, times = saved
    assert times(save("2026-03-01/list.json")) == [AT]
    assert times(save(f"2026-02-28/list-{STAMP0}.json")) == [T0]
    file = save(f"look-{STAMP0}/2026-01-01/list.json")
    assert times(file.parent.parent) == [T0]


def test_what_the_user_says_counts_before_any_name(saved):
    save, times = saved
    file = save(f"look/list-{STAMP0}.json")
    assert times(file, at=AT) == [AT]
    assert times(file.parent, at=AT) == [AT]
    save("look/list-20260101T003030Z.json")  # of the same look: seconds later
    assert times(file.parent, at=AT) == [AT]


def test_what_was_not_taken_yet_is_not_read_but_for_what_clocks_differ(saved):
    save, times = saved
    now = datetime.now(UTC).replace(microsecond=0)
    soon, later = now + timedelta(minutes=4), now + timedelta(minutes=6)
    assert times(save("a/list.json", soon)) == [soon]
    assert times(save(f"b/list-{soon:%Y%m%dT%H%M%SZ}.json")) == [soon]
    assert times(save("c/list.json", later)) == []
    assert times(save(f"d/list-{later:%Y%m%dT%H%M%SZ}.json")) == []
    assert times(save(f"d/list-{later:%Y%m%dT%H%M%SZ}.json"), at=AT) == [AT]


def test_looks_of_several_times_are_not_said_to_be_of_one(saved, tmp_path):
    save, times = saved
    for stamp in (STAMP0, STAMP1):
        save(f"{stamp}/list.json")
    with pytest.raises(UsageError, match=r"2026-01-01T00:30:00Z to 2026-01-01T01:30"):
        times(tmp_path, at=AT)
    assert times(tmp_path) == [T0, T1]


def test_looks_of_several_days_are_not_said_to_be_of_one(saved, tmp_path):
    save, times = saved
    for day in ("2026-01-01", "2026-01-02"):
        save(f"{day}/list.json")
    with pytest.raises(UsageError, match="2026-01-01 to 2026-01-02"):
        times(tmp_path, at=AT)
