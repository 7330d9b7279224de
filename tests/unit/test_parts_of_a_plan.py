"""A listing of any length is planned part by part, and the lake ends the same."""

import shutil
import tracemalloc

import pytest

from ingest import fetch
from ingest import plan as planning
from ingest.job import Ingest, Request
from ingest.known import Known
from ingest.stop import Stop
from lake.errors import SourceUnavailable
from lake.settings import load_settings
from tests.lakes import open_lake
from tests.samples import rows_of, write_objects
from tests.unit.test_objects import names

COUNTS = ("objects", "skipped", "copies", "failed", "rewritten", "lines", "flows",
          "silences", "quarantined", "whole")  # fmt: skip


@pytest.fixture
def logs(tmp_path):
    """Objects of several kinds, and copies of them that are listed much later."""
    logs = tmp_path / "logs"
    write_objects(logs / "a")
    for path in sorted((logs / "a").iterdir())[:7]:
        path.unlink()
    shutil.copytree(logs / "a", logs / "b")
    return logs


@pytest.fixture
def in_parts(monkeypatch):
    """Let every two objects be a part of their own."""
    monkeypatch.setattr(planning, "WINDOW", 2)
    monkeypatch.setattr(planning, "PLANNED", 2)
    monkeypatch.setattr("ingest.listing.PAGE", 2)


def run(lake, *sources, stop=None, **more):
    settings = load_settings(lake=str(lake), workers=1)
    request = Request(tuple(map(str, sources)), settle=False, roll_up=False, **more)
    plans: list[planning.Plan] = []
    with open_lake(settings) as opened:
        done = Ingest(opened, request, on_plan=plans.append, stop=stop).run()
        rows = rows_of(opened)
    return {name: getattr(done, name) for name in COUNTS}, rows, plans


def test_the_lake_and_the_summary_are_those_of_one_plan(logs, tmp_path, in_parts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "PLANNED", 1000)
        whole = run(tmp_path / "whole", logs)
    parted = run(tmp_path / "parted", logs)
    assert (len(whole[2]), len(parted[2])) == (1, 3)  # the last one is of copies
    assert parted[:2] == whole[:2]
    assert (parted[0]["objects"], parted[0]["copies"]) == (4, 4)


def test_a_copy_is_read_in_place_of_one_that_could_not_be(
    logs, tmp_path, in_parts, monkeypatch
):
    real = fetch._local

    def local(source, size):
        if "/a/" in source.location:
            raise SourceUnavailable(source.location, "not now")
        return real(source, size)

    monkeypatch.setattr(fetch, "_local", local)
    counts, rows, _ = run(tmp_path / "lake", logs)
    assert (counts["failed"], counts["objects"], len(rows["sources"])) == (4, 4, 4)


def test_what_was_written_again_is_replaced_once(logs, tmp_path, in_parts):
    run(tmp_path / "lake", logs / "a")
    one, other, *_ = sorted((logs / "a").iterdir())
    one.write_bytes(other.read_bytes())
    counts, rows, _ = run(tmp_path / "lake", logs / "a", replace=True)
    assert (counts["rewritten"], counts["objects"]) == (1, 1)
    again, same, _ = run(tmp_path / "lake", logs / "a", replace=True)
    assert (again["rewritten"], again["objects"], same) == (0, 0, rows)


def test_asked_to_stop_it_lists_no_further(logs, tmp_path, in_parts):
    stop = Stop()
    settings = load_settings(lake=str(tmp_path / "lake"), workers=1)
    seen = []

    def ask(plan):
        seen.append(plan)
        stop.ask()

    with open_lake(settings) as opened:
        request = Request((str(logs),), settle=False, roll_up=False)
        done = Ingest(opened, request, on_plan=ask, stop=stop).run()
    assert (done.objects, len(seen)) == (0, 2)


class Nothing(Known):
    """A lake that knows nothing, however much is asked."""

    def __init__(self):
        pass

    def find(self, day, sources):
        return {}


def peak_of(accounts):
    """Return the bytes held at most while 200 keys an account are planned in parts."""
    tracemalloc.start()
    parts = planning.plan_in_parts(Nothing, names(accounts, 2, 100))
    planned = sum(len(plan.new) for _, plan in parts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert planned == 200 * accounts
    return peak


def test_memory_does_not_grow_with_the_length_of_a_listing(monkeypatch):
    monkeypatch.setattr(planning, "WINDOW", 250)
    monkeypatch.setattr(planning, "PLANNED", 500)
    monkeypatch.setattr(planning, "LOT", 100)
    assert (peak_of(20) - peak_of(10)) / 2_000 < 8  # bytes a key, of 120 if all waited
