"""Many objects, two writers at a time, a fault in most runs: no row differs.

Objects arrive and are rewritten all the time, some as another kind of log.
"""

import gzip
import random
from datetime import UTC, datetime, timedelta

import pytest

from ingest.job import Ingest, Request
from lake.compact import compact
from lake.expire import collect
from lake.settings import load_settings
from lake.tables import FLOWS, TABLES
from tests.lakes import open_lake
from tests.processes import Running
from tests.samples import BEGIN, TGW, V2, record, rows_of

REWRITTEN = 30  # a round
KILLS = ("data_file_written", "evidence_written", "commit_attempted", "committed",
         "followed", "objects_done")  # fmt: skip
FAULTS = ("none", "lost", "refused", *KILLS)


def write_objects(place, dice, numbers):
    """Write small objects over a day; some are silent, broken, of another kind."""
    for number in numbers:
        time = datetime.fromtimestamp(BEGIN, UTC) + timedelta(minutes=number // 3)
        start = int(time.timestamp())
        kind = dice.randrange(100)
        lines = [V2, *(record(n, start + n) for n in range(dice.randrange(1, 9)))]
        if kind == 0:
            lines = [V2, f"2 123456789010 eni-9 - - - - - - - {start} {start} - NODATA"]
        elif kind == 1:
            lines.append("this is no record")
        elif kind < 8:
            lost = f"6 TransitGateway tgw-1 tgw-attach-{number} 10.0.0.1 10.1.0.1 5 443"
            lines = [TGW, f"{lost} 6 1 40 {start} {start + 60} OK {kind}"]
        body = gzip.compress("\n".join([*lines, ""]).encode(), mtime=0)
        name = (
            "123456789010_vpcflowlogs_us-east-1_fl-0123456789abcdef0_"
            f"{time:%Y%m%dT%H%M}Z_{number:08x}.log.gz"
        )
        (place / name).write_bytes(b"\x89PNG" + bytes(9) if kind == 2 else body)


def rewrite_objects(place, dice, numbers):
    """Write some objects anew: most change, some into another kind of log."""
    write_objects(place, dice, dice.sample(numbers, REWRITTEN))


def start(lake, source, fault, count, *words):
    return Running("tests.e2e.chaos_run", [fault, count, lake, source, *words])


def keep_house(settings, dice):
    with open_lake(settings) as lake:
        if dice.random() < 0.5:
            compact(lake, FLOWS)
        collect(lake, min_age=timedelta(0))


@pytest.mark.parametrize(
    ("seed", "rounds", "objects"),
    [
        (1, 3, 350),
        *(pytest.param(n, 6, 2_100, marks=pytest.mark.soak) for n in range(1, 10)),
    ],
)
def test_any_mix_of_faults_ends_as_one_undisturbed_run(tmp_path, seed, rounds, objects):
    dice = random.Random(seed)  # noqa: S311
    source = tmp_path / "AWSLogs"
    source.mkdir()
    disturbed = load_settings(lake=str(tmp_path / "disturbed"))
    ended = []
    for turn in range(rounds):  # objects arrive all the time
        write_objects(source, dice, range(turn, objects, rounds))
        faults = [(dice.choice(some), dice.randrange(1, 6)) for some in (FAULTS, KILLS)]
        replace = ["replace"] * (turn % 2)  # by both runs at once, or by none
        pair = [start(disturbed.lake, str(source), *f, *replace) for f in faults]
        if turn:  # while they read
            rewrite_objects(source, dice, range(turn - 1, objects, rounds))
        ended += [process.wait().returncode for process in pair]
        keep_house(disturbed, dice)
    states = {}
    for name in ("disturbed", "undisturbed"):
        with open_lake(load_settings(lake=str(tmp_path / name))) as lake:
            Ingest(lake, Request((str(source),), replace=True)).run()
            states[name] = rows_of(lake)
    assert any(code < 0 for code in ended)  # some were killed
    for table in TABLES:
        assert states["disturbed"][table] == states["undisturbed"][table], table
    assert len(states["undisturbed"]["sources"]) == objects
