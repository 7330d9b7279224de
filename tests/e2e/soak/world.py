"""The simulated network with bursts, and when each of its objects is delivered."""

from __future__ import annotations

import gzip
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from demo.delivery import write_truth
from demo.network import inventory
from demo.network.work import Plan, do_window, scene_of
from demo.places import place_of
from ingest.keys import parse_key
from tests.e2e.soak.spec import HOUR, WINDOW, Spec
from tests.samples import V2

BURST = 20  # times as many records
USUAL = (timedelta(minutes=5), timedelta(minutes=10))  # after its window began
STRAGGLING = (timedelta(minutes=15), timedelta(minutes=60))
LATE = (timedelta(minutes=70), timedelta(minutes=150))  # and its hour's lateness
OUTAGE = 0.06  # of the time, twice
AGAIN = 0.05  # share of objects that are written, and told of, once more
LISTED = "AWSLogs/"
COPIES = "replica/"
QUEUED = "queued/"
ONLY_QUEUED = 0.2  # share of the usual ones
ODD = 4


@dataclass(frozen=True, slots=True, order=True)
class Delivery:
    """One object that is written at a moment of the simulated world.

    Attributes:
        due: When.
        key: Where.
        body: What; a path below the world's folder.
        how: usual, straggling, late, copy, again, odd; held: back by an outage;
            queued: where nobody lists, so that only its event tells of it.
        identity: What it is known by.
        records: How many it brings, of both heads; 0 if it has come before.
        flows: Those that go to `flows`.
    """

    due: datetime
    key: str
    body: str
    how: str
    identity: str
    records: int = 0
    flows: int = 0


def make_world(spec: Spec) -> tuple[Path, list[dict[str, Any]]]:
    """Simulate the network; return its folder and what each object is."""
    plan = Plan(
        seed=spec.seed, start=spec.begin, windows=spec.windows,
        records=spec.records * spec.windows, clean=False, full_truth=True,
        only=spec.only,
    )  # fmt: skip
    burst = replace(plan, records=BURST * plan.records)
    dice = random.Random(spec.seed)  # noqa: S311
    bursts = set(dice.sample(range(spec.windows // 3, spec.windows), spec.bursts))
    folder, parts = spec.place / "world", spec.place / "parts"
    parts.mkdir(parents=True)
    place = place_of(str(folder))
    inventory.write(scene_of(plan), place)
    infos = []
    for number in range(spec.windows):
        infos += do_window(burst if number in bursts else plan, place, number, parts)
    tables = {
        name: map(pq.read_table, sorted(parts.glob(f"{name}-*.parquet")))
        for name in ("records", "streams")
    }
    write_truth(place, {"seed": spec.seed}, infos, tables, parts)
    shutil.rmtree(parts)
    return folder, infos + list(_odd(folder, infos))


def _odd(folder: Path, infos: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Write objects that nobody can read, beside others."""
    for number in range(ODD):
        beside = infos[(number + 1) * len(infos) // (ODD + 1)]["key"]
        stem = beside.removeprefix(COPIES).rpartition("_")[0]
        key = f"{stem}_{number:08x}.log.gz"
        text = f"{V2}\nthis is no record\nnor is this\n".encode()
        body = b"\x89PNG" + bytes(40) if number % 2 else gzip.compress(text, mtime=0)
        (folder / key).write_bytes(body)
        yield {
            "key": key,
            "identity": key.rpartition("/")[2].partition(".")[0],
            "records": 0,
            "copy_of": None,
            "late": False,
            "head": "flows",
            "odd": True,
        }


def deliveries(spec: Spec, infos: list[dict[str, Any]]) -> list[Delivery]:
    """Return what is delivered when, in that order."""
    dice = random.Random(spec.seed + 1)  # noqa: S311
    outages = [
        (spec.begin + share * spec.hours * HOUR, OUTAGE * spec.hours * HOUR)
        for share in (dice.uniform(0.2, 0.4), dice.uniform(0.6, 0.8))
    ]
    last = spec.end - timedelta(minutes=1)
    made: list[Delivery] = []
    for info in infos:
        how, delay = _delay(spec, info, dice)
        usual = _time_of(info["key"]) + delay
        due = min(_held(usual, outages), last)
        how = how if due <= usual else "held"
        key, body, identity = info["key"], info["key"], info["identity"]
        if how == "usual" and dice.random() < ONLY_QUEUED:
            how, key = "queued", f"{QUEUED}{key}"
        made.append(Delivery(due, key, body, how, identity))
        if dice.random() < AGAIN:
            later = min(due + dice.uniform(0, 1) * HOUR, last)
            made.append(Delivery(later, key, body, "again", identity))
    return list(_with_records(sorted(made), infos))


def _with_records(
    made: list[Delivery], infos: list[dict[str, Any]]
) -> Iterator[Delivery]:
    """Yield deliveries, the first one of each object with what it brings."""
    left = {i["identity"]: i for i in infos if not i["copy_of"]}
    for one in made:
        info = left.pop(one.identity, None)
        records = info["records"] if info else 0
        flows = records if info and info["head"] == "flows" else 0
        yield replace(one, records=records, flows=flows)


def _delay(
    spec: Spec, info: dict[str, Any], dice: random.Random
) -> tuple[str, timedelta]:
    """Return how an object comes, and how long after the time in its name."""
    if info.get("odd"):
        return "odd", WINDOW
    if info["copy_of"]:
        return "copy", dice.uniform(0.1, 1) * HOUR
    if info["late"]:  # its name is of hours later
        return "late", WINDOW
    chance = dice.random()
    if chance < 0.04:
        lateness = timedelta(minutes=spec.lateness_minutes)
        return "late", lateness + _within(LATE, dice)
    if chance < 0.16:
        return "straggling", _within(STRAGGLING, dice)
    return "usual", _within(USUAL, dice)


def _within(span: tuple[timedelta, timedelta], dice: random.Random) -> timedelta:
    least, most = span
    return least + dice.random() * (most - least)


def _time_of(key: str) -> datetime:
    facts = parse_key(key)
    assert facts is not None, key
    return facts.key_time


def _held(due: datetime, outages: list[tuple[datetime, timedelta]]) -> datetime:
    """Return when an object comes that is due in an outage: at its end, as all do."""
    for begin, length in outages:
        if begin <= due < begin + length:
            return begin + length
    return due
