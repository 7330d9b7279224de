"""Repair ends with exactly the rows that an undisturbed follower would have made."""

import gzip
import random
import shutil
import uuid
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import pytest
from pyiceberg.table.update import AssertRefSnapshotId, SetSnapshotRefUpdate

from ingest.batch import Batch
from ingest.job import Ingest, Request
from ingest.keys import identity_of, parse_key
from lake.compact import compact
from lake.expire import collect, expire
from lake.follow import follow_all
from lake.repair import repair
from lake.retain import retain
from lake.settings import load_settings
from lake.snapshots import ancestry, head_id, mark_property
from lake.standing import key_day
from lake.store import Change, commit, refuse
from lake.tables import (
    FLOWS,
    HEADS,
    LEDGERS,
    SILENCES,
    SOURCES,
    TABLES,
    TGW_FLOWS,
)
from tests.lakes import open_lake
from tests.samples import TGW, V2, record, rows_of, write_objects

DAY = timedelta(days=1)
FIRST = datetime(2026, 1, 1, 23, 50, tzinfo=UTC)
ALL_BUT_SOURCES = [t for t in TABLES.values() if t is not SOURCES]


@pytest.fixture
def lake(tmp_path):
    settings = load_settings(lake=str(tmp_path / "lake"), workers=2)
    with open_lake(settings) as opened:
        yield opened


class Killed(BaseException):
    """Stands for SIGKILL."""


def vpc_lines(number, start, dice):
    yield record(dice.randrange(9_999), start)
    yield f"2 123456789010 eni-{number} - - - - - - - {start} {start} - NODATA"


def tgw_lines(number, start, dice):
    named = f"6 TransitGateway tgw-1 tgw-attach-{number}"
    port = dice.randrange(9_999)
    yield f"{named} 10.0.0.1 10.1.0.1 {port} 443 6 1 40 {start} {start} OK 1"
    yield f"{named} - - - - - - - {start} {start} NODATA -"


KINDS = {FLOWS: (V2, vpc_lines), TGW_FLOWS: (TGW, tgw_lines)}


def write_object(place, number, dice, *, head=FLOWS):
    """Write or rewrite an object of a head, with something for every ledger."""
    place.mkdir(exist_ok=True)
    key_time = FIRST + number % 4 * DAY
    name = (
        "123456789010_vpcflowlogs_us-east-1_fl-0123456789abcdef0_"
        f"{key_time:%Y%m%dT%H%M}Z_{number:08x}.log.gz"
    )
    header, kind = KINDS[head]
    lines = []
    for _ in range(dice.randrange(1, 4)):
        start = int(key_time.timestamp()) + dice.randrange(1_000)
        lines += [*kind(number, start, dice), f"broken {dice.random()}"]
    kept = dice.sample(lines, dice.randrange(1, len(lines) + 1))
    (place / name).write_bytes(gzip.compress("\n".join([header, *kept, ""]).encode()))
    return place / name


def ingest(lake, place, **more):
    request = Request((str(place),), settle=False, roll_up=False, **more)
    return Ingest(lake, request).run()


def repair_all(lake):
    return [repair(lake, ledger) for ledger in LEDGERS]


def lose_marks(lake, ledgers=LEDGERS):
    """Make ledgers' marks name no snapshot at all."""
    for ledger in ledgers:
        change = Change(
            op="follow",
            commit_id=uuid.uuid4().hex,
            begun=datetime.now(UTC),
            properties={mark_property(head.name): "42" for head in HEADS},
        )
        commit(lake, ledger, change, base=lake.load(ledger), check=refuse)


def ledger_heads(lake):
    return [head_id(lake.load(ledger)) for ledger in LEDGERS]


def lose(lake, table):
    """Lose a table with its files, and make it anew."""
    place = lake.load(table).location().removeprefix("file://")
    lake.catalog.drop_table((lake.settings.namespace, table.name))
    shutil.rmtree(place)
    lake.ensure(table)


def roll_back(lake, table, *, by):
    """Take the newest snapshots from a table, as another tool might."""
    stored = lake.load(table)
    history = ancestry(stored)
    if not by:
        return
    if by >= len(history):
        lose(lake, table)
        return
    update = SetSnapshotRefUpdate.model_validate(
        {"ref-name": "main", "type": "branch", "snapshot-id": history[by].snapshot_id}
    )
    on = AssertRefSnapshotId.model_validate(
        {"snapshot-id": history[0].snapshot_id, "ref": "main"}
    )
    lake.catalog.commit_table(stored, (on,), (update,))


