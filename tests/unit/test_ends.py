"""How a run ends that cannot do all it should: what it says, and its exit code."""

import gzip
import json
import os
import subprocess
import sys

import pytest

from lake.catalog import Lake
from lake.settings import load_settings
from tests.processes import flowlake
from tests.samples import BEGIN, V2, record, rows_of, write_objects

LINES = 5_000  # make a file larger than the others'
ONE_A_BATCH = {"FLOWLAKE_BATCH_OBJECTS": "4", "FLOWLAKE_WORKERS": "1"}
SMALL_FILES = (
    "import resource, runpy, sys\n"
    "most = int(sys.argv.pop(1))\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))\n"
    "runpy.run_module('flowlake', run_name='__main__')\n"
)


def command(*arguments, lake, **settings):
    return flowlake(*arguments, lake=lake, cwd=lake.parent, **settings)


def within(most, *arguments, lake, **settings):
    """Run the command where no file may become larger."""
    return subprocess.run(
        [sys.executable, "-c", SMALL_FILES, str(most), *map(str, arguments)],
        env={**os.environ, "FLOWLAKE_LAKE": str(lake), **settings},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=lake.parent,
    )


def rows(path):
    with Lake(load_settings(lake=str(path))) as lake:
        return rows_of(lake)


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """Objects of which the oldest makes a data file larger than the others'."""
    place = write_objects(tmp_path_factory.mktemp("source") / "AWSLogs")
    lines = [V2, *(record(n * 7919 % 65_000, BEGIN - n) for n in range(LINES)), ""]
    name = "123456789010_vpcflowlogs_us-east-1_fl-0a_20251231T0000Z_0000000a.log.gz"
    (place / name).write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    return place


@pytest.fixture(scope="module")
def undisturbed(objects, tmp_path_factory):
    lake = tmp_path_factory.mktemp("undisturbed") / "lake"
    command("ingest", objects, lake=lake, **ONE_A_BATCH)
    return rows(lake)


@pytest.mark.parametrize("most", [10_000, 50_000])
def test_a_disk_that_is_full_is_said_and_costs_nothing(
    objects, undisturbed, tmp_path, most
):
    lake = tmp_path / "lake"
    full = within(most, "ingest", objects, lake=lake, **ONE_A_BATCH)
    told = json.loads(full.stdout)
    assert full.returncode == (1 if told["objects"] else 3), full.stderr
    assert "flowlake: " in full.stderr
    assert "Traceback" not in full.stderr
    again = json.loads(command("ingest", objects, lake=lake, **ONE_A_BATCH).stdout)
    assert told["objects"] + again["objects"] == 12
    assert told["flows"] + again["flows"] == 242 + LINES
    assert rows(lake) == undisturbed


@pytest.mark.parametrize(
    "words",
    [
        ("--since", "999999999d"),
        ("--until", "99999999999999h"),
        ("--slack", "99999999999d"),
        ("--since", "0001-01-01T00:00:00+05:00"),
        ("--since", "2026-01-02", "--until", "2026-01-01"),
        ("--since", "²d"),
        ("--shard", "²/3"),
    ],
)
def test_words_that_mean_nothing_are_wrong_usage(tmp_path, words):
    done = command("ingest", tmp_path, *words, lake=tmp_path / "lake")
    assert (done.returncode, done.stdout) == (2, "")
    assert words[0] in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_that_cannot_be_read_are_named(tmp_path):
    done = command("settings", lake=tmp_path / "lake", FLOWLAKE_CATALOG="xx")
    assert done.returncode == 2
    assert done.stderr.startswith("flowlake: FLOWLAKE_CATALOG: ")
    for text in (b"lake = = 3", b"\xff\xfe"):
        (tmp_path / "flowlake.toml").write_bytes(text)
        done = command("settings", lake=tmp_path / "lake")
        assert done.returncode == 2
        assert done.stderr.startswith("flowlake: flowlake.toml cannot be read: ")


def test_a_dry_run_makes_nothing_and_says_what_failed(objects, tmp_path):
    lake, nowhere = tmp_path / "lake", tmp_path / "nowhere"
    told = {}
    for name, places, code in (
        ("all", [objects], 0),
        ("some", [nowhere, objects], 1),
        ("none", [nowhere], 3),
    ):
        done = command("ingest", "--dry-run", *places, lake=lake)
        told[name] = json.loads(done.stdout)
        assert done.returncode == code
        assert ("no such file" in done.stderr) == (code > 0)
    assert [told[name]["objects"] for name in told] == [12, 12, 0]
    assert [told[name]["failed"] for name in told] == [0, 1, 1]
    assert not lake.exists()


def test_a_command_that_cannot_be_imported_ends_as_any_run_does():
    broken = "import sys, flowlake; flowlake.COMMANDS['gc'] = ('no_such', '', '');"
    told = f"{broken} sys.argv = ['flowlake', 'gc']; flowlake.main()"
    done = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=False
    )
    ended = json.loads(done.stderr.splitlines()[0])
    assert (ended["event"], ended["exit_code"]) == ("run_ended", 3)
    assert (done.returncode, done.stdout) == (3, "")
