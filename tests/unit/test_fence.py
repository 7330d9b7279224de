"""One object that breaks the reader fails alone; a lake that breaks ends the run."""

import gzip

import pytest

import ingest.work
from ingest.decode.decoder import Decoder
from ingest.job import Ingest, Request
from lake.errors import LakeError
from lake.settings import load_settings
from tests.lakes import open_lake
from tests.samples import rows_of, write_objects

POISON = b"10.66.66.66"


def run(path, *sources):
    request = Request(tuple(map(str, sources)), settle=False, roll_up=False)
    with open_lake(load_settings(lake=str(path), workers=2)) as lake:
        return Ingest(lake, request).run(), rows_of(lake)


@pytest.fixture
def poisoned(tmp_path, monkeypatch):
    """Objects of which one makes the decoder raise what nobody expects."""
    place = write_objects(tmp_path / "source" / "AWSLogs")
    good = sorted(place.iterdir())
    bad = place / good[2].name.replace("00000002", "0000bad0")
    text = gzip.decompress(good[2].read_bytes()).replace(b"10.0.0.2", POISON)
    bad.write_bytes(gzip.compress(text, mtime=0))
    small, one = Decoder.decode_small, Decoder.decode

    def decode_small(self, bodies):
        if any(
            POISON in gzip.decompress(body)
            for _, body, _ in bodies
            if body[:1] == b"\x1f"
        ):
            raise RecursionError("poison")
        return small(self, bodies)

    def decode(self, source, chunks, tally):
        for decoded in one(self, source, chunks, tally):
            yield decoded
            if "bad0" in source.location:
                raise ZeroDivisionError("poison")

    monkeypatch.setattr(Decoder, "decode_small", decode_small)
    monkeypatch.setattr(Decoder, "decode", decode)
    return good, bad


@pytest.mark.parametrize("small_bytes", [0, 256 * 1024], ids=["large", "small"])
def test_an_object_that_breaks_the_reader_fails_alone(
    tmp_path, poisoned, monkeypatch, small_bytes
):
    good, bad = poisoned
    monkeypatch.setattr(ingest.work, "SMALL_BYTES", small_bytes)
    expected = run(tmp_path / "good", *good)[1]
    summary, rows = run(tmp_path / "all", *good, bad)
    assert rows == expected
    assert (summary.objects, summary.failed, summary.exit_code) == (11, 1, 1)
    assert summary.failures[0].location == str(bad)
    assert "unexpected" in str(summary.failures[0])
    monkeypatch.undo()
    again, _ = run(tmp_path / "all", *good, bad)
    assert (again.objects, again.failed, again.skipped) == (1, 0, 11)


@pytest.mark.parametrize("small_bytes", [0, 256 * 1024], ids=["large", "small"])
@pytest.mark.parametrize("fatal", [MemoryError, KeyboardInterrupt, LakeError])
def test_what_is_no_objects_fault_ends_the_run(
    tmp_path, poisoned, monkeypatch, fatal, small_bytes
):
    def broken(*args):
        raise fatal("not the object")

    monkeypatch.setattr(ingest.work, "SMALL_BYTES", small_bytes)
    monkeypatch.setattr(Decoder, "decode", broken)
    monkeypatch.setattr(Decoder, "decode_small", broken)
    with pytest.raises(fatal):
        run(tmp_path / "lake", *poisoned[0])