class House:
    """A lake that lives a little: any of its steps may be the last."""

    def __init__(self, lake, logs, dice):
        self.lake, self.logs, self.dice = lake, logs, dice
        self.limit = date(2026, 1, 2)
        self.changes = [self.new, self.replace, self.replace, self.kill, self.double]
        self.upkeep = [self.retain, self.retain_all, self.compact, self.expire,
                       self.gc, self.list_all]  # fmt: skip
        self.new()

    def live(self, *choices):
        for steps in choices:
            self.dice.choice(steps)()

    def write(self, number=None, head=None):
        number = self.dice.randrange(10_000) if number is None else number
        head = head or self.dice.choice(HEADS)
        return write_object(self.logs, number, self.dice, head=head)

    def rewrite(self):
        """Write a known object again, as a log of either kind."""
        (old,) = self.dice.sample(sorted(self.logs.iterdir()), 1)
        return self.write(int(old.name.split("_")[-1].split(".")[0], 16))

    def new(self):
        ingest(self.lake, self.write())

    def list_all(self):
        """Read what is in neither head, and again what is in both."""
        ingest(self.lake, self.logs)

    def replace(self):
        ingest(self.lake, self.rewrite(), replace=True)

    def kill(self):
        """Kill a replacement between the two heads' commits, if it needs both."""
        real, heads = Batch._commit_head, []

        def die(batch, head):
            heads.append(head.table.name)
            if len(heads) == 2:
                raise Killed
            real(batch, head)

        with pytest.MonkeyPatch.context() as patch, suppress(Killed):
            patch.setattr(Batch, "_commit_head", die)
            ingest(self.lake, self.rewrite(), replace=True)
        follow_all(self.lake)

    def double(self):
        """Let two runs take a new object for two kinds of log, and commit both."""
        number = self.dice.randrange(10_000)
        heads = self.dice.sample(HEADS, 2)
        real = Batch.commit
        raced: list[object] = []

        def overtaken(batch):
            if not raced:
                raced.append(True)
                ingest(self.lake, self.write(number, heads[1]))
            real(batch)

        with pytest.MonkeyPatch.context() as gap:
            gap.setattr(Batch, "commit", overtaken)
            gap.setattr("ingest.batch.refuse_elsewhere", lambda *args, **more: None)
            ingest(self.lake, self.write(number, heads[0]))

    def retain(self):
        self.limit += DAY * self.dice.randrange(2)
        retain(self.lake, dict.fromkeys(ALL_BUT_SOURCES, self.limit))

    def retain_all(self):
        retain(self.lake, dict.fromkeys([SOURCES, *HEADS], self.limit))

    def compact(self):
        for table in TABLES.values():
            compact(self.lake, table)

    def expire(self):
        for table in TABLES.values():
            expire(self.lake, table, keep=1, slack=0)

    def gc(self):
        collect(self.lake, min_age=timedelta(0))


@pytest.mark.parametrize("seed", range(10))
def test_repair_of_a_lake_in_good_order_changes_nothing(lake, tmp_path, seed):
    dice = random.Random(seed)  # noqa: S311
    house = House(lake, tmp_path / "logs", dice)
    steps = house.changes + house.upkeep
    house.live(*[steps] * 5, house.changes[2 + seed % 3 :][:1], house.upkeep[:-1])
    follow_all(lake)
    before, heads = rows_of(lake), ledger_heads(lake)
    reports = repair_all(lake)
    assert rows_of(lake) == before
    assert ledger_heads(lake) == heads
    assert {(r.recovered, r.dropped, r.inferred) for r in reports} == {(0, 0, 0)}
    lose_marks(lake)
    repair_all(lake)
    assert rows_of(lake) == before
    assert ingest(lake, tmp_path / "logs").failed == 0
    follow_all(lake)


@pytest.mark.parametrize("seed", range(10))
def test_ledgers_of_any_earlier_time_end_as_if_they_had_followed(lake, tmp_path, seed):
    dice = random.Random(seed)  # noqa: S311
    house = House(lake, tmp_path / "logs", dice)
    house.live(*[[*house.changes, house.list_all, house.compact]] * 5)
    house.live(house.changes[2 + seed % 3 :][:1])
    before = rows_of(lake)
    lost = dice.sample(LEDGERS, dice.randrange(1, 4))
    for ledger in lost:
        roll_back(lake, ledger, by=dice.randrange(12))
    lose_marks(lake, lost)
    repair_all(lake)
    assert rows_of(lake) == before
    follow_all(lake)
    assert rows_of(lake) == before


