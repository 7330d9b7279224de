"""Evidence of one large object: written as it comes, named only when it is complete."""

import functools
import gzip

import pytest

import ingest.staged
import ingest.work
from ingest.decode.decoder import Limits
from ingest.job import Ingest, Request
from lake import evidence
from lake.settings import load_settings
from lake.tables import FLOWS
from tests.lakes import open_lake
from tests.samples import BEGIN, V2, rows_of

LINES = 40_000  # some 5 MB of silences
HELD_BYTES, PART_ROWS = 1 << 20, 1 << 12  # some parts are held, many are not


def write(place):
    place.mkdir()
    silent = "2 123456789010 eni-{} - - - - - - - {} {} - NODATA"
    lines = [V2, *(silent.format(n, BEGIN, BEGIN + 60) for n in range(LINES)), ""]
    body = gzip.compress("\n".join(lines).encode(), compresslevel=1, mtime=0)
    source = place / (
        "123456789010_vpcflowlogs_us-east-1_fl-0123456789abcdef0_20260101T1050Z_1.log.gz"
    )
    source.write_bytes(body)
    return source


@pytest.fixture
def parts_held(monkeypatch):
    """The most evidence that an object has held in memory, in bytes."""
    held = [0]
    real = ingest.staged.Staged.add

    def add(self, decoded):
        real(self, decoded)
        held.append(sum(part.silences.nbytes for part in self._parts))

    monkeypatch.setattr(ingest.staged.Staged, "add", add)
    monkeypatch.setattr(ingest.staged, "HELD_BYTES", HELD_BYTES)
    monkeypatch.setattr(ingest.work, "SMALL_BYTES", 1)
    small_parts = functools.partial(Limits, batch_rows=PART_ROWS)
    monkeypatch.setattr("ingest.decode.decoder.Limits", small_parts)
    return held


def test_evidence_of_a_large_object_is_not_held_until_it_is_complete(
    tmp_path, parts_held
):
    source = write(tmp_path / "source")
    with open_lake(load_settings(lake=str(tmp_path / "lake"))) as lake:
        summary = Ingest(lake, Request((str(source),))).run()
        (snapshot,) = lake.load(FLOWS).snapshots()
        named = evidence.of_snapshot(snapshot)
        rows = rows_of(lake)
    assert (summary.objects, summary.silences) == (1, LINES)
    assert 0 < max(parts_held) < HELD_BYTES
    assert sum(e.rows for e in named if e.ledger == "silences") == LINES
    assert len({e.path for e in named}) == len(named)
    assert len(set(rows["silences"])) == LINES


def test_evidence_of_an_object_that_fails_is_named_by_nothing(
    tmp_path, parts_held, monkeypatch
):
    source = write(tmp_path / "source")
    real = ingest.work.ReadAhead._received

    def broken(self):
        yield from real(self)
        raise ZeroDivisionError

    with open_lake(load_settings(lake=str(tmp_path / "lake"))) as lake:
        with monkeypatch.context() as breaking:
            breaking.setattr(ingest.work.ReadAhead, "_received", broken)
            summary = Ingest(lake, Request((str(source),))).run()
        assert (summary.objects, summary.failed) == (0, 1)
        assert rows_of(lake)["silences"] == []
        assert Ingest(lake, Request((str(source),))).run().silences == LINES
