"""What a run says that it did is what the lake holds of it, whoever came between."""

import random

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ingest.batch import Batch
from ingest.job import Ingest, Request
from lake.settings import load_settings
from lake.tables import SOURCES
from tests.lakes import open_lake
from tests.samples import write_objects

COUNTS = ("lines", "headers", "flows", "silences", "quarantined")


def opened(path, **more):
    settings = load_settings(lake=str(path), workers=1, **more)
    return open_lake(settings)


def ingest(lake, *sources):
    return Ingest(
        lake, Request(tuple(map(str, sources)), settle=False, roll_up=False)
    ).run()


def stored(lake, commit_ids):
    """Sum up the rows of `sources` that some batches have brought."""
    rows = lake.load(SOURCES).scan().to_arrow()
    ours = rows.filter(pc.is_in(rows["commit_id"], value_set=commit_ids))
    sums = {name: pc.sum(ours[name]).as_py() or 0 for name in COUNTS}
    return {"objects": ours.num_rows, **sums}


def said(summary):
    return {name: getattr(summary, name) for name in ("objects", *COUNTS)}


@pytest.mark.parametrize("seed", range(8))
def test_the_counts_are_those_of_the_runs_own_commits(tmp_path, monkeypatch, seed):
    dice = random.Random(seed)  # noqa: S311
    names = sorted(write_objects(tmp_path / "source" / "AWSLogs").iterdir())
    real = Batch._commit_head
    ours: list[str] = []
    inside: list[bool] = []

    def overtaken(self, head):
        if not inside and dice.random() < 0.6:
            inside.append(True)
            with opened(tmp_path / "lake") as other:
                ingest(other, *dice.sample(names, dice.randrange(1, 5)))
            inside.clear()
        if not inside:
            ours.append(self.commit_id)
        real(self, head)

    monkeypatch.setattr(Batch, "_commit_head", overtaken)
    with opened(tmp_path / "lake", batch_objects=4) as lake:
        summary = ingest(lake, *dice.sample(names, len(names)))
        assert said(summary) == stored(lake, pa.array(ours))
        assert summary.objects + summary.skipped == len(names)


def test_a_head_that_another_run_takes_first_is_counted_apart(tmp_path, monkeypatch):
    names = sorted(write_objects(tmp_path / "source" / "AWSLogs").iterdir())
    real = Batch._commit_head
    raced: list[bool] = []

    def overtaken(self, head):
        if head.table.name == "tgw_flows" and not raced:
            raced.append(True)
            with opened(tmp_path / "lake") as other:
                ingest(other, names[10])
        real(self, head)

    monkeypatch.setattr(Batch, "_commit_head", overtaken)
    with opened(tmp_path / "lake") as lake:
        summary = ingest(lake, *names)
    assert (summary.objects, summary.skipped, summary.flows) == (10, 1, 241)
