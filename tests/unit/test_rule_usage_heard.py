"""How long the interfaces of a rule were surely heard of: each hole counts."""

import json
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random

import pytest

from ingest.inventory.store import record
from ingest.job import Ingest, Request
from lake.settings import load_settings
from queries.answers import answer, pose
from queries.catalogue import find_report
from queries.engine import Engine
from tests.estate import LOG, NOON, listed, put, received, silent
from tests.lakes import open_lake
from tests.unit.test_rule_usage import documents, quiet

OTHER = "fl-0123456789abcdef1"
NOW = datetime(2026, 1, 2, tzinfo=UTC)
REPORT = find_report("rule_usage")
DENY = {"CidrBlock": "0.0.0.0/0", "Protocol": "-1", "RuleNumber": 90, "Egress": False,
        "RuleAction": "deny"}  # fmt: skip


@pytest.fixture
def heard(tmp_path):
    """Return of an allow rule and a deny entry: completeness and usage."""
    numbers = count()

    def ask(*objects, logs=(), hours=1):
        place = tmp_path / f"{next(numbers)}"
        settings = load_settings(lake=str(place / "lake"))
        acl = {"NetworkAclId": "acl-1", "VpcId": "vpc-1", "Entries": [DENY],
               "Associations": [{"SubnetId": "subnet-1"}]}  # fmt: skip
        told = [*documents(), ("network_acl", "acl-1", json.dumps(acl))]
        told = [one for one in told if not logs or one[0] != "flow_log"]
        for log, traffic in logs:
            told.append(("flow_log", log, json.dumps(
                {"FlowLogId": log, "ResourceId": "vpc-1", "TrafficType": traffic}
            )))  # fmt: skip
        with open_lake(settings) as lake:
            record(lake, [listed(at, *told) for at in (-600, 600)])
            for number, (log, lines) in enumerate(objects):
                put(place / "logs", number, *lines, log=log)
            Ingest(lake, Request((str(place / "logs"),))).run()
        until = NOON + timedelta(hours=hours)
        given = {"since": [f"{NOON:%Y-%m-%dT%H:%MZ}"],
                 "until": [f"{until:%Y-%m-%dT%H:%MZ}"]}  # fmt: skip
        with Engine(settings) as engine:
            rows = answer(engine, pose(engine, REPORT, given, now=NOW)).rows.to_pylist()
        dns = next(row for row in rows if row["text"].startswith("udp/53"))
        deny = next(row for row in rows if row["number"] == 90)
        return [(row["completeness"], row["usage"]) for row in (dns, deny)]

    return ask


def ten(*enis, but=(), minutes=240):
    """Return silences of ten minutes each."""
    lines = []
    for eni in enis or ("eni-1", "eni-2"):
        for minute in range(0, minutes, 10):
            start = int((NOON + timedelta(minutes=minute)).timestamp())
            line = silent(minute, eni).replace(f"{start + 60} -", f"{start + 600} -")
            lines += [line] if minute not in but else []
    return lines


@pytest.mark.parametrize(
    ("lost", "share"),
    [((), 1), ([20], 0.9833), ([0], 0.9833), ([59], 0.9833), ([20, 21], 0.9667),
     (range(1, 59, 2), 0.5167)],
)  # fmt: skip
def test_each_missing_minute_counts_wherever_it_is(heard, lost, share):
    (found, usage), _ = heard((LOG, [*quiet("eni-1"), *quiet("eni-2", but=lost)]))
    assert (found, usage) == (share, "unknown" if lost else "unused")


def test_each_flow_log_stands_for_its_own_actions(heard):
    logs = [(LOG, "REJECT"), (OTHER, "ACCEPT")]
    each, holes = quiet(minutes=range(240)), (50, 60, 70)
    half = quiet(minutes=range(0, 240, 2))
    objects = (LOG, each), (OTHER, ten(but=holes))
    assert heard(*objects, logs=logs, hours=4) == [(0.875, "unknown"), (1, "unused")]
    objects = (LOG, half), (OTHER, ten())
    allowed, denied = heard(*objects, logs=logs, hours=4)
    assert (allowed, denied[1]) == ((1, "unused"), "unknown")
    assert denied[0] == pytest.approx(0.5, abs=0.01)