@pytest.mark.parametrize("seed", range(2))
def test_repair_of_a_ledger_behind_only_follows(lake, tmp_path, monkeypatch, seed):
    dice = random.Random(seed)  # noqa: S311
    logs = tmp_path / "logs"
    house = House(lake, logs, dice)
    house.live(*[house.changes + house.upkeep] * 5)
    house.list_all()
    with monkeypatch.context() as stopped:
        stopped.setattr("ingest.load.follow_all", lambda lake: 0)
        for number in range(3):
            write_object(logs, 20_000 + number, dice)
            ingest(lake, logs)
    repair_all(lake)
    repaired = rows_of(lake)
    assert follow_all(lake) == 0
    assert rows_of(lake) == repaired
    ingested = len({row for row in repaired["sources"] if "00004e2" in row})
    assert ingested == 3


def test_repair_works_on_one_of_every_kind(lake, tmp_path):
    ingest(lake, write_objects(tmp_path / "logs"))
    before = rows_of(lake)
    lose_marks(lake)
    repair_all(lake)
    assert rows_of(lake) == before


@pytest.mark.parametrize("lost", [False, True])
def test_what_was_replaced_stays_replaced(lake, tmp_path, lost):
    dice = random.Random(1)  # noqa: S311
    path = write_object(tmp_path / "logs", 1, dice)
    ingest(lake, path)
    write_object(tmp_path / "logs", 1, dice)
    ingest(lake, path, replace=True)
    before = rows_of(lake)
    if lost:
        lose_marks(lake)
    repair_all(lake)
    assert rows_of(lake) == before
    assert len(before["sources"]) == 1


@pytest.mark.parametrize("lost", [False, True])
def test_dropped_days_are_not_read_again(lake, tmp_path, lost):
    dice = random.Random(2)  # noqa: S311
    for number in range(4):
        write_object(tmp_path / "logs", number, dice)
    ingest(lake, tmp_path / "logs")
    retain(lake, dict.fromkeys(ALL_BUT_SOURCES, date(2026, 1, 3)))
    before = rows_of(lake)
    if lost:
        lose_marks(lake)
    repair_all(lake)
    assert rows_of(lake) == before
    again = ingest(lake, tmp_path / "logs")
    assert (again.objects, again.skipped) == (0, 4)


def test_objects_whose_commit_was_rolled_back_are_read_again(lake, tmp_path):
    paths = sorted(write_objects(tmp_path / "logs").iterdir())
    ingest(lake, paths[0])
    one = rows_of(lake)
    ingest(lake, paths[1])
    two = rows_of(lake)
    roll_back(lake, FLOWS, by=1)
    reports = repair_all(lake)
    assert rows_of(lake) == one
    assert reports[0].dropped == 1
    assert ingest(lake, tmp_path / "logs").objects == len(paths) - 1
    assert {*two["sources"]} < {*rows_of(lake)["sources"]}


def test_objects_without_readable_evidence_are_inferred(lake, tmp_path, monkeypatch):
    paths = sorted(write_objects(tmp_path / "logs").iterdir())
    ingest(lake, paths[0])
    with monkeypatch.context() as stopped:
        stopped.setattr("ingest.load.follow_all", lambda lake: 0)
        ingest(lake, paths[1])
        ingest(lake, paths[2])
    folder = tmp_path / "lake" / "warehouse" / "evidence"
    lost = sorted(folder.rglob("*-sources-*"), key=lambda p: p.stat().st_mtime)[1]
    lost.unlink()
    report = repair(lake, SOURCES)
    assert (report.kept, report.recovered, report.inferred) == (1, 1, 1)
    rows = lake.load(SOURCES).scan().to_arrow().to_pylist()
    assert [row["flows"] for row in rows] == [40, 40, 40]
    again = ingest(lake, tmp_path / "logs")
    assert (again.objects, again.skipped) == (len(paths) - 3, 3)


@pytest.mark.parametrize(
    "name",
    [
        "123456789010_vpcflowlogs_us-east-1_fl-0a_20260101T2350Z_1f.log.gz",
        "s3://bucket/123456789010_vpcflowlogs_us-east-1_fl-0a_20261301T2350Z_1f.log.gz",
        "s3://bucket/other/20260101T2350Z_1f.log.gz",
    ],
)
def test_an_identity_tells_the_day_of_its_key(name):
    facts = parse_key(name)
    identity = identity_of(name, etag="e", local=False)
    assert key_day(identity) == (facts.key_time.date() if facts else None)


def test_an_inferred_object_keeps_its_rows_in_the_other_ledgers(lake, tmp_path):
    dice = random.Random(4)  # noqa: S311
    for number in range(3):
        write_object(tmp_path / "logs", number, dice)
    ingest(lake, tmp_path / "logs")
    before = rows_of(lake)[SILENCES.name]
    lose(lake, SOURCES)
    for path in (tmp_path / "lake" / "warehouse" / "evidence").rglob("*-sources-*"):
        path.unlink()
    repair_all(lake)
    assert before
    assert rows_of(lake)[SILENCES.name] == before