def test_of_two_flow_logs_of_an_action_the_best_of_each_hour_counts(heard):
    logs = [(LOG, "ALL"), (OTHER, "ALL")]
    first, second = quiet(minutes=range(60)), quiet(minutes=range(60, 120))
    some = quiet("eni-2", minutes=range(0, 120, 3))
    found = heard((LOG, [*first, *some]), (OTHER, second), logs=logs, hours=2)
    assert found[0] == (1, "unused")
    found = heard((LOG, [*first, *second]), (OTHER, some), logs=logs, hours=2)
    assert found[0] == (1, "unused")


def test_what_is_on_its_way_is_not_missing_where_records_end(heard):
    logs = [(LOG, "REJECT"), (OTHER, "ACCEPT")]
    each = quiet(minutes=range(235))
    objects = (LOG, each), (OTHER, ten(minutes=230))
    assert heard(*objects, logs=logs, hours=4)[0] == (1, "unused")
    objects = (LOG, each), (OTHER, ten(minutes=220))
    assert heard(*objects, logs=logs, hours=4)[0][1] == "unknown"
    objects = (LOG, each), (OTHER, ten(minutes=230, but=[100]))
    assert heard(*objects, logs=logs, hours=4)[0][1] == "unknown"


def busy(eni, *, phase, but=(), each=6):
    """Return packets at any seconds of windows that begin at a second of the minute."""
    dice, lines = Random(phase), []  # noqa: S311
    for minute in sorted(set(range(-1, 121)) - set(but)):
        for port in range(40_000, 40_000 + each):
            at = dice.randrange(60)
            seconds = dice.randrange(60 - at)
            begin = minute + (phase + at) / 60
            lines.append(received(begin, by=eni, port=port, seconds=seconds))
    return lines


@pytest.mark.parametrize("phase", [0, 16, 30, 59])
def test_a_busy_interface_whose_windows_begin_anywhere_is_heard_of(heard, phase):
    whole = busy("eni-2", phase=phase)
    (share, usage), _ = heard((LOG, [*quiet("eni-1"), *whole]), hours=2)
    assert (share >= 0.99, usage) == (True, "unused")


def test_a_minute_missing_from_a_busy_interface_counts(heard):
    lines = busy("eni-2", phase=0, but=[20, 30, 71])
    (share, usage), _ = heard((LOG, [*quiet("eni-1"), *lines]), hours=2)
    assert (share, usage) == (0.975, "unknown")


@pytest.mark.parametrize(
    ("phase", "lost"), [(2, [20, 50, 80]), (30, [59, 91]), (59, [20, 50, 80])], ids=str
)
def test_a_window_missing_from_a_busy_interface_counts_off_the_clock_too(
    heard, phase, lost
):
    lines = busy("eni-2", phase=phase, but=lost, each=12)
    (share, usage), _ = heard((LOG, [*quiet("eni-1"), *lines]), hours=2)
    assert usage == "unknown"
    most, least = (1 - (len(lost) + more) / 120 for more in (0, 2))
    assert least - 0.0001 <= share <= most + 0.0001


@pytest.mark.parametrize("own", [quiet, lambda eni, but: busy(eni, phase=0, but=but)],
                         ids=["silent", "busy"])  # fmt: skip
def test_windows_shorter_than_others_of_a_flow_log_count_for_themselves(heard, own):
    lost = [n for n in range(60) if n % 6]
    (share, usage), _ = heard((LOG, [*ten("eni-1"), *own("eni-2", but=lost)]))
    assert (share < 0.25, usage) == (True, "unknown")


def test_short_records_do_not_tell_where_windows_begin(heard):
    def lines(*but):
        return [received(minute + (30 + at) / 60, by="eni-2", port=at, seconds=0)
                for minute in range(-1, 121) if minute not in but
                for at in range(0, 60, 3)]  # fmt: skip

    each = quiet("eni-1", minutes=range(120))
    assert heard((LOG, [*each, *lines()]), hours=2)[0] == (1, "unused")
    assert heard((LOG, [*each, *lines(20, 50, 80)]), hours=2)[0][1] == "unknown"


def test_holes_off_the_clock_add_up_across_hours(heard):
    lost = [59, 60, 61, 62, 63, 75, 85, 95, 105, 115]
    lines = busy("eni-2", phase=30, but=lost, each=12)
    later = quiet("eni-2", minutes=range(120, 600))
    each = quiet("eni-1", minutes=range(600))
    (share, usage), _ = heard((LOG, [*each, *lines, *later]), hours=10)
    assert (share < 0.985, usage) == (True, "unknown")
